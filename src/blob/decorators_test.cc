#include "blob/decorators.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "blob/memory/memory_storage.h"
#include "blob/token_bucket.h"
#include "tests/support/faulty_storage.h"

namespace cairn::blob {
namespace {

using test::FaultyStorage;
using test::Op;

std::shared_ptr<FaultyStorage> faulty() { return std::make_shared<FaultyStorage>(make_memory_storage()); }

RetryOptions quick() {
  RetryOptions options;
  options.first_delay = milliseconds(1);
  options.delay_max = milliseconds(5);
  return options;
}

TEST(Retry, TriesAgainOnWhatMayPass) {
  const auto inner = faulty();
  const StoragePtr storage = with_retry(inner, quick());
  inner->add({.op = Op::put, .times = 9});
  EXPECT_TRUE(storage->put(BlobId("a"), as_bytes("x"), {}).ok());
  EXPECT_EQ(inner->count(Op::put), 10);
  inner->heal();
  inner->add({.op = Op::get, .times = 2});
  EXPECT_EQ(storage->get(BlobId("a"), {}, {})->text(), "x");
  EXPECT_EQ(inner->count(Op::get), 3);
}

TEST(Retry, GivesUpAfterTenAttempts) {
  const auto inner = faulty();
  inner->add({.op = Op::get});
  const auto result = with_retry(inner, quick())->get(BlobId("a"), {}, {});
  EXPECT_EQ(result.code(), Code::unavailable);
  EXPECT_EQ(result.status().message(), "GetBlob(a) failed 10 times: injected fault");
  EXPECT_EQ(inner->count(Op::get), 10);
}

TEST(Retry, DoesNotRepeatWhatCannotPass) {
  for (const Code code : {Code::not_found, Code::permission_denied, Code::invalid_argument, Code::unauthenticated,
                          Code::unsupported, Code::already_exists, Code::corrupt}) {
    const auto inner = faulty();
    inner->add({.status = error(code, "no")});
    const StoragePtr storage = with_retry(inner, quick());
    EXPECT_EQ(storage->metadata(BlobId("a"), {}).code(), code);
    EXPECT_EQ(storage->remove(BlobId("a"), {}).code(), code);
    EXPECT_EQ(inner->calls().size(), 2u);
  }
}

TEST(Retry, ListsAreNotRepeated) {
  const auto inner = faulty();
  inner->fail_nth(Op::list, 1);
  EXPECT_EQ(with_retry(inner, quick())->list_all("", {}).code(), Code::unavailable);
}

TEST(Retry, StopEndsTheWait) {
  const auto inner = faulty();
  inner->add({.op = Op::get});
  RetryOptions slow;
  slow.first_delay = seconds(100);
  slow.delay_max = seconds(100);
  std::stop_source stop;
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop.request_stop();
  });
  EXPECT_EQ(with_retry(inner, slow)->get(BlobId("a"), {}, stop.get_token()).code(), Code::cancelled);
  EXPECT_EQ(inner->count(Op::get), 1);
}

TEST(Retry, HonoursTheServersWaitAndTheBudget) {
  const auto inner = faulty();
  inner->add({.op = Op::get, .times = 1, .status = error(Code::unavailable, "slow down").with_retry_after(0.1)});
  const StoragePtr storage = with_retry(inner, quick());
  const std::int64_t start_ns = monotonic_ns();
  EXPECT_EQ(storage->get(BlobId("a"), {}, {}).code(), Code::not_found);
  EXPECT_GE(monotonic_ns() - start_ns, 100'000'000);

  inner->heal();
  inner->add({.op = Op::get, .status = error(Code::unavailable, "slow down").with_retry_after(1000)});
  EXPECT_EQ(storage->get(BlobId("a"), {}, {}).code(), Code::unavailable);  // beyond the budget: at once
}

TEST(ReadOnly, RefusesChanges) {
  const auto inner = faulty();
  const StoragePtr storage = with_read_only(inner);
  EXPECT_EQ(storage->put(BlobId("a"), as_bytes("x"), {}).status().message(), "storage is read-only");
  EXPECT_EQ(storage->remove(BlobId("a"), {}).code(), Code::permission_denied);
  EXPECT_EQ(storage->extend_retention(BlobId("a"), "GOVERNANCE", hours(24), {}).code(), Code::permission_denied);
  EXPECT_TRUE(storage->read_only());
  EXPECT_TRUE(inner->calls().empty());
  EXPECT_TRUE(storage->list_all("", {})->empty());
}

TEST(Metrics, CountsByClass) {
  const auto metrics = std::make_shared<StorageMetrics>();
  const auto inner = faulty();
  const StoragePtr storage = with_metrics(inner, metrics);
  ASSERT_TRUE(storage->put(BlobId("a"), as_bytes("12345"), {}).ok());
  ASSERT_TRUE(storage->get(BlobId("a"), {1, 2}, {}).ok());
  ASSERT_FALSE(storage->get(BlobId("b"), {}, {}).ok());
  ASSERT_TRUE(storage->metadata(BlobId("a"), {}).ok());
  ASSERT_TRUE(storage->list_all("", {}).ok());
  ASSERT_TRUE(storage->remove(BlobId("a"), {}).ok());
  inner->deny(Op::put);
  ASSERT_FALSE(storage->put(BlobId("a"), as_bytes("12345"), {}).ok());
  EXPECT_EQ(metrics->puts, 2);
  EXPECT_EQ(metrics->gets, 2);
  EXPECT_EQ(metrics->metadata, 1);
  EXPECT_EQ(metrics->lists, 1);
  EXPECT_EQ(metrics->removes, 1);
  EXPECT_EQ(metrics->bytes_written, 5);
  EXPECT_EQ(metrics->bytes_read, 2);
  EXPECT_EQ(metrics->errors, 1);
}

TEST(Retention, GoesToProtectedPrefixesOnly) {
  const auto inner = faulty();
  const StoragePtr storage = with_retention(inner, "COMPLIANCE", hours(48));
  for (const char* id : {"n1", "xe1", "kopia.repository", "kopia.blobcfg", "p1", "q1"}) {
    ASSERT_TRUE(storage->put(BlobId(id), as_bytes("x"), {}).ok());
    EXPECT_EQ(inner->calls().back().options.retention_mode, "COMPLIANCE") << id;
    EXPECT_EQ(inner->calls().back().options.retention_period, hours(48));
  }
  for (const char* id : {"s1", "m1", "l1", "_log_1", "kopia.maintenance"}) {
    ASSERT_TRUE(storage->put(BlobId(id), as_bytes("x"), {}).ok());
    EXPECT_EQ(inner->calls().back().options.retention_mode, "") << id;
  }
}

TEST(TokenBucket, LendsAndIsPaidBack) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  TokenBucket bucket(10, 0);  // holds 600, starts with 60
  EXPECT_EQ(bucket.take(60, 0), 0);
  EXPECT_EQ(bucket.take(20, 0), 2 * kSecond);
  EXPECT_EQ(bucket.take(10, 2 * kSecond), 1 * kSecond);
  EXPECT_EQ(bucket.take(10, 4 * kSecond), 0);
  EXPECT_EQ(bucket.take(600, 10'000 * kSecond), 0);  // full after a pause, and not more
  EXPECT_EQ(bucket.take(1, 10'000 * kSecond), kSecond / 10);
  EXPECT_EQ(bucket.take(-1'000'000, 10'000 * kSecond), 0);
  EXPECT_EQ(bucket.take(601, 10'000 * kSecond), kSecond / 10);
  TokenBucket unlimited(0, 0);
  EXPECT_EQ(unlimited.take(1e18, 0), 0);
}

TEST(Throttle, SlowsDownAndMayBeChanged) {
  const auto inner = faulty();
  auto [storage, throttle] = with_throttle(inner, {.writes_per_second = 10});
  EXPECT_EQ(throttle->limits().writes_per_second, 10);
  const std::int64_t start_ns = monotonic_ns();
  for (int i = 0; i < 62; ++i) {  // 60 are there at the start
    ASSERT_TRUE(storage->put(BlobId("a"), as_bytes("x"), {}).ok());
  }
  EXPECT_GE(monotonic_ns() - start_ns, 100'000'000);
  throttle->set_limits({});
  const std::int64_t free_ns = monotonic_ns();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(storage->remove(BlobId("a"), {}).ok());
  }
  EXPECT_LT(monotonic_ns() - free_ns, 3'000'000'000);
  throttle->set_limits({.download_bytes_per_second = 1});
  std::stop_source stop;
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop.request_stop();
  });
  EXPECT_EQ(storage->get(BlobId("a"), {}, stop.get_token()).code(), Code::cancelled);
}

TEST(Throttle, BoundsConcurrency) {
  const auto inner = faulty();
  inner->delay(Op::put, milliseconds(30));
  auto [storage, throttle] = with_throttle(inner, {.concurrent_writes = 2});
  const std::int64_t start_ns = monotonic_ns();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 6; ++i) {
      threads.emplace_back([&, i] { EXPECT_TRUE(storage->put(BlobId(std::to_string(i)), as_bytes("x"), {}).ok()); });
    }
  }
  EXPECT_GE(monotonic_ns() - start_ns, 90'000'000);
}

TEST(Throttle, Json) {
  const char* text =
      R"({"readsPerSecond":10,"writesPerSecond":5.5,"listsPerSecond":2,"maxUploadSpeedBytesPerSecond":1000000,"maxDownloadSpeedBytesPerSecond":2000000,"concurrentReads":4,"concurrentWrites":3})";
  const ThrottleLimits limits = ThrottleLimits::from_json(*Json::parse(text));
  EXPECT_EQ(limits.writes_per_second, 5.5);
  EXPECT_EQ(limits.to_json().dump(), text);
  EXPECT_EQ(ThrottleLimits{}.to_json().dump(), "{}");
}

TEST(Faulty, DoesWhatItSays) {
  const auto storage = faulty();
  storage->tear_puts("t");
  storage->lose_puts("l");
  storage->fail_nth(Op::get, 2);
  EXPECT_EQ(storage->put(BlobId("t"), as_bytes("1234"), {}).code(), Code::unavailable);
  EXPECT_EQ(storage->get(BlobId("t"), {}, {})->text(), "12");
  EXPECT_EQ(storage->get(BlobId("t"), {}, {}).code(), Code::unavailable);
  EXPECT_TRUE(storage->put(BlobId("l"), as_bytes("1234"), {}).ok());
  EXPECT_EQ(storage->get(BlobId("l"), {}, {}).code(), Code::not_found);
  ASSERT_TRUE(storage->freeze_lists().ok());
  ASSERT_TRUE(storage->put(BlobId("n"), as_bytes("1"), {}).ok());
  EXPECT_EQ(storage->list_all("", {})->size(), 1u);
  storage->thaw_lists();
  EXPECT_EQ(storage->list_all("", {})->size(), 2u);
  storage->cut_after_changes(1);
  EXPECT_TRUE(storage->put(BlobId("n"), as_bytes("2"), {}).ok());
  EXPECT_TRUE(storage->is_cut());
  EXPECT_EQ(storage->get(BlobId("n"), {}, {}).code(), Code::unavailable);
  EXPECT_EQ(storage->put(BlobId("n"), as_bytes("3"), {}).code(), Code::unavailable);
  storage->heal();
  EXPECT_EQ(storage->get(BlobId("n"), {}, {})->text(), "2");
  storage->add({.kind = test::Fault::Kind::fail_after, .op = Op::put, .times = 1});
  EXPECT_EQ(storage->put(BlobId("n"), as_bytes("4"), {}).code(), Code::unavailable);
  EXPECT_EQ(storage->get(BlobId("n"), {}, {})->text(), "4");
  EXPECT_EQ(storage->count(Op::put, "t"), 1);
}

}  // namespace
}  // namespace cairn::blob
