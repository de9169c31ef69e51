#include "blob/filesystem/layout_file.h"

#include <fcntl.h>

#include <map>

#include "base/random.h"
#include "sys/directory.h"
#include "sys/file.h"

namespace cairn::blob {
namespace {

constexpr std::size_t kLayoutFileMax = 64 << 10;
constexpr std::size_t kSampleMax = 200;       // blobs looked at
constexpr int kDirectoriesPerLengthMax = 16;  // of each length of name, in one directory
constexpr std::size_t kFilesPerDirectoryMax = 8;
constexpr int kDepthMax = 8;

// Gathers relative paths of some blobs. Directories are chosen by the length of their names, so that a foreign
// directory or a few misplaced blobs do not hide the rest.
Status sample_blobs(const std::string& root, const std::string& below, int depth, const CallLimits& limits,
                    std::vector<std::string>& paths, bool& any_blob) {
  TRY(limits.check());
  auto fd = sys::open_directory(sys::join_path(root, below));
  if (!fd.ok()) {
    // At the top the tree cannot be judged; further down the others suffice.
    return depth == 0 ? std::move(fd).status() : Status();
  }
  sys::DirectoryListing listing;
  TRY(sys::read_directory(fd->get(), false, listing, limits.stop()));
  listing.sort_by_name();
  std::size_t files = 0;
  for (const sys::DirectoryEntry& e : listing.entries()) {
    const std::string_view name = listing.name(e);
    if (name.ends_with(kBlobSuffix) && e.type != sys::FileType::directory) {
      any_blob = true;
      if (depth == 0 || files++ < kFilesPerDirectoryMax) {
        paths.push_back(below + std::string(name));
      }
    }
  }
  std::map<std::size_t, int> taken;
  for (const sys::DirectoryEntry& e : listing.entries()) {
    const std::string_view name = listing.name(e);
    const bool maybe_directory = e.type == sys::FileType::directory || e.type == sys::FileType::unknown;
    if (!maybe_directory || depth >= kDepthMax || paths.size() >= kSampleMax ||
        taken[name.size()]++ >= kDirectoriesPerLengthMax) {
      continue;
    }
    TRY(sample_blobs(root, below + std::string(name) + "/", depth + 1, limits, paths, any_blob));
  }
  return {};
}

}  // namespace

Result<TreeLayout> find_layout(const FilesystemOptions& options, bool creating, const CallLimits& limits) {
  TreeLayout found;
  const std::string file = sys::join_path(options.path, kShardsFileName);
  auto text = limits.retry(5, [&] { return sys::read_file(file, kLayoutFileMax); });
  if (text.ok()) {
    TRY_ASSIGN(found.layout, ShardLayout::parse(text->text()), "error determining sharded path");
    found.file_present = true;
    return found;
  }
  if (text.code() != Code::not_found) {
    return std::move(text).status().with_frame("error determining sharded path");
  }
  std::vector<std::string> paths;
  TRY(sample_blobs(options.path, "", 0, limits, paths, found.any_blob), "error determining sharded path");
  const std::vector<int>* configured = options.dir_shards ? &*options.dir_shards : nullptr;
  if (LayoutVote vote = recognise_layout(paths, configured); vote.found) {
    found.layout = std::move(vote.layout);
    return found;
  }
  if (configured != nullptr) {
    found.layout = ShardLayout::with_shards(*configured);
  } else {
    found.layout = creating ? ShardLayout::for_new() : ShardLayout::legacy();
  }
  found.undecided = true;
  return found;
}

Result<ShardLayout> persist_layout(const FilesystemOptions& options, const ShardLayout& layout) {
  const std::string file = sys::join_path(options.path, kShardsFileName);
  const std::string temp = fmt::format("{}.tmp.{}", file, random_hex(8));
  const mode_t mode = options.file_mode != 0 ? options.file_mode : 0600;
  TRY_ASSIGN(sys::UniqueFd fd, sys::open_file(temp, O_CREAT | O_EXCL | O_WRONLY, mode));
  const auto write = [&]() -> Status {
    TRY(sys::write_all(fd.get(), as_bytes(layout.dump())), "{}", temp);
    TRY(sys::fsync_fd(fd.get(), temp));
    TRY(fd.close(temp));
    return sys::rename_file_if_absent(temp, file);
  };
  if (Status status = write(); !status.ok()) {
    (void)sys::remove_file(temp).ok();
    if (!status.is(Code::already_exists)) {
      return status;
    }
    TRY_ASSIGN(const Buffer text, sys::read_file(file, kLayoutFileMax));
    return ShardLayout::parse(text.text());
  }
  TRY(sys::fsync_directory(options.path));
  return layout;
}

}  // namespace cairn::blob
