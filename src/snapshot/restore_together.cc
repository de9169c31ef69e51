// Restoring small files of many directories in the order of the packs.
#include "snapshot/restore_engine.h"
#include "snapshot/tree_walk.h"

namespace cairn::snapshot {
namespace {

constexpr std::int64_t kFileMax = 1 << 20;  // longer ones are worth a request of their own
// What waits to be sorted. Enough for every reader, and a few megabytes of names.
constexpr std::size_t kFilesMax = 8192;
constexpr std::size_t kBytesMax = std::size_t{64} << 20;

}  // namespace

struct RestoreEngine::Gathered {
  struct File {
    NodePtr node;
    DirEntry entry;
  };
  std::vector<File> files;
  std::vector<content::ContentPlace> places;  // owner: the file
  std::size_t bytes = 0;
};

// False: the entry is to be restored by itself.
bool RestoreEngine::gather(const NodePtr& node, const DirEntryView& entry) {
  const std::int64_t length_max = entry.type == EntryType::symlink ? std::int64_t{kRestoredLinkMax} : kFileMax;
  if (entry.obj.indirection != 0 || entry.obj.compressed || entry.size > length_max) {
    return false;
  }
  const auto info = objects_.contents().info(entry.obj.content, stop());
  if (!info.ok() || info->original_length > length_max || info->packed_length > 2 * kFileMax) {
    return false;
  }
  if (skip(node, entry)) {
    return true;
  }
  ++node->pending;
  std::shared_ptr<Gathered> full;
  {
    const std::lock_guard lock(gather_mutex_);
    if (gathered_ == nullptr) {
      gathered_ = std::make_shared<Gathered>();
    }
    Gathered& g = *gathered_;
    g.places.push_back(content::place_of(*info, packs_, static_cast<std::uint32_t>(g.files.size())));
    g.files.push_back({node, entry.to_entry()});
    g.bytes += info->packed_length;
    if (g.files.size() >= kFilesMax || g.bytes >= kBytesMax) {
      full = std::move(gathered_);
    }
  }
  if (full != nullptr) {
    read_gathered(std::move(full));
  }
  return true;
}

void RestoreEngine::flush_gathered() {
  std::shared_ptr<Gathered> rest;
  {
    const std::lock_guard lock(gather_mutex_);
    rest = std::move(gathered_);
  }
  if (rest != nullptr) {
    read_gathered(std::move(rest));
  }
}

void RestoreEngine::read_gathered(std::shared_ptr<Gathered> gathered) {
  for (const content::PackRange& range : content::merge_into_ranges(gathered->places, options_.limits)) {
    push([this, gathered, range] { restore_range(*gathered, range); });
  }
}

void RestoreEngine::restore_range(Gathered& gathered, const content::PackRange& range) {
  std::vector<std::size_t> unread;
  const auto each = [&](std::size_t first, const Buffer* content) -> Status {
    for (std::size_t i = first; i < range.last && gathered.places[i].id == gathered.places[first].id; ++i) {
      if (stop().stop_requested()) {
        return Status(Code::cancelled, "cancelled");
      }
      if (content == nullptr) {
        unread.push_back(i);
        continue;
      }
      Gathered::File& file = gathered.files[gathered.places[i].owner];
      write_gathered(file.node, view_of(file.entry), *content);
      release(std::exchange(file.node, nullptr));
    }
    return {};
  };
  {
    const ByteBudget::Lease lease = budget_.take(range.length + options_.limits.decoded_max);
    // It fails only when the restore stops; what waits is let go with the engine then.
    (void)content::read_range(objects_.contents(), packs_, gathered.places, range, options_.limits, each, stop());
  }
  // Each of these asks again by itself, and knows what to say.
  for (const std::size_t i : unread) {
    Gathered::File& file = gathered.files[gathered.places[i].owner];
    if (!stop().stop_requested()) {
      restore_now(file.node, view_of(file.entry));
    }
    release(std::exchange(file.node, nullptr));
  }
}

void RestoreEngine::write_gathered(const NodePtr& node, const DirEntryView& entry, const Buffer& content) {
  Status s = entry.type == EntryType::symlink ? write_link(node, entry, std::string(content.text()))
                                              : write_direct(node, entry, content.view());
  if (!s.ok()) {
    fail(node.get(), entry.name, std::move(s));
  }
}

}  // namespace cairn::snapshot
