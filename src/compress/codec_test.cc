#include "compress/codec.h"

#include <gtest/gtest.h>
#include <lz4frame.h>
#include <zstd.h>

#include <algorithm>
#include <random>

#include "tests/support/gen.h"

namespace cairn::compress {
namespace {

Bytes unhex(std::string_view text) {
  auto r = hex_decode(text);
  EXPECT_TRUE(r.ok());
  return std::move(r).value();
}
Bytes repeated(std::string_view text, std::size_t times) {
  Bytes b;
  for (std::size_t i = 0; i < times; ++i) {
    b.insert(b.end(), text.begin(), text.end());
  }
  return b;
}
bool same(const Buffer& a, const Bytes& b) { return std::equal(a.data(), a.data() + a.size(), b.begin(), b.end()); }

Buffer compressed(HeaderId id, ByteView data) {
  Buffer out;
  const Status s = compress(id, data, out);
  EXPECT_TRUE(s.ok()) << s.message();
  return out;
}

// kopia-format A.9
struct Golden {
  std::string_view name, stored;
};
constexpr Golden kShort[] = {
    // "kopia" × 20
    {"zstd", "0000110028b52ffd0400650000286b6f70696101540503298ccccee841"},
    {"zstd-fastest", "0000110128b52ffd0400650000286b6f70696101540503298ccccee841"},
    {"s2-default", "00001200ff06000053327354774f00100000ace32a4664106b6f706961110515004f"},
    {"gzip", "000010001f8b08000000000000ffcace2fc84ca43101080000ffff4c6dd69c64000000"},
    {"gzip-best-speed",
     "000010011f8b08000000000004ff04c02111000000c2c0ac480eb1f557fcb01936c366d80c9b61336c86cdb019"
     "36c366d80c9b61336c86cdb01936c366d83c0000ffff4c6dd69c64000000"},
    {"pgzip-best-compression", "000013021f8b080000096e8802ffcace2fc84ca43101000000ffff03004c6dd69c64000000"},
    {"deflate-best-compression", "00001502cace2fc84ca431011800"},
};
constexpr Golden kLong[] = {
    // "kopia " × 20000
    {"zstd", "0000110028b52ffda4c0d401007d0000306b6f706961200154060334b7d409fbe7b74d"},
    {"zstd-fastest", "0000110128b52ffd04607c0000306b6f706961200154060333f7ff04550000000154000f33bdd4ff7ffbe7b74d"},
    {"s2-default", "00001200ff06000053327354774f00150000497fcaddc0a907146b6f7069612011061d00aed400"},
};

void expect_golden(std::span<const Golden> cases, const Bytes& plain) {
  for (const Golden& g : cases) {
    const Algorithm* a = find_by_name(g.name);
    ASSERT_NE(a, nullptr) << g.name;
    for (const std::size_t hint : {std::size_t{0}, plain.size(), plain.size() / 2, plain.size() * 3}) {
      Buffer out = Buffer::copy_of("before");
      const Status s = decompress(a->id, unhex(g.stored), out, hint);
      ASSERT_TRUE(s.ok()) << g.name << ": " << s.message();
      EXPECT_EQ(out.text(), "before" + std::string(plain.begin(), plain.end())) << g.name;
    }
    Buffer out;
    EXPECT_EQ(decompress(a->id, unhex(g.stored), out, 0, plain.size() - 1).code(), Code::corrupt) << g.name;
    EXPECT_TRUE(out.empty());
    EXPECT_TRUE(decompress(a->id, unhex(g.stored), out, 0, plain.size()).ok()) << g.name;
  }
}

TEST(Decompress, GoldenVectors) {
  expect_golden(kShort, repeated("kopia", 20));
  expect_golden(kLong, repeated("kopia ", 20000));
}

std::vector<std::pair<std::string, Bytes>> samples() {
  std::vector<std::pair<std::string, Bytes>> s;
  s.emplace_back("empty", Bytes());
  s.emplace_back("one byte", Bytes{42});
  s.emplace_back("short", repeated("ab", 3));
  s.emplace_back("text", test::gen_text(1, 300000));
  s.emplace_back("long text", test::gen_text(2, 3000000));
  s.emplace_back("random", test::gen_rand(3, 300001));
  s.emplace_back("zeros", Bytes(5000000));
  s.emplace_back("tile", test::gen_tile(4, 2500000));
  Bytes mixed = test::gen_rand(5, 200000);
  const Bytes text = test::gen_text(6, 900000);
  mixed.insert(mixed.end(), text.begin(), text.end());
  s.emplace_back("mixed", std::move(mixed));
  return s;
}

TEST(Compress, RoundTripsEverything) {
  for (const auto& [label, data] : samples()) {
    for (const Algorithm& a : algorithms()) {
      if (!a.writable) {
        continue;
      }
      const Buffer stored = compressed(a.id, data);
      EXPECT_EQ(load_be32(stored.data()), a.id);
      if (label == "text" || label == "zeros" || label == "tile" || label == "mixed") {
        EXPECT_LT(stored.size(), data.size()) << a.name << ", " << label;
      }
      for (const std::size_t hint : {std::size_t{0}, data.size()}) {
        Buffer out;
        const Status s = decompress(a.id, stored, out, hint, data.size());
        ASSERT_TRUE(s.ok()) << a.name << ", " << label << ": " << s.message();
        EXPECT_TRUE(same(out, data)) << a.name << ", " << label;
      }
    }
  }
}

TEST(Compress, AppendsAndLeavesOutputAloneOnError) {
  Buffer out = Buffer::copy_of("x");
  EXPECT_EQ(compress(0x1400, as_bytes("abc"), out).code(), Code::unsupported);
  EXPECT_EQ(compress(0, as_bytes("abc"), out).code(), Code::unsupported);
  EXPECT_EQ(compress(0x1104, as_bytes("abc"), out).code(), Code::unsupported);
  EXPECT_EQ(out.text(), "x");
  ASSERT_TRUE(compress(kZstdFastest, as_bytes("abc"), out).ok());
  EXPECT_EQ(out.text().substr(0, 1), "x");
}

TEST(Compress, ZstdFrameHasChecksumAndSize) {
  const Bytes data = test::gen_text(1, 10000);
  const Buffer stored = compressed(kZstdFastest, data);
  EXPECT_EQ(stored[8] & 4, 4);  // frame header descriptor after id and magic
  EXPECT_EQ(ZSTD_getFrameContentSize(stored.data() + 4, stored.size() - 4), data.size());
}

TEST(Decompress, TruncationAndDamageNeverPass) {
  std::mt19937 random(1);
  const Bytes data = test::gen_text(7, 20000);
  for (const Algorithm& a : algorithms()) {
    if (!a.writable) {
      continue;
    }
    const Buffer stored = compressed(a.id, data);
    for (std::size_t n = 0; n < stored.size(); n += n < 64 || n + 64 > stored.size() ? 1 : 61) {
      Buffer out;
      const Status s = decompress(a.id, stored.view().first(n), out, n % 2 == 0 ? 0 : data.size(), 1 << 20);
      // A cut between two S2 chunks is a shorter valid stream; here there is one chunk after the identifier.
      const bool valid_prefix = (a.id >> 8) == 0x12 && n == 14;
      EXPECT_EQ(s.ok(), valid_prefix) << a.name << " cut to " << n;
    }
    for (int i = 0; i < 300; ++i) {
      Buffer damaged = Buffer::copy_of(stored.view());
      for (int k = 0; k < 1 + i % 4; ++k) {
        damaged[4 + random() % (damaged.size() - 4)] ^= static_cast<Byte>(1 + random() % 255);
      }
      Buffer out;
      const Status s = decompress(a.id, damaged, out, i % 2 == 0 ? 0 : data.size(), 1 << 20);
      EXPECT_LE(out.size(), std::size_t{1} << 20);
      if (s.ok() && (a.id >> 8) != 0x15) {  // deflate alone has no checksum
        EXPECT_TRUE(same(out, data)) << a.name;
      } else if (!s.ok()) {
        EXPECT_TRUE(s.is(Code::corrupt)) << s.message();
      }
    }
    for (int i = 0; i < 200; ++i) {
      Bytes junk = test::gen_rand(random(), random() % 3000 + 4);
      store_be32(junk.data(), a.id);
      Buffer out;
      const Status s = decompress(a.id, junk, out, 0, 1 << 20);
      EXPECT_TRUE(s.ok() ? (a.id >> 8) == 0x15 : s.is(Code::corrupt)) << a.name;
    }
  }
}

TEST(Decompress, HeaderIsChecked) {
  const Buffer stored = compressed(kZstdFastest, as_bytes("abc"));
  Buffer out;
  EXPECT_EQ(decompress(0x1100, stored, out).code(), Code::corrupt);
  EXPECT_EQ(decompress(kZstdFastest, stored.view().first(3), out).code(), Code::corrupt);
  EXPECT_EQ(decompress(kZstdFastest, {}, out).code(), Code::corrupt);
  EXPECT_EQ(decompress(kNone, stored, out).code(), Code::unsupported);
  EXPECT_EQ(decompress(0x1203 + 1, stored, out).code(), Code::unsupported);
  EXPECT_TRUE(out.empty());
}

TEST(Zstd, FramesOfOtherWriters) {
  // Streamed without content size, a 32 MiB window, and two frames one after the other.
  const Bytes data = test::gen_text(8, 400000);
  Bytes stored(4);
  store_be32(stored.data(), 0x1103);
  for (int frame = 0; frame < 2; ++frame) {
    ZSTD_CCtx* c = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, 25);
    ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
    Bytes piece(data.size() + 1000);
    ZSTD_inBuffer in{data.data(), data.size(), 0};
    ZSTD_outBuffer o{piece.data(), piece.size(), 0};
    while (in.pos < in.size) {
      ZSTD_compressStream2(c, &o, &in, ZSTD_e_continue);
    }
    ASSERT_EQ(ZSTD_compressStream2(c, &o, &in, ZSTD_e_end), 0U);
    ZSTD_freeCCtx(c);
    stored.insert(stored.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(o.pos));
  }
  Bytes twice = data;
  twice.insert(twice.end(), data.begin(), data.end());
  for (const std::size_t hint : {std::size_t{0}, data.size(), twice.size()}) {
    Buffer out;
    const Status s = decompress(0x1103, stored, out, hint);
    ASSERT_TRUE(s.ok()) << s.message();
    EXPECT_TRUE(same(out, twice));
    EXPECT_EQ(decompress(0x1103, stored, out, hint, twice.size() - 1).code(), Code::corrupt);
  }
}

TEST(Zstd, ABombIsStoppedAtTheLimit) {
  const Buffer stored = compressed(kZstdFastest, Bytes(50 << 20));
  EXPECT_LT(stored.size(), 10000U);
  Buffer out;
  EXPECT_EQ(decompress(kZstdFastest, stored, out, 0, 1 << 20).code(), Code::corrupt);
  EXPECT_LE(out.capacity(), std::size_t{4} << 20);
}

TEST(Gzip, MembersFollowEachOther) {
  Buffer stored;
  ASSERT_TRUE(gzip(as_bytes("first "), stored).ok());
  ASSERT_TRUE(gzip({}, stored).ok());
  ASSERT_TRUE(gzip(as_bytes("second"), stored).ok());
  Buffer out = Buffer::copy_of(">");
  ASSERT_TRUE(gunzip(stored, out).ok());
  EXPECT_EQ(out.text(), ">first second");
  EXPECT_EQ(gunzip(stored, out, 11).code(), Code::corrupt);
  stored.push_back(0);
  EXPECT_EQ(gunzip(stored, out).code(), Code::corrupt);
  EXPECT_EQ(gunzip({}, out).code(), Code::corrupt);
  EXPECT_EQ(out.text(), ">first second");
}

TEST(Gzip, ALyingSizeAtTheEndIsNotBelieved) {
  Buffer stored;
  ASSERT_TRUE(gzip(as_bytes("some text"), stored).ok());
  stored[stored.size() - 1] = 0x7f;  // claims 2 GB
  Buffer out;
  EXPECT_EQ(gunzip(stored, out).code(), Code::corrupt);
  EXPECT_LE(out.capacity(), std::size_t{1} << 20);
}

Bytes s2_stream(std::string_view chunks_hex, bool snappy = false) {
  Bytes b = unhex("00001200");
  const Bytes id = unhex(snappy ? "ff060000734e61507059" : "ff06000053327354774f");
  b.insert(b.end(), id.begin(), id.end());
  const Bytes chunks = unhex(chunks_hex);
  b.insert(b.end(), chunks.begin(), chunks.end());
  return b;
}
std::string s2_text(const Bytes& stored) {
  Buffer out;
  const Status s = decompress(0x1200, stored, out);
  return s.ok() ? std::string(out.text()) : s.message();
}

TEST(S2, StoredChunksPaddingAndBothIdentifiers) {
  // Masked CRC-32C of "123456789": e3069283 rotated by 15 plus a282ead8.
  const std::uint32_t c = 0xe3069283;
  const std::uint32_t masked = ((c >> 15) | (c << 17)) + 0xa282ead8;
  Byte crc[4];
  store_be32(crc, __builtin_bswap32(masked));
  const std::string stored = "010d0000" + hex_encode(crc) + "313233343536373839";
  EXPECT_EQ(s2_text(s2_stream(stored)), "123456789");
  EXPECT_EQ(s2_text(s2_stream(stored, true)), "123456789");
  EXPECT_EQ(s2_text(s2_stream("fe030000aabbcc80010000ff" + stored)), "123456789");
  EXPECT_EQ(s2_text(s2_stream(std::string("ff060000533273547750") + stored)),
            "s2-default: invalid S2 data: no stream identifier");
  EXPECT_EQ(s2_text(s2_stream("ff06000053327354774f" + stored)), "123456789");
  EXPECT_EQ(s2_text(s2_stream("02010000ff" + stored)), "s2-default: invalid S2 data: unknown chunk type");
  EXPECT_EQ(s2_text(s2_stream("01030000aabbcc")), "s2-default: invalid S2 data: chunk too short");
  EXPECT_EQ(s2_text(s2_stream("010d0000" + hex_encode(crc) + "313233343536373838")),
            "s2-default: invalid S2 data: wrong checksum");
  Bytes headless = s2_stream(stored);
  headless.erase(headless.begin() + 4, headless.begin() + 14);
  EXPECT_EQ(s2_text(headless), "s2-default: invalid S2 data: no stream identifier");
  EXPECT_EQ(s2_text(s2_stream("")), "");
}

std::uint32_t crc32c_bitwise(ByteView data) {
  std::uint32_t c = ~0U;
  for (const Byte b : data) {
    c ^= b;
    for (int i = 0; i < 8; ++i) {
      c = c >> 1 ^ (c & 1 ? 0x82f63b78U : 0);
    }
  }
  return ~c;
}

// One compressed chunk holding `block`, with the checksum of `expected`.
Bytes s2_block(std::string_view block_hex, ByteView expected) {
  const Bytes block = unhex(block_hex);
  const std::uint32_t c = crc32c_bitwise(expected);
  Byte head[8] = {0};
  const std::size_t n = block.size() + 4;
  head[1] = static_cast<Byte>(n);
  head[2] = static_cast<Byte>(n >> 8);
  store_be32(head + 4, __builtin_bswap32(((c >> 15) | (c << 17)) + 0xa282ead8));
  Bytes b = s2_stream("");
  b.insert(b.end(), head, head + 8);
  b.insert(b.end(), block.begin(), block.end());
  return b;
}

TEST(S2, EveryKindOfTag) {
  struct Case {
    std::string_view block;
    std::string expected;
  };
  const Case cases[] = {
      {"0308616263", "abc"},          // literal, length in the tag
      {"03f002616263", "abc"},        // literal, one length byte
      {"03f40200616263", "abc"},      // two
      {"03f8020000616263", "abc"},    // three
      {"03fc02000000616263", "abc"},  // four
      {"07086162630103", "abcabca"},  // short copy, overlapping
      {"0708616263"
       "0e0300",
       "abcabca"},  // two-byte offset
      {"0708616263"
       "0f03000000",
       "abcabca"},  // four-byte offset
      {"0b086162630103"
       "0100",
       "abcabcabcab"},  // repeat of length 4
      {"0f086162630103"
       "1100",
       "abcabcabcabcabc"},  // repeat of length 8
  };
  for (const Case& c : cases) {
    EXPECT_EQ(s2_text(s2_block(c.block, as_bytes(c.expected))), c.expected) << c.block;
  }
  // Repeats with one, two and three length bytes, after "a" and a copy of one byte from offset 1.
  struct Long {
    std::string_view code;
    std::size_t size;
  };
  for (const Long& l :
       {Long{"15008d", 0x8d + 8}, Long{"19000102", 0x0201 + 260}, Long{"1d00010203", 0x030201 + 65540}}) {
    const std::size_t total = 1 + 1 + l.size;
    Buffer length;
    append_uvarint(length, total);
    const std::string block = hex_encode(length) + "0061" + "020100" + std::string(l.code);
    const std::string expected(total, 'a');
    EXPECT_EQ(s2_text(s2_block(block, as_bytes(expected))), expected) << l.code;
  }
}

TEST(S2, BadBlocks) {
  for (const std::string_view block : {
           "",                  // no length
           "03",                // nothing follows
           "030861",            // literal cut off
           "0208616263",        // literal longer than announced
           "0408616263",        // shorter than announced
           "070100",            // repeat without a last offset
           "07086162630104",    // offset before the begin
           "07086162630e0000",  // offset zero in the long form
           "0408616263"
           "0103",  // copy beyond the end
           "0708616263"
           "01",  // offset missing
           "0708616263"
           "0e03",  // half an offset
           "0708616263"
           "0f030000",            // three quarters
           "07086162631d00ffff",  // repeat length cut off
           "03fcffffffff616263",  // literal of 4 GiB
           "ffffffff0f00",        // 4 GiB announced
           "81808002"
           "0061",  // more than 4 MiB announced
       }) {
    EXPECT_NE(s2_text(s2_block(block, as_bytes("abc"))).find("s2-default: "), std::string::npos) << block;
  }
}

TEST(S2, DamagedBlocksStayWithinBounds) {
  // The checksum would hide most decoder errors from the test above, so the block itself is attacked here.
  std::mt19937 random(3);
  const Buffer stored = compressed(0x1200, test::gen_text(9, 5000));
  for (int i = 0; i < 3000; ++i) {
    Buffer damaged = Buffer::copy_of(stored.view());
    for (int k = 0; k < 3; ++k) {
      damaged[24 + random() % (damaged.size() - 24)] = static_cast<Byte>(random());
    }
    Buffer out;
    const Status s = decompress(0x1200, damaged, out);
    EXPECT_TRUE(s.ok() || s.is(Code::corrupt));
  }
}

Bytes lz4_frame(ByteView data, LZ4F_blockMode_t mode, LZ4F_contentChecksum_t checksum) {
  LZ4F_preferences_t p{};
  p.frameInfo.blockMode = mode;
  p.frameInfo.contentChecksumFlag = checksum;
  Bytes b(4 + LZ4F_compressFrameBound(data.size(), &p));
  store_be32(b.data(), 0x1400);
  const std::size_t n = LZ4F_compressFrame(b.data() + 4, b.size() - 4, data.data(), data.size(), &p);
  EXPECT_EQ(LZ4F_isError(n), 0U);
  b.resize(4 + n);
  return b;
}

TEST(Lz4, ReadsFramesOnly) {
  for (const auto& [label, data] : samples()) {
    for (const LZ4F_blockMode_t mode : {LZ4F_blockLinked, LZ4F_blockIndependent}) {
      const Bytes stored = lz4_frame(data, mode, LZ4F_contentChecksumEnabled);
      for (const std::size_t hint : {std::size_t{0}, data.size(), data.size() / 3}) {
        Buffer out;
        const Status s = decompress(0x1400, stored, out, hint, data.size());
        ASSERT_TRUE(s.ok()) << label << ": " << s.message();
        EXPECT_TRUE(same(out, data)) << label;
      }
      Buffer out;
      if (!data.empty()) {
        EXPECT_EQ(decompress(0x1400, stored, out, 0, data.size() - 1).code(), Code::corrupt) << label;
      }
      EXPECT_EQ(decompress(0x1400, ByteView(stored).first(stored.size() - 1), out).code(), Code::corrupt) << label;
      EXPECT_EQ(decompress(0x1400, ByteView(stored).first(4), out).code(), Code::corrupt);
    }
  }
}

TEST(Algorithms, TableIsConsistent) {
  const auto all = algorithms();
  EXPECT_EQ(all.size(), 18U);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; }));
  for (const Algorithm& a : all) {
    EXPECT_EQ(find_by_name(a.name), &a);
    EXPECT_EQ(find_by_id(a.id), &a);
    EXPECT_EQ(a.writable, a.name != "lz4");
  }
  EXPECT_EQ(find_by_name("none"), nullptr);
  EXPECT_EQ(find_by_id(kNone), nullptr);
  EXPECT_EQ(find_by_name("zstd-fastest")->id, kZstdFastest);
}

}  // namespace
}  // namespace cairn::compress
