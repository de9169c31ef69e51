// Connecting, disconnecting and creating. Nothing is ever created by a failed connect.
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "repo/repository.h"
#include "sys/file.h"

namespace cairn::repo {
namespace {

// Relative to `base` when expressible, as Kopia stores the cache directory.
std::string relative_to(const std::string& path, const std::string& base) {
  const auto split = [](const std::string& p) {
    std::vector<std::string> parts;
    std::size_t start = 0;
    while (start <= p.size()) {
      const std::size_t end = std::min(p.find('/', start), p.size());
      if (end > start) {
        parts.push_back(p.substr(start, end - start));
      }
      start = end + 1;
    }
    return parts;
  };
  const auto a = split(path);
  const auto b = split(base);
  std::size_t same = 0;
  while (same < a.size() && same < b.size() && a[same] == b[same]) {
    ++same;
  }
  std::string out;
  for (std::size_t i = same; i < b.size(); ++i) {
    out += out.empty() ? ".." : "/..";
  }
  for (std::size_t i = same; i < a.size(); ++i) {
    out += (out.empty() ? "" : "/") + a[i];
  }
  return out.empty() ? "." : out;
}

// Our own sub-directories and the cached format blobs; everything else in there belongs to others.
void clear_cache_directory(const std::string& directory) {
  for (const char* sub : content::kCacheSubdirectories) {
    (void)sys::remove_tree(directory + "/" + sub);
  }
  for (const char* file : {format::kFormatBlobId, format::kBlobConfigBlobId, "CACHEDIR.TAG"}) {
    (void)sys::remove_file(directory + "/" + file);
  }
  ::rmdir(directory.c_str());  // only when nothing else stands in it
}

}  // namespace

Status connect(const ConnectRequest& request, const OpenOptions& options, std::stop_token stop) {
  TRY_ASSIGN(auto storage, blob::open_storage(request.storage, {.create = false, .read_only = true}, stop),
             "can't connect to storage");
  auto stored = storage->get(BlobId(format::kFormatBlobId), {}, stop);
  if (stored.code() == Code::not_found) {
    return error(Code::not_found, "repository not initialized in the provided storage");
  }
  TRY(stored, "unable to read format blob");
  TRY_ASSIGN(const format::FormatBlob blob, format::FormatBlob::parse(stored->view()), "unable to parse format blob");

  TRY_ASSIGN(const std::string config_path, sys::absolute_path(request.config_path));
  LocalConfig config;
  config.storage = request.storage;
  config.client = request.client;
  if (config.client.description.empty()) {
    config.client.description = "Repository in " + storage->display_name();
  }
  if (config.client.format_blob_cache_duration.ns == 0) {
    config.client.format_blob_cache_duration = minutes(15);
  }
  config.caching = request.caching;
  std::string made_cache;
  if (config.caching && config.caching->max_cache_size > 0) {
    std::string directory = config.caching->cache_directory;
    if (directory.empty()) {
      directory = default_cache_directory(blob.unique_id, request.config_path);
    }
    TRY_ASSIGN(directory, sys::absolute_path(directory), "unable to determine cache directory");
    if (!sys::file_exists(directory)) {
      made_cache = directory;
    }
    config.caching->cache_directory = relative_to(directory, sys::parent_path(config_path));
  }
  auto previous = sys::read_file(config_path, std::size_t{16} << 20);
  TRY(config.save(config_path));
  const auto opened = Repository::open(config_path, request.password, options, stop);
  if (!opened.ok()) {
    // Take back what this call wrote, nothing else.
    if (previous.ok()) {
      (void)sys::write_file_atomic(config_path, previous->view(), 0600);
    } else {
      (void)sys::remove_file(config_path);
    }
    if (!made_cache.empty()) {
      clear_cache_directory(made_cache);
    }
    return opened.status();
  }
  return {};
}

Status disconnect(const std::string& config_path) {
  TRY_ASSIGN(const LocalConfig config, LocalConfig::load(config_path));
  if (const std::string cache = effective_cache_directory(config, config_path); cache.starts_with('/')) {
    clear_cache_directory(cache);
  }
  (void)sys::remove_file(config_path + ".update-info.json");
  (void)sys::remove_file(config_path + ".mlock");
  TRY(delete_persisted_password(config_path));
  return sys::remove_file(config_path);
}

Status create(blob::Storage& storage, std::string_view password, const format::CreateOptions& options,
              std::stop_token stop) {
  // One complete listing must succeed and be empty: an error is never taken for "nothing there".
  const Status listed = storage.list(
      "",
      [](const blob::BlobMetadata&) { return error(Code::already_exists, "found existing data in storage location"); },
      stop);
  TRY(listed, "unable to get repository storage");
  return format::FormatManager::initialize(storage, password, options, stop);
}

}  // namespace cairn::repo
