// cache info, set, clear (kopia-interfaces §1.8.18).
#include <sys/stat.h>

#include <filesystem>

#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

using enum ValueType;
constexpr std::int64_t kMB = 1'000'000;

struct Usage {
  std::int64_t files = 0, bytes = 0;
};

Usage usage_of(const std::string& directory) {
  Usage usage;
  std::error_code code;
  for (std::filesystem::recursive_directory_iterator it(directory, code), end; !code && it != end; it.increment(code)) {
    struct stat st {};
    if (::lstat(it->path().c_str(), &st) == 0 && S_ISREG(st.st_mode)) {
      ++usage.files;
      usage.bytes += st.st_size;
    }
  }
  return usage;
}

std::string limits_text(std::int64_t soft, std::int64_t hard, Duration age) {
  return fmt::format(" (soft limit: {}, hard limit: {}, min sweep age: {})", bytes_text(soft),
                     hard == 0 ? "none" : bytes_text(hard), go_duration(age));
}

// Directory of the cache of the current connection, "" when caching is off. The repository is opened first: its
// password protects its client's settings too.
Result<std::pair<repo::LocalConfig, std::string>> cache_of(Context& context) {
  { TRY(context.open_repository({.read_only = true})); }
  TRY_ASSIGN(repo::LocalConfig config, repo::LocalConfig::load(context.config_path()));
  std::string directory = repo::effective_cache_directory(config, context.config_path());
  return std::pair(std::move(config), std::move(directory));
}

Status run_info(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto cache, cache_of(context));
  const auto& [config, directory] = cache;
  if (command.boolean("path")) {
    context.print("{}\n", directory);
    return {};
  }
  if (!sys::is_directory(directory)) {
    return error(Code::not_found, "unable to scan cache directory: open {}: no such file or directory", directory);
  }
  const content::CacheSettings settings = repo::cache_settings(config, context.config_path());
  for (const char* name :
       {"blob-list", "contents", "index-blobs", "indexes", "metadata", "own-writes", "server-contents"}) {
    const std::string path = directory + "/" + name;
    if (std::string_view(name) == "server-contents" && !sys::is_directory(path)) {
      continue;
    }
    const Usage usage = usage_of(path);
    std::string more;
    if (std::string_view(name) == "contents") {
      more = limits_text(settings.content_bytes_max, settings.content_bytes_limit, settings.content_min_sweep_age);
    } else if (std::string_view(name) == "metadata") {
      more = limits_text(settings.metadata_bytes_max, settings.metadata_bytes_limit, settings.metadata_min_sweep_age);
    } else if (std::string_view(name) == "blob-list") {
      more = fmt::format(" (duration: {})", go_duration(settings.list_duration));
    }
    context.print("{}: {} files {}{}\n", path, usage.files, bytes_text(usage.bytes), more);
  }
  context.notice("To adjust cache sizes use '{} cache set'.", context.program());
  context.notice("To clear caches use '{} cache clear'.", context.program());
  return {};
}

Status run_clear(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto cache, cache_of(context));
  const std::string& directory = cache.second;
  if (directory.empty()) {
    return error(Code::failed_precondition, "caching not enabled");
  }
  if (const std::string& part = command.text("partial"); !part.empty()) {
    const std::string path = directory + "/" + part;
    context.notice("Clearing cache directory: {}.", path);
    return sys::remove_tree(path);
  }
  context.notice("Clearing cache directory: {}.", directory);
  for (const char* part : content::kCacheSubdirectories) {  // what else stands there belongs to somebody else
    TRY(sys::remove_tree(directory + "/" + part));
  }
  for (const char* file : {format::kFormatBlobId, format::kBlobConfigBlobId}) {
    TRY(sys::remove_file(directory + "/" + file));
  }
  return {};
}

struct SizeFlag {
  const char* flag;
  const char* what;
  std::int64_t repo::CachingOptions::*field;
};
constexpr SizeFlag kSizes[] = {
    {"content-cache-size-mb", "content cache size", &repo::CachingOptions::max_cache_size},
    {"content-cache-size-limit-mb", "content cache size limit", &repo::CachingOptions::content_cache_size_limit},
    {"metadata-cache-size-mb", "metadata cache size", &repo::CachingOptions::max_metadata_cache_size},
    {"metadata-cache-size-limit-mb", "metadata cache size limit", &repo::CachingOptions::metadata_cache_size_limit},
};
struct TimeFlag {
  const char* flag;
  const char* what;
  Duration repo::CachingOptions::*field;
};
constexpr TimeFlag kTimes[] = {
    {"max-list-cache-duration", "list cache duration", &repo::CachingOptions::max_list_cache_duration},
    {"metadata-min-sweep-age", "minimum metadata sweep age", &repo::CachingOptions::min_metadata_sweep_age},
    {"content-min-sweep-age", "minimum content sweep age", &repo::CachingOptions::min_content_sweep_age},
    {"index-min-sweep-age", "minimum index sweep age", &repo::CachingOptions::min_index_sweep_age},
};

// Relative to the directory of the configuration file where that can be said.
std::string stored_cache_directory(const std::string& directory, const std::string& config_path) {
  const auto absolute = sys::absolute_path(directory);
  const auto config = sys::absolute_path(config_path);
  if (!absolute.ok() || !config.ok()) {
    return directory;
  }
  const std::string relative = std::filesystem::path(*absolute).lexically_relative(sys::parent_path(*config)).string();
  return relative.empty() ? *absolute : relative;
}

Status run_set(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(auto cache, cache_of(context));
  repo::LocalConfig& config = cache.first;
  repo::CachingOptions caching = config.caching.value_or(repo::CachingOptions{});
  bool changed = false;
  if (const std::string& directory = command.text("cache-directory"); !directory.empty()) {
    context.notice("setting cache directory to {}", directory);
    caching.cache_directory = stored_cache_directory(directory, context.config_path());
    changed = true;
  }
  for (const SizeFlag& each : kSizes) {
    if (const std::int64_t megabytes = command.integer(each.flag, -1); megabytes >= 0) {
      caching.*each.field = megabytes * kMB;
      context.notice("changing {} to {}", each.what, bytes_text(caching.*each.field));
      changed = true;
    }
  }
  if (const std::int64_t bytes = command.integer("max-size", -1); bytes >= 0) {
    caching.max_cache_size = bytes;
    context.notice("changing content cache size to {}", bytes_text(bytes));
    changed = true;
  }
  for (const TimeFlag& each : kTimes) {
    if (command.given(each.flag)) {
      caching.*each.field = command.duration(each.flag);
      context.notice("changing {} to {}", each.what, go_duration(caching.*each.field));
      changed = true;
    }
  }
  if (!changed) {
    return error(Code::failed_precondition, "no changes");
  }
  if (caching.max_cache_size == 0) {
    caching = {};  // switches all disk caches off
  }
  config.caching = caching;
  return config.save(context.config_path());
}

}  // namespace

void add_cache(CommandTable& table) {
  table.add({.path = "cache info",
             .help = "Show what the cache holds",
             .flags = {{.name = "path", .help = "Print only the directory"}},
             .run = run_info});
  table.add({.path = "cache clear",
             .help = "Empty the cache",
             .flags = {{.name = "partial",
                        .type = choice,
                        .help = "Only this part of the cache",
                        .choices = {"contents", "indexes", "metadata", "own-writes", "blob-list"}}},
             .run = run_clear});
  std::vector<FlagSpec> flags = {{.name = "cache-directory", .type = text, .help = "Directory of the cache"}};
  for (const SizeFlag& each : kSizes) {
    flags.push_back({.name = each.flag, .type = int64, .help = std::string("New ") + each.what + ", in MB"});
  }
  for (const TimeFlag& each : kTimes) {
    flags.push_back({.name = each.flag, .type = duration, .help = std::string("New ") + each.what});
  }
  flags.push_back({.name = "max-size", .type = int64, .help = "New content cache size, in bytes", .hidden = true});
  table.add(
      {.path = "cache set", .help = "Change the settings of the cache", .flags = std::move(flags), .run = run_set});
}

}  // namespace cairn::cli
