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

std::string shown_path(const std::string& relative) { return relative.empty() ? "." : relative.substr(1); }

class SourceWalk {
 public:
  SourceWalk(std::size_t directories_max, SourceVisitor& visitor, std::stop_token stop)
      : directories_max_(directories_max), visitor_(visitor), stop_(std::move(stop)) {}

  Status run(WorkItem root) {
    work_.push_back(std::move(root));
    while (!work_.empty()) {
      if (stop_.stop_requested()) {
        return error(Code::cancelled, "stopped");
      }
      const WorkItem item = std::move(work_.back());
      work_.pop_back();
      Status status = visit(item);
      if (status.ok()) {
        continue;
      }
      if (item.relative.empty() || status.is(Code::resource_exhausted) || status.is(Code::cancelled)) {
        return status;
      }
      visitor_.on_error(shown_path(item.relative), status);
    }
    return {};
  }

 private:
  bool listed(std::string_view name) const {
    return std::ranges::any_of(listing_.entries(), [&](const auto& e) { return listing_.name(e) == name; });
  }

  Result<std::optional<std::string>> read_listed(const WorkItem& item, const std::string& name) const {
    if (!listed(name)) {
      return std::optional<std::string>();
    }
    TRY_ASSIGN(const Buffer text, sys::read_file(sys::join_path(item.path, name), kRulesFileSizeMax));
    return std::optional<std::string>(text.text());
  }

  bool is_cache_directory(const WorkItem& item) const {
    if (!item.policies.policy().files.ignore_cache_dirs_or_default()) {
      return false;
    }
    const auto tag = read_listed(item, std::string(kCacheDirTagName));
    return tag.ok() && *tag && is_cache_dir_tag(std::string_view(**tag).substr(0, kCacheDirTagSize));
  }

  // Reports one directory's files, appends its directories to the work.
  Status visit(const WorkItem& item) {
    TRY_ASSIGN(const sys::UniqueFd fd, sys::open_directory(item.path));
    TRY_ASSIGN(const sys::FileInfo self, sys::stat_fd(fd.get()));
    listing_.clear();
    TRY(sys::read_directory(fd.get(), true, listing_, stop_));
    if (is_cache_directory(item)) {
      visitor_.on_excluded_directory(shown_path(item.relative));
      return {};
    }
    visitor_.on_directory(shown_path(item.relative));
    TRY_ASSIGN(const auto rules,
               IgnoreContext::enter(item.parent, item.relative, item.policies.defined_policy(),
                                    [&](const std::string& name) { return read_listed(item, name); }));
    for (const sys::DirectoryEntry& e : listing_.entries()) {
      TRY(visit_entry(item, e, self.dev, rules));
    }
    return {};
  }

  Status visit_entry(const WorkItem& item, const sys::DirectoryEntry& e, std::uint64_t device,
                     const std::shared_ptr<const IgnoreContext>& rules) {
    const std::string name(listing_.name(e));
    const std::string relative = item.relative + '/' + name;
    const bool is_directory = e.type == sys::FileType::directory;
    if (e.error != 0) {
      if (!rules->ignored(relative, is_directory)) {
        visitor_.on_error(shown_path(relative), errno_status(e.error, "lstat " + sys::join_path(item.path, name)));
      }
      return {};
    }
    const Inclusion inclusion = rules->check(
        {.path = relative, .is_directory = is_directory, .size = e.size, .device = e.dev, .directory_device = device});
    if (inclusion == Inclusion::ignored) {
      is_directory ? visitor_.on_excluded_directory(shown_path(relative))
                   : visitor_.on_excluded_file(shown_path(relative), e.size);
    }
    if (inclusion != Inclusion::included) {
      return {};
    }
    if (is_directory && work_.size() >= directories_max_) {
      return error(Code::resource_exhausted, "too many directories for an estimate");
    }
    if (is_directory) {
      work_.push_back({sys::join_path(item.path, name), relative, item.policies.child(name), rules});
    } else if (e.type == sys::FileType::regular) {
      visitor_.on_file(shown_path(relative), e.size);
    }
    return {};
  }

  const std::size_t directories_max_;
  SourceVisitor& visitor_;
  const std::stop_token stop_;
  sys::DirectoryListing listing_;
  std::vector<WorkItem> work_;
};

class Totals final : public SourceVisitor {
 public:
  void on_file(const std::string& /*path*/, std::int64_t size) override {
    ++estimate.files;
    estimate.bytes += size;
  }
  Estimate estimate;
};

}  // namespace

Status visit_source(const std::string& path, const PolicyTree& policies, std::size_t directories_max,
                    SourceVisitor& visitor, std::stop_token stop) {
  return SourceWalk(directories_max, visitor, std::move(stop)).run({path, "", policies, nullptr});
}

Result<Estimate> estimate_by_walk(const std::string& path, const PolicyTree& policies, std::stop_token stop) {
  Totals totals;
  TRY(visit_source(path, policies, kDirectoriesMax, totals, std::move(stop)));
  return totals.estimate;
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
