// repository upgrade: to the newest format, while other clients may be using the repository.
#include "cli/commands/commands.h"
#include "cli/connect_flow.h"
#include "repo/format_upgrade.h"

namespace cairn::cli {
namespace {

using enum ValueType;
using format::UpgradeLock;

Status check_enabled(const Context& context) {
  return context.upgrade_lock_enabled()
             ? Status()
             : error(
                   Code::failed_precondition,
                   "{}: error: please set \"KOPIA_UPGRADE_LOCK_ENABLED\" env variable to use this feature, try --help",
                   context.program());
}

// Who upgrades: --upgrade-owner-id, else this connection's identity.
Result<std::string> upgrade_owner(Context& context) {
  std::string owner = context.open_options().upgrade_owner_id;
  if (owner.empty()) {
    TRY_ASSIGN(const repo::LocalConfig config, repo::LocalConfig::load(context.config_path()), "open repository");
    owner = config.client.username + "@" + config.client.hostname;
  }
  if (owner.find('/') != std::string::npos) {
    return error(Code::invalid_argument, "the owner of an upgrade is part of a blob name and may not contain '/'");
  }
  return owner;
}

Result<UpgradeLock> wanted_lock(const ParsedCommand& command, const std::string& owner, int version) {
  UpgradeLock lock;
  lock.owner_id = owner;
  lock.creation_time = system_clock().now();
  lock.advance_notice = command.duration("advance-notice");
  lock.io_drain_timeout = command.duration("io-drain-timeout");
  lock.status_poll_interval = command.duration("status-poll-interval");
  lock.max_permitted_clock_drift = command.duration("max-permitted-clock-drift");
  lock.message = fmt::format("Upgrading from format version {} -> {}", version, format::kVersionMax);
  if (lock.io_drain_timeout < format::kCacheDurationMax && !command.boolean("allow-unsafe-upgrade")) {
    return error(Code::invalid_argument,
                 "--io-drain-timeout must be at least {}: for so long clients may not have seen the lock",
                 go_duration(format::kCacheDurationMax));
  }
  return lock;
}

Status compare(Context& context, repo::Repository& repository) {
  TRY_ASSIGN(const repo::IndexComparison c, repo::compare_indexes(repository, context.stop()));
  if (!c.equal()) {
    return error(Code::corrupt, "of {} entries of the former index {} are missing and {} differ", c.former, c.missing,
                 c.other);
  }
  context.notice("index validation succeeded");
  return {};
}

Status upgrade_locked(Context& context, repo::Repository& repository, const std::string& owner) {
  const auto waiting = [&](Duration left) {
    constexpr std::int64_t kSecond = seconds(1).ns;
    context.notice("Waiting for {} to allow all other kopia clients to drain ...",
                   go_duration(seconds((left.ns + kSecond / 2) / kSecond)));
  };
  TRY(repo::wait_for_drained_writers(repository, owner, waiting, context.stop()));
  context.notice("Successfully drained all repository clients, the lock has been fully-established now.");
  const bool migrate = !repository.format().current()->epoch.enabled;
  if (migrate) {
    context.notice("migrating current indices to epoch format");
    TRY(repo::upgrade_indexes(repository, context.stop()), "error upgrading indices");
    forget_cached_format(context, repository);
    context.notice("Repository indices have been upgraded.");
    TRY(compare(context, repository));
  }
  TRY(repo::commit_upgrade(repository, context.stop()), "unable to commit the upgrade");
  forget_cached_format(context, repository, false);
  context.notice("Repository has been successfully upgraded.");
  return {};
}

Status run_begin(Context& context, const ParsedCommand& command) {
  TRY(check_enabled(context));
  TRY_ASSIGN(const std::string owner, upgrade_owner(context));
  TRY_ASSIGN(const auto repository, context.open_repository({.upgrade_owner = owner}));
  const auto now = repository->format().current();
  if (now->version >= format::kVersionMax && now->epoch.enabled && !now->upgrade_lock) {
    context.notice("Repository format is already upgraded.");
    return repo::remove_upgrade_backups(*repository, context.stop());
  }
  TRY_ASSIGN(const UpgradeLock lock, wanted_lock(command, owner, now->version));
  TRY(repo::place_upgrade_lock(*repository, lock, context.stop()), "unable to place the upgrade lock");
  forget_cached_format(context, *repository, false);
  context.notice("Repository upgrade lock intent has been placed.");
  if (command.boolean("lock-only")) {
    return {};
  }
  Status status = upgrade_locked(context, *repository, owner);
  if (!status.ok()) {
    context.warn(
        "The upgrade lock stays. Run '{0} repository upgrade begin' again to go on, '{0} repository upgrade rollback' "
        "to "
        "give up.",
        context.program());
  }
  return status;
}

Status run_rollback(Context& context, const ParsedCommand& command) {
  TRY(check_enabled(context));
  TRY_ASSIGN(std::string owner, upgrade_owner(context));
  if (command.boolean("force")) {
    TRY_ASSIGN(std::string password, context.password_of_connection(), "open repository: get password");
    auto found = repo::upgrade_lock_owner(context.config_path(), password, context.stop());
    wipe(password);
    TRY_ASSIGN(owner, std::move(found), "open repository");
  }
  TRY_ASSIGN(const auto repository, context.open_repository({.upgrade_owner = owner}));
  TRY(repo::rollback_upgrade(*repository, owner, context.stop()), "unable to roll back");
  forget_cached_format(context, *repository);
  context.notice("Repository upgrade lock has been revoked; the former format is in force again.");
  return {};
}

Status run_validate(Context& context, const ParsedCommand&) {
  TRY(check_enabled(context));
  TRY_ASSIGN(const std::string owner, upgrade_owner(context));
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true, .upgrade_owner = owner}));
  return compare(context, *repository);
}

}  // namespace

void add_repository_upgrade(CommandTable& table) {
  table.add({.path = "repository upgrade",
             .help = "Bring the repository to the newest format, under a lock",
             .hidden = true});
  table.add({.path = "repository upgrade begin",
             .help = "Lock the repository, wait until no other client writes, upgrade; or go on with that",
             .flags = {{.name = "io-drain-timeout",
                        .type = duration,
                        .default_value = "15m0s",
                        .help = "How long clients may take to see the lock, and again to end their writes"},
                       {.name = "status-poll-interval",
                        .type = duration,
                        .default_value = "60s",
                        .help = "How often the lock is looked at while waiting"},
                       {.name = "max-permitted-clock-drift",
                        .type = duration,
                        .default_value = "5m0s",
                        .help = "How far the clocks of clients may be apart"},
                       {.name = "advance-notice",
                        .type = duration,
                        .help = "Announce the upgrade this long before it begins",
                        .hidden = true},
                       {.name = "lock-only", .help = "Place the lock, upgrade later", .hidden = true},
                       {.name = "allow-unsafe-upgrade",
                        .help = "Accept times in which clients may not see the lock",
                        .hidden = true}},
             .run = run_begin});
  table.add({.path = "repository upgrade rollback",
             .help = "Give up an upgrade that has not ended, and restore the former format",
             .flags = {{.name = "force", .help = "Also when someone else has begun it"}},
             .run = run_rollback});
  table.add({.path = "repository upgrade validate",
             .help = "Compare the index with that of the former format, right after an upgrade",
             .run = run_validate});
}

}  // namespace cairn::cli
