// Data that may be larger than memory: files without a name, mapped, and a ceiling on how much of them stays resident.
#pragma once

#include <cstddef>
#include <string>

#include "base/bytes.h"
#include "sys/file.h"

namespace cairn::sys {

// A piece of a file in the address space. The pages are the page cache's; they count as this process's resident memory
// only while they are in use (keep_resident_below). A disk that fails under a mapping ends the process (SIGBUS).
class MappedBytes {
 public:
  MappedBytes() noexcept = default;
  MappedBytes(MappedBytes&& o) noexcept
      : base_(std::exchange(o.base_, nullptr)),
        mapped_(std::exchange(o.mapped_, 0)),
        view_(std::exchange(o.view_, {})) {}
  MappedBytes& operator=(MappedBytes&& o) noexcept;
  MappedBytes(const MappedBytes&) = delete;
  MappedBytes& operator=(const MappedBytes&) = delete;
  ~MappedBytes() { reset(); }
  ByteView view() const noexcept { return view_; }
  MutByteView mut() noexcept { return view_; }  // of writable mappings
  bool empty() const noexcept { return view_.empty(); }

 private:
  friend class ScratchFile;
  void reset() noexcept;
  void* base_ = nullptr;
  std::size_t mapped_ = 0;
  MutByteView view_;
};

// A temporary file that nobody else sees and that is gone when the process ends, however it ends.
class ScratchFile {
 public:
  // In `directory`, or in temp_directory() where that is empty or cannot be written. Errors: the file system's.
  static Result<ScratchFile> make(const std::string& directory);
  // Errors: resource_exhausted, saying where room is needed.
  Status append(ByteView bytes);
  std::size_t size() const { return size_; }
  // Part of what was appended, read-only; outlives the file object.
  Result<MappedBytes> map(std::size_t offset, std::size_t length) const;
  // `length` zero bytes of a new file, writable. The room is reserved first: no write to it can fail later.
  Result<MappedBytes> map_zeroed(std::size_t length);

 private:
  Status explain(Status s) const;
  UniqueFd fd_;
  std::string directory_;
  std::size_t size_ = 0;
};

// Ceiling of resident memory for the process in bytes; 0 (as at the start) = none. Only mapped pages can be given back,
// so what the program allocates must stay well below it.
void keep_resident_below(std::size_t bytes);
// The process's resident memory in bytes, 0 where the system does not tell.
std::size_t resident_bytes();
void trim_mapped();
// To be called with every access to mapped bytes; looks at the ceiling now and then.
inline void mapped_touched() {
  thread_local unsigned touches = 0;
  if ((++touches & 255U) == 0) {
    trim_mapped();
  }
}

}  // namespace cairn::sys
