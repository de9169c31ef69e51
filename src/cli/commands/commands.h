// One function a command file: adds its rows to the table. all_commands.cc calls them in order.
#pragma once

#include "cli/command_table.h"

namespace cairn::cli {

void add_global_flags(CommandTable& table);

void add_benchmark_crypto(CommandTable& table);
void add_benchmark_data(CommandTable& table);
void add_blob_list(CommandTable& table);
void add_blob_shards(CommandTable& table);
void add_blob_show(CommandTable& table);
void add_cache(CommandTable& table);
void add_cache_fetch(CommandTable& table);
void add_content_list(CommandTable& table);
void add_content_show(CommandTable& table);
void add_content_stats(CommandTable& table);
void add_content_verify(CommandTable& table);
void add_index_epoch(CommandTable& table);
void add_index_inspect(CommandTable& table);
void add_index_list(CommandTable& table);
void add_diff(CommandTable& table);
void add_index_recover(CommandTable& table);
void add_list(CommandTable& table);
void add_maintenance(CommandTable& table);
void add_logs(CommandTable& table);
void add_maintenance_steps(CommandTable& table);
void add_manifest_list(CommandTable& table);
void add_manifest_show(CommandTable& table);
void add_mount(CommandTable& table);
void add_notification_profile(CommandTable& table);
void add_notification_template(CommandTable& table);
void add_policy_delete(CommandTable& table);
void add_policy_edit(CommandTable& table);
void add_policy_export(CommandTable& table);
void add_policy_import(CommandTable& table);
void add_policy_list(CommandTable& table);
void add_policy_set(CommandTable& table);
void add_policy_show(CommandTable& table);
void add_repository_connect(CommandTable& table);
void add_repository_create(CommandTable& table);
void add_repository_disconnect(CommandTable& table);
void add_repository_repair(CommandTable& table);
void add_repository_set_client(CommandTable& table);
void add_repository_status(CommandTable& table);
void add_repository_change_password(CommandTable& table);
void add_repository_set_parameters(CommandTable& table);
void add_repository_throttle(CommandTable& table);
void add_repository_sync_to(CommandTable& table);
void add_repository_upgrade(CommandTable& table);
void add_restore(CommandTable& table);
void add_server_acl(CommandTable& table);
void add_server_control(CommandTable& table);
void add_server_users(CommandTable& table);
void add_session_list(CommandTable& table);
void add_show(CommandTable& table);
void add_snapshot_create(CommandTable& table);
void add_snapshot_delete(CommandTable& table);
void add_snapshot_estimate(CommandTable& table);
void add_snapshot_expire(CommandTable& table);
void add_snapshot_fix(CommandTable& table);
void add_snapshot_history(CommandTable& table);
void add_snapshot_list(CommandTable& table);
void add_snapshot_migrate(CommandTable& table);
void add_snapshot_pin(CommandTable& table);
void add_snapshot_verify(CommandTable& table);
void add_later_commands(CommandTable& table);

}  // namespace cairn::cli
