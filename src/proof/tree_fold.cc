#include "proof/tree_fold.h"

#include <algorithm>

#include "base/task_group.h"

namespace cairn::proof {

// A directory whose subdirectories are under way.
struct TreeFold::Frame {
  object::ObjectId id;
  Fold value;
  std::vector<object::ObjectId> subdirectories;
};

bool TreeFold::known(const object::ObjectId& id, Fold& out) {
  const std::lock_guard lock(mutex_);
  const auto it = directories_.find(id);
  if (it == directories_.end()) {
    return false;
  }
  out = it->second;
  return true;
}

void TreeFold::remember(const object::ObjectId& id, const Fold& value) {
  const std::lock_guard lock(mutex_);
  directories_[id] = value;
}

Result<Fold> TreeFold::of_object(const object::ObjectId& id, std::stop_token stop) {
  if (id.empty()) {
    return Fold{};
  }
  if (id.indirection == 0) {
    return callbacks_.content(id.content, stop);
  }
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = indirect_.find(id); it != indirect_.end()) {
      return it->second;
    }
  }
  // The list of chunks first: what is damaged there cannot be read.
  object::ObjectId list = id;
  --list.indirection;
  TRY_ASSIGN(Fold value, of_object(list, stop));
  if (!value.damaged) {
    Status failed;
    const auto add = [&](const object::IndirectEntry& e) -> Status {
      auto chunk = callbacks_.content(e.object.content, stop);
      if (!chunk.ok()) {
        failed = std::move(chunk).status();
        return failed;
      }
      value.add(*chunk);
      return {};
    };
    const Status walked = objects_.for_each_chunk(id, add, stop);
    TRY(failed);
    if (!walked.ok()) {
      if (!walked.is(Code::corrupt) && !walked.is(Code::not_found)) {
        return walked;
      }
      // A content further down, which has been told of by its own callback, or else the list itself.
      value.damaged = true;
      callbacks_.on_unreadable(id, walked);
    }
  }
  const std::lock_guard lock(mutex_);
  indirect_[id] = value;
  return value;
}

Result<Fold> TreeFold::of(const snapshot::DirEntryView& entry, std::stop_token stop) {
  Fold value;
  if (entry.type == snapshot::EntryType::directory && known(entry.obj, value)) {
    return value;
  }
  return of_object(entry.obj, std::move(stop));
}

// Its own contents and files; subdirectories in an order that depends on the seed.
Status TreeFold::open_directory(const object::ObjectId& id, std::uint64_t seed, Frame& out, std::stop_token stop) {
  out.id = id;
  TRY_ASSIGN(out.value, of_object(id, stop));
  if (out.value.damaged) {
    return {};
  }
  Status failed;
  const auto add = [&](const snapshot::DirEntryView& e) -> Status {
    if (e.type == snapshot::EntryType::directory) {
      out.subdirectories.push_back(e.obj);
      return {};
    }
    auto value = of_object(e.obj, stop);
    if (!value.ok()) {
      failed = std::move(value).status();
      return failed;
    }
    out.value.add(*value);
    return {};
  };
  const auto listed = snapshot::for_each_child(objects_, id, add, {}, stop);
  TRY(failed);
  if (!listed.ok()) {
    if (listed.code() != Code::corrupt && listed.code() != Code::not_found) {
      return listed.status();
    }
    out.value.damaged = true;
    callbacks_.on_unreadable(id, listed.status());
  }
  if (!out.subdirectories.empty()) {
    std::ranges::rotate(out.subdirectories,
                        out.subdirectories.begin() + static_cast<std::ptrdiff_t>(seed % out.subdirectories.size()));
  }
  return {};
}

Status TreeFold::fold_tree(const object::ObjectId& root, std::uint64_t seed, std::stop_token stop) {
  Fold value;
  if (known(root, value)) {
    return {};
  }
  std::vector<Frame> stack(1);
  TRY(open_directory(root, seed, stack.back(), stop));
  while (!stack.empty()) {
    if (stop.stop_requested()) {
      return error(Code::cancelled, "cancelled");
    }
    if (stack.back().subdirectories.empty()) {
      const Frame done = std::move(stack.back());
      stack.pop_back();
      remember(done.id, done.value);
      if (!stack.empty()) {
        stack.back().value.add(done.value);
      }
      continue;
    }
    const object::ObjectId next = stack.back().subdirectories.back();
    stack.back().subdirectories.pop_back();
    if (known(next, value)) {
      stack.back().value.add(value);
    } else {
      stack.emplace_back();
      TRY(open_directory(next, seed, stack.back(), stop));
    }
  }
  return {};
}

Status TreeFold::run(const std::vector<snapshot::DirEntry>& roots, unsigned parallel, std::stop_token stop) {
  constexpr std::uint64_t kSpread = 0x9e3779b97f4a7c15ULL;
  const unsigned workers = std::max(1U, parallel);
  return parallel_for(workers, workers, std::move(stop), [&](std::size_t worker, std::stop_token t) -> Status {
    const std::size_t first = roots.empty() ? 0 : worker * roots.size() / workers;
    for (std::size_t i = 0; i < roots.size(); ++i) {
      const snapshot::DirEntry& root = roots[(first + i) % roots.size()];
      if (root.type == snapshot::EntryType::directory) {
        TRY(fold_tree(root.obj, (worker * kSpread) >> 32, t));
      }
    }
    return {};
  });
}

}  // namespace cairn::proof
