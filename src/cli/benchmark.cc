#include "cli/benchmark.h"

#include <algorithm>
#include <cstring>

#include "base/task_group.h"
#include "base/units.h"

namespace cairn::cli {

std::vector<FlagSpec> benchmark_flags(const char* block_size, const char* repeat) {
  return {{.name = "block-size",
           .type = ValueType::byte_size,
           .default_value = block_size,
           .help = "Bytes worked on at a time"},
          {.name = "repeat", .type = ValueType::integer, .default_value = repeat, .help = "Number of repetitions"},
          {.name = "parallel", .type = ValueType::integer, .default_value = "1", .help = "Number of threads"},
          {.name = "print-options", .help = "Print the option that chooses each"}};
}

BenchmarkSize BenchmarkSize::of(const ParsedCommand& command) {
  BenchmarkSize size;
  constexpr std::int64_t kBlockMax = std::int64_t{1} << 30;
  size.block = std::clamp<std::int64_t>(command.integer("block-size"), 1, kBlockMax);
  size.repeat = std::max<std::int64_t>(1, command.integer("repeat"));
  size.parallel = static_cast<unsigned>(std::clamp<std::int64_t>(command.integer("parallel"), 1, 256));
  return size;
}

Result<double> measure(const BenchmarkSize& size, std::stop_token stop, const std::function<Status(unsigned)>& work) {
  const std::int64_t started = monotonic_ns();
  TRY(parallel_for(size.parallel, size.parallel, stop, [&](std::size_t thread, std::stop_token inner) -> Status {
    for (std::int64_t i = 0; i < size.repeat; ++i) {
      if (inner.stop_requested()) {
        return Status(Code::cancelled, "cancelled");
      }
      TRY(work(static_cast<unsigned>(thread)));
    }
    return {};
  }));
  const double elapsed = static_cast<double>(std::max<std::int64_t>(1, monotonic_ns() - started)) / 1e9;
  return static_cast<double>(size.block) * static_cast<double>(size.repeat) * size.parallel / elapsed;
}

void fill_random(std::uint64_t seed, MutByteView out) {
  std::uint64_t state = seed * 0x9e3779b97f4a7c15ULL + 1;
  std::size_t at = 0;
  while (at < out.size()) {
    state += 0x9e3779b97f4a7c15ULL;  // splitmix64
    std::uint64_t z = state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    z ^= z >> 31;
    const std::size_t n = std::min(sizeof z, out.size() - at);
    std::memcpy(out.data() + at, &z, n);
    at += n;
  }
}

std::string rate_text(double bytes_per_second) { return bytes_text(static_cast<std::int64_t>(bytes_per_second)); }
std::string dashes(std::size_t count) { return std::string(count, '-'); }

}  // namespace cairn::cli
