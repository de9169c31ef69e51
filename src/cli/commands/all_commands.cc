#include "cli/commands/commands.h"
#include "cli/commands/copies.h"
#include "cli/commands/proof.h"

namespace cairn::cli {
namespace {

void add_groups(CommandTable& table) {
  table.add({.path = "blob", .help = "Commands on blobs of the storage", .hidden = true});
  table.add({.path = "cache", .help = "Commands on the local cache", .hidden = true});
  table.add(
      {.path = "content", .help = "Commands on contents of the repository", .aliases = {"contents"}, .hidden = true});
  table.add({.path = "index", .help = "Commands on content indexes", .hidden = true});
  table.add({.path = "manifest", .help = "Commands on manifests", .hidden = true});
  table.add({.path = "policy", .help = "Commands on policies", .aliases = {"policies"}});
  table.add({.path = "repository", .help = "Commands on the repository and the connection to it", .aliases = {"repo"}});
  table.add({.path = "snapshot", .help = "Commands on snapshots", .aliases = {"snap"}});
}

CommandTable build() {
  CommandTable table;
  add_global_flags(table);
  add_groups(table);
  for (const auto add : {
           add_benchmark_crypto,
           add_benchmark_data,
           add_blob_list,
           add_blob_shards,
           add_blob_show,
           add_cache,
           add_cache_fetch,
           add_content_list,
           add_content_show,
           add_content_stats,
           add_content_verify,
           add_index_epoch,
           add_index_inspect,
           add_index_list,
           add_diff,
           add_heal,
           add_index_recover,
           add_list,
           add_maintenance,
           add_logs,
           add_maintenance_steps,
           add_manifest_list,
           add_manifest_show,
           add_mount,
           add_notification_profile,
           add_notification_template,
           add_policy_delete,
           add_policy_edit,
           add_policy_export,
           add_policy_import,
           add_policy_list,
           add_policy_set,
           add_policy_show,
           add_repository_connect,
           add_repository_create,
           add_repository_disconnect,
           add_repository_repair,
           add_repository_replicate,
           add_repository_set_client,
           add_repository_status,
           add_repository_change_password,
           add_repository_set_parameters,
           add_repository_sync_to,
           add_repository_throttle,
           add_repository_upgrade,
           add_repository_validate_provider,
           add_restore,
           add_server_users,  // before other commands of the group
           add_server_acl,
           add_server_control,
           add_session_list,
           add_show,
           add_snapshot_create,
           add_snapshot_delete,
           add_snapshot_estimate,
           add_snapshot_expire,
           add_snapshot_fix,
           add_snapshot_history,
           add_snapshot_list,
           add_snapshot_migrate,
           add_snapshot_pin,
           add_snapshot_verify,
           add_status,
           add_verify,
           add_later_commands,
       }) {
    add(table);
  }
  return table;
}

}  // namespace

const CommandTable& command_table() {
  static const CommandTable table = build();
  return table;
}

}  // namespace cairn::cli
