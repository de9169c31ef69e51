#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/connect_flow.h"
#include "cli/format.h"
#include "cli/password.h"
#include "cli/policy_table.h"
#include "cli/targets.h"
#include "compress/codec.h"
#include "crypto/aead.h"
#include "crypto/ecc.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "snapshot/create.h"
#include "snapshot/policy.h"
#include "split/splitter.h"

namespace cairn::cli {
namespace {

using enum ValueType;

format::CreateOptions create_options(const ParsedCommand& command) {
  format::CreateOptions options;
  options.hash = command.text("block-hash");
  options.encryption = command.text("encryption");
  options.splitter = command.text("object-splitter");
  // Out of range is taken to the nearest value in range, as Kopia does.
  options.ecc_overhead_percent =
      static_cast<int>(std::clamp<std::int64_t>(command.integer("ecc-overhead-percent"), 0, 100));
  if (options.ecc_overhead_percent > 0) {
    options.ecc = command.text("ecc");
  }
  options.version = static_cast<int>(command.integer("format-version"));
  options.key_algorithm = command.text("format-block-key-derivation-algorithm");
  options.blob_config.retention_mode = command.text("retention-mode");
  options.blob_config.retention_period = command.duration("retention-period");
  return options;
}

void announce(Context& context, const ParsedCommand& command, const format::CreateOptions& options) {
  context.notice("Initializing repository with:");
  if (options.version != 0) {
    context.notice("  format version:      {}", options.version);
  }
  context.notice("  block hash:          {}", options.hash);
  context.notice("  encryption:          {}", options.encryption);
  context.notice("  key derivation:      {}", options.key_algorithm);
  if (options.ecc_overhead_percent > 0) {
    context.notice("  ecc:                 {} with {}% overhead", options.ecc, command.integer("ecc-overhead-percent"));
  }
  context.notice("  splitter:            {}", options.splitter);
}

// A repository is only ever made where nothing is; an error of the listing is not "nothing".
Status ensure_empty(Context& context, blob::Storage& storage) {
  Status listed = storage.list(
      "",
      [](const blob::BlobMetadata&) { return error(Code::already_exists, "found existing data in storage location"); },
      context.stop());
  return std::move(listed).with_frame("unable to get repository storage");
}

// --compression… of `create` go into the global policy.
snapshot::Policy first_policy(const ParsedCommand& command) {
  snapshot::Policy policy = snapshot::default_policy();
  if (command.given("compression")) {
    policy.compression.compressor_name = command.text("compression");
  }
  policy.compression.min_size = command.integer("compression-min-size");
  policy.compression.max_size = command.integer("compression-max-size");
  return policy;
}

Status populate(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  const snapshot::Policy policy = first_policy(command);
  const std::string owner = repository->client().username + "@" + repository->client().hostname;
  snapshot::PolicyRecord record;
  record.policy = policy;
  std::vector<snapshot::PolicyRecord> chain;
  chain.push_back(std::move(record));
  const snapshot::SourceInfo global;
  context.write(short_policy_table(snapshot::merge_policies(std::move(chain), global), global));
  context.notice(
      "\nTo find more information about default policy run '{0} policy get'.\nTo change the policy use '{0} "
      "policy set' command.",
      context.program());
  context.notice(
      "\nNOTE: Kopia will perform quick maintenance of the repository automatically every 1h0m0s\nand full "
      "maintenance every 24h0m0s when running as {}.\n\nSee https://kopia.io/docs/advanced/maintenance/ for more "
      "information.\n",
      owner);
  TRY(snapshot::set_policy(repository->manifests(), global, policy, context.stop()));
  TRY(snapshot::ensure_maintenance_parameters(*repository, context.stop()));
  return flush_writer(context, *repository);
}

Status run_create(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(Target target, open_target(context, command, {.create = true}));
  TRY(ensure_empty(context, *target.storage));
  std::string password = target.token_password.empty() ? context.given_password() : target.token_password;
  if (password.empty()) {
    TRY_ASSIGN(password, ask_new_password(context, "Enter password to create new repository: "), "getting password");
  }
  const format::CreateOptions options = create_options(command);
  announce(context, command, options);
  TRY(repo::create(*target.storage, password, options, context.stop()), "cannot initialize repository");
  if (command.boolean("create-only")) {
    wipe(password);
    return {};
  }
  Status connected = connect_to(context, command, target.storage->connection_info(), password);
  wipe(password);
  TRY(connected);
  TRY(populate(context, command), "error populating repository");
  const std::string note = fmt::format(
      "NOTE: To validate that your provider is compatible with Kopia, please run:\n\n$ {} repository "
      "validate-provider\n\n",
      context.program());
  context.write(context.colour() ? "\033[96m" + note + "\033[0m" : note);
  return {};
}

template <class Names>
std::vector<std::string> choices_of(const Names& names) {
  return {names.begin(), names.end()};
}

std::vector<std::string> compressor_choices() {
  std::vector<std::string> names = {"none"};
  for (const compress::Algorithm& algorithm : compress::algorithms()) {
    names.emplace_back(algorithm.name);
  }
  return names;
}

std::vector<FlagSpec> format_flags() {
  return {
      {.name = "block-hash",
       .type = choice,
       .default_value = std::string(crypto::kDefaultHash),
       .help = "Hash of contents",
       .choices = choices_of(crypto::hash_names()),
       .placeholder = "ALGORITHM"},
      {.name = "encryption",
       .type = choice,
       .default_value = std::string(crypto::kDefaultEncryption),
       .help = "Encryption of contents",
       .choices = choices_of(crypto::encryption_names()),
       .placeholder = "ALGORITHM"},
      {.name = "ecc",
       .type = choice,
       .default_value = "REED-SOLOMON-CRC32",
       .help = "Error correction",
       .choices = {"REED-SOLOMON-CRC32"},
       .placeholder = "ALGORITHM"},
      {.name = "ecc-overhead-percent",
       .type = integer,
       .default_value = "0",
       .help = "Space for error correction in percent; 0 for none"},
      {.name = "object-splitter",
       .type = choice,
       .default_value = std::string(split::kDefaultSplitter),
       .help = "How files are cut into contents",
       .choices = choices_of(split::splitter_names()),
       .placeholder = "ALGORITHM"},
      {.name = "create-only", .short_name = 'c', .help = "Create, but do not connect"},
      {.name = "format-version",
       .type = integer,
       .default_value = "0",
       .help = "Version of the repository format",
       .placeholder = "N"},
      {.name = "retention-mode",
       .type = choice,
       .help = "Object lock of the storage",
       .choices = {"GOVERNANCE", "COMPLIANCE"}},
      {.name = "retention-period", .type = duration, .help = "How long objects stay locked"},
      {.name = "format-block-key-derivation-algorithm",
       .type = choice,
       .default_value = std::string(crypto::kDefaultKdf),
       .help = "How the key of the format blob is derived",
       .choices = {"scrypt-65536-8-1", "pbkdf2-sha256-600000"},
       .hidden = true},
      {.name = "compression",
       .type = choice,
       .help = "Compression of the global policy",
       .choices = compressor_choices(),
       .hidden = true},
      {.name = "compression-min-size",
       .type = int64,
       .help = "Smallest size of files that are compressed",
       .hidden = true},
      {.name = "compression-max-size",
       .type = int64,
       .help = "Largest size of files that are compressed",
       .hidden = true},
  };
}

}  // namespace

void add_repository_create(CommandTable& table) {
  std::vector<FlagSpec> flags = connect_flags();
  append_flags(flags, format_flags());
  table.add({.path = "repository create", .help = "Create a repository and connect to it", .flags = std::move(flags)});
  add_provider_commands(table, "repository create", "Create a repository in", true, run_create);
}

}  // namespace cairn::cli
