#include "crypto/blake2b_many.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

namespace cairn::crypto {
namespace {

constexpr std::size_t kBlock = Blake2b::kBlockSize;
constexpr std::size_t kSortMax = 64;  // beyond it the unevenness at the end no longer matters

class Driver {
 public:
  Driver(const Blake2bEngine& engine, const Blake2Start<Blake2b>& start, std::span<const ByteView> inputs,
         std::size_t digest_size, std::span<HashValue> out)
      : engine_(engine), start_(start), inputs_(inputs), digest_size_(digest_size), out_(out) {
    // Longest first, or the longest may be left alone in its lane at the end.
    if (inputs.size() <= kSortMax) {
      std::iota(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(inputs.size()), std::uint8_t{0});
      std::sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(inputs.size()),
                [&](std::uint8_t a, std::uint8_t b) { return inputs[a].size() > inputs[b].size(); });
    }
  }

  void run() {
    for (std::size_t i = 0; i < engine_.lanes; ++i) {
      refill(i);
    }
    while (busy_ > 1) {
      step();
    }
    for (std::size_t i = 0; i < engine_.lanes; ++i) {
      if (lane_[i].busy) {
        finish_alone(i);
      }
    }
  }

 private:
  struct Lane {
    bool busy = false;
    std::size_t input = 0;
    ByteView rest;                  // not yet compressed
    alignas(64) Byte last[kBlock];  // the last block, padded
  };

  std::size_t full_blocks(const Lane& lane) const {  // that are not the last
    return lane.rest.empty() ? 0 : (lane.rest.size() - 1) / kBlock;
  }

  void refill(std::size_t i) {
    Lane& lane = lane_[i];
    lanes_.last[i] = 0;
    lane.busy = false;
    while (next_ < inputs_.size()) {
      lane.input = inputs_.size() <= kSortMax ? order_[next_] : next_;
      ++next_;
      lane.rest = inputs_[lane.input];
      if (lane.rest.empty() && start_.count > 0) {  // keyed hash of nothing: its last block is the key's
        hash_plain(lane.input);
        continue;
      }
      for (std::size_t w = 0; w < 8; ++w) {
        lanes_.h[w][i] = start_.h[w];
      }
      lanes_.count[i] = start_.count;
      lane.busy = true;
      ++busy_;
      return;
    }
  }

  void step() {
    std::size_t blocks = SIZE_MAX;
    for (std::size_t i = 0; i < engine_.lanes; ++i) {
      if (lane_[i].busy) {
        blocks = std::min(blocks, full_blocks(lane_[i]));
      }
    }
    const bool some_end = blocks == 0;
    blocks = std::max<std::size_t>(blocks, 1);
    std::array<const Byte*, kLanesMax> messages{};
    std::array<bool, kLanesMax> ends{};
    const Byte* any = nullptr;
    for (std::size_t i = 0; i < engine_.lanes; ++i) {
      Lane& lane = lane_[i];
      if (!lane.busy) {
        continue;
      }
      ends[i] = some_end && full_blocks(lane) == 0;
      messages[i] = ends[i] ? prepare_last(i) : lane.rest.data();
      any = messages[i];
      lanes_.count[i] += ends[i] ? lane.rest.size() : kBlock;
      lane.rest = lane.rest.subspan(ends[i] ? lane.rest.size() : blocks * kBlock);
    }
    std::replace(messages.begin(), messages.end(), static_cast<const Byte*>(nullptr),
                 any);  // idle lanes work for nothing
    engine_.kernel(lanes_, messages.data(), blocks);
    for (std::size_t i = 0; i < engine_.lanes; ++i) {
      lanes_.count[i] -= kBlock;  // the kernel leaves it ready for one block more
      if (ends[i]) {
        --busy_;
        store_digest(i);
        refill(i);
      }
    }
  }

  const Byte* prepare_last(std::size_t i) {
    Lane& lane = lane_[i];
    std::fill(std::copy(lane.rest.begin(), lane.rest.end(), lane.last), lane.last + kBlock, Byte{0});
    lanes_.last[i] = ~std::uint64_t{0};
    return lane.last;
  }

  void hash_plain(std::size_t input) {
    out_[input].size = static_cast<std::uint8_t>(digest_size_);
    blake2_hash(start_, GatherView(&inputs_[input], 1), out_[input].bytes.data(), digest_size_);
  }

  void store_digest(std::size_t i) {
    HashValue& v = out_[lane_[i].input];
    std::array<std::uint64_t, 8> h;
    for (std::size_t w = 0; w < 8; ++w) {
      h[w] = lanes_.h[w][i];
    }
    v.size = static_cast<std::uint8_t>(digest_size_);
    std::memcpy(v.bytes.data(), h.data(), digest_size_);  // only little-endian CPUs have these kernels
  }

  // The only busy lane: one stream is faster without the others' empty work.
  void finish_alone(std::size_t i) {
    Lane& lane = lane_[i];
    std::array<std::uint64_t, 8> h;
    for (std::size_t w = 0; w < 8; ++w) {
      h[w] = lanes_.h[w][i];
    }
    const std::size_t blocks = full_blocks(lane);
    std::uint64_t count = lanes_.count[i];
    blake2_compress_blocks(h.data(), lane.rest.data(), blocks, count);
    count += blocks * kBlock;
    lane.rest = lane.rest.subspan(blocks * kBlock);
    blake2_compress(h.data(), prepare_last(i), count + lane.rest.size(), true);
    for (std::size_t w = 0; w < 8; ++w) {
      lanes_.h[w][i] = h[w];
    }
    store_digest(i);
    lane.busy = false;
    --busy_;
  }

  const Blake2bEngine& engine_;
  const Blake2Start<Blake2b>& start_;
  std::span<const ByteView> inputs_;
  std::size_t digest_size_;
  std::span<HashValue> out_;
  std::size_t next_ = 0;
  std::size_t busy_ = 0;
  Blake2bLanes lanes_{};
  std::array<Lane, kLanesMax> lane_;
  std::array<std::uint8_t, kSortMax> order_{};
};

// Mixed sizes, more than there are lanes, keyed and not.
bool agrees_with_plain(const Blake2bEngine& engine) {
  Bytes data(3000);
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<Byte>(i * 167 >> 3);
  }
  std::array<ByteView, 21> inputs;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    inputs[i] = ByteView(data).subspan(i, i < 9 ? i * 64 : i * 1237 % 2500);
  }
  for (const std::size_t key_size : {0, 32}) {
    const Blake2Start<Blake2b> start(ByteView(data).first(key_size), kHashSizeMax);
    std::array<HashValue, inputs.size()> got;
    blake2b_many(engine, start, inputs, kHashSizeMax, got);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      HashValue expected;
      blake2_hash(start, GatherView(&inputs[i], 1), expected.bytes.data(), kHashSizeMax);
      if (got[i].bytes != expected.bytes) {
        return false;
      }
    }
  }
  return true;
}

std::vector<Blake2bEngine> usable_engines() {
  std::vector<Blake2bEngine> engines;
#if defined(CAIRN_HAVE_X86_KERNELS)
  if (__builtin_cpu_supports("avx512f")) {
    engines.push_back({blake2b_kernel_avx512, 8});
  }
  if (__builtin_cpu_supports("avx2")) {
    engines.push_back({blake2b_kernel_avx2, 4});
  }
#endif
  std::erase_if(engines, [](const Blake2bEngine& e) { return !agrees_with_plain(e); });
  return engines;
}

}  // namespace

std::span<const Blake2bEngine> blake2b_engines() {
  static const std::vector<Blake2bEngine> engines = usable_engines();
  return engines;
}

void blake2b_many(const Blake2bEngine& engine, const Blake2Start<Blake2b>& start, std::span<const ByteView> inputs,
                  std::size_t size, std::span<HashValue> out) {
  Driver(engine, start, inputs, size, out).run();
}

}  // namespace cairn::crypto
