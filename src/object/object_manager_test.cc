#include "object/object_manager.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "base/json.h"
#include "tests/support/gen.h"
#include "tests/support/test_repository.h"

namespace cairn::object {
namespace {

using test::TestRepository;

TEST(ObjectId, ParsesAndPrintsCanonically) {
  struct Case {
    const char* in;
    const char* out;
  };
  for (const Case& c : {Case{"Df0f0", "f0f0"},
                        {"IDf0f0", "If0f0"},
                        {"IIDf0f0", "IIf0f0"},
                        {"Dxf0f0", "xf0f0"},
                        {"IDxf0f0", "Ixf0f0"},
                        {"IIDxf0f0", "IIxf0f0"},
                        {"Dabcd", "abcd"},
                        {"IIabcd", "IIabcd"},
                        {"Zabcd", "Zabcd"},
                        {"ZDabcd", "Zabcd"},
                        {"ABCD", "abcd"}}) {
    auto id = ObjectId::parse(c.in);
    ASSERT_TRUE(id.ok()) << c.in << ": " << id.status().message();
    EXPECT_EQ(id->text(), c.out);
  }
  for (const char* bad :
       {"Dxf0f", "IDxf0f", "Da",    "Daf0f0",     "B!$@#$!@#$", "X",      "I.",     "I.x",   "I.af", "Ix.ag", "Iab.",
        "I1",    "I1,",    "I-1,X", "Xsomething", "IZabcd",     "DZabcd", "DIabcd", "fabcd", "",     "I"}) {
    EXPECT_FALSE(ObjectId::parse(bad).ok()) << bad;
  }
}

// Runs chunk jobs on two threads of its own.
class Threads final : public ChunkExecutor {
 public:
  void execute(std::function<void()> job) override {
    if (running_ < 2) {
      ++running_;
      threads_.emplace_back([this, job = std::move(job)] {
        job();
        --running_;
      });
    } else {
      job();
    }
  }
  void help_until(const std::function<bool()>& done) override {
    while (!done()) {
      std::this_thread::yield();
    }
  }

 private:
  std::atomic<int> running_{0};
  std::vector<std::jthread> threads_;
};

class ObjectTest : public ::testing::Test {
 protected:
  ObjectTest()
      : repo_([] {
          format::CreateOptions o;
          o.splitter = "FIXED-128K";
          return o;
        }()) {}
  void SetUp() override {
    auto m = repo_.open();
    ASSERT_TRUE(m.ok()) << m.status().message();
    opened_ = std::make_unique<TestRepository::Opened>(std::move(*m));
    objects_ = std::make_unique<ObjectManager>(**opened_, "FIXED-128K");
  }
  Bytes read(const ObjectId& id) {
    auto b = objects_->read_all(id, SIZE_MAX, {});
    EXPECT_TRUE(b.ok()) << b.status().message();
    return b.ok() ? Bytes(b->view().begin(), b->view().end()) : Bytes();
  }
  TestRepository repo_;
  std::unique_ptr<TestRepository::Opened> opened_;
  std::unique_ptr<ObjectManager> objects_;
};

TEST_F(ObjectTest, RoundTripsAnySlicingAndExecutor) {
  for (const std::size_t size : {0UL, 1UL, 131071UL, 131072UL, 131073UL, 300000UL, 1310720UL}) {
    const Bytes data = test::gen_rand(size + 7, size);
    auto one = objects_->write(data, {}, {});
    ASSERT_TRUE(one.ok());
    EXPECT_EQ(one->indirection, size > 131072 ? 1 : 0) << size;
    EXPECT_EQ(read(*one), data);
    for (const bool parallel : {false, true}) {
      WriterOptions o;
      if (parallel) {
        o.executor = std::make_shared<Threads>();
      }
      auto w = objects_->new_writer(o);
      for (std::size_t at = 0; at < size; at += 50'001) {
        ASSERT_TRUE(w->write(ByteView(data).subspan(at, std::min<std::size_t>(50'001, size - at)), {}).ok());
      }
      auto id = w->result({});
      ASSERT_TRUE(id.ok()) << id.status().message();
      EXPECT_EQ(*id, *one);
      EXPECT_EQ(w->length(), static_cast<std::int64_t>(size));
    }
    auto reader = objects_->open(*one, {});
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ((*reader)->length(), static_cast<std::int64_t>(size));
    Bytes part(1000);
    auto n = (*reader)->read_at(131000, part, {});
    ASSERT_TRUE(n.ok());
    const std::size_t expect = size > 131000 ? std::min<std::size_t>(1000, size - 131000) : 0;
    ASSERT_EQ(*n, expect);
    EXPECT_TRUE(std::equal(part.begin(), part.begin() + static_cast<std::ptrdiff_t>(expect),
                           data.begin() + static_cast<std::ptrdiff_t>(expect == 0 ? 0 : 131000)));
  }
}

TEST_F(ObjectTest, NestsIndexesThatOverflowAChunk) {
  // 128 KiB of index JSON hold about 1700 entries: 300 MB of distinct data would be needed, so repeat one chunk.
  const Bytes chunk = test::gen_rand(1, 131072);
  auto w = objects_->new_writer({});
  for (int i = 0; i < 2500; ++i) {
    ASSERT_TRUE(w->write(chunk, {}).ok());
  }
  auto id = w->result({});
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(id->indirection, 2);
  std::int64_t expected = 0;
  ASSERT_TRUE(objects_
                  ->for_each_chunk(*id,
                                   [&](const IndirectEntry& e) -> Status {
                                     EXPECT_EQ(e.start, expected);
                                     expected += e.length;
                                     return {};
                                   },
                                   {})
                  .ok());
  EXPECT_EQ(expected, 2500LL * 131072);
  int contents = 0;
  ASSERT_TRUE(objects_
                  ->verify(*id,
                           [&](const ContentId&) -> Status {
                             ++contents;
                             return {};
                           },
                           {})
                  .ok());
  EXPECT_GT(contents, 2500);
}

TEST_F(ObjectTest, CheckpointHoldsFinishedChunksOnly) {
  auto w = objects_->new_writer({});
  auto none = w->checkpoint({});
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
  const Bytes data = test::gen_rand(3, 200'000);
  ASSERT_TRUE(w->write(data, {}).ok());
  auto some = w->checkpoint({});
  ASSERT_TRUE(some.ok());
  EXPECT_EQ(read(*some), Bytes(data.begin(), data.begin() + 131072));
  auto all = w->result({});
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(read(*all), data);
}

TEST_F(ObjectTest, ConcatenatesDirectIndirectAndEmpty) {
  const Bytes a = test::gen_rand(1, 300'000);
  const Bytes b = test::gen_rand(2, 10);
  std::vector<ObjectId> ids;
  for (const Bytes& part : {a, Bytes(), b}) {
    auto id = objects_->write(part, {}, {});
    ASSERT_TRUE(id.ok());
    ids.push_back(*id);
  }
  auto all = objects_->concatenate(ids, compress::kZstdFastest, {});
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->content.prefix, 'x');
  Bytes joined = a;
  joined.insert(joined.end(), b.begin(), b.end());
  EXPECT_EQ(read(*all), joined);
  EXPECT_FALSE(objects_->concatenate({}, 0, {}).ok());
}

TEST_F(ObjectTest, DamagedIndexObjectsAreErrors) {
  for (const std::string_view bad :
       {"", "{}", "[]", R"({"entries":[]})", R"({"entries":[{"l":5}]})", R"({"entries":[{"l":5,"o":"zz"}]})",
        R"({"entries":[{"s":3,"l":5,"o":"abcd"}]})", R"({"entries":[{"l":-5,"o":"abcd"}]})",
        R"({"entries":[{"l":1,"o":"00000000000000000000000000000000"}]})"}) {
    auto direct = objects_->write(as_bytes(bad), {.prefix = 'x'}, {});
    ASSERT_TRUE(direct.ok());
    ObjectId id = *direct;
    id.indirection = 1;
    EXPECT_FALSE(objects_->read_all(id, SIZE_MAX, {}).ok()) << bad;
    id.indirection = 3;
    EXPECT_FALSE(objects_->read_all(id, SIZE_MAX, {}).ok()) << bad;
  }
}

// Object ids that the real program gave to generated inputs: repositories given by their format blobs.
TEST(Objects, HaveTheIdsOfTheRealProgram) {
  std::ifstream file(std::string(CAIRN_TESTS_DIR) + "/golden/objects.json");
  std::stringstream text;
  text << file.rdbuf();
  auto doc = Json::parse(text.str());
  ASSERT_TRUE(doc.ok()) << doc.status().message();
  std::size_t checked = 0;
  for (const Json& r : (*doc)["repositories"].items()) {
    auto storage = blob::make_memory_storage();
    for (const auto& [key, id] : {std::pair{"format_blob", "kopia.repository"}, {"blobcfg", "kopia.blobcfg"}}) {
      auto bytes = base64_decode(r[key].as_string());
      ASSERT_TRUE(bytes.ok());
      ASSERT_TRUE(storage->put(BlobId(id), *bytes, {}).ok());
    }
    auto format = format::FormatManager::open(storage, (*doc)["password"].as_string(), {}, {});
    ASSERT_TRUE(format.ok()) << format.status().message();
    auto contents = content::ContentManager::open(storage, **format, {}, {});
    ASSERT_TRUE(contents.ok());
    ObjectManager objects(**contents, (*format)->current()->splitter);
    EXPECT_EQ(objects.default_splitter(), r["splitter"].as_string());
    for (const Json& o : r["objects"].items()) {
      const Json& g = o["gen"];
      const std::int64_t parameter = g.find("seed") != nullptr ? g["seed"].as_int() : g["byte"].as_int();
      const auto size = static_cast<std::size_t>(g["size"].as_int());
      Bytes data = test::gen(g["kind"].as_string(), static_cast<std::uint64_t>(parameter), size);
      if (g["kind"].as_string() == "bytes") {
        auto literal = hex_decode(g["hex"].as_string());
        ASSERT_TRUE(literal.ok());
        data = *literal;
      } else {
        ASSERT_EQ(data.size(), size);
      }
      WriterOptions options;
      options.compressor = compress::kZstdFastest;  // does not influence ids
      auto id = objects.write(data, options, {});
      ASSERT_TRUE(id.ok());
      EXPECT_EQ(id->text(), o["object"].as_string()) << o["name"].as_string() << " " << r["splitter"].as_string();
      ++checked;
    }
  }
  EXPECT_GT(checked, 100u);
}

}  // namespace
}  // namespace cairn::object
