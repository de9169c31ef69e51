#include "snapshot/fix.h"

#include <fnmatch.h>

#include <algorithm>

#include "base/task_group.h"
#include "snapshot/policy.h"
#include "snapshot/tree_walk.h"

namespace cairn::snapshot {
namespace {

constexpr std::string_view kStubPrefix = ".INVALID.";
constexpr std::string_view kStubText =
    "This file stands for an entry that could not be read in the repository when the snapshot was repaired. "
    "What the directory said about it and the error are below.";

Result<DirEntry> write_stub(object::ObjectManager& objects, const DirEntry& entry, const Status& problem,
                            std::stop_token stop) {
  const Json content = Json::object({{"info", kStubText}, {"error", problem.message()}, {"entry", entry.to_json()}});
  const std::string text = content.dump(4, "  ") + '\n';
  DirEntry stub;
  stub.name = std::string(kStubPrefix) + entry.name;
  stub.type = EntryType::file;
  stub.mode = entry.mode;
  stub.mtime = entry.mtime;
  stub.uid = entry.uid;
  stub.gid = entry.gid;
  stub.size = static_cast<std::int64_t>(text.size());
  TRY_ASSIGN(stub.obj, objects.write(as_bytes(text), {}, std::move(stop)), "unable to write a stub for {}", entry.name);
  return stub;
}

compress::HeaderId metadata_compressor_of(const Policy& policy) {
  const auto* codec = compress::find_by_name(metadata_compressor(policy));
  return codec != nullptr ? codec->id : compress::kNone;
}

}  // namespace

SnapshotFixer::SnapshotFixer(repo::Repository& repository, FixOptions options, Callbacks callbacks)
    : repository_(repository),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      check_(repository),
      rewriter_(repository.objects(), repository.objects(),
                {.parallel = options_.parallel != 0 ? options_.parallel : cpu_count(),
                 .metadata_compressor = metadata_compressor_of(default_policy())},
                {.decide = [this](const DirEntry& e, const std::string& path,
                                  std::stop_token stop) { return decide(e, path, std::move(stop)); },
                 .on_unreadable =
                     [this](const DirEntry& e, const std::string& path, const Status& problem) {
                       return handle(options_.directories, e, path, problem, {});
                     }}) {}

void SnapshotFixer::tell(const std::string& line) {
  const std::scoped_lock lock(mutex_);
  if (callbacks_.on_change) {
    callbacks_.on_change(line);
  }
}

bool SnapshotFixer::unwanted(const DirEntry& entry) const {
  return std::ranges::find(options_.object_ids, entry.obj.text()) != options_.object_ids.end() ||
         std::ranges::any_of(options_.name_patterns, [&](const std::string& pattern) {
           return ::fnmatch(pattern.c_str(), entry.name.c_str(), FNM_PATHNAME) == 0;
         });
}

Status SnapshotFixer::verify(const DirEntry& entry, std::stop_token stop) {
  const std::string id = entry.obj.text();
  {
    const std::scoped_lock lock(mutex_);
    if (const auto it = verified_.find(id); it != verified_.end()) {
      return it->second;
    }
  }
  const auto run = [&]() -> Status {
    TRY(check_.check(entry.obj, stop));
    if (!chosen_by_chance(options_.read_percent)) {
      return {};
    }
    Status read = repository_.objects().read(
        entry.obj, [](ByteView) { return Status(); }, stop);
    return read.ok() || read.is(Code::cancelled)
               ? read
               : explain_object_error(repository_.objects(), entry.obj, std::move(read), stop);
  };
  Status result = run();
  if (!result.is(Code::cancelled)) {
    const std::scoped_lock lock(mutex_);
    verified_.emplace(id, result);
    if (callbacks_.on_verified) {
      callbacks_.on_verified(entry.size);
    }
  }
  return result;
}

TreeRewriter::NewEntry SnapshotFixer::handle(InvalidEntry how, const DirEntry& entry, const std::string& path,
                                             const Status& problem, std::stop_token stop) {
  const std::string shown = path.empty() ? "." : path;
  switch (how) {
    case InvalidEntry::fail:
      return Status(problem).with_frame("invalid entry " + shown);
    case InvalidEntry::keep:
      tell(fmt::format("keeping invalid {}: {}", shown, problem.message()));
      return std::optional<DirEntry>(entry);
    case InvalidEntry::remove:
      tell(fmt::format("removing invalid {}: {}", shown, problem.message()));
      return std::optional<DirEntry>();
    case InvalidEntry::stub:
      break;
  }
  tell(fmt::format("replacing invalid {} by a stub: {}", shown, problem.message()));
  TRY_ASSIGN(DirEntry stub, write_stub(repository_.objects(), entry, problem, std::move(stop)));
  return std::optional<DirEntry>(std::move(stub));
}

TreeRewriter::NewEntry SnapshotFixer::decide(const DirEntry& entry, const std::string& path, std::stop_token stop) {
  if (unwanted(entry)) {
    tell("will remove file " + (path.empty() ? entry.name : path));
    return std::optional<DirEntry>();
  }
  if (options_.verify_files && entry.type != EntryType::directory) {
    const Status problem = verify(entry, stop);
    if (problem.is(Code::cancelled)) {
      return problem;
    }
    if (!problem.ok()) {
      return handle(options_.files, entry, path, problem, stop);
    }
  }
  return std::optional<DirEntry>(entry);
}

Result<DirEntry> SnapshotFixer::fix(const SnapshotManifest& snapshot, std::stop_token stop) {
  if (!snapshot.root) {
    return error(Code::corrupt, "snapshot {} has no root entry", snapshot.id);
  }
  TRY_ASSIGN(std::optional<DirEntry> now, rewriter_.rewrite(*snapshot.root, stop));
  if (!now) {
    // A snapshot cannot be without a root.
    const Status removed = error(Code::failed_precondition, "the root of the snapshot is to be removed");
    const InvalidEntry how = options_.directories == InvalidEntry::remove ? InvalidEntry::stub : options_.directories;
    TRY_ASSIGN(now, handle(how, *snapshot.root, "", removed, stop));
  }
  return std::move(*now);
}

}  // namespace cairn::snapshot
