// Many contents with few requests: what stands close together in a pack is read at once.
#pragma once

#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "content/content_manager.h"

namespace cairn::content {

// Packs by number, so that a place does not carry a name. Thread-safe.
class PackTable {
 public:
  std::uint32_t add(const std::string& name);
  const std::string& name(std::uint32_t number) const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<const std::string*> names_;
};

// Where a content stands, and what the caller wants it for.
struct ContentPlace {
  ContentId id;
  std::uint32_t pack = 0;  // by PackTable
  std::uint32_t offset = 0, packed_length = 0, original_length = 0;
  compress::HeaderId compression = 0;
  std::uint32_t owner = 0;  // the caller's number
};
ContentPlace place_of(const ContentInfo& info, PackTable& packs, std::uint32_t owner);

struct RangeLimits {
  std::uint32_t length_max = 4u << 20;  // bytes of one request; a longer content has one of its own
  std::uint32_t gap_max = 64u << 10;    // read and thrown away rather than asked for apart
  std::size_t decoded_max = 8u << 20;   // plaintext bytes that are hashed together, and a content more
};

// How contents of many files are best read from a storage.
struct ReadStyle {
  bool together = false;  // an answer takes long: what stands close together is asked for at once
  unsigned requests = 1;  // at one time
  RangeLimits limits = {};
};
// On a file system a read costs what it reads, and as many as CPUs are enough. A network answers late, but to many.
ReadStyle read_style(const blob::Storage& storage);

// places[first, last) of one pack; equal ids follow each other.
struct PackRange {
  std::size_t first = 0, last = 0;
  std::uint32_t offset = 0, length = 0;
};

// Sorts the places by pack, offset and id, and cuts them into ranges.
std::vector<PackRange> merge_into_ranges(std::vector<ContentPlace>& places, const RangeLimits& limits);

// Position in `places` of a content, and its plaintext, or nullptr when it cannot be had this way (the storage refused,
// damaged, moved meanwhile): ContentManager::read() then knows more.
using PlaceCallback = std::function<Status(std::size_t place, const Buffer* content)>;

// One request, then each of the range's contents once (of equal ids the first place), decrypted, decompressed and
// compared with its id. Errors: cancelled, the callback's.
Status read_range(ContentManager& contents, const PackTable& packs, std::span<const ContentPlace> places,
                  const PackRange& range, const RangeLimits& limits, const PlaceCallback& each, std::stop_token stop);

}  // namespace cairn::content
