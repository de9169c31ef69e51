#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/format.h"
#include "cli/request_counts.h"
#include "maintenance/ownership.h"

namespace cairn::cli {
namespace {

constexpr std::string_view kSensitive[] = {"secretAccessKey", "sessionToken", "webIdentityToken", "key",
                                           "storageKey",      "sasToken",     "ClientSecret",     "credentials",
                                           "password",        "keyData"};

// Secret strings become asterisks of the same length, other secret values go.
Json without_secrets(const Json& config) {
  Json shown = Json::object();
  for (const auto& [name, value] : config.members()) {
    bool secret = false;
    for (const std::string_view each : kSensitive) {
      secret = secret || equals_ignore_case(each, name);
    }
    if (!secret) {
      shown.set(name, value);
    } else if (value.is_string()) {
      shown.set(name, std::string(value.as_string().size(), '*'));
    }
  }
  return shown;
}

Duration format_cache_duration(const repo::ClientOptions& client) {
  return client.format_blob_cache_duration.ns == 0 ? minutes(15) : client.format_blob_cache_duration;
}

std::string description(repo::Repository& repository) {
  const std::string& text = repository.client().description;
  return text.empty() ? "Repository in " + repository.storage().display_name() : text;
}

Json client_json(repo::Repository& repository) {
  const repo::ClientOptions& client = repository.client();
  Json json = Json::object();
  json.set("hostname", client.hostname);
  json.set("username", client.username);
  json.set_omitempty("readonly", client.readonly);
  json.set_omitempty("permissiveCacheLoading", client.permissive_cache_loading);
  json.set_omitempty("description", description(repository));
  json.set("enableActions", client.enable_actions);
  json.set_omitempty("formatBlobCacheDuration", format_cache_duration(client).ns);
  if (!client.throttling_limits.is_null()) {
    json.set("throttlingLimits", client.throttling_limits);
  }
  return json;
}

Json status_json(Context& context, repo::Repository& repository, const format::Parameters& format) {
  Json json = Json::object();
  json.set("configFile", context.config_path());
  json.set("uniqueIDHex", repository.format().unique_id_hex());
  json.set("clientOptions", client_json(repository));
  const blob::ConnectionInfo info = repository.storage().connection_info();
  json.set("storage", Json::object({{"type", info.type}, {"config", without_secrets(info.config)}}));
  if (const auto capacity = repository.storage().capacity(); capacity.ok()) {
    json.set("volume", Json::object({{"capacity", capacity->total_bytes}, {"available", capacity->free_bytes}}));
  } else {
    json.set("storageRequests", request_counts_json(repository));
  }
  Json content = Json::object();
  content.set("hash", format.hash);
  content.set("encryption", format.encryption);
  content.set_omitempty("ecc", format.ecc_overhead_percent > 0 ? format.ecc : "");
  content.set_omitempty("eccOverheadPercent", format.ecc_overhead_percent);
  content.set_omitempty("version", format.version);
  content.set_omitempty("maxPackSize", format.max_pack_size);
  content.set_omitempty("indexVersion", format.index_version);
  content.set("epochParameters", format.epoch.to_json());
  content.set("enablePasswordChange", format.enable_password_change);
  json.set("contentFormat", std::move(content));
  json.set("objectFormat", Json::object({{"splitter", format.splitter}}));
  const format::BlobConfig retention = repository.format().blob_config();
  Json lock = Json::object();
  lock.set_omitempty("retentionMode", retention.retention_mode);
  lock.set_omitempty("retentionPeriod", retention.retention_period.ns);
  json.set("blobRetention", std::move(lock));
  return json;
}

void print_connection(Context& context, repo::Repository& repository) {
  const repo::ClientOptions& client = repository.client();
  context.print("Config file:         {}\n\n", context.config_path());
  context.print("Description:         {}\n", description(repository));
  context.print("Hostname:            {}\n", client.hostname);
  context.print("Username:            {}\n", client.username);
  context.print("Read-only:           {}\n", client.readonly);
  const Duration cache = format_cache_duration(client);
  context.print("Format blob cache:   {}\n", cache.ns <= 0 ? "disabled" : go_duration(cache));
}

void print_storage(Context& context, repo::Repository& repository) {
  const blob::ConnectionInfo info = repository.storage().connection_info();
  context.print("\nStorage type:        {}\n", info.type);
  if (const auto capacity = repository.storage().capacity(); capacity.ok()) {
    context.print("Storage capacity:    {}\n", bytes_text(capacity->total_bytes));
    context.print("Storage available:   {}\n", bytes_text(capacity->free_bytes));
  } else {
    context.print("Storage capacity:    unbounded\n");
  }
  context.print("Storage config:      {}\n", without_secrets(info.config).dump(2, std::string(21, ' ')));
  if (!repository.storage().capacity().ok()) {
    context.print("Storage requests:    {}\n", request_counts_json(repository).dump());
  }
}

void print_format(Context& context, repo::Repository& repository, const format::Parameters& format) {
  context.print("\nUnique ID:           {}\n", repository.format().unique_id_hex());
  context.print("Hash:                {}\n", format.hash);
  context.print("Encryption:          {}\n", format.encryption);
  context.print("Splitter:            {}\n", format.splitter);
  context.print("Format version:      {}\n", format.version);
  context.print("Content compression: {}\n", format.index_version >= 2);
  context.print("Password changes:    {}\n", format.enable_password_change);
  if (!format.required_features.empty()) {
    context.print("Required Features:  ");
    for (const format::RequiredFeature& feature : format.required_features) {
      context.print(" {}", feature.feature);
    }
    context.print("\n");
  }
  context.print("Max pack length:     {}\n", bytes_text(format.max_pack_size));
  context.print("Index Format:        v{}\n", format.index_version);
}

Status print_epochs(Context& context, repo::Repository& repository, const format::Parameters& format) {
  index::EpochManager* epochs = repository.contents().epochs();
  if (epochs == nullptr) {
    context.print("Epoch Manager:       disabled\n");
    return {};
  }
  TRY_ASSIGN(const index::EpochState state, epochs->state(context.stop()), "error determining current epoch");
  const format::EpochParameters& p = format.epoch;
  context.print("\nEpoch Manager:       enabled\nCurrent Epoch: {}\n\n", state.write_epoch);
  context.print("Epoch refresh frequency: {}\n", go_duration(p.refresh_frequency));
  context.print("Epoch advance on:        {} blobs or {}, minimum {}\n", p.advance_on_count,
                bytes_text(p.advance_on_total_size_bytes), go_duration(p.min_epoch_duration));
  context.print("Epoch cleanup margin:    {}\n", go_duration(p.cleanup_safety_margin));
  context.print("Epoch range-compaction every: {} epochs\n", p.full_checkpoint_frequency);
  return {};
}

void print_locks(Context& context, repo::Repository& repository, const format::Parameters& format) {
  const format::BlobConfig retention = repository.format().blob_config();
  if (retention.enabled()) {
    context.print("\nBlob retention mode:     {}\n", retention.retention_mode);
    context.print("Blob retention period:   {}\n", go_duration(retention.retention_period));
  }
  if (format.upgrade_lock && !format.upgrade_lock->owner_id.empty()) {
    const format::UpgradeLock& lock = *format.upgrade_lock;
    const Timestamp now = repository.clock().now();
    context.print("\nOngoing upgrade:     {}\n", lock.message);
    context.print("Upgrade Time:        {}\n", display_time(lock.upgrade_time()));
    context.print("Upgrade Owner:       {}\n", lock.owner_id);
    context.print("Upgrade lock:        {}\n", lock.locked(now) ? "Locked" : "Unlocked");
    context.print("Lock status:         {}\n", lock.writers_drained(now) ? "Fully Established" : "Draining");
  }
}

Status print_token(Context& context, const ParsedCommand& command, repo::Repository& repository) {
  if (!command.boolean("reconnect-token")) {
    return {};
  }
  repo::Token token{repository.storage().connection_info(), ""};
  const bool with_password = command.boolean("reconnect-token-with-password");
  if (with_password) {
    TRY_ASSIGN(token.password, context.password_of_connection());
  }
  context.print("\nTo reconnect to the repository use:\n\n$ {} repository connect from-config --token {}\n\n",
                context.program(), repo::encode_token(token));
  if (with_password) {
    context.print(
        "NOTICE: The token printed above can be trivially decoded to reveal the repository password. Do not store "
        "it in an unsecured place.\n");
  }
  wipe(token.password);
  return {};
}

// How many index blobs a reader opens, and how long that took.
struct IndexHealth {
  std::int64_t blobs = 0, bytes = 0, epochs = 0, uncompacted_epochs = 0;
  std::size_t contents = 0;
  double open_seconds = 0;
};

Result<IndexHealth> index_health(Context& context, repo::Repository& repository, double open_seconds) {
  IndexHealth health;
  health.open_seconds = open_seconds;
  health.contents = repository.contents().count();
  TRY_ASSIGN(const index::ActiveSet active, repository.contents().indexes().active(context.stop()),
             "error listing index blobs");
  for (const blob::BlobMetadata& b : active.blobs) {
    ++health.blobs;
    health.bytes += b.length;
  }
  if (index::EpochManager* epochs = repository.contents().epochs(); epochs != nullptr) {
    TRY_ASSIGN(const index::EpochState state, epochs->state(context.stop()), "error determining current epoch");
    health.epochs = state.write_epoch + 1;
    for (const auto& set : state.uncompacted) {
      health.uncompacted_epochs += set.blobs.empty() ? 0 : 1;
    }
  }
  return health;
}

// Never fails the command: what it cannot read others report.
std::vector<std::string> maintenance_concerns(Context& context, repo::Repository& repository) {
  const auto parameters = maintenance::load_parameters(repository.manifests(), context.stop());
  const auto schedule = maintenance::load_schedule(repository.storage(), repository.format(), context.stop());
  if (!parameters.ok() || !schedule.ok()) {
    return {};
  }
  return maintenance::owner_concerns(*parameters, *schedule, repository.clock().now());
}

Status run_status(Context& context, const ParsedCommand& command) {
  const std::int64_t begin = monotonic_ns();
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  const double open_seconds = Duration{monotonic_ns() - begin}.seconds();
  TRY_ASSIGN(const auto format, repository->format().parameters(context.stop()));
  Json concerns = Json::array();
  for (const std::string& concern : maintenance_concerns(context, *repository)) {
    context.warn("maintenance: {}", concern);
    concerns.push_back(concern);
  }
  std::optional<IndexHealth> health;
  // Kopia's own layout is read by programs; under our name the figures belong to it.
  if (command.boolean("health") || context.program() != "kopia") {
    TRY_ASSIGN(health, index_health(context, *repository, open_seconds));
  }
  if (command.boolean("json")) {
    Json json = status_json(context, *repository, *format);
    json.set_omitempty("ownerConcerns", std::move(concerns));
    if (health) {
      json.set("index", Json::object({{"blobs", health->blobs},
                                      {"bytes", health->bytes},
                                      {"contents", static_cast<std::int64_t>(health->contents)},
                                      {"epochs", health->epochs},
                                      {"uncompactedEpochs", health->uncompacted_epochs},
                                      {"openSeconds", health->open_seconds}}));
    }
    print_json(context, command, json);
    return {};
  }
  print_connection(context, *repository);
  print_storage(context, *repository);
  print_format(context, *repository, *format);
  TRY(print_epochs(context, *repository, *format));
  if (health) {
    context.print("\nIndex blobs:         {} ({}, {} contents)\nEpochs:              {} ({} with uncompacted blobs)\n",
                  health->blobs, bytes_text(health->bytes), health->contents, health->epochs,
                  health->uncompacted_epochs);
    context.print("Opened in:           {:.3f} s\n", health->open_seconds);
  }
  print_locks(context, *repository, *format);
  return print_token(context, command, *repository);
}

}  // namespace

void add_repository_status(CommandTable& table) {
  std::vector<FlagSpec> flags = {
      {.name = "reconnect-token", .short_name = 't', .help = "Also print a token that connects to this repository"},
      {.name = "reconnect-token-with-password", .short_name = 's', .help = "Put the password into the token"},
      {.name = "health",
       .help = "Also count index blobs and epochs and measure the time to open (always, except under the name kopia)"}};
  append_flags(flags, json_flags());
  table.add({.path = "repository status",
             .help = "Show the repository and the connection to it",
             .flags = std::move(flags),
             .run = run_status});
}

}  // namespace cairn::cli
