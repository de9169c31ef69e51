#include "index/index_blob.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

namespace cairn::index {
namespace {

constexpr std::uint32_t kOverhead = 28;

Buffer from_hex(std::string_view hex) {
  auto bytes = hex_decode(hex);
  EXPECT_TRUE(bytes.ok());
  return Buffer::copy_of(ByteView(bytes.value()));
}

ContentId id(std::string_view text) {
  auto r = ContentId::parse(text);
  EXPECT_TRUE(r.ok()) << text;
  return r.value();
}

const std::string kPack2 = "p" + std::string(32, '2') + "-s0011223344556677124";
const std::string kPack1 = "q" + std::string(32, '1') + "-s0011223344556677124";

Entry entry(std::string_view text, std::string_view pack, std::int64_t time, std::uint32_t offset, std::uint32_t packed,
            std::uint32_t original, bool deleted = false, std::uint32_t compression = 0, std::uint8_t version = 3) {
  Entry e;
  e.id = id(text);
  e.pack = pack;
  e.timestamp_seconds = time;
  e.pack_offset = offset;
  e.packed_length = packed;
  e.original_length = original;
  e.deleted = deleted;
  e.compression = compression;
  e.format_version = version;
  return e;
}

void expect_equal(const Entry& a, const Entry& b) {
  EXPECT_EQ(a.id.text(), b.id.text());
  EXPECT_EQ(a.pack, b.pack);
  EXPECT_EQ(a.timestamp_seconds, b.timestamp_seconds);
  EXPECT_EQ(a.pack_offset, b.pack_offset);
  EXPECT_EQ(a.packed_length, b.packed_length);
  EXPECT_EQ(a.original_length, b.original_length);
  EXPECT_EQ(a.deleted, b.deleted);
  EXPECT_EQ(a.compression, b.compression);
  EXPECT_EQ(a.format_version, b.format_version);
  EXPECT_EQ(a.encryption_key_id, b.encryption_key_id);
}

struct Vector {
  const char* name;
  int version;
  std::string hex;
  std::vector<Entry> entries;  // in id order
};

std::vector<Vector> vectors() {
  const Entry first = entry("00eeddccbbaa99887766554433221100", kPack2, 1700000002, 160, 228, 200, true);
  const Entry second = entry("ffeeddccbbaa99887766554433221100", kPack2, 1700000001, 32, 128, 100);
  const Entry third = entry("k000102030405060708090a0b0c0d0e0f", kPack1, 1700000000, 32, 1028, 2000, false, 0x1101);
  static const std::string p2 = "p" + std::string(32, '2');
  static const std::string q1 = "q" + std::string(32, '1');
  return {
      {"mixed",
       2,
       "02110011000000030000000202000000000000eeddccbbaa998877665544332211006553f102800000a00000c80000e400000000ffeeddc"
       "c"
       "bbaa998877665544332211006553f101000000200000640000800000006b000102030405060708090a0b0c0d0e0f6553f10000000020000"
       "7"
       "d0000404000101360000008d36000000c30000000003000000110103007032323232323232323232323232323232323232323232323232"
       "323232323232322d73303031313232333334343535363637373132347131313131313131313131313131313131313131313131313131313"
       "131313131312d7330303131323233333434353536363737313234",
       {first, second, third}},
      {"single",
       2,
       "021100100000000100000001010000000000ffeeddccbbaa998877665544332211006553f101000000200000640000800000360000003d0"
       "0"
       "00000003007032323232323232323232323232323232323232323232323232323232323232322d73303031313232333334343535363637"
       "37313234",
       {second}},
      {"long",
       2,
       "021100130000000100000001010000000000ffeeddccbbaa998877665544332211006553f1013fffffffbcdef12345670000"
       "0000a10300000040000000000300703232",
       {entry("ffeeddccbbaa99887766554433221100", "p22", 1700000001, (1u << 30) - 1, 0x1234567, 0xABCDEF1)}},
      {"v1",
       1,
       "011100140000000200ffeeddccbbaa9988776655443322110000005f5e100101210000005280000020000000806b000102030405060708"
       "090a0b0c0d0e0f00005f5e1000012100000073000000200000040470323232323232323232323232323232323232323232323232323232"
       "3232323232713131313131313131313131313131313131313131313131313131313131313131",
       {entry("ffeeddccbbaa99887766554433221100", p2, 1600000001, 32, 128, 100, true, 0, 1),
        entry("k000102030405060708090a0b0c0d0e0f", q1, 1600000000, 32, 1028, 1000, false, 0, 1)}},
      {"small repository",
       2,
       "0211001100000003000000020200000000001996bd5b8ff62a7ed45072081391900865937d250000002000000b000027000000002c2553f"
       "0"
       "2f617f4d229868120d4ccf6b65937d250000004700012c00003d0000016b1d691824fc50414337e379499a9e8acc65937d2500000020000"
       "118000054000101360000008d36000000c30000000003000000110103007030366232343264373536363764313763626364646665656161"
       "63"
       "3033396665642d7333303335663731366533633562306439313234713662346136366466353734613261326662326430343761663933393"
       "6313435392d7333303335663731366533633562306439313234",
       {entry("1996bd5b8ff62a7ed450720813919008", "p06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124", 1704164645,
              32, 39, 11),
        entry("2c2553f02f617f4d229868120d4ccf6b", "p06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124", 1704164645,
              71, 61, 300, false, 0x1101),
        entry("k1d691824fc50414337e379499a9e8acc", "q6b4a66df574a2a2fb2d047af93961459-s3035f716e3c5b0d9124", 1704164645,
              32, 84, 280, false, 0x1101)}},
      {"small repository of format 1",
       1,
       "0111001400000003001996bd5b8ff62a7ed450720813919008000065937d250136000000770000043b00000027002c2553f02f617f4d22"
       "9868120d4ccf6b000065937d2501360000007700000462000001486b1d691824fc50414337e379499a9e8acc000065937d250136000000"
       "ad0000043b000001347066666133333962396266393533316235353335616635656332616632636638302d733335393132313830636663"
       "32333739623132347136333437653734333261383639656633336232353537313038626664653963302d73333539313231383063666332"
       "33373962313234",
       {entry("1996bd5b8ff62a7ed450720813919008", "pffa339b9bf9531b5535af5ec2af2cf80-s35912180cfc2379b124", 1704164645,
              1083, 39, 11, false, 0, 1),
        entry("2c2553f02f617f4d229868120d4ccf6b", "pffa339b9bf9531b5535af5ec2af2cf80-s35912180cfc2379b124", 1704164645,
              1122, 328, 300, false, 0, 1),
        entry("k1d691824fc50414337e379499a9e8acc", "q6347e7432a869ef33b2557108bfde9c0-s35912180cfc2379b124", 1704164645,
              1083, 308, 280, false, 0, 1)}},
  };
}

TEST(IndexBlob, ReadsTheVectors) {
  for (const Vector& v : vectors()) {
    SCOPED_TRACE(v.name);
    auto reader = IndexReader::open(from_hex(v.hex), kOverhead);
    ASSERT_TRUE(reader.ok()) << reader.status().message();
    ASSERT_EQ(reader->size(), v.entries.size());
    EXPECT_EQ(reader->version(), v.version);
    EXPECT_EQ(reader->key_size(), 17u);
    for (std::size_t i = 0; i < v.entries.size(); ++i) {
      auto got = reader->at(i);
      ASSERT_TRUE(got.ok()) << got.status().message();
      expect_equal(*got, v.entries[i]);
      auto found = reader->find(v.entries[i].id);
      ASSERT_TRUE(found.ok());
      EXPECT_EQ(*found, static_cast<std::ptrdiff_t>(i));
    }
  }
}

TEST(IndexBlob, BuildsTheVectors) {
  for (const Vector& v : vectors()) {
    SCOPED_TRACE(v.name);
    auto reader = IndexReader::open(from_hex(v.hex), kOverhead);
    ASSERT_TRUE(reader.ok()) << reader.status().message();
    IndexBuilder builder;
    for (std::size_t i = reader->size(); i-- > 0;) {  // order of adding must not matter
      builder.add(reader->at(i).value());
    }
    auto built = builder.build(v.version);
    ASSERT_TRUE(built.ok()) << built.status().message();
    ASSERT_EQ(built->size(), 1u);
    EXPECT_EQ(hex_encode(built->front()), v.hex);
  }
}

TEST(IndexBlob, IgnoresTrailingBytes) {
  for (const Vector& v : vectors()) {
    auto reader = IndexReader::open(from_hex(v.hex + std::string(64, 'a')), kOverhead);
    ASSERT_TRUE(reader.ok()) << v.name;
    EXPECT_EQ(reader->size(), v.entries.size());
  }
}

TEST(IndexBlob, EveryPrefixIsCorruptOrComplete) {
  for (const Vector& v : vectors()) {
    const Buffer whole = from_hex(v.hex);
    for (std::size_t n = 0; n < whole.size(); ++n) {
      auto reader = IndexReader::open(Buffer::copy_of(whole.view().first(n)), kOverhead);
      bool failed = !reader.ok();
      if (failed) {
        EXPECT_EQ(reader.code(), Code::corrupt) << v.name << " " << n;
        continue;
      }
      for (std::size_t i = 0; i < reader->size(); ++i) {
        auto e = reader->at(i);
        if (!e.ok()) {
          EXPECT_EQ(e.code(), Code::corrupt);
          failed = true;
        }
      }
      EXPECT_TRUE(failed) << v.name << " cut to " << n;
    }
  }
}

// Any single wrong byte gives an error or entries whose views lie inside the index.
TEST(IndexBlob, FlippedBytesNeverLeaveTheIndex) {
  std::mt19937 random(7);
  for (const Vector& v : vectors()) {
    for (std::size_t n = 0; n < v.hex.size() / 2; ++n) {
      for (int round = 0; round < 8; ++round) {
        Buffer bytes = from_hex(v.hex);
        bytes[n] ^= static_cast<Byte>(1 + random() % 255);
        auto reader = IndexReader::open(std::move(bytes), kOverhead);
        if (!reader.ok()) {
          EXPECT_TRUE(reader.code() == Code::corrupt || reader.code() == Code::unsupported);
          continue;
        }
        for (std::size_t i = 0; i < reader->size(); ++i) {
          auto e = reader->at(i);
          if (!e.ok()) {
            EXPECT_EQ(e.code(), Code::corrupt);
            continue;
          }
          EXPECT_LE(e->pack.size(), 255u);
          EXPECT_EQ(e->pack.find('/'), std::string_view::npos);
        }
      }
    }
  }
}

TEST(IndexBlob, RejectsMalformedHeaders) {
  const std::string one = vectors()[1].hex;
  const auto code_with = [&](std::size_t at, std::string_view hex) {
    std::string text = one;
    text.replace(at * 2, hex.size(), hex);
    return IndexReader::open(from_hex(text), kOverhead).code();
  };
  EXPECT_EQ(code_with(0, "03"), Code::unsupported);
  EXPECT_EQ(code_with(0, "00"), Code::unsupported);
  EXPECT_EQ(code_with(1, "00"), Code::corrupt);  // key size
  EXPECT_EQ(code_with(1, "01"), Code::corrupt);
  EXPECT_EQ(code_with(1, "22"), Code::corrupt);    // longer than any hash
  EXPECT_EQ(code_with(2, "000f"), Code::corrupt);  // entry size
  EXPECT_EQ(code_with(2, "0014"), Code::corrupt);
  EXPECT_EQ(code_with(4, "ffffffff"), Code::corrupt);  // entries
  EXPECT_EQ(code_with(8, "ffffffff"), Code::corrupt);  // packs
  EXPECT_EQ(code_with(12, "ff"), Code::corrupt);       // formats
  EXPECT_EQ(IndexReader::open(Buffer(), kOverhead).code(), Code::corrupt);
}

TEST(IndexBlob, RejectsTableNumbersOutOfRange) {
  const std::string one = vectors()[1].hex;
  const auto at_code = [&](std::size_t at, std::string_view hex) {
    std::string text = one;
    text.replace(at * 2, hex.size(), hex);
    auto reader = IndexReader::open(from_hex(text), kOverhead);
    return reader.ok() ? reader->at(0).code() : reader.code();
  };
  const std::size_t value = 17 + 17;
  EXPECT_EQ(at_code(value + 14, "0001"), Code::corrupt);          // pack number
  EXPECT_EQ(at_code(12, "00"), Code::corrupt);                    // no formats: tables shift, the entry has none
  EXPECT_EQ(at_code(value + 16 + 1, "ffffff00"), Code::corrupt);  // name offset
  EXPECT_EQ(at_code(one.size() / 2 - 1, "2f"), Code::corrupt);    // '/' in a pack name
  EXPECT_EQ(at_code(one.size() / 2 - 1, "00"), Code::corrupt);
}

TEST(IndexBlob, RejectsUnsortedEntries) {
  std::string text = vectors()[0].hex;
  text.replace((17 + 1) * 2, 2, "ff");  // first hash byte of the first entry
  text.replace((17 + 34 + 1) * 2, 2, "00");
  EXPECT_EQ(IndexReader::open(from_hex(text), kOverhead).code(), Code::corrupt);
}

TEST(IndexBlob, AcceptsTheEmptyIndexOfFormat1) {
  auto reader = IndexReader::open(from_hex("01ff001400000000"), kOverhead);
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_EQ(reader->size(), 0u);
  EXPECT_EQ(reader->key_size(), 0u);
  EXPECT_EQ(reader->find(id("ffeeddccbbaa99887766554433221100")).value(), -1);
}

TEST(IndexBlob, AddsTheBaseTimestamp) {
  std::string text = vectors()[1].hex;
  text.replace(13 * 2, 8, "00000010");
  auto reader = IndexReader::open(from_hex(text), kOverhead);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(reader->at(0)->timestamp_seconds, 1700000001 + 16);
}

TEST(IndexBlob, AcceptsAnEmptyPackName) {
  IndexBuilder builder;
  builder.add(entry("ffeeddccbbaa99887766554433221100", "", 1, 0, 28, 0));
  auto built = builder.build(2);
  ASSERT_TRUE(built.ok());
  auto reader = IndexReader::open(std::move(built->front()), kOverhead);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(reader->at(0)->pack, "");
}

TEST(IndexBlob, FindsOnlyIdsOfItsOwnLength) {
  auto reader = IndexReader::open(from_hex(vectors()[0].hex), kOverhead);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(reader->find(id("k00eeddccbbaa99887766554433221100")).value(), -1);
  EXPECT_EQ(reader->find(id("00")).code(), Code::corrupt);
  EXPECT_EQ(reader->lower_bound(id("00")), 0u);
  EXPECT_EQ(reader->lower_bound(id("ff")), 1u);
  EXPECT_EQ(reader->lower_bound(id("g00")), 2u);
  EXPECT_EQ(reader->lower_bound(id("z00")), 3u);
  EXPECT_EQ(reader->lower_bound(ContentId{}), 0u);
}

TEST(IndexBuilder, LimitsOfVersion2) {
  const auto code = [](Entry e) {
    IndexBuilder b;
    b.add(e);
    return b.build(2).code();
  };
  const Entry base = entry("ffeeddccbbaa99887766554433221100", "p1", 1700000001, 1, 100, 72);
  const auto with = [&](auto change) {
    Entry e = base;
    change(e);
    return code(e);
  };
  EXPECT_EQ(code(base), Code::ok);
  EXPECT_EQ(with([](Entry& e) { e.packed_length = 1u << 28; }), Code::invalid_argument);
  EXPECT_EQ(with([](Entry& e) { e.packed_length = (1u << 28) - 1; }), Code::ok);
  EXPECT_EQ(with([](Entry& e) { e.original_length = 1u << 28; }), Code::invalid_argument);
  EXPECT_EQ(with([](Entry& e) { e.original_length = (1u << 28) - 1; }), Code::ok);
  EXPECT_EQ(with([](Entry& e) { e.pack_offset = 1u << 30; }), Code::invalid_argument);
  EXPECT_EQ(with([](Entry& e) { e.pack_offset = (1u << 30) - 1; }), Code::ok);
  EXPECT_EQ(with([](Entry& e) { e.timestamp_seconds = (1LL << 32) - 1; }), Code::ok);
  EXPECT_EQ(with([](Entry& e) { e.timestamp_seconds = 1LL << 32; }), Code::invalid_argument);
  EXPECT_EQ(with([](Entry& e) { e.timestamp_seconds = -1; }), Code::invalid_argument);
  const std::string long_name(256, 'p');
  EXPECT_EQ(with([&](Entry& e) { e.pack = long_name; }), Code::invalid_argument);
  EXPECT_EQ(with([&](Entry& e) { e.pack = std::string_view(long_name).substr(1); }), Code::ok);
}

TEST(IndexBuilder, LimitsOfVersion1) {
  const auto code = [](auto change) {
    Entry e = entry("ffeeddccbbaa99887766554433221100", "p1", 1700000001, 1, 100, 72, false, 0, 1);
    change(e);
    IndexBuilder b;
    b.add(e);
    return b.build(1).code();
  };
  EXPECT_EQ(code([](Entry&) {}), Code::ok);
  EXPECT_EQ(code([](Entry& e) { e.compression = 0x1100; }), Code::invalid_argument);
  EXPECT_EQ(code([](Entry& e) { e.original_length = 73; }), Code::invalid_argument);
  EXPECT_EQ(code([](Entry& e) { e.pack_offset = 0x7fffffff; }), Code::ok);
  EXPECT_EQ(code([](Entry& e) { e.pack_offset = 0x80000000u; }), Code::invalid_argument);
  EXPECT_EQ(code([](Entry& e) { e.timestamp_seconds = 1LL << 40; }), Code::ok);
  EXPECT_EQ(code([](Entry& e) { e.timestamp_seconds = 1LL << 48; }), Code::invalid_argument);
}

TEST(IndexBuilder, AtMost255Formats) {
  for (const int count : {1, 2, 255, 256}) {
    IndexBuilder b;
    for (int i = 0; i < count; ++i) {
      b.add(entry(fmt::format("{:032x}", i), "p1", 5, 0, 100, 100, false, static_cast<std::uint32_t>(i)));
    }
    auto built = b.build(2);
    if (count == 256) {
      EXPECT_EQ(built.code(), Code::invalid_argument);
      continue;
    }
    ASSERT_TRUE(built.ok());
    EXPECT_EQ(load_be16(built->front().data() + 2), count == 1 ? 16 : 17);
    auto reader = IndexReader::open(std::move(built->front()), kOverhead);
    ASSERT_TRUE(reader.ok());
    for (int i = 0; i < count; ++i) {
      EXPECT_EQ(reader->at(static_cast<std::size_t>(i))->compression, static_cast<std::uint32_t>(i));
    }
  }
}

TEST(IndexBuilder, EntrySizeGrowsWithThePackCount) {
  for (const std::uint32_t packs : {65536u, 65537u}) {
    IndexBuilder b;
    for (std::uint32_t i = 0; i < packs; ++i) {
      b.add(entry(fmt::format("{:032x}", i), fmt::format("p{:x}", i), 5, 0, 100, 100));
    }
    auto built = b.build(2);
    ASSERT_TRUE(built.ok());
    EXPECT_EQ(load_be16(built->front().data() + 2), packs > 65536 ? 18 : 16);
    auto reader = IndexReader::open(std::move(built->front()), kOverhead);
    ASSERT_TRUE(reader.ok());
    for (const std::uint32_t i : {0u, 255u, 256u, 65535u, packs - 1}) {
      EXPECT_EQ(reader->at(i)->pack, fmt::format("p{:x}", i));
    }
  }
}

TEST(IndexBuilder, EmptyGivesNothing) {
  IndexBuilder b;
  EXPECT_EQ(b.build(1)->size(), 0u);
  EXPECT_EQ(b.build(2)->size(), 0u);
  EXPECT_EQ(b.build(3).code(), Code::invalid_argument);
}

TEST(IndexBuilder, RefusesMixedHashLengths) {
  IndexBuilder b;
  b.add(entry("ffeeddccbbaa99887766554433221100", "p1", 1, 0, 28, 0));
  b.add(entry("ffeeddccbbaa9988776655443322110000", "p1", 1, 0, 28, 0));
  EXPECT_EQ(b.build(2).code(), Code::invalid_argument);
  EXPECT_EQ(b.for_each([](const Entry&) { return Status(); }).code(), Code::invalid_argument);
  b.clear();
  b.add(entry("ffeeddccbbaa9988776655443322110000", "p1", 1, 0, 28, 0));
  EXPECT_EQ(b.build(2)->size(), 1u);
}

// The winner does not depend on the order of adding.
TEST(IndexBuilder, MergeKeepsTheWinner) {
  struct Case {
    std::vector<Entry> entries;
    std::int64_t time;
    bool deleted;
    std::string_view pack;
  };
  const std::vector<Case> cases = {
      {{entry("aabbcc", "a", 1, 0, 28, 0), entry("aabbcc", "b", 3, 0, 28, 0), entry("aabbcc", "c", 2, 0, 28, 0)},
       3,
       false,
       "b"},
      {{entry("de1e1e", "x", 4, 0, 28, 0), entry("de1e1e", "y", 4, 0, 28, 0, true)}, 4, false, "x"},
      {{entry("de1e1e", "ff", 4, 0, 28, 0, true), entry("de1e1e", "gg", 4, 0, 28, 0, true),
        entry("de1e1e", "hh", 4, 0, 28, 0, true)},
       4,
       true,
       "hh"},
      {{entry("de1e1e", "xx", 4, 0, 28, 0), entry("de1e1e", "yy", 4, 0, 28, 0), entry("de1e1e", "zz", 4, 0, 28, 0)},
       4,
       false,
       "zz"},
      {{entry("de1e1e", "xx", 4, 0, 28, 0), entry("de1e1e", "aa", 5, 0, 28, 0, true)}, 5, true, "aa"},
  };
  for (const Case& c : cases) {
    std::vector<std::size_t> order(c.entries.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      order[i] = i;
    }
    do {
      IndexBuilder b;
      for (const std::size_t i : order) {
        b.add(c.entries[i]);
      }
      ASSERT_EQ(b.size(), 1u);
      const auto e = b.find(c.entries[0].id);
      ASSERT_TRUE(e.has_value());
      EXPECT_EQ(e->timestamp_seconds, c.time);
      EXPECT_EQ(e->deleted, c.deleted);
      EXPECT_EQ(e->pack, c.pack);
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

TEST(IndexBuilder, WatermarkHidesOnlyOldDeletions) {
  const Entry live = entry("aa", "p", 5, 0, 28, 0);
  const Entry dead = entry("aa", "p", 5, 0, 28, 0, true);
  EXPECT_FALSE(hidden_by_watermark(live, 10));
  EXPECT_TRUE(hidden_by_watermark(dead, 5));
  EXPECT_FALSE(hidden_by_watermark(dead, 4));
}

TEST(Sharding, HashIsFnv1a) {
  EXPECT_EQ(shard_number(id("1996bd5b8ff62a7ed450720813919008"), 0xffffffffu), 0x318a8ac1u);
  EXPECT_EQ(shard_number(id("k1d691824fc50414337e379499a9e8acc"), 0xffffffffu), 0x0853d17du);
}

// SHA-1 of a short text: only the published shard sizes need it.
std::string sha1_hex(std::string_view text) {
  std::uint32_t h[5] = {0x67452301u, 0xEFCDAB89u, 0x98BADCFEu, 0x10325476u, 0xC3D2E1F0u};
  Byte block[64] = {};
  std::memcpy(block, text.data(), text.size());
  block[text.size()] = 0x80;
  store_be32(block + 60, static_cast<std::uint32_t>(text.size() * 8));
  std::uint32_t w[80];
  const auto rotate = [](std::uint32_t v, int n) { return v << n | v >> (32 - n); };
  for (int i = 0; i < 80; ++i) {
    w[i] = i < 16 ? load_be32(block + 4 * i) : rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  }
  std::uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
  for (int i = 0; i < 80; ++i) {
    const std::uint32_t f = i < 20 ? ((b & c) | (~b & d)) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
    const std::uint32_t k = i < 20 ? 0x5A827999u : i < 40 ? 0x6ED9EBA1u : i < 60 ? 0x8F1BBCDCu : 0xCA62C1D6u;
    const std::uint32_t t = rotate(a, 5) + f + e + k + w[i];
    e = d;
    d = c;
    c = rotate(b, 30);
    b = a;
    a = t;
  }
  return fmt::format("{:08x}{:08x}{:08x}{:08x}{:08x}", h[0] + a, h[1] + b, h[2] + c, h[3] + d, h[4] + e);
}

TEST(Sharding, SizesAreThePublishedOnes) {
  ASSERT_EQ(sha1_hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  IndexBuilder b;
  for (int i = 0; i < 10000; ++i) {
    const char* prefix = i % 5 == 0 ? "m" : i % 7 == 0 ? "y" : i % 2 == 0 ? "x" : "";
    b.add(entry(prefix + sha1_hex(std::to_string(i)), "p1", 1, 0, 100, 72));
  }
  const std::map<std::size_t, std::vector<std::size_t>> expected = {
      {2000, {1952, 1995, 2005, 2013, 2035}},
      {1000, {945, 964, 988, 988, 993, 1002, 1014, 1017, 1021, 1068}},
      {500, {460, 472, 473, 477, 479, 483, 486, 492, 498, 499, 501, 503, 504, 505, 511, 519, 524, 528, 542, 544}},
      {10000, {10000}},
  };
  for (const auto& [shard_size, sizes] : expected) {
    for (const int version : {1, 2}) {
      auto shards = b.build(version, shard_size);
      ASSERT_TRUE(shards.ok());
      std::vector<std::size_t> got;
      for (Buffer& shard : *shards) {
        auto reader = IndexReader::open(std::move(shard), kOverhead);
        ASSERT_TRUE(reader.ok()) << reader.status().message();
        got.push_back(reader->size());
      }
      std::sort(got.begin(), got.end());
      EXPECT_EQ(got, sizes);
    }
  }
}

TEST(IndexBuilder, ManyEntriesComeBack) {
  std::mt19937_64 random(11);
  std::map<std::string, Entry> model;
  std::vector<std::string> packs;
  for (int i = 0; i < 300; ++i) {
    packs.push_back(fmt::format("p{:032x}-s{:x}", random(), random()));
  }
  IndexBuilder b;
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t r = random();
    const std::string text = (r % 5 == 0 ? "k" : "") + fmt::format("{:064x}", r % 9000 * 0x9e3779b97f4a7c15ULL);
    Entry e = entry(
        text, packs[random() % packs.size()], static_cast<std::int64_t>(random() % 1000),
        static_cast<std::uint32_t>(random() % (1u << 30)), static_cast<std::uint32_t>(random() % (1u << 28)),
        static_cast<std::uint32_t>(random() % (1u << 28)), random() % 2 == 0, static_cast<std::uint32_t>(random() % 7));
    b.add(e);
    const auto it = model.find(text);
    if (it == model.end()) {
      model.emplace(text, e);
    } else if (beats(e, it->second)) {
      it->second = e;
    }
  }
  ASSERT_EQ(b.size(), model.size());
  auto built = b.build(2);
  ASSERT_TRUE(built.ok());
  auto reader = IndexReader::open(std::move(built->front()), kOverhead);
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  ASSERT_EQ(reader->size(), model.size());
  std::size_t i = 0;
  std::map<std::string, Entry>::const_iterator it = model.begin();
  ASSERT_TRUE(b.for_each([&](const Entry& e) {
                 expect_equal(e, reader->at(i++).value());
                 return Status();
               }).ok());
  for (; it != model.end(); ++it) {
    const auto at = reader->find(it->second.id);
    ASSERT_TRUE(at.ok());
    ASSERT_GE(*at, 0);
    const Entry got = reader->at(static_cast<std::size_t>(*at)).value();
    // Entries that tie on time, state and pack are interchangeable by the rule.
    EXPECT_EQ(got.timestamp_seconds, it->second.timestamp_seconds);
    EXPECT_EQ(got.deleted, it->second.deleted);
    EXPECT_EQ(got.pack, it->second.pack);
  }
}

}  // namespace
}  // namespace cairn::index
