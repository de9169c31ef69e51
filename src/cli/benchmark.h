// What the benchmark commands share: common flags, timing over threads, random data of a seed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/context.h"

namespace cairn::cli {

// --block-size, --repeat, --parallel, --print-options.
std::vector<FlagSpec> benchmark_flags(const char* block_size, const char* repeat);

struct BenchmarkSize {
  std::int64_t block = 0, repeat = 1;
  unsigned parallel = 1;
  static BenchmarkSize of(const ParsedCommand& command);
};

// Bytes a second, when each of `parallel` threads calls `work(thread)` `repeat` times for `block` bytes each.
// Errors: those of `work`.
Result<double> measure(const BenchmarkSize& size, std::stop_token stop, const std::function<Status(unsigned)>& work);

// Bytes that depend on the seed alone and do not compress.
void fill_random(std::uint64_t seed, MutByteView out);

// "12.3 MB": as a rate of bytes a second, without the "/s".
std::string rate_text(double bytes_per_second);
std::string dashes(std::size_t count);

}  // namespace cairn::cli
