#include "maintenance/memory.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"

namespace cairn::maintenance {
namespace {

TEST(PackTable, CountsByName) {
  PackTable table;
  std::map<std::string, std::int64_t> expected;
  EXPECT_EQ(table.find("p1"), nullptr);
  for (int i = 0; i < 5000; ++i) {
    const std::string name = std::string(i % 3 == 0 ? "q" : "p") + random_hex(16);
    for (int n = 0; n < i % 4 + 1; ++n) {
      table[name] += n + 1;
      expected[name] += n + 1;
    }
  }
  std::int64_t sum = 0;
  for (const auto& [name, value] : expected) {
    ASSERT_NE(table.find(name), nullptr);
    EXPECT_EQ(*table.find(name), value);
    sum += value;
  }
  EXPECT_EQ(table.find("p-not-there"), nullptr);
  std::int64_t by_letter = 0;
  table.for_each([&](char letter, std::int64_t& value) {
    EXPECT_TRUE(letter == 'p' || letter == 'q');
    by_letter += value;
  });
  EXPECT_EQ(by_letter, sum);
}

}  // namespace
}  // namespace cairn::maintenance
