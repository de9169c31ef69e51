#include "content/content_manager.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <thread>
#include <utility>

#include "base/random.h"
#include "blob/decorators.h"
#include "blob/forwarding.h"
#include "content/pack.h"
#include "content/session.h"
#include "sys/file.h"
#include "tests/support/test_repository.h"

namespace cairn::content {
namespace {

using cairn::test::FakeClock;
using cairn::test::TestRepository;

Buffer text(std::string_view s) { return Buffer::copy_of(s); }

Buffer random_buffer(std::size_t n) {
  Buffer b(n);
  random_bytes(b.mut());
  return b;
}

std::size_t count_blobs(blob::Storage& storage, std::string_view prefix) {
  auto all = storage.list_all(prefix, {});
  EXPECT_TRUE(all.ok()) << all.status().message();
  return all.ok() ? all->size() : 0;
}

#define ASSERT_OK(expr)                                                 \
  do {                                                                  \
    const auto& assert_ok_result = (expr);                              \
    ASSERT_TRUE(assert_ok_result.ok()) << ok_message(assert_ok_result); \
  } while (false)
std::string ok_message(const Status& s) { return s.message(); }
template <class T>
std::string ok_message(const Result<T>& r) {
  return r.status().message();
}

TEST(ContentManager, WritesReadsAndDeduplicates) {
  TestRepository repo;
  ASSERT_OK(repo.status());
  auto m = repo.open();
  ASSERT_OK(m);
  const Buffer data = text("hello world");
  auto id = (*m)->write(data.view(), 0, compress::kNone, {});
  ASSERT_OK(id);
  auto again = (*m)->write(data.view(), 0, compress::kNone, {});
  ASSERT_OK(again);
  EXPECT_EQ(*id, *again);
  EXPECT_EQ((*m)->stats().contents_new, 1);
  EXPECT_EQ((*m)->stats().contents_reused, 1);
  auto back = (*m)->read(*id, {});
  ASSERT_OK(back);
  EXPECT_EQ(back->text(), "hello world");
  ASSERT_OK((*m)->flush({}));
  EXPECT_EQ(count_blobs(*repo.storage(), "p"), 1u);
  EXPECT_EQ(count_blobs(*repo.storage(), "xn0_"), 1u);
  EXPECT_EQ(count_blobs(*repo.storage(), "s"), 0u) << "the session marker must be gone after the flush";

  auto other = repo.open();
  ASSERT_OK(other);
  auto seen = (*other)->read(*id, {});
  ASSERT_OK(seen);
  EXPECT_EQ(seen->text(), "hello world");
  ASSERT_OK((*other)->write(data.view(), 0, compress::kNone, {}));
  EXPECT_EQ((*other)->stats().contents_new, 0);
}

TEST(ContentManager, WhatOneRunWroteTheNextReadsFromTheCache) {
  auto dir = sys::TempDir::make("cairn-content-test-");
  ASSERT_OK(dir);
  ContentOptions options;
  options.cache.directory = dir->path();
  TestRepository repo;
  ContentId id;
  {
    auto m = repo.open(options);
    ASSERT_OK(m);
    auto written = (*m)->write(text("a directory").view(), 'k', compress::kZstdFastest, {});
    ASSERT_OK(written);
    id = *written;
    ASSERT_OK((*m)->flush({}));
  }
  auto metrics = std::make_shared<blob::StorageMetrics>();
  auto next = repo.open_on(blob::with_metrics(repo.storage(), metrics), options);
  ASSERT_OK(next);
  const std::int64_t format_blobs = 2;
  auto back = (*next)->read(id, {});
  ASSERT_OK(back);
  EXPECT_EQ(back->text(), "a directory");
  EXPECT_LE(metrics->gets, format_blobs) << "neither index blobs nor metadata packs";
}

// A pack that nobody has is fetched once, however many want it at the same time.
TEST(ContentManager, MetadataPacksAreFetchedOnce) {
  TestRepository repo;
  std::vector<ContentId> ids;
  {
    auto m = repo.open();
    ASSERT_OK(m);
    for (int i = 0; i < 64; ++i) {
      auto written = (*m)->write(text(fmt::format("directory {}", i)).view(), 'k', compress::kZstdFastest, {});
      ASSERT_OK(written);
      ids.push_back(*written);
    }
    ASSERT_OK((*m)->flush({}));
  }
  auto dir = sys::TempDir::make("cairn-content-test-");
  ASSERT_OK(dir);
  ContentOptions options;
  options.cache.directory = dir->path();
  auto metrics = std::make_shared<blob::StorageMetrics>();
  auto reader = repo.open_on(blob::with_metrics(repo.storage(), metrics), options);
  ASSERT_OK(reader);
  const std::int64_t before = metrics->gets;
  std::vector<std::jthread> threads;
  for (const ContentId& id : ids) {
    threads.emplace_back([&, id] { EXPECT_TRUE((*reader)->read(id, {}).ok()); });
  }
  threads.clear();
  EXPECT_EQ(metrics->gets - before, 1);
}

TEST(ContentManager, KeepsPrefixedContentsInMetadataPacks) {
  TestRepository repo;
  auto m = repo.open();
  ASSERT_OK(m);
  ASSERT_OK((*m)->write(text("dir").view(), 'k', compress::kZstdFastest, {}));
  ASSERT_OK((*m)->write(text("file").view(), 0, compress::kNone, {}));
  ASSERT_OK((*m)->flush({}));
  EXPECT_EQ(count_blobs(*repo.storage(), "q"), 1u);
  EXPECT_EQ(count_blobs(*repo.storage(), "p"), 1u);
}

TEST(ContentManager, CompressesOnlyWhenItSaves) {
  TestRepository repo;
  auto m = repo.open();
  ASSERT_OK(m);
  auto a = (*m)->write(text(std::string(100'000, 'x')).view(), 0, compress::kZstdFastest, {});
  const Buffer noise = random_buffer(100'000);
  auto b = (*m)->write(noise.view(), 0, compress::kZstdFastest, {});
  ASSERT_OK(a);
  ASSERT_OK(b);
  auto ia = (*m)->info(*a, {});
  auto ib = (*m)->info(*b, {});
  ASSERT_OK(ia);
  ASSERT_OK(ib);
  EXPECT_EQ(ia->compression, compress::kZstdFastest);
  EXPECT_LT(ia->packed_length, 2000u);
  EXPECT_EQ(ia->original_length, 100'000u);
  EXPECT_EQ(ib->compression, 0u);
  EXPECT_EQ(ib->packed_length, 100'000u + crypto::kAeadOverhead);
  ASSERT_OK((*m)->flush({}));
  auto back = (*m)->read(*a, {});
  ASSERT_OK(back);
  EXPECT_EQ(back->size(), 100'000u);
}

TEST(ContentManager, CutsPacksAtTheirSize) {
  TestRepository repo;
  auto m = repo.open();
  ASSERT_OK(m);
  std::set<std::string> ids;
  for (int i = 0; i < 14; ++i) {
    const Buffer data = random_buffer(4 << 20);
    auto id = (*m)->write(data.view(), 0, compress::kNone, {});
    ASSERT_OK(id);
    ids.insert(id->text());
  }
  ASSERT_OK((*m)->flush({}));
  auto packs = repo.storage()->list_all("p", {});
  ASSERT_OK(packs);
  EXPECT_EQ(packs->size(), 3u);
  for (const auto& p : *packs) {
    EXPECT_LT(p.length, (25 << 20));
  }
  auto fresh = repo.open();
  ASSERT_OK(fresh);
  for (const std::string& t : ids) {
    auto id = ContentId::parse(t);
    ASSERT_OK(id);
    ASSERT_OK((*fresh)->read(*id, {}));
  }
}

// The recovery data at a pack's end: what `index recover` of any client reads.
TEST(ContentManager, EndsPacksWithARecoverableIndex) {
  TestRepository repo;
  auto m = repo.open();
  ASSERT_OK(m);
  auto id = (*m)->write(text("abc").view(), 0, compress::kNone, {});
  ASSERT_OK(id);
  ASSERT_OK((*m)->flush({}));
  auto packs = repo.storage()->list_all("p", {});
  ASSERT_OK(packs);
  auto bytes = repo.storage()->get((*packs)[0].id, {}, {});
  ASSERT_OK(bytes);
  auto post = parse_postamble(bytes->view());
  ASSERT_OK(post);
  EXPECT_EQ(post->local_index_offset % 4096, 0u);
  auto plain = (*m)->crypto().open(post->iv, bytes->view().subspan(post->local_index_offset, post->local_index_length));
  ASSERT_OK(plain);
  auto reader = index::IndexReader::open(std::move(*plain), 28);
  ASSERT_OK(reader);
  ASSERT_EQ(reader->size(), 1u);
  auto e = reader->at(0);
  ASSERT_OK(e);
  EXPECT_EQ(e->id, *id);
  EXPECT_EQ(e->pack, (*packs)[0].id.text);
}

TEST(ContentManager, DeletesAndRewritesWithLaterTime) {
  FakeClock clock;
  TestRepository repo({}, clock);
  auto m = repo.open();
  ASSERT_OK(m);
  auto id = (*m)->write(text("abc").view(), 0, compress::kNone, {});
  ASSERT_OK(id);
  ASSERT_OK((*m)->flush({}));
  const auto first = (*m)->info(*id, {});
  ASSERT_OK(first);
  ASSERT_OK((*m)->remove(*id, {}));
  ASSERT_OK((*m)->flush({}));
  const auto deleted = (*m)->info(*id, {});
  ASSERT_OK(deleted);
  EXPECT_TRUE(deleted->deleted);
  EXPECT_EQ(deleted->timestamp_seconds, first->timestamp_seconds + 1);
  ASSERT_OK((*m)->read(*id, {}));  // readable until it is dropped
  ASSERT_OK((*m)->write(text("abc").view(), 0, compress::kNone, {}));
  ASSERT_OK((*m)->flush({}));
  auto fresh = repo.open();
  ASSERT_OK(fresh);
  const auto rewritten = (*fresh)->info(*id, {});
  ASSERT_OK(rewritten);
  EXPECT_FALSE(rewritten->deleted);
  EXPECT_EQ(rewritten->timestamp_seconds, first->timestamp_seconds + 2);
}

TEST(ContentManager, ForgetsContentsDeletedBeforeTheirIndex) {
  TestRepository repo;
  auto m = repo.open();
  ASSERT_OK(m);
  auto id = (*m)->write(text("abc").view(), 0, compress::kNone, {});
  ASSERT_OK(id);
  ASSERT_OK((*m)->remove(*id, {}));
  EXPECT_EQ((*m)->read(*id, {}).code(), Code::not_found);
  ASSERT_OK((*m)->flush({}));
  EXPECT_EQ(count_blobs(*repo.storage(), "x"), 0u);
}

TEST(ContentManager, WritesFromManyThreads) {
  TestRepository repo;
  auto m = repo.open();
  ASSERT_OK(m);
  constexpr int kThreads = 4;
  constexpr int kEach = 300;
  std::atomic<int> failures{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) {
          // Half of the contents are written by two threads at once.
          const std::string s = fmt::format("content {} {}", i % 2 == 0 ? t : t / 2, i);
          auto id = (*m)->write(as_bytes(s), i % 3 == 0 ? 'k' : 0, compress::kZstdFastest, {});
          auto back = id.ok() ? (*m)->read(*id, {}) : Result<Buffer>(id.status());
          if (!back.ok() || back->text() != s) {
            ++failures;
          }
          if (i % 100 == 50 && !(*m)->flush({}).ok()) {
            ++failures;
          }
        }
      });
    }
  }
  EXPECT_EQ(failures, 0);
  ASSERT_OK((*m)->flush({}));
  auto fresh = repo.open();
  ASSERT_OK(fresh);
  std::size_t n = 0;
  ASSERT_OK((*fresh)->iterate({},
                              [&](const ContentInfo& i) -> Status {
                                ++n;
                                return (*fresh)->read(i.id, {}).status();
                              },
                              {}));
  EXPECT_EQ(n, static_cast<std::size_t>(kThreads * kEach / 2 + 2 * kEach / 2));
}

// What no longer fits into memory is spilled as sorted runs: known to this process, published with the next flush, in
// one index blob.
TEST(ContentManager, SpillsItsIndexByCountAndPublishesItByTime) {
  FakeClock clock;
  TestRepository repo({}, clock);
  ContentOptions options;
  options.pending_entries_max = 10;
  auto m = repo.open(options);
  ASSERT_OK(m);
  std::vector<ContentId> ids;
  for (int i = 0; i < 35; ++i) {
    auto id = (*m)->write(as_bytes(fmt::format("{}", i)), 0, compress::kNone, {});
    ASSERT_OK(id);
    ids.push_back(*id);
  }
  EXPECT_EQ(count_blobs(*repo.storage(), "xn0_"), 0u);
  ASSERT_OK((*m)->refresh({}));
  for (int i = 0; i < 35; ++i) {
    auto back = (*m)->read(ids[static_cast<std::size_t>(i)], {});
    ASSERT_OK(back);
    EXPECT_EQ(back->text(), fmt::format("{}", i));
  }
  ASSERT_OK((*m)->write(as_bytes("3"), 0, compress::kNone, {}));
  EXPECT_EQ((*m)->stats().contents_reused, 1);
  ASSERT_OK((*m)->remove(ids[4], {}));
  std::size_t seen = 0;
  ASSERT_OK((*m)->iterate({},
                          [&](const ContentInfo&) {
                            ++seen;
                            return Status();
                          },
                          {}));
  EXPECT_EQ(seen, 34u);
  clock.advance(minutes(11));
  ASSERT_OK((*m)->write(text("late").view(), 0, compress::kNone, {}));
  EXPECT_EQ(count_blobs(*repo.storage(), "xn0_"), 1u);
  auto fresh = repo.open();
  ASSERT_OK(fresh);
  EXPECT_EQ((*fresh)->count(), 36u);
  EXPECT_TRUE((*fresh)->info(ids[4], {})->deleted);
  ASSERT_OK((*fresh)->read(ids[34], {}));
  EXPECT_EQ(count_blobs(*repo.storage(), "s"), 0u) << "the session has ended";
}

TEST(ContentManager, WorksInEveryFormatVersion) {
  for (const int version : {1, 2, 3}) {
    format::CreateOptions o;
    o.version = version;
    TestRepository repo(o);
    ASSERT_OK(repo.status());
    auto m = repo.open();
    ASSERT_OK(m);
    auto id = (*m)->write(text(std::string(5000, 'a')).view(), 'k', compress::kZstdFastest, {});
    ASSERT_OK(id);
    ASSERT_OK((*m)->flush({}));
    auto fresh = repo.open();
    ASSERT_OK(fresh);
    auto back = (*fresh)->read(*id, {});
    ASSERT_OK(back);
    EXPECT_EQ(back->size(), 5000u);
    if (version == 1) {
      EXPECT_EQ(count_blobs(*repo.storage(), "n"), 1u);
      auto packs = repo.storage()->list_all("q", {});
      ASSERT_OK(packs);
      auto bytes = repo.storage()->get((*packs)[0].id, {}, {});
      ASSERT_OK(bytes);
      auto replica = format::recover_replica(bytes->view(), bytes->view());
      ASSERT_OK(replica);
      EXPECT_EQ(Bytes(*replica), (*m).format->format_blob_bytes());
    }
  }
}

TEST(ContentManager, ProtectsWithEcc) {
  format::CreateOptions o;
  o.ecc_overhead_percent = 10;
  o.ecc = std::string(crypto::kEccName);
  TestRepository repo(o);
  ASSERT_OK(repo.status());
  auto m = repo.open();
  ASSERT_OK(m);
  const Buffer data = random_buffer(50'000);
  auto id = (*m)->write(data.view(), 0, compress::kNone, {});
  ASSERT_OK(id);
  ASSERT_OK((*m)->flush({}));
  auto info = (*m)->info(*id, {});
  ASSERT_OK(info);
  auto pack = repo.storage()->get(info->pack, {}, {});
  ASSERT_OK(pack);
  (*pack)[info->pack_offset + 20'000] ^= 0xff;
  ASSERT_OK(repo.storage()->put(info->pack, pack->view(), {}));
  auto fresh = repo.open();
  ASSERT_OK(fresh);
  auto back = (*fresh)->read(*id, {});
  ASSERT_OK(back);
  EXPECT_TRUE(std::ranges::equal(back->view(), data.view()));
}

TEST(ContentManager, NamesContentAndPackOfDamage) {
  TestRepository repo;
  auto m = repo.open();
  ASSERT_OK(m);
  auto id = (*m)->write(text("precious").view(), 0, compress::kNone, {});
  ASSERT_OK(id);
  ASSERT_OK((*m)->flush({}));
  auto info = (*m)->info(*id, {});
  ASSERT_OK(info);
  auto pack = repo.storage()->get(info->pack, {}, {});
  ASSERT_OK(pack);
  (*pack)[info->pack_offset + 15] ^= 1;
  ASSERT_OK(repo.storage()->put(info->pack, pack->view(), {}));
  auto back = (*m)->read(*id, {});
  ASSERT_EQ(back.code(), Code::corrupt);
  EXPECT_NE(back.status().message().find(id->text()), std::string::npos);
  EXPECT_NE(back.status().message().find(info->pack.text), std::string::npos);
}

TEST(ContentManager, CacheServesAndSurvivesDamage) {
  TestRepository repo;
  const std::string dir = ::testing::TempDir() + "cairn-cache-test";
  std::ignore = std::system(("rm -rf " + dir).c_str());
  ContentOptions options;
  options.cache.directory = dir;
  {
    auto m = repo.open(options);
    ASSERT_OK(m);
    ASSERT_OK((*m)->write(text("directory object").view(), 'k', compress::kNone, {}));
    ASSERT_OK((*m)->flush({}));
  }
  for (int round = 0; round < 3; ++round) {
    auto m = repo.open(options);
    ASSERT_OK(m);
    auto back = (*m)->read((*m)->id_of(as_bytes("directory object"), 'k'), {});
    ASSERT_OK(back);
    EXPECT_EQ(back->text(), "directory object");
    // Flip a byte in every cached file: the next round must notice and go to the storage.
    ASSERT_EQ(
        std::system(("find " + dir + "/metadata " + dir +
                     "/index-blobs -type f | while read f; do printf 'X' | dd of=\"$f\" bs=1 seek=20 conv=notrunc "
                     "status=none; done")
                        .c_str()),
        0);
  }
  std::ignore = std::system(("rm -rf " + dir).c_str());
}

// Calls `then` in the middle of the first put of a blob whose name starts with `prefix`.
class SlowPut final : public blob::ForwardingStorage {
 public:
  SlowPut(std::shared_ptr<blob::Storage> inner, std::string prefix, std::function<void()> then)
      : ForwardingStorage(std::move(inner)), prefix_(std::move(prefix)), then_(std::move(then)) {}
  using Storage::put;
  Result<blob::BlobMetadata> put(const BlobId& id, GatherView data, const blob::PutOptions& options,
                                 std::stop_token stop) override {
    if (id.starts_with(prefix_)) {
      std::exchange(then_, [] {})();
    }
    return ForwardingStorage::put(id, data, options, std::move(stop));
  }

 private:
  const std::string prefix_;
  std::function<void()> then_;
};

TEST(ContentManager, MarksWhereTheContentIsAfterDaysInTheCallBefore) {
  FakeClock clock;
  TestRepository repo({}, clock);
  ASSERT_OK(repo.status());
  ContentOptions options;
  options.clock = &clock;
  auto first = repo.open(options);
  ASSERT_OK(first);
  const auto id = (*first)->write(text("moved by another client").view(), 0, compress::kNone, {});
  ASSERT_OK(id);
  ASSERT_OK((*first)->flush({}));
  const auto move = [&] {
    clock.advance(hours(50));
    auto other = repo.open(options);
    ASSERT_OK(other);
    ASSERT_OK((*other)->rewrite(*id, {}));
    ASSERT_OK((*other)->flush({}));
  };
  auto slow = repo.open_on(std::make_shared<SlowPut>(repo.storage(), "s", move), options);
  ASSERT_OK(slow);
  const auto before = (*slow)->info(*id, {});
  ASSERT_OK(before);
  ASSERT_OK((*slow)->remove(*id, {}));
  ASSERT_OK((*slow)->flush({}));
  auto reader = repo.open(options);
  ASSERT_OK(reader);
  const auto after = (*reader)->info(*id, {});
  ASSERT_OK(after);
  EXPECT_TRUE(after->deleted);
  EXPECT_NE(after->pack, before->pack);
}

TEST(ContentManager, PublishesNothingOfASessionThatOthersHoldForDead) {
  FakeClock clock;
  TestRepository repo({}, clock);
  ASSERT_OK(repo.status());
  ContentOptions options;
  options.clock = &clock;
  options.index_flush_interval = hours(1000);
  auto slow = repo.open(options);
  ASSERT_OK(slow);
  const auto id = (*slow)->write(text("stored four days ago").view(), 0, compress::kNone, {});
  ASSERT_OK(id);
  clock.advance(hours(97));
  EXPECT_TRUE((*slow)->flush({}).is(Code::failed_precondition));
  EXPECT_TRUE((*slow)->flush({}).is(Code::failed_precondition));
  auto reader = repo.open(options);
  ASSERT_OK(reader);
  EXPECT_EQ((*reader)->info(*id, {}).code(), Code::not_found);
}

// Days pass in the call that stores the index blob.
TEST(ContentManager, SaysWhenPacksWereRemovedBeforeTheirIndexWasStored) {
  for (const bool removed : {false, true}) {
    FakeClock clock;
    TestRepository repo({}, clock);
    ASSERT_OK(repo.status());
    const auto days = [&] {
      clock.advance(hours(100));
      if (removed) {
        auto packs = repo.storage()->list_all("p", {});
        ASSERT_OK(packs);
        ASSERT_OK(repo.storage()->remove(packs->front().id, {}));
      }
    };
    auto slow = repo.open_on(std::make_shared<SlowPut>(repo.storage(), "xn", days));
    ASSERT_OK(slow);
    ASSERT_OK((*slow)->write(text("data").view(), 0, compress::kNone, {}));
    const Status done = (*slow)->flush({});
    EXPECT_EQ(done.code(), removed ? Code::corrupt : Code::ok) << done.message();
    ASSERT_OK((*slow)->flush({}));
    EXPECT_EQ(count_blobs(*repo.storage(), "s"), 0u);
  }
}

TEST(Session, IdFollowsThirtyDayPeriods) {
  auto t = parse_rfc3339("2024-01-02T03:04:05Z");
  ASSERT_OK(t);
  const std::string id = new_session_id(*t);
  EXPECT_EQ(id.size(), 20u);
  EXPECT_EQ(id.substr(17), "124");
}

TEST(Postamble, MatchesTheGoldenBytes) {
  Postamble p;
  p.iv = *hex_decode("8277cb8e9e18d49efd44c4b79e2a5d06");
  p.local_index_offset = 4096;
  p.local_index_length = 216;
  Buffer b;
  append_postamble(b, p);
  EXPECT_EQ(hex_encode(b.view()), "01108277cb8e9e18d49efd44c4b79e2a5d068020d80153d8782a1a");
  auto back = parse_postamble(b.view());
  ASSERT_OK(back);
  EXPECT_EQ(back->local_index_length, 216u);
  b[5] ^= 1;
  EXPECT_FALSE(parse_postamble(b.view()).ok());
}

}  // namespace
}  // namespace cairn::content
