#include "cli/connect_flow.h"

#include "cli/key_ring.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

using enum ValueType;
constexpr std::int64_t kMiB = 1 << 20;

repo::CachingOptions caching_options(const ParsedCommand& command) {
  repo::CachingOptions caching;
  if (command.integer("content-cache-size-mb") == 0) {
    return caching;  // no disk cache at all
  }
  caching.cache_directory = command.text("cache-directory");
  caching.max_cache_size = command.integer("content-cache-size-mb") * kMiB;
  caching.content_cache_size_limit = command.integer("content-cache-size-limit-mb") * kMiB;
  caching.max_metadata_cache_size = command.integer("metadata-cache-size-mb") * kMiB;
  caching.metadata_cache_size_limit = command.integer("metadata-cache-size-limit-mb") * kMiB;
  caching.max_list_cache_duration = command.duration("max-list-cache-duration");
  caching.min_metadata_sweep_age = command.duration("metadata-min-sweep-age");
  caching.min_content_sweep_age = command.duration("content-min-sweep-age");
  caching.min_index_sweep_age = command.duration("index-min-sweep-age");
  return caching;
}

repo::ClientOptions client_options(Context& context, const ParsedCommand& command) {
  repo::ClientOptions client;
  client.hostname = command.text("override-hostname");
  if (client.hostname.empty()) {
    client.hostname = repo::default_hostname();
  }
  client.username = command.text("override-username");
  if (client.username.empty()) {
    std::string problem;
    client.username = repo::default_username(&problem);
    if (!problem.empty()) {
      context.warn("{}", problem);
    }
  }
  client.readonly = command.boolean("readonly");
  client.permissive_cache_loading = command.boolean("permissive-cache-loading");
  client.description = command.text("description");
  client.enable_actions = command.boolean("enable-actions");
  client.format_blob_cache_duration = command.duration("repository-format-cache-duration");
  if (command.boolean("disable-repository-format-cache")) {
    client.format_blob_cache_duration = {-1};
  }
  return client;
}

}  // namespace

std::vector<FlagSpec> connect_flags() {
  return {
      {.name = "cache-directory", .type = text, .env = "KOPIA_CACHE_DIRECTORY", .help = "Directory of the cache"},
      {.name = "content-cache-size-mb",
       .type = int64,
       .default_value = "5000",
       .help = "Size of the content cache in MB; 0 turns all disk caches off"},
      {.name = "content-cache-size-limit-mb",
       .type = int64,
       .default_value = "0",
       .help = "Hard limit of the content cache in MB"},
      {.name = "content-min-sweep-age", .type = duration, .help = "Age below which cached contents are kept"},
      {.name = "metadata-cache-size-mb",
       .type = int64,
       .default_value = "5000",
       .help = "Size of the metadata cache in MB"},
      {.name = "metadata-cache-size-limit-mb",
       .type = int64,
       .default_value = "0",
       .help = "Hard limit of the metadata cache in MB"},
      {.name = "metadata-min-sweep-age", .type = duration, .help = "Age below which cached metadata is kept"},
      {.name = "index-min-sweep-age", .type = duration, .help = "Age below which cached indexes are kept"},
      {.name = "max-list-cache-duration",
       .type = duration,
       .default_value = "30s",
       .help = "How long lists are cached"},
      {.name = "override-hostname", .type = text, .help = "Host name instead of this machine's", .hidden = true},
      {.name = "override-username", .type = text, .help = "User name instead of the current one", .hidden = true},
      {.name = "check-for-updates",
       .default_value = "true",
       .env = "KOPIA_CHECK_FOR_UPDATES",
       .help = "Accepted; there is no update check"},
      {.name = "readonly", .help = "Never write to the repository through this connection"},
      {.name = "permissive-cache-loading", .help = "Do not fail on damaged index blobs", .hidden = true},
      {.name = "description", .type = text, .help = "Description of the connection"},
      {.name = "enable-actions", .help = "Run the actions that policies define"},
      {.name = "repository-format-cache-duration",
       .type = duration,
       .help = "How long the repository format is cached",
       .hidden = true},
      {.name = "disable-repository-format-cache", .help = "Do not cache the repository format", .hidden = true},
  };
}

void add_provider_commands(CommandTable& table, const std::string& group, const std::string& verb, bool create,
                           RunFunction run) {
  for (const Provider& provider : providers()) {
    const char* remark = provider.supported ? "" : " (not in this version)";
    table.add({.path = group + " " + provider.word,
               .help = verb + " " + provider.help + remark,
               .flags = provider.flags,
               .run = run});
  }
  table.add({.path = group + " from-config",
             .help = verb + " the storage of a token" + (create ? "" : " or configuration file"),
             .flags = from_config_flags(create),
             .run = run});
}

Result<Target> open_target(Context& context, const ParsedCommand& command, blob::OpenOptions options) {
  constexpr std::string_view kFrame = "can't connect to storage";
  Target target;
  if (last_word(command.command()->path) == "from-config") {
    TRY_ASSIGN(FromConfig given, read_from_config(command, options.create), "{}", kFrame);
    target.info = std::move(given.storage);
    target.token_password = std::move(given.password);
  } else {
    TRY_ASSIGN(target.info, provider_connection(command, options.create), "{}", kFrame);
  }
  TRY_ASSIGN(target.storage, blob::open_storage(target.info, options, context.stop()), "{}", kFrame);
  return target;
}

Status connect_to(Context& context, const ParsedCommand& command, const blob::ConnectionInfo& storage,
                  const std::string& password) {
  if (command.boolean("permissive-cache-loading") && !context.upgrade_lock_enabled()) {
    return error(
        Code::failed_precondition,
        "error connecting to repository: must have set KOPIA_UPGRADE_LOCK_ENABLED when connecting to repository "
        "with permissive cache loading");
  }
  repo::ConnectRequest request;
  request.config_path = context.config_path();
  request.storage = storage;
  request.client = client_options(context, command);
  request.caching = caching_options(command);
  request.password = password;
  Status status = repo::connect(request, context.open_options(), context.stop());
  wipe(request.password);
  if (!status.ok()) {
    if (status.is(Code::unauthenticated)) {
      context.warn("failed to open repository: {}", status.message());
    }
    return std::move(status).with_frame("error connecting to repository");
  }
  if (command.boolean("persist-credentials")) {
    TRY(keep_password(context, password));
  }
  context.notice("Connected to repository.");
  return {};
}

void forget_cached_format(Context& context, const repo::Repository& repository, bool with_blob_config) {
  const std::string directory = repository.config() == nullptr
                                    ? ""
                                    : repo::effective_cache_directory(*repository.config(), repository.config_path());
  if (directory.empty()) {
    return;
  }
  for (const char* name : {format::kFormatBlobId, format::kBlobConfigBlobId}) {
    if (!with_blob_config && std::string_view(name) == format::kBlobConfigBlobId) {
      continue;
    }
    const std::string path = directory + "/" + name;
    context.notice("deleting {}", path);
    if (Status s = sys::remove_file(path); !s.ok()) {
      context.warn("{}", s.message());
    }
  }
}

}  // namespace cairn::cli
