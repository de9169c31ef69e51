#include "index/index_merge.h"

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "sys/mapped.h"

namespace cairn::index {
namespace {

constexpr std::size_t kSmallPlaintext = 64 << 10;
constexpr std::size_t kStopEvery = 4096;

// Where one reader stands. `head` is the beginning of the key there: most comparisons need no more.
struct Cursor {
  std::uint64_t head = 0;
  const IndexReader* reader = nullptr;
  std::size_t position = 0, end = 0;

  ByteView key() const { return reader->key_at(position); }
  void load() {
    Byte first[8] = {};
    const ByteView k = key();
    std::copy_n(k.data(), std::min(k.size(), sizeof first), first);
    head = load_be64(first);
  }
};

int compare(const Cursor& a, const Cursor& b) {
  if (a.head != b.head) {
    return a.head < b.head ? -1 : 1;
  }
  const ByteView ka = a.key();
  const ByteView kb = b.key();
  const int c = std::memcmp(ka.data(), kb.data(), std::min(ka.size(), kb.size()));
  return c != 0 ? c : ka.size() < kb.size() ? -1 : ka.size() > kb.size() ? 1 : 0;
}

class Heap {
 public:
  explicit Heap(std::span<const ReaderRange> ranges) {
    for (const ReaderRange& r : ranges) {
      if (r.begin < r.end) {
        cursors_.push_back({0, r.reader, r.begin, r.end});
        cursors_.back().load();
      }
    }
    for (std::size_t i = cursors_.size() / 2; i-- > 0;) {
      sink(i);
    }
  }
  bool empty() const { return cursors_.empty(); }
  const Cursor& top() const { return cursors_.front(); }
  void advance() {
    Cursor& c = cursors_.front();
    if (++c.position == c.end) {
      c = cursors_.back();
      cursors_.pop_back();
    } else {
      c.load();
    }
    if (!cursors_.empty()) {
      sink(0);
    }
  }

 private:
  void sink(std::size_t i) {
    const Cursor moving = cursors_[i];
    for (std::size_t child = 2 * i + 1; child < cursors_.size(); child = 2 * i + 1) {
      if (child + 1 < cursors_.size() && compare(cursors_[child + 1], cursors_[child]) < 0) {
        ++child;
      }
      if (compare(moving, cursors_[child]) <= 0) {
        break;
      }
      cursors_[i] = cursors_[child];
      i = child;
    }
    cursors_[i] = moving;
  }
  std::vector<Cursor> cursors_;
};

}  // namespace

Status merge_readers(std::span<const IndexReader* const> readers, const std::function<Status(const Entry&)>& fn) {
  std::vector<ReaderRange> ranges;
  ranges.reserve(readers.size());
  for (const IndexReader* r : readers) {
    ranges.push_back({r, 0, r->size()});
  }
  return merge_ranges(ranges, fn);
}

Status merge_ranges(std::span<const ReaderRange> ranges, const std::function<Status(const Entry&)>& fn) {
  Heap heap(ranges);
  while (!heap.empty()) {
    sys::mapped_touched();
    const Cursor first = heap.top();
    TRY_ASSIGN(Entry best, first.reader->at(first.position));
    heap.advance();
    while (!heap.empty() && compare(heap.top(), first) == 0) {
      TRY_ASSIGN(const Entry other, heap.top().reader->at(heap.top().position));
      if (beats(other, best)) {
        best = other;
      }
      heap.advance();
    }
    TRY(fn(best));
  }
  return {};
}

bool PlaintextStore::keep_in_memory(std::size_t size) {
  if (size < kSmallPlaintext) {
    return true;
  }
  const std::lock_guard lock(mutex_);
  if (in_memory_ + size > memory_max_) {
    return false;
  }
  in_memory_ += size;
  return true;
}

Result<IndexReader> PlaintextStore::open(Buffer plaintext, std::uint32_t encryption_overhead) {
  if (keep_in_memory(plaintext.size())) {
    return IndexReader::open(std::move(plaintext), encryption_overhead);
  }
  const auto on_disk = [&]() -> Result<sys::MappedBytes> {
    TRY_ASSIGN(sys::ScratchFile file, sys::ScratchFile::make(directory_));
    TRY(file.append(plaintext.view()));
    return file.map(0, file.size());
  };
  auto mapped = on_disk();
  if (!mapped.ok()) {
    log::warning("index", "an index stays in memory: {}", mapped.status().message());
    return IndexReader::open(std::move(plaintext), encryption_overhead);
  }
  plaintext = Buffer();
  return IndexReader::open(std::move(*mapped), encryption_overhead);
}

Status build_merged(std::span<const IndexReader* const> readers, const MergedShards& out, std::stop_token stop) {
  // Twice: a set says in its names how many shards it has.
  std::size_t seen = 0;
  const auto each_kept = [&](const std::function<Status(const Entry&)>& fn) {
    return merge_readers(readers, [&](const Entry& entry) -> Status {
      if (++seen % kStopEvery == 0 && stop.stop_requested()) {
        return {Code::cancelled, "cancelled"};
      }
      return out.keep && !out.keep(entry) ? Status() : fn(entry);
    });
  };
  std::size_t total = 0;
  TRY(each_kept([&](const Entry&) {
    ++total;
    return Status();
  }));
  const std::size_t shard_count = (total + out.entries_max - 1) / out.entries_max;
  TRY(out.begin(shard_count));
  if (total == 0) {
    return {};
  }
  const std::size_t each = (total + shard_count - 1) / shard_count;
  IndexBuilder builder;
  const auto finish = [&]() -> Status {
    TRY_ASSIGN(std::vector<Buffer> built, builder.build(out.version), "building index");
    builder.clear();
    if (stop.stop_requested()) {
      return {Code::cancelled, "cancelled"};
    }
    return out.shard(std::move(built.front()));
  };
  TRY(each_kept([&](const Entry& entry) -> Status {
    if (builder.size() == each) {
      TRY(finish());
    }
    builder.add(entry);
    return {};
  }));
  return finish();
}

}  // namespace cairn::index
