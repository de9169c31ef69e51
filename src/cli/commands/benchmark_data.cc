// benchmark compression, splitter: the engine's own functions on a file or on random data.
#include <algorithm>
#include <atomic>

#include "base/units.h"
#include "cli/benchmark.h"
#include "cli/commands/commands.h"
#include "cli/format.h"
#include "compress/codec.h"
#include "split/splitter.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

using enum ValueType;
constexpr std::size_t kDataMax = std::size_t{1} << 30;
constexpr std::int64_t kAutoRepeatBytes = 100'000'000;

std::vector<std::string> comma_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    out.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

struct Codec {
  const compress::Algorithm* algorithm = nullptr;
  Buffer compressed;
  double rate = 0;
};

Result<std::vector<Codec>> chosen_codecs(const ParsedCommand& command) {
  std::vector<Codec> out;
  const auto wanted = comma_list(command.text("algorithms"));
  for (const std::string& name : wanted) {
    const compress::Algorithm* algorithm = compress::find_by_name(name);
    if (algorithm == nullptr || !algorithm->writable) {
      return error(Code::invalid_argument, "unknown compression algorithm: {}", name);
    }
    out.push_back({algorithm, {}, 0});
  }
  if (wanted.empty()) {
    for (const compress::Algorithm& algorithm : compress::algorithms()) {
      if (algorithm.writable && (!algorithm.deprecated || command.boolean("deprecated"))) {
        out.push_back({&algorithm, {}, 0});
      }
    }
  }
  return out;
}

Status compress_once(const Codec& codec, ByteView data, bool verify_stable) {
  thread_local Buffer out;
  out.clear();
  TRY(compress::compress(codec.algorithm->id, data, out));
  if (verify_stable && out.text() != codec.compressed.text()) {
    return error(Code::internal, "the output of {} is not the same each time", codec.algorithm->name);
  }
  return {};
}

Status decompress_once(const Codec& codec, std::size_t size) {
  thread_local Buffer out;
  out.clear();
  return compress::decompress(codec.algorithm->id, codec.compressed, out, size, size);
}

void print_codecs(Context& context, const ParsedCommand& command, std::vector<Codec>& codecs) {
  std::ranges::stable_sort(codecs, [&](const Codec& a, const Codec& b) {
    return command.boolean("by-size") ? a.compressed.size() < b.compressed.size() : a.rate > b.rate;
  });
  context.print("     {:<26} {:<12} {:<12} {}\n{}\n", "Compression", "Compressed", "Throughput",
                "Allocs   Memory Usage", dashes(96));
  for (std::size_t i = 0; i < codecs.size(); ++i) {
    const Codec& c = codecs[i];
    // Allocations are Go's measure; this program reuses its buffers and does not count them.
    context.print("{:>3}. {:<26} {:<12} {:>8}/s     {:<8} -{}{}\n", i, c.algorithm->name,
                  bytes_text(static_cast<std::int64_t>(c.compressed.size())), rate_text(c.rate), "-",
                  c.algorithm->deprecated ? " (deprecated)" : "",
                  command.boolean("print-options") ? fmt::format(",   --compression={}", c.algorithm->name) : "");
  }
}

Status run_compression(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const Buffer data, sys::read_file(command.text("data-file"), kDataMax), "error reading data file");
  if (data.empty()) {
    return error(Code::invalid_argument, "empty data file");
  }
  BenchmarkSize size;
  size.block = static_cast<std::int64_t>(data.size());
  size.repeat = command.integer("repeat");
  if (size.repeat <= 0) {
    size.repeat = std::max<std::int64_t>(1, kAutoRepeatBytes / size.block);
  }
  size.parallel = static_cast<unsigned>(std::clamp<std::int64_t>(command.integer("parallel"), 1, 256));
  TRY_ASSIGN(std::vector<Codec> codecs, chosen_codecs(command));
  const std::string& operations = command.text("operations");
  for (const bool compressing : {true, false}) {
    if (operations == (compressing ? "decompress" : "compress")) {
      continue;
    }
    for (Codec& codec : codecs) {
      context.notice("Benchmarking {} '{}' ({} x {} bytes, parallelism {})",
                     compressing ? "compressor" : "decompressor", codec.algorithm->name, size.repeat, size.block,
                     size.parallel);
      codec.compressed.clear();
      TRY(compress::compress(codec.algorithm->id, data, codec.compressed), "{}", codec.algorithm->name);
      TRY_ASSIGN(codec.rate,
                 measure(size, context.stop(),
                         [&](unsigned) -> Status {
                           return compressing ? compress_once(codec, data, command.boolean("verify-stable"))
                                              : decompress_once(codec, data.size());
                         }),
                 "{}", codec.algorithm->name);
    }
    print_codecs(context, command, codecs);
  }
  return {};
}

struct SplitRow {
  std::string name;
  double rate = 0;
  std::vector<std::size_t> lengths;  // of the chunks, sorted
  std::string text() const {
    const auto at = [&](int percent) {
      return lengths[std::min(lengths.size() - 1, lengths.size() * static_cast<std::size_t>(percent) / 100)];
    };
    return fmt::format("{:<25} {:>12}/s count:{} min:{} 10th:{} 25th:{} 50th:{} 75th:{} 90th:{} max:{}", name,
                       rate_text(rate), lengths.size(), lengths.front(), at(10), at(25), at(50), at(75), at(90),
                       lengths.back());
  }
};

// Chunk lengths of one block, its end included.
void split_block(split::Splitter& splitter, ByteView data, std::vector<std::size_t>& lengths) {
  splitter.reset();
  while (!data.empty()) {
    const std::ptrdiff_t n = splitter.next(data);
    const std::size_t length = n < 0 ? data.size() : static_cast<std::size_t>(n);
    lengths.push_back(length);
    data = data.subspan(length);
  }
}

Status run_splitter(Context& context, const ParsedCommand& command) {
  const auto bytes = static_cast<std::size_t>(
      std::clamp<std::int64_t>(command.integer("data-size"), 1, static_cast<std::int64_t>(kDataMax)));
  const std::int64_t blocks = std::max<std::int64_t>(1, command.integer("block-count"));
  const auto seed = static_cast<std::uint64_t>(command.integer("rand-seed"));
  Buffer block(bytes);
  std::vector<SplitRow> rows;
  for (const std::string_view name : split::splitter_names()) {
    SplitRow row;
    row.name = name;
    std::int64_t spent_ns = 0;
    TRY_ASSIGN(const auto splitter, split::Splitter::create(name));
    for (std::int64_t i = 0; i < blocks; ++i) {
      if (context.stop().stop_requested()) {
        return Status(Code::cancelled, "cancelled");
      }
      fill_random(seed + static_cast<std::uint64_t>(i), block.mut());
      const std::int64_t started = monotonic_ns();
      split_block(*splitter, block, row.lengths);
      spent_ns += monotonic_ns() - started;
    }
    std::ranges::sort(row.lengths);
    row.rate = static_cast<double>(bytes) * static_cast<double>(blocks) * 1e9 /
               static_cast<double>(std::max<std::int64_t>(1, spent_ns));
    context.print("{}\n", row.text());
    rows.push_back(std::move(row));
  }
  std::ranges::stable_sort(rows, [](const SplitRow& a, const SplitRow& b) { return a.rate > b.rate; });
  context.print("{}\n", dashes(65));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    context.print("{:>3}. {}{}\n", i, rows[i].text(),
                  command.boolean("print-options") ? ",   --object-splitter=" + rows[i].name : "");
  }
  return {};
}

}  // namespace

void add_benchmark_data(CommandTable& table) {
  table.add(
      {.path = "benchmark compression",
       .help = "Measure compression on a file",
       .flags = {{.name = "repeat", .type = integer, .default_value = "0", .help = "Number of repetitions; 0: by size"},
                 {.name = "data-file", .type = existing_file, .help = "File to compress", .required = true},
                 {.name = "by-size", .help = "Smallest result first"},
                 {.name = "by-alloc", .help = "Accepted; allocations are not counted"},
                 {.name = "parallel", .type = integer, .default_value = "1", .help = "Number of threads"},
                 {.name = "operations",
                  .type = choice,
                  .default_value = "both",
                  .help = "What to measure",
                  .choices = {"compress", "decompress", "both"}},
                 {.name = "verify-stable", .help = "Fail when the result differs between repetitions"},
                 {.name = "print-options", .help = "Print the option that chooses each"},
                 {.name = "deprecated", .help = "Measure deprecated algorithms too"},
                 {.name = "algorithms", .type = text, .help = "Names, separated by commas"}},
       .run = run_compression});
  table.add(
      {.path = "benchmark splitter",
       .help = "Measure splitters on random data",
       .flags = {{.name = "rand-seed", .type = int64, .default_value = "42", .help = "Seed of the data"},
                 {.name = "data-size", .type = byte_size, .default_value = "32MB", .help = "Bytes of a block"},
                 {.name = "block-count", .type = integer, .default_value = "16", .help = "Number of blocks"},
                 {.name = "print-options", .help = "Print the option that chooses each"},
                 {.name = "parallel", .type = integer, .default_value = "1", .help = "Accepted; one thread is used"}},
       .run = run_splitter});
}

}  // namespace cairn::cli
