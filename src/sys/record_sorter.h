// Sets of fixed-size records that may be larger than memory: sorted runs on disk, merged.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "sys/mapped.h"

namespace cairn::sys {

// Distinct records in ascending bytewise order. Thread-safe.
class SortedRecords {
 public:
  std::size_t size() const { return count_; }
  ByteView operator[](std::size_t i) const {
    mapped_touched();
    return bytes().subspan(i * record_size_, record_size_);
  }
  bool contains(ByteView record) const;

 private:
  friend class RecordSorter;
  ByteView bytes() const { return mapped_.empty() ? ByteView(memory_.view()) : mapped_.view(); }
  std::size_t record_size_ = 1, count_ = 0;
  Buffer memory_;
  MappedBytes mapped_;
};

// Memory: `memory_bytes` (at least one record). Disk: twice the distinct records, in unlinked files of `directory`
// (ScratchFile). What fits into memory never touches the disk. Not thread-safe.
class RecordSorter {
 public:
  RecordSorter(std::size_t record_size, std::size_t memory_bytes, std::string directory);
  // Equal records count once. Errors: resource_exhausted (disk full); the file system's.
  Status add(ByteView record);
  // Ends adding.
  Result<SortedRecords> finish();

 private:
  struct Item {
    std::uint64_t head;  // first bytes, for a quick comparison
    std::uint32_t number;
  };
  std::size_t sort_buffer(Buffer& out);
  Status spill();
  Status merge_runs();
  Result<ScratchFile> merged() const;

  const std::size_t record_size_, records_max_;
  const std::string directory_;
  Buffer buffer_;
  std::vector<Item> items_;
  std::vector<MappedBytes> runs_;
};

}  // namespace cairn::sys
