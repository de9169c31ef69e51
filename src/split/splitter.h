// Content-defined and fixed chunking. docs/format/splitters.md (kopia-format B, kopia-model §2)
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/bytes.h"

namespace cairn::split {

inline constexpr std::string_view kDefaultSplitter = "DYNAMIC-4M-BUZHASH";

// Finds chunk ends in one object's stream; fresh per object (reset()). The result does not depend on how the stream is
// sliced into calls. Not thread-safe.
class Splitter {
 public:
  virtual ~Splitter() = default;
  // Errors: unsupported (unknown name).
  static Result<std::unique_ptr<Splitter>> create(std::string_view name);
  // Number of leading bytes of `data` up to and including the next chunk end, or −1 if no chunk ends in `data` (then
  // all of it was consumed). Call again with the rest.
  virtual std::ptrdiff_t next(ByteView data) = 0;
  virtual void reset() = 0;
  virtual std::size_t chunk_size_max() const = 0;
};

std::span<const std::string_view> splitter_names();  // sorted, aliases included
bool is_known(std::string_view name);
// Largest chunk of the named splitter, bytes; 0 if unknown.
std::size_t chunk_size_max(std::string_view name);

// For tests of small sizes: kinds "fixed", "buzhash", "rabinkarp" with any average (power of two for the dynamic ones).
std::unique_ptr<Splitter> make_test_splitter(std::string_view kind, std::size_t average);

}  // namespace cairn::split
