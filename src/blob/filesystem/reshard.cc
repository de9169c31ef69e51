#include "blob/filesystem/reshard.h"

#include <filesystem>
#include <set>
#include <vector>

#include "sys/file.h"

namespace cairn::blob {
namespace {

namespace fs = std::filesystem;

struct Move {
  std::string from, to;  // below the root
};

struct Plan {
  std::vector<Move> moves;
  std::int64_t unchanged = 0;
};

// Only directories without blobs and files of others stay out of the plan.
Result<Plan> plan_moves(const std::string& root, const ShardLayout& layout, std::stop_token stop) {
  Plan plan;
  std::set<std::string> targets;
  std::error_code code;
  fs::recursive_directory_iterator it(root, code), end;
  for (; !code && it != end; it.increment(code)) {
    if (stop.stop_requested()) {
      return Status(Code::cancelled, "cancelled");
    }
    const std::string path = it->path().lexically_relative(root).string();
    if (it->is_symlink() || !it->is_regular_file() || !path.ends_with(kBlobSuffix)) {
      continue;
    }
    std::string id = path.substr(0, path.size() - kBlobSuffix.size());
    std::erase(id, '/');
    TRY_ASSIGN(std::string wanted, layout.path_of(BlobId(id)), "{}", path);
    if (!targets.insert(wanted).second) {
      return error(Code::already_exists, "blob {} is there twice, one of the files is {}", id, path);
    }
    if (wanted == path) {
      ++plan.unchanged;
    } else {
      plan.moves.push_back({path, std::move(wanted)});
    }
  }
  if (code) {
    return errno_status(code.value(), "reading " + root);
  }
  return plan;
}

// From the directory of a moved file upwards, as long as they are empty.
std::int64_t remove_empty_parents(const std::string& root, const std::string& file) {
  std::int64_t removed = 0;
  std::error_code code;
  for (fs::path below = fs::path(file).parent_path(); !below.empty(); below = below.parent_path()) {
    if (!fs::remove(fs::path(root) / below, code) || code) {
      break;
    }
    ++removed;
  }
  return removed;
}

}  // namespace

Result<ReshardResult> reshard_tree(const std::string& root, const ShardLayout& layout, bool dry_run,
                                   const std::function<void(const std::string& from, const std::string& to)>& progress,
                                   std::stop_token stop) {
  TRY_ASSIGN(const Plan plan, plan_moves(root, layout, stop));
  ReshardResult result;
  result.unchanged = plan.unchanged;
  for (const Move& move : plan.moves) {
    if (stop.stop_requested()) {
      return Status(Code::cancelled, "cancelled; run the command again, until then blobs are missing");
    }
    if (progress) {
      progress(move.from, move.to);
    }
    ++result.moved;
    if (dry_run) {
      continue;
    }
    const std::string to = sys::join_path(root, move.to);
    TRY(sys::make_directories(sys::parent_path(to), 0700));
    TRY(sys::rename_file_if_absent(sys::join_path(root, move.from), to));
  }
  if (dry_run) {
    return result;
  }
  TRY(sys::write_file_atomic(sys::join_path(root, kShardsFileName), as_bytes(layout.dump()), 0600));
  for (const Move& move : plan.moves) {
    result.removed_directories += remove_empty_parents(root, move.from);
  }
  return result;
}

}  // namespace cairn::blob
