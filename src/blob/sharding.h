// Where a blob lies in a directory tree: the layout file `.shards` and the paths it gives. Shared by the stores that
// keep trees (filesystem, sftp, webdav, rclone). docs/format/blobs.md (kopia-format §2.3)
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/json.h"
#include "base/status.h"

namespace cairn::blob {

inline constexpr std::string_view kShardsFileName = ".shards";
inline constexpr std::string_view kBlobSuffix = ".f";

struct ShardLayout {
  struct Override {
    std::string prefix;
    std::vector<int> shards;
    bool operator==(const Override&) const = default;
  };
  std::vector<int> default_shards;
  std::size_t max_non_sharded_length = 20;
  std::vector<Override> overrides;
  bool operator==(const ShardLayout&) const = default;

  // Layout of storage that is made now, and the one old trees without a layout file have.
  static ShardLayout for_new() { return {{1, 3}, 20, {}}; }
  static ShardLayout legacy() { return {{3, 3}, 20, {}}; }
  static ShardLayout with_shards(std::vector<int> shards) { return {std::move(shards), 20, {}}; }

  // Contents of `.shards`. Errors: corrupt.
  static Result<ShardLayout> parse(std::string_view text);
  // One line with line feed, as Kopia writes it.
  std::string dump() const;

  // Path below the root, "p/06b/….f". Errors: invalid_argument when the id is empty, has a slash or a zero byte, or
  // would lead out of the tree.
  Result<std::string> path_of(const BlobId& id) const;
};

// `dirShards` of a connection: nullopt for null. Errors: invalid_argument.
Result<std::optional<std::vector<int>>> parse_dir_shards(const Json& json);

// Which of the usual layouts (and `configured`) explains the relative paths of blobs found in a tree best; paths of
// blobs that every layout keeps in the root say nothing. False when none of the paths says anything.
struct LayoutVote {
  bool found = false;
  ShardLayout layout;
};
LayoutVote recognise_layout(const std::vector<std::string>& blob_paths, const std::vector<int>* configured);

}  // namespace cairn::blob
