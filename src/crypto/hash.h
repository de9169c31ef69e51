// The repository's keyed hashes. docs/format/hashes.md (kopia-format §4)
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace cairn::crypto {

// Immutable and thread-safe once made; per-thread state lives inside the calls.
class Hasher {
 public:
  virtual ~Hasher() = default;
  // Errors: unsupported (unknown name), invalid_argument (key not legal for this hash).
  static Result<std::unique_ptr<Hasher>> create(std::string_view name, ByteView key);
  virtual std::size_t size() const = 0;  // bytes: 16, 28 or 32
  virtual void hash(ByteView data, HashValue& out) const = 0;
  // Hash of the concatenation.
  virtual void hash(GatherView parts, HashValue& out) const = 0;
  // Several independent inputs at once: the place for multi-buffer kernels. The default loops.
  virtual void hash_many(std::span<const ByteView> inputs, std::span<HashValue> out) const;
};

inline constexpr std::string_view kDefaultHash = "BLAKE2B-256-128";
// Supported names, sorted.
std::span<const std::string_view> hash_names();

// Plain SHA-256 (cache directory names, tests), SHA-1 is deliberately absent.
std::array<Byte, 32> sha256(ByteView data);

}  // namespace cairn::crypto
