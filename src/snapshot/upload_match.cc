// Comparing a directory with what the previous snapshots have of it. (kopia-model §8.3)
#include <algorithm>

#include "base/log.h"
#include "snapshot/upload_internal.h"

namespace cairn::snapshot {
namespace {

// Walks a sorted array in step with names that come sorted as a rule. Out of order they are found all the same.
template <class T>
class NameCursor {
 public:
  NameCursor(std::vector<T>& sorted, const std::string& names) : sorted_(sorted), names_(names) {}

  T* find(std::string_view name) {
    if (next_ < sorted_.size() && name_at(next_) < name) {
      ++next_;
      if (next_ < sorted_.size() && name_at(next_) < name) {
        next_ = lower_bound(next_, name);
      }
    } else if (next_ > 0 && name <= name_at(next_ - 1)) {
      next_ = lower_bound(0, name);
    }
    return next_ < sorted_.size() && name_at(next_) == name ? &sorted_[next_] : nullptr;
  }

 private:
  std::string_view name_at(std::size_t i) const {
    return {names_.data() + sorted_[i].name_offset, sorted_[i].name_size};
  }
  std::size_t lower_bound(std::size_t from, std::string_view name) const {
    std::size_t low = from, high = sorted_.size();
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      if (name_at(middle) < name) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
  std::vector<T>& sorted_;
  const std::string& names_;
  std::size_t next_ = 0;
};

bool same(const UploadItem& item, const DirEntryView& previous) {
  return item.type == previous.type && item.mtime == previous.mtime && item.size == previous.size &&
         item.mode == previous.mode && item.uid == previous.uid && item.gid == previous.gid;
}

}  // namespace

void Uploader::match_previous(UploadDir& dir, std::span<const object::ObjectId> previous) {
  std::uint32_t number = 0;
  for (const object::ObjectId& id : previous) {
    ++number;
    const Status status = match_one(dir, id, number);
    if (status.ok()) {
      accept_matches(dir);
      continue;
    }
    // Nothing of an object that turned out unreadable is believed.
    for (UploadItem& item : dir.items) {
      if (item.state == ItemState::matched || item.state == ItemState::ambiguous) {
        item.state = ItemState::pending;
      }
    }
    for (UploadSubdir& sub : dir.subdirs) {
      if (sub.seen_in == number) {
        sub.previous.pop_back();
      }
    }
    if (!stopping()) {
      log::warning("upload", "unable to read previous directory {} of \"{}\": {}", id.text(), dir.path,
                   status.message());
    }
  }
}

void Uploader::accept_matches(UploadDir& dir) {
  std::int64_t files = 0, bytes = 0;
  const std::int64_t detail =
      options_.log_entry_detail.value_or(dir.policies.policy().logging.entry_cache_hit.value_or(0));
  for (UploadItem& item : dir.items) {
    if (item.state == ItemState::ambiguous) {
      item.state = ItemState::pending;
    }
    if (item.state != ItemState::matched) {
      continue;
    }
    item.state = ItemState::done;
    ++files;
    bytes += item.size;
    if (want_log_) {
      log_entry(dir, dir.item_name(item), "cached", detail, item.size, 0);
    }
  }
  stats_.cached_files.fetch_add(files, std::memory_order_relaxed);
  stats_.total_size.fetch_add(bytes, std::memory_order_relaxed);
  progress_.counters.cached_files.fetch_add(files, std::memory_order_relaxed);
  progress_.counters.cached_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

// A content that no index knows (a store may have lost what it said it kept) would be missing in this snapshot and all
// that follow; the file is at hand and is stored again.
bool Uploader::is_known(const object::ObjectId& id) {
  return repository_.contents().info(id.content, files_stop()).code() != Code::not_found;
}

Status Uploader::match_one(UploadDir& dir, const object::ObjectId& previous, std::uint32_t number) {
  NameCursor<UploadItem> items(dir.items, dir.names);
  NameCursor<UploadSubdir> subdirs(dir.subdirs, dir.names);
  const auto on_entry = [&](const DirEntryView& p) -> Status {
    if (p.obj.empty()) {
      return {};
    }
    if (p.type == EntryType::directory) {
      UploadSubdir* sub = subdirs.find(p.name);
      if (sub != nullptr && sub->seen_in != number &&
          std::find(sub->previous.begin(), sub->previous.end(), p.obj) == sub->previous.end()) {
        sub->previous.push_back(p.obj);
        sub->seen_in = number;
      }
      return {};
    }
    UploadItem* item = items.find(p.name);
    if (item == nullptr) {
      return {};
    }
    if (item->state == ItemState::matched) {
      // Names that are not UTF-8 are stored as U+FFFD: two files may have become one name. Neither can be trusted.
      item->state = item->obj == p.obj ? ItemState::matched : ItemState::ambiguous;
      return {};
    }
    if (item->state == ItemState::pending && same(*item, p) &&
        (options_.force_hash_percent <= 0 ||
         std::uniform_real_distribution<double>(0, 100)(random_) >= options_.force_hash_percent) &&
        is_known(p.obj)) {
      item->obj = p.obj;
      item->state = ItemState::matched;
    }
    return {};
  };
  DirectoryParser parser(on_entry);
  TRY(repository_.objects().read(
      previous, [&](ByteView piece) { return parser.feed(as_text(piece)); }, files_stop()));
  TRY(parser.finish());
  return {};
}

}  // namespace cairn::snapshot
