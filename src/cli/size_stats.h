// Count, total and a histogram of sizes by powers of ten, as `blob stats` and `content stats` print them.
#pragma once

#include <array>
#include <cstdint>

#include "cli/context.h"

namespace cairn::cli {

class SizeStats {
 public:
  void add(std::int64_t bytes);
  std::int64_t count() const { return count_; }
  std::int64_t total() const { return total_; }
  // Average and histogram; nothing when nothing was counted. `raw`: plain numbers instead of units.
  void print_distribution(Context& context, bool raw) const;

 private:
  static constexpr std::size_t kRows = 8;  // below 10, 100, … 10^8; larger ones stand in no row
  struct Row {
    std::int64_t count = 0, total = 0;
  };
  std::int64_t count_ = 0, total_ = 0;
  std::array<Row, kRows> rows_{};
};

std::string size_text(std::int64_t bytes, bool raw);

}  // namespace cairn::cli
