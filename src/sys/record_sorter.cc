#include "sys/record_sorter.h"

#include <algorithm>
#include <queue>

namespace cairn::sys {
namespace {

constexpr std::size_t kRunsMax = 16;
constexpr std::size_t kWriteSize = 1 << 20;
constexpr std::size_t kReservedMax = std::size_t{16} << 20;  // records

std::uint64_t head_of(const Byte* record, std::size_t size) {
  Byte first[8] = {};
  std::copy_n(record, std::min<std::size_t>(size, sizeof first), first);
  return load_be64(first);
}

}  // namespace

bool SortedRecords::contains(ByteView record) const {
  std::size_t low = 0;
  std::size_t high = count_;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const int c = std::memcmp((*this)[middle].data(), record.data(), record_size_);
    if (c == 0) {
      return true;
    }
    (c < 0 ? low : high) = c < 0 ? middle + 1 : middle;
  }
  return false;
}

// While a run is sorted there are the records, their items and the sorted copy.
RecordSorter::RecordSorter(std::size_t record_size, std::size_t memory_bytes, std::string directory)
    : record_size_(record_size),
      records_max_(std::clamp<std::size_t>(memory_bytes / (2 * record_size + sizeof(Item)), 1, 0xffffffffU)),
      directory_(std::move(directory)) {}

Status RecordSorter::add(ByteView record) {
  CHECK(record.size() == record_size_);
  if (items_.size() == records_max_) {
    TRY(spill());
  }
  if (items_.capacity() == 0 && records_max_ <= kReservedMax) {
    // Addresses, not memory: what is never filled costs nothing, and nothing is copied while it grows.
    items_.reserve(records_max_);
    buffer_.reserve(records_max_ * record_size_);
  }
  items_.push_back({head_of(record.data(), record_size_), static_cast<std::uint32_t>(items_.size())});
  buffer_.append(record);
  return {};
}

std::size_t RecordSorter::sort_buffer(Buffer& out) {
  std::sort(items_.begin(), items_.end(), [this](const Item& a, const Item& b) {
    return a.head != b.head ? a.head < b.head
                            : std::memcmp(buffer_.data() + a.number * record_size_,
                                          buffer_.data() + b.number * record_size_, record_size_) < 0;
  });
  out.reserve(buffer_.size());
  const Byte* last = nullptr;
  std::size_t count = 0;
  for (const Item& item : items_) {
    const Byte* record = buffer_.data() + item.number * record_size_;
    if (last == nullptr || std::memcmp(last, record, record_size_) != 0) {
      out.append(ByteView{record, record_size_});
      ++count;
    }
    last = record;
  }
  items_.clear();
  buffer_.clear();
  return count;
}

Status RecordSorter::spill() {
  Buffer sorted;
  sort_buffer(sorted);
  TRY_ASSIGN(ScratchFile file, ScratchFile::make(directory_));
  TRY(file.append(sorted.view()));
  TRY_ASSIGN(MappedBytes run, file.map(0, file.size()));
  runs_.push_back(std::move(run));
  return runs_.size() < kRunsMax ? Status() : merge_runs();
}

Result<ScratchFile> RecordSorter::merged() const {
  struct Cursor {
    std::uint64_t head;
    const Byte* at;
    const Byte* end;
  };
  const auto later = [this](const Cursor& a, const Cursor& b) {
    return a.head != b.head ? a.head > b.head : std::memcmp(a.at, b.at, record_size_) > 0;
  };
  std::priority_queue<Cursor, std::vector<Cursor>, decltype(later)> heap(later);
  for (const MappedBytes& run : runs_) {
    const Byte* begin = run.view().data();
    heap.push({head_of(begin, record_size_), begin, begin + run.view().size()});
  }
  TRY_ASSIGN(ScratchFile out, ScratchFile::make(directory_));
  Buffer piece;
  Buffer last;
  while (!heap.empty()) {
    mapped_touched();
    Cursor c = heap.top();
    heap.pop();
    if (last.empty() || std::memcmp(last.data(), c.at, record_size_) != 0) {
      last.clear();
      last.append(ByteView{c.at, record_size_});
      piece.append(last.view());
    }
    if (piece.size() >= kWriteSize) {
      TRY(out.append(piece.view()));
      piece.clear();
    }
    c.at += record_size_;
    if (c.at != c.end) {
      c.head = head_of(c.at, record_size_);
      heap.push(c);
    }
  }
  TRY(out.append(piece.view()));
  return out;
}

Status RecordSorter::merge_runs() {
  TRY_ASSIGN(const ScratchFile file, merged());
  runs_.clear();
  TRY_ASSIGN(MappedBytes run, file.map(0, file.size()));
  runs_.push_back(std::move(run));
  return {};
}

Result<SortedRecords> RecordSorter::finish() {
  SortedRecords out;
  out.record_size_ = record_size_;
  if (runs_.empty()) {
    out.count_ = sort_buffer(out.memory_);
    buffer_ = Buffer();
    items_ = {};
    return out;
  }
  if (!items_.empty()) {
    TRY(spill());
  }
  buffer_ = Buffer();
  items_ = {};
  if (runs_.size() > 1) {
    TRY(merge_runs());
  }
  out.mapped_ = std::move(runs_.front());
  runs_.clear();
  out.count_ = out.mapped_.view().size() / record_size_;
  return out;
}

}  // namespace cairn::sys
