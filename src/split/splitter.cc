#include "split/splitter.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "split/rolling.h"

namespace cairn::split {
namespace {

constexpr std::size_t operator""_KiB(unsigned long long n) { return n << 10; }
constexpr std::size_t operator""_MiB(unsigned long long n) { return n << 20; }

enum class Kind { fixed, buzhash, rabinkarp };

struct Named {
  std::string_view name;
  Kind kind;
  std::size_t average;
};

constexpr std::array<Named, 23> kNamed = {{
    {"DYNAMIC", Kind::buzhash, 4_MiB},
    {"DYNAMIC-128K-BUZHASH", Kind::buzhash, 128_KiB},
    {"DYNAMIC-128K-RABINKARP", Kind::rabinkarp, 128_KiB},
    {"DYNAMIC-1M-BUZHASH", Kind::buzhash, 1_MiB},
    {"DYNAMIC-1M-RABINKARP", Kind::rabinkarp, 1_MiB},
    {"DYNAMIC-256K-BUZHASH", Kind::buzhash, 256_KiB},
    {"DYNAMIC-256K-RABINKARP", Kind::rabinkarp, 256_KiB},
    {"DYNAMIC-2M-BUZHASH", Kind::buzhash, 2_MiB},
    {"DYNAMIC-2M-RABINKARP", Kind::rabinkarp, 2_MiB},
    {"DYNAMIC-4M-BUZHASH", Kind::buzhash, 4_MiB},
    {"DYNAMIC-4M-RABINKARP", Kind::rabinkarp, 4_MiB},
    {"DYNAMIC-512K-BUZHASH", Kind::buzhash, 512_KiB},
    {"DYNAMIC-512K-RABINKARP", Kind::rabinkarp, 512_KiB},
    {"DYNAMIC-8M-BUZHASH", Kind::buzhash, 8_MiB},
    {"DYNAMIC-8M-RABINKARP", Kind::rabinkarp, 8_MiB},
    {"FIXED", Kind::fixed, 4_MiB},
    {"FIXED-128K", Kind::fixed, 128_KiB},
    {"FIXED-1M", Kind::fixed, 1_MiB},
    {"FIXED-256K", Kind::fixed, 256_KiB},
    {"FIXED-2M", Kind::fixed, 2_MiB},
    {"FIXED-4M", Kind::fixed, 4_MiB},
    {"FIXED-512K", Kind::fixed, 512_KiB},
    {"FIXED-8M", Kind::fixed, 8_MiB},
}};

constexpr auto kNames = [] {
  std::array<std::string_view, kNamed.size()> names;
  std::transform(kNamed.begin(), kNamed.end(), names.begin(), [](const Named& n) { return n.name; });
  return names;
}();

const Named* find_named(std::string_view name) {
  const auto* n = std::find_if(kNamed.begin(), kNamed.end(), [&](const Named& x) { return x.name == name; });
  return n == kNamed.end() ? nullptr : n;
}

constexpr std::size_t size_max(Kind kind, std::size_t average) { return kind == Kind::fixed ? average : 2 * average; }

class FixedSplitter final : public Splitter {
 public:
  explicit FixedSplitter(std::size_t size) : size_(size) {}
  std::ptrdiff_t next(ByteView data) override {
    const std::size_t left = size_ - count_;
    if (data.size() < left) {
      count_ += data.size();
      return -1;
    }
    count_ = 0;
    return static_cast<std::ptrdiff_t>(left);
  }
  void reset() override { count_ = 0; }
  std::size_t chunk_size_max() const override { return size_; }

 private:
  std::size_t size_;
  std::size_t count_ = 0;
};

class RollingSplitter final : public Splitter {
 public:
  RollingSplitter(FindFunction find, std::size_t average) : find_(find), average_(average) {}

  std::ptrdiff_t next(ByteView data) override {
    const std::size_t size_min = average_ / 2;
    // A cut is first tested for when the chunk has exactly size_min bytes.
    const std::size_t skip = std::min(data.size(), size_min - 1 - std::min(size_min - 1, count_));
    const std::size_t stop = std::min(data.size(), chunk_size_max() - count_);
    std::ptrdiff_t cut = search(data, skip, stop);
    if (cut < 0 && count_ + stop == chunk_size_max()) {
      cut = static_cast<std::ptrdiff_t>(stop);
    }
    remember(data.first(cut < 0 ? data.size() : static_cast<std::size_t>(cut)));
    count_ = cut < 0 ? count_ + data.size() : 0;
    return cut;
  }
  void reset() override {
    count_ = 0;
    last_.fill(0);
  }
  std::size_t chunk_size_max() const override { return 2 * average_; }

 private:
  // Bytes up to and including the first one in [from, to) after which the hash says cut; −1 if none.
  std::ptrdiff_t search(ByteView data, std::size_t from, std::size_t to) {
    const std::uint64_t mask = average_ - 1;
    if (from < std::min(kWindowSize, to)) {
      // The window reaches back into earlier calls.
      std::array<Byte, 2 * kWindowSize> seam;
      std::copy(last_.begin(), last_.end(), seam.begin());
      const std::size_t seam_end = std::min(kWindowSize, to);
      std::copy_n(data.begin(), seam_end, seam.begin() + kWindowSize);
      const std::ptrdiff_t at = find_(seam.data() + kWindowSize + from, seam_end - from, mask);
      if (at >= 0) {
        return static_cast<std::ptrdiff_t>(from) + at + 1;
      }
      from = seam_end;
    }
    if (from >= to) {
      return -1;
    }
    const std::ptrdiff_t at = find_(data.data() + from, to - from, mask);
    return at < 0 ? -1 : static_cast<std::ptrdiff_t>(from) + at + 1;
  }

  void remember(ByteView consumed) {
    if (consumed.size() >= kWindowSize) {
      std::copy_n(consumed.end() - kWindowSize, kWindowSize, last_.begin());
      return;
    }
    const std::size_t kept = kWindowSize - consumed.size();
    std::memmove(last_.data(), last_.data() + consumed.size(), kept);
    if (!consumed.empty()) {
      std::memcpy(last_.data() + kept, consumed.data(), consumed.size());
    }
  }

  FindFunction find_;
  std::size_t average_;
  std::size_t count_ = 0;                 // bytes of the current chunk seen so far
  std::array<Byte, kWindowSize> last_{};  // of the stream; it begins after 64 zeros and goes on across chunks
};

std::unique_ptr<Splitter> make(Kind kind, std::size_t average) {
  if (kind == Kind::fixed) {
    return std::make_unique<FixedSplitter>(average);
  }
  return std::make_unique<RollingSplitter>(kind == Kind::buzhash ? find_buzhash : find_rabinkarp, average);
}

}  // namespace

std::span<const std::string_view> splitter_names() { return kNames; }

bool is_known(std::string_view name) { return find_named(name) != nullptr; }

std::size_t chunk_size_max(std::string_view name) {
  const Named* n = find_named(name);
  return n == nullptr ? 0 : size_max(n->kind, n->average);
}

Result<std::unique_ptr<Splitter>> Splitter::create(std::string_view name) {
  const Named* n = find_named(name);
  if (n == nullptr) {
    return error(Code::unsupported, "unknown splitter {:?}", name);
  }
  return make(n->kind, n->average);
}

std::unique_ptr<Splitter> make_test_splitter(std::string_view kind, std::size_t average) {
  CHECK(average >= 2);
  if (kind == "fixed") {
    return make(Kind::fixed, average);
  }
  CHECK(kind == "buzhash" || kind == "rabinkarp", "unknown kind");
  CHECK((average & (average - 1)) == 0, "the average must be a power of two");
  return make(kind == "buzhash" ? Kind::buzhash : Kind::rabinkarp, average);
}

}  // namespace cairn::split
