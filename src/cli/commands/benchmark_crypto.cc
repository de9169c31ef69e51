// benchmark crypto, hashing, encryption, ecc: the engine's own functions on blocks in memory.
#include <algorithm>

#include "base/units.h"
#include "cli/benchmark.h"
#include "cli/commands/commands.h"
#include "cli/format.h"
#include "crypto/aead.h"
#include "crypto/ecc.h"
#include "crypto/hash.h"

namespace cairn::cli {
namespace {

constexpr std::size_t kSecretSize = 32;
constexpr std::size_t kIvSize = 16;

struct Row {
  std::string hash, encryption;
  double rate = 0;  // bytes a second
  std::string options() const {
    std::string out;
    for (const auto& [flag, name] : {std::pair("--block-hash", &hash), std::pair("--encryption", &encryption)}) {
      if (!name->empty()) {
        out += fmt::format("{}{}={}", out.empty() ? "" : " ", flag, *name);
      }
    }
    return out;
  }
};

void print_table(Context& context, const ParsedCommand& command, std::vector<Row> rows, const std::string& header,
                 const std::function<std::string(const Row&)>& names) {
  std::ranges::stable_sort(rows, [](const Row& a, const Row& b) { return a.rate > b.rate; });
  context.print("     {}\n{}\n", header, dashes(65));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    context.print("{:>3}. {} {} / second{}\n", i, names(rows[i]), rate_text(rows[i].rate),
                  command.boolean("print-options") ? ",   " + rows[i].options() : "");
  }
  context.print("{}\nFastest option for this machine is: {}\n", dashes(65), rows.front().options());
}

Bytes secret() { return Bytes(kSecretSize, Byte{7}); }

Buffer random_block(const BenchmarkSize& size) {
  Buffer block(static_cast<std::size_t>(size.block));
  fill_random(42, block.mut());
  return block;
}

Status run_crypto(Context& context, const ParsedCommand& command) {
  const BenchmarkSize size = BenchmarkSize::of(command);
  const Buffer block = random_block(size);
  std::vector<Row> rows;
  for (const std::string_view hash : crypto::hash_names()) {
    for (const std::string_view encryption : crypto::encryption_names()) {
      context.notice("Benchmarking hash '{}' and encryption '{}'... ({} x {} bytes, parallelism {})", hash, encryption,
                     size.repeat, size.block, size.parallel);
      TRY_ASSIGN(const auto hasher, crypto::Hasher::create(hash, secret()));
      TRY_ASSIGN(const auto encryptor, crypto::Encryptor::create(encryption, secret()));
      TRY_ASSIGN(const double rate, measure(size, context.stop(), [&](unsigned) -> Status {
                   HashValue id;
                   hasher->hash(block.view(), id);
                   return encryptor->seal(id.view().last(kIvSize), block.view()).status();
                 }));
      rows.push_back({std::string(hash), std::string(encryption), rate});
    }
  }
  print_table(context, command, std::move(rows), fmt::format("{:<20} {:<30} {}", "Hash", "Encryption", "Throughput"),
              [](const Row& r) { return fmt::format("{:<20} {:<30}", r.hash, r.encryption); });
  return {};
}

Status run_hashing(Context& context, const ParsedCommand& command) {
  const BenchmarkSize size = BenchmarkSize::of(command);
  const Buffer block = random_block(size);
  std::vector<Row> rows;
  for (const std::string_view hash : crypto::hash_names()) {
    context.notice("Benchmarking hash '{}' ({} x {} bytes, parallelism {})", hash, size.repeat, size.block,
                   size.parallel);
    TRY_ASSIGN(const auto hasher, crypto::Hasher::create(hash, secret()));
    TRY_ASSIGN(const double rate, measure(size, context.stop(), [&](unsigned) -> Status {
                 HashValue id;
                 hasher->hash(block.view(), id);
                 return {};
               }));
    rows.push_back({std::string(hash), "", rate});
  }
  print_table(context, command, std::move(rows), fmt::format("{:<20} {}", "Hash", "Throughput"),
              [](const Row& r) { return fmt::format("{:<20}", r.hash); });
  return {};
}

Status run_encryption(Context& context, const ParsedCommand& command) {
  const BenchmarkSize size = BenchmarkSize::of(command);
  const Buffer block = random_block(size);
  std::vector<Row> rows;
  for (const std::string_view encryption : crypto::encryption_names()) {
    context.notice("Benchmarking encryption '{}'... ({} x {} bytes, parallelism {})", encryption, size.repeat,
                   size.block, size.parallel);
    TRY_ASSIGN(const auto encryptor, crypto::Encryptor::create(encryption, secret()));
    TRY_ASSIGN(const double rate, measure(size, context.stop(), [&](unsigned) -> Status {
                 return encryptor->seal(block.view().first(std::min(kIvSize, block.size())), block.view()).status();
               }));
    rows.push_back({"", std::string(encryption), rate});
  }
  print_table(context, command, std::move(rows), fmt::format("{:<30} {}", "Encryption", "Throughput"),
              [](const Row& r) { return fmt::format("{:<30}", r.encryption); });
  return {};
}

struct EccRow {
  int overhead_percent = 0;
  double encode = 0, decode = 0;
  std::size_t stored_size = 0;
};

Status run_ecc(Context& context, const ParsedCommand& command) {
  const BenchmarkSize size = BenchmarkSize::of(command);
  const Buffer block = random_block(size);
  std::vector<EccRow> rows;
  for (const int percent : {1, 2, 5, 10}) {
    context.notice("Benchmarking ECC '{}' with {}% overhead... ({} x {} bytes, parallelism {})", crypto::kEccName,
                   percent, size.repeat, size.block, size.parallel);
    TRY_ASSIGN(const crypto::Ecc ecc, crypto::Ecc::create(percent));
    EccRow row{.overhead_percent = percent};
    TRY_ASSIGN(row.encode,
               measure(size, context.stop(), [&](unsigned) -> Status { return ecc.encode(block).status(); }));
    TRY_ASSIGN(const Buffer stored, ecc.encode(block));
    row.stored_size = stored.size();
    TRY_ASSIGN(row.decode,
               measure(size, context.stop(), [&](unsigned) -> Status { return ecc.decode(stored).status(); }));
    rows.push_back(row);
  }
  std::ranges::stable_sort(rows, [](const EccRow& a, const EccRow& b) { return a.encode > b.encode; });
  context.print("     {:<30} {:>14} {:>14}   {:>10}\n", "ECC", "Throughput", "Throughput", "Growth");
  context.print("     {:<30} {:>14} {:>14}   {:>10}\n{}\n", "", "encoding", "decoding", "", dashes(87));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto growth = static_cast<int>(
        100.0 * static_cast<double>(rows[i].stored_size) / static_cast<double>(size.block) - 100 + 0.5);
    context.print("{:>3}. {:<30} {:>12}/s {:>12}/s   {:>6}% [{}]{}\n", i,
                  fmt::format("{} {}%", crypto::kEccName, rows[i].overhead_percent), rate_text(rows[i].encode),
                  rate_text(rows[i].decode), growth, bytes_text(static_cast<std::int64_t>(rows[i].stored_size)),
                  command.boolean("print-options") ? fmt::format(",   --ecc={} --ecc-overhead-percent={}",
                                                                 crypto::kEccName, rows[i].overhead_percent)
                                                   : "");
  }
  context.print("{}\nFastest option for this machine is: --ecc={}\n", dashes(87), crypto::kEccName);
  return {};
}

}  // namespace

void add_benchmark_crypto(CommandTable& table) {
  table.add({.path = "benchmark", .help = "Measure the algorithms on this machine"});
  std::vector<FlagSpec> flags = benchmark_flags("1MB", "100");
  flags.push_back({.name = "deprecated", .help = "Accepted; there are no deprecated ones", .hidden = true});
  table.add(
      {.path = "benchmark crypto", .help = "Measure hashes and ciphers together", .flags = flags, .run = run_crypto});
  table.add({.path = "benchmark hashing",
             .help = "Measure hashes",
             .aliases = {"hash"},
             .flags = benchmark_flags("1MB", "100"),
             .run = run_hashing});
  flags = benchmark_flags("1MB", "1000");
  flags.push_back({.name = "deprecated", .help = "Accepted; there are no deprecated ones", .hidden = true});
  table.add({.path = "benchmark encryption", .help = "Measure ciphers", .flags = flags, .run = run_encryption});
  table.add({.path = "benchmark ecc",
             .help = "Measure error correction",
             .flags = benchmark_flags("10MB", "100"),
             .run = run_ecc});
}

}  // namespace cairn::cli
