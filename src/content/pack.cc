#include "content/pack.h"

#include "base/random.h"

namespace cairn::content {
namespace {

constexpr std::size_t kPreambleSize = 32;
constexpr std::size_t kPaddingUnit = 4096;
constexpr std::size_t kLocalIndexSuffixSize = 32;

void append_random(SlabBuffer& out, std::size_t n) {
  Buffer b(n);
  random_bytes(b.mut());
  out.append(b.view());
}

}  // namespace

void begin_pack(Pack& pack, ByteView replica) {
  if (!replica.empty()) {
    pack.bytes.append(replica);
  }
  append_random(pack.bytes, kPreambleSize);
}

Status finish_pack(Pack& pack, index::IndexBuilder& local_index, int index_version, const format::UnitCrypto& crypto) {
  append_random(pack.bytes, kPaddingUnit - pack.bytes.size() % kPaddingUnit);
  TRY_ASSIGN(std::vector<Buffer> shards, local_index.build(index_version));
  CHECK(shards.size() == 1, "a pack has one local index");
  Buffer plain = std::move(shards[0]);
  Byte suffix[kLocalIndexSuffixSize];
  random_bytes(suffix);
  plain.append(suffix);
  HashValue iv;
  crypto.hasher().hash(plain.view(), iv);
  TRY_ASSIGN(const Buffer sealed, crypto.seal(iv.view(), plain.view()));
  Postamble post;
  post.iv.assign(iv.view().begin(), iv.view().end());
  post.local_index_offset = pack.bytes.size();
  post.local_index_length = sealed.size();
  pack.bytes.append(sealed.view());
  Buffer tail;
  append_postamble(tail, post);
  pack.bytes.append(tail.view());
  pack.finished = true;
  return {};
}

void append_postamble(Buffer& out, const Postamble& p) {
  Buffer b;
  append_uvarint(b, 1);
  append_uvarint(b, p.iv.size());
  b.append(p.iv);
  append_uvarint(b, p.local_index_offset);
  append_uvarint(b, p.local_index_length);
  Byte crc[4];
  store_be32(crc, crc32_ieee(b.view()));
  b.append(crc);
  CHECK(b.size() <= 255, "postamble too long");
  out.append(b.view());
  out.push_back(static_cast<Byte>(b.size()));
}

Result<Postamble> parse_postamble(ByteView tail) {
  const auto none = [] { return error(Code::not_found, "no pack postamble"); };
  if (tail.empty()) {
    return none();
  }
  const std::size_t n = tail.back();
  if (n < 5 || n + 1 > tail.size()) {
    return none();
  }
  ByteView body = tail.subspan(tail.size() - 1 - n, n);
  if (crc32_ieee(body.first(n - 4)) != load_be32(body.data() + n - 4)) {
    return none();
  }
  body = body.first(n - 4);
  TRY_ASSIGN(const std::uint64_t version, read_uvarint(body));
  if (version != 1) {
    return error(Code::corrupt, "pack postamble has version {}", version);
  }
  TRY_ASSIGN(const std::uint64_t iv_size, read_uvarint(body));
  if (iv_size > body.size()) {
    return error(Code::corrupt, "pack postamble is truncated");
  }
  Postamble p;
  p.iv.assign(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(iv_size));
  body = body.subspan(iv_size);
  TRY_ASSIGN(p.local_index_offset, read_uvarint(body));
  TRY_ASSIGN(p.local_index_length, read_uvarint(body));
  return p;
}

}  // namespace cairn::content
