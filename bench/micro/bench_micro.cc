// Prints the speed of hashing, encryption, compression and splitting on one thread: best of several runs, GB/s of plain
// bytes. Argument: only lines whose label contains it.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "compress/codec.h"
#include "crypto/aead.h"
#include "crypto/ecc.h"
#include "crypto/hash.h"
#include "split/splitter.h"
#include "tests/support/gen.h"

namespace {

using namespace cairn;

std::string filter;

// `work` handles `bytes` bytes once.
void measure(std::string_view label, std::size_t bytes, const std::function<void()>& work) {
  if (label.find(filter) == std::string_view::npos) {
    return;
  }
  using Clock = std::chrono::steady_clock;
  const auto seconds = [&](int times) {
    const auto start = Clock::now();
    for (int i = 0; i < times; ++i) {
      work();
    }
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const double once = std::max(seconds(1), 1e-7);
  const int times = std::max(1, static_cast<int>(0.05 / once));
  double best = 1e9;
  for (int i = 0; i < 7; ++i) {
    best = std::min(best, seconds(times) / times);
  }
  fmt::print("{:<48} {:8.3f} GB/s {:10.3f} us\n", label, static_cast<double>(bytes) / best / 1e9, best * 1e6);
}

void hashes() {
  const Bytes key = test::gen_rand(1, 32);
  const Bytes data = test::gen_rand(2, 32 << 20);
  for (const std::string_view name : crypto::hash_names()) {
    auto h = crypto::Hasher::create(name, key);
    for (const std::size_t size : {1024, 4 << 20}) {
      HashValue v;
      measure(fmt::format("hash {} {}", name, size), size, [&] { (*h)->hash(ByteView(data).first(size), v); });
    }
  }
  auto h = crypto::Hasher::create(crypto::kDefaultHash, key);
  for (const auto& [count, size] : {std::pair<std::size_t, std::size_t>{8, 4 << 20},
                                    {5, 4 << 20},
                                    {4, 4 << 20},
                                    {2, 4 << 20},
                                    {1000, 1300},
                                    {1000, 18000}}) {
    std::vector<ByteView> inputs;
    std::size_t total = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t n = count < 100 ? size : size / 2 + i * 7919 % size;
      inputs.push_back(ByteView(data).subspan(i * 4096 % (data.size() - 2 * n), n));
      total += n;
    }
    std::vector<HashValue> out(count);
    measure(fmt::format("hash_many {} x {}", count, size), total, [&] { (*h)->hash_many(inputs, out); });
  }
}

void ciphers() {
  const Bytes secret = test::gen_rand(1, 32);
  const Bytes iv = test::gen_rand(2, 16);
  const Bytes data = test::gen_rand(3, 4 << 20);
  for (const std::string_view name : crypto::encryption_names()) {
    auto e = crypto::Encryptor::create(name, secret);
    for (const std::size_t size : {1 << 10, 4 << 10, 64 << 10, 4 << 20}) {
      Bytes sealed(size + crypto::kAeadOverhead);
      Bytes opened(size);
      const ByteView in = ByteView(data).first(size);
      const MutByteView out = sealed;
      const ByteView sealed_view = sealed;
      measure(fmt::format("seal {} {}", name, size), size, [&] {
        (void)(*e)->seal(iv, GatherView(&in, 1), {&out, 1}).ok();
      });
      measure(fmt::format("open {} {}", name, size), size,
              [&] { (void)(*e)->open(iv, GatherView(&sealed_view, 1), MutByteView(opened)).ok(); });
    }
  }
  for (const int percent : {2, 10}) {
    auto e = crypto::Ecc::create(percent);
    measure(fmt::format("ecc encode {} %", percent), data.size(), [&] { (void)e->encode(data).ok(); });
    auto stored = e->encode(data);
    measure(fmt::format("ecc decode {} %", percent), data.size(), [&] { (void)e->decode(*stored).ok(); });
  }
}

void compressors() {
  for (const auto& [label, data] : {std::pair<std::string, Bytes>{"text", test::gen_text(1, 4 << 20)},
                                    {"random", test::gen_rand(2, 4 << 20)},
                                    {"text 8K", test::gen_text(3, 8 << 10)}}) {
    for (const compress::Algorithm& a : compress::algorithms()) {
      if (!a.writable) {
        continue;
      }
      Buffer stored;
      const auto pack = [&, &plain = data] {
        stored.clear();
        (void)compress::compress(a.id, plain, stored).ok();
      };
      pack();
      const double ratio = static_cast<double>(data.size()) / static_cast<double>(stored.size());
      measure(fmt::format("compress {} {} ({:.2f})", a.name, label, ratio), data.size(), pack);
      Buffer out;
      measure(fmt::format("decompress {} {}", a.name, label), data.size(), [&, &plain = data] {
        out.clear();
        (void)compress::decompress(a.id, stored, out, plain.size()).ok();
      });
    }
  }
}

void splitters() {
  const Bytes data = test::gen_rand(1, 64 << 20);
  for (const std::string_view name : {"FIXED-4M", "DYNAMIC-4M-BUZHASH", "DYNAMIC-1M-BUZHASH", "DYNAMIC-4M-RABINKARP"}) {
    auto s = split::Splitter::create(name);
    measure(fmt::format("split {}", name), data.size(), [&] {
      (*s)->reset();
      for (ByteView rest = data; !rest.empty();) {
        const std::ptrdiff_t n = (*s)->next(rest.first(std::min<std::size_t>(rest.size(), 1 << 20)));
        rest = rest.subspan(n < 0 ? std::min<std::size_t>(rest.size(), 1 << 20) : static_cast<std::size_t>(n));
      }
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  filter = argc > 1 ? argv[1] : "";
  hashes();
  ciphers();
  compressors();
  splitters();
  return 0;
}
