#include "crypto/blake2b_many.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/support/gen.h"

namespace cairn::crypto {
namespace {

TEST(Blake2bMany, EveryEngineAgreesWithOneStream) {
  std::mt19937 random(1);
  const Bytes data = test::gen_rand(1, 300000);
  for (const std::size_t key_size : {0, 1, 32, 64}) {
    const Blake2Start<Blake2b> start(ByteView(data).first(key_size), 32);
    for (const Blake2bEngine& engine : blake2b_engines()) {
      for (int round = 0; round < 60; ++round) {
        const std::size_t count = round < 20 ? static_cast<std::size_t>(round) : random() % 200;
        std::vector<ByteView> inputs;
        for (std::size_t i = 0; i < count; ++i) {
          const std::size_t size = random() % 4 == 0   ? 128 * (random() % 4)
                                   : random() % 8 == 0 ? random() % 100000
                                                       : random() % 1500;
          inputs.push_back(ByteView(data).subspan(random() % 100000, size));
        }
        std::vector<HashValue> out(count);
        blake2b_many(engine, start, inputs, 32, out);
        for (std::size_t i = 0; i < count; ++i) {
          HashValue expected;
          blake2_hash(start, GatherView(&inputs[i], 1), expected.bytes.data(), 32);
          ASSERT_EQ(hex_encode(out[i].view()), hex_encode(expected.bytes))
              << engine.lanes << " lanes, input " << i << " of " << count << ", " << inputs[i].size() << " bytes";
        }
      }
    }
  }
}

// A kernel that disagrees with the plain implementation is dropped silently; this would show it.
TEST(Blake2bMany, NoEngineOfThisCpuWasDropped) {
  std::size_t expected = 0;
#if defined(__x86_64__)
  expected += __builtin_cpu_supports("avx2") ? 1 : 0;
  expected += __builtin_cpu_supports("avx512f") ? 1 : 0;
#endif
  EXPECT_EQ(blake2b_engines().size(), expected);
}

}  // namespace
}  // namespace cairn::crypto
