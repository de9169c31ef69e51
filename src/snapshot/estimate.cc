#include "snapshot/estimate.h"

#include <algorithm>
#include <vector>

#include "snapshot/ignore.h"
#include "sys/directory.h"
#include "sys/file.h"

namespace cairn::snapshot {
namespace {

constexpr std::size_t kRulesFileSizeMax = 16u << 20;
constexpr std::size_t kDirectoriesMax = 100'000;  // waiting; an estimate is not worth more memory

struct WorkItem {
  std::string path, relative;  // relative: "" or "/a/b"
  PolicyTree policies;
  std::shared_ptr<const IgnoreContext> parent;
};

// One directory: counts its files, appends its directories to `work`.
Status walk_one(const WorkItem& item, sys::DirectoryListing& listing, std::vector<WorkItem>& work, Estimate& total,
                std::stop_token stop) {
  TRY_ASSIGN(const sys::UniqueFd fd, sys::open_directory(item.path));
  TRY_ASSIGN(const sys::FileInfo self, sys::stat_fd(fd.get()));
  listing.clear();
  TRY(sys::read_directory(fd.get(), true, listing, stop));
  const auto has = [&](std::string_view name) {
    return std::any_of(listing.entries().begin(), listing.entries().end(),
                       [&](const auto& e) { return listing.name(e) == name; });
  };
  if (item.policies.policy().files.ignore_cache_dirs_or_default() && has(kCacheDirTagName)) {
    return {};
  }
  TRY_ASSIGN(const auto rules,
             IgnoreContext::enter(item.parent, item.relative, item.policies.defined_policy(),
                                  [&](const std::string& name) -> Result<std::optional<std::string>> {
                                    if (!has(name)) {
                                      return std::optional<std::string>();
                                    }
                                    TRY_ASSIGN(const Buffer text,
                                               sys::read_file(sys::join_path(item.path, name), kRulesFileSizeMax));
                                    return std::optional<std::string>(text.text());
                                  }));
  for (const sys::DirectoryEntry& e : listing.entries()) {
    const std::string name(listing.name(e));
    const std::string relative = item.relative + '/' + name;
    const bool is_directory = e.type == sys::FileType::directory;
    if (e.error != 0 || rules->check({.path = relative,
                                      .is_directory = is_directory,
                                      .size = e.size,
                                      .device = e.dev,
                                      .directory_device = self.dev}) != Inclusion::included) {
      continue;
    }
    if (is_directory && work.size() >= kDirectoriesMax) {
      return error(Code::resource_exhausted, "too many directories for an estimate");
    }
    if (is_directory) {
      work.push_back({sys::join_path(item.path, name), relative, item.policies.child(name), rules});
    } else if (e.type == sys::FileType::regular) {
      ++total.files;
      total.bytes += e.size;
    }
  }
  return {};
}

}  // namespace

Result<Estimate> estimate_by_walk(const std::string& path, const PolicyTree& policies, std::stop_token stop) {
  Estimate total;
  sys::DirectoryListing listing;
  std::vector<WorkItem> work;
  work.push_back({path, "", policies, nullptr});
  while (!work.empty()) {
    if (stop.stop_requested()) {
      return error(Code::cancelled, "stopped");
    }
    const WorkItem item = std::move(work.back());
    work.pop_back();
    const Status status = walk_one(item, listing, work, total, stop);
    if (!status.ok() && (item.relative.empty() || status.is(Code::resource_exhausted))) {
      return status;
    }
  }
  return total;
}

Result<Estimate> estimate_by_volume(const std::string& path) {
  TRY_ASSIGN(const sys::SpaceInfo space, sys::free_space(path));
  return Estimate{space.total_files - space.free_files, space.total_bytes - space.free_bytes};
}

Result<Estimate> estimate_adaptively(const std::string& path, const PolicyTree& policies, std::int64_t threshold,
                                     std::stop_token stop) {
  const auto volume = estimate_by_volume(path);
  if (volume.ok() && volume->files >= threshold) {
    return volume->files > 0 ? Result<Estimate>(*volume) : estimate_by_walk(path, policies, stop);
  }
  return estimate_by_walk(path, policies, stop);
}

}  // namespace cairn::snapshot
