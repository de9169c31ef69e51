#include "cli/size_stats.h"

#include "base/units.h"

namespace cairn::cli {

std::string size_text(std::int64_t bytes, bool raw) { return raw ? std::to_string(bytes) : bytes_text(bytes); }

void SizeStats::add(std::int64_t bytes) {
  ++count_;
  total_ += bytes;
  std::int64_t bound = 10;
  for (Row& row : rows_) {
    if (bytes < bound) {
      ++row.count;
      row.total += bytes;
      return;
    }
    bound *= 10;
  }
}

void SizeStats::print_distribution(Context& context, bool raw) const {
  if (count_ == 0) {
    return;
  }
  context.print("Average: {}\nHistogram:\n\n", size_text(total_ / count_, raw));
  std::int64_t below = 0, bound = 10;
  for (const Row& row : rows_) {
    context.print("{:>9} between {} and {} (total {})\n", row.count, size_text(below, raw), size_text(bound, raw),
                  size_text(row.total, raw));
    below = bound;
    bound *= 10;
  }
}

}  // namespace cairn::cli
