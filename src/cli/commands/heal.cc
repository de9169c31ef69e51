// heal: gets back from a copy what the repository has lost.
#include "proof/heal.h"

#include <algorithm>
#include <set>

#include "base/units.h"
#include "cli/commands/proof.h"
#include "cli/connect_flow.h"
#include "cli/format.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

using enum ValueType;
using proof::HealAction;
using proof::HealOutcome;

// A directory, a configuration file of another connection, or a token.
Result<blob::ConnectionInfo> copy_connection(const std::string& from) {
  if (sys::is_directory(from)) {
    TRY_ASSIGN(std::string path, sys::absolute_path(from));
    return blob::ConnectionInfo{"filesystem", Json::object({{"path", std::move(path)}})};
  }
  if (sys::file_exists(from)) {
    TRY_ASSIGN(const repo::LocalConfig config, repo::LocalConfig::load(from), "configuration of the copy");
    if (!config.storage) {
      return error(Code::unsupported, "{} is a connection to a repository server: connect to the copy's storage", from);
    }
    return *config.storage;
  }
  auto token = repo::decode_token(from);
  if (!token.ok()) {
    return error(Code::invalid_argument,
                 "--from is neither a directory, nor a configuration file, nor a token (repository status -t)");
  }
  wipe(token->password);
  return std::move(token->storage);
}

struct Storages {
  repo::LocalConfig config;
  std::shared_ptr<blob::Storage> ours, copy;
};

Result<Storages> open_storages(Context& context, const ParsedCommand& command, bool dry_run) {
  Storages s;
  TRY_ASSIGN(s.config, repo::LocalConfig::load(context.config_path()));
  if (!s.config.storage) {
    return error(Code::unsupported, "connected to a repository server: heal needs a connection to the storage");
  }
  if (s.config.client.readonly && !dry_run) {
    return error(Code::permission_denied,
                 "the repository is connected read-only: repository set-client --read-write, or --dry-run");
  }
  TRY_ASSIGN(const blob::ConnectionInfo copy, copy_connection(command.text("from")));
  const bool same_path = copy.type == "filesystem" && s.config.storage->type == copy.type &&
                         copy.config["path"].as_string() == s.config.storage->config["path"].as_string();
  if (same_path || copy.to_json() == s.config.storage->to_json()) {
    return error(Code::invalid_argument, "--from names the repository itself");
  }
  TRY_ASSIGN(s.ours, blob::open_storage(*s.config.storage, {.create = false, .read_only = dry_run}, context.stop()),
             "cannot open storage");
  TRY_ASSIGN(auto opened, blob::open_storage(copy, {.create = false, .read_only = true}, context.stop()),
             "cannot open the copy");
  s.copy = blob::with_retry(std::move(opened), {});
  return s;
}

std::string action_text(const HealAction& a) {
  std::string text = fmt::format("{}: {} ({})", a.blob.text, proof::outcome_name(a.outcome), a.reason);
  return a.detail.empty() ? text : text + ": " + a.detail;
}

Json result_json(const std::vector<HealAction>& actions, const std::vector<proof::Damage>& remaining, bool dry_run) {
  Json list = Json::array();
  for (const HealAction& a : actions) {
    Json item = Json::object(
        {{"blob", a.blob.text}, {"outcome", proof::outcome_name(a.outcome)}, {"reason", a.reason}, {"bytes", a.bytes}});
    item.set_omitempty("detail", a.detail);
    list.push_back(std::move(item));
  }
  Json damages = Json::array();
  for (const proof::Damage& d : remaining) {
    damages.push_back(proof::damage_json(d));
  }
  return Json::object({{"dryRun", dry_run}, {"actions", std::move(list)}, {"remainingDamages", std::move(damages)}});
}

bool is_done(const HealAction& a) {
  return a.outcome != HealOutcome::not_in_copy && a.outcome != HealOutcome::copy_damaged;
}

// A dry run has stored nothing: what it would heal is damage no more.
void forget_healed(std::vector<proof::Damage>& damages, const std::vector<HealAction>& actions) {
  std::set<BlobId> done;
  for (const HealAction& a : actions) {
    if (is_done(a)) {
      done.insert(a.blob);
    }
  }
  std::erase_if(damages, [&](const proof::Damage& d) { return done.contains(d.pack); });
}

Result<std::unique_ptr<repo::Repository>> open_healed(Context& context, const Storages& storages,
                                                      const std::shared_ptr<proof::PatchedStorage>& patched,
                                                      const std::string& password, bool dry_run) {
  if (!dry_run || patched->empty()) {
    return context.open_repository({.read_only = dry_run, .defer_indexes = true});
  }
  repo::OpenOptions options = context.open_options();
  options.read_only = options.defer_indexes = true;
  return repo::Repository::open_direct(patched, password, storages.config.client, {}, options, context.stop());
}

Status run_heal(Context& context, const ParsedCommand& command) {
  proof::HealOptions options;
  options.dry_run = command.boolean("dry-run");
  options.full = command.boolean("full");
  options.replace_format = command.boolean("replace-format-blob");
  options.parallel = static_cast<unsigned>(std::clamp<std::int64_t>(command.integer("parallel"), 1, 64));
  TRY_ASSIGN(const Storages storages, open_storages(context, command, options.dry_run));
  TRY_ASSIGN(std::string password, context.password_of_connection());
  const bool json = command.boolean("json");
  std::vector<HealAction> actions;
  const proof::OnHeal on_heal = [&](const HealAction& a) {
    actions.push_back(a);
    if (!json) {
      context.print("{}\n", action_text(a));
    }
  };
  const auto patched = std::make_shared<proof::PatchedStorage>(storages.ours);
  const Status format =
      proof::heal_format(*storages.ours, *storages.copy, password, options, *patched, on_heal, context.stop());
  auto opened = format.ok() ? open_healed(context, storages, patched, password, options.dry_run)
                            : Result<std::unique_ptr<repo::Repository>>(format);
  wipe(password);
  TRY_ASSIGN(const auto repository, std::move(opened));
  for (const HealAction& a : actions) {
    log::write(log::Level::info, "heal", action_text(a));
  }
  if (!actions.empty() && !options.dry_run) {
    forget_cached_format(context, *repository);
  }
  proof::VerifyCallbacks callbacks;
  callbacks.on_chosen = [&](const proof::ReadCount& c) {
    context.notice("Reading {} packs ({})...", c.blobs, bytes_text(c.bytes));
  };
  callbacks.on_walk = [&] { context.notice("Looking through the snapshots..."); };
  TRY_ASSIGN(proof::VerifyReport rest,
             proof::heal_blobs(*repository, *storages.copy, options, callbacks, on_heal, context.stop()));
  if (options.dry_run) {
    forget_healed(rest.damages, actions);
  }
  if (json) {
    print_json(context, command, result_json(actions, rest.damages, options.dry_run));
  } else {
    for (const proof::Damage& d : rest.damages) {
      context.print("{}\n", proof::damage_text(d));
    }
    const auto done = std::ranges::count_if(actions, is_done);
    context.print("{} blobs {}, {} could not be, {} damages remain.\n", done,
                  options.dry_run ? "would be healed" : "healed", std::ssize(actions) - done, rest.damages.size());
  }
  if (!rest.damages.empty() || !std::ranges::all_of(actions, is_done)) {
    return error(Code::corrupt, "the repository is still damaged");
  }
  return {};
}

}  // namespace

void add_heal(CommandTable& table) {
  std::vector<FlagSpec> flags = {
      {.name = "from",
       .type = text,
       .env = "CAIRN_HEAL_FROM",
       .help = "The copy: its directory, the configuration file of a connection to it, or a token",
       .required = true,
       .placeholder = "COPY"},
      {.name = "full", .help = "Find damage by reading every pack; otherwise by the list of packs and by the indexes"},
      {.name = "dry-run", .short_name = 'n', .help = "Fetch and check, but write nothing"},
      {.name = "replace-format-blob",
       .help = "Take the copy's format blob for one that is there and does not open with the password"},
      {.name = "parallel", .type = integer, .default_value = "4", .help = "Blobs read at once"}};
  append_flags(flags, json_flags());
  table.add({.path = "heal",
             .help = "Fetch what is missing or damaged from a copy made by repository sync-to, check it and replace it",
             .flags = std::move(flags),
             .run = run_heal});
}

}  // namespace cairn::cli
