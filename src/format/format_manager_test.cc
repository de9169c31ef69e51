#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "blob/forwarding.h"
#include "blob/memory/memory_storage.h"
#include "crypto/kdf.h"
#include "format/repository_format.h"
#include "sys/file.h"

namespace cairn::format {
namespace {

constexpr const char* kPassword = "first password";

class FakeClock : public Clock {
 public:
  // Cache files carry the machine's time, so the fake one starts there.
  FakeClock() : ns_(system_clock().now().ns) {}
  Timestamp now() const override { return {ns_.load()}; }
  void advance(Duration d) { ns_ += d.ns; }

 private:
  std::atomic<std::int64_t> ns_;
};

// Counts reads, remembers the order of writes, fails on demand.
class Watched : public blob::ForwardingStorage {
 public:
  using ForwardingStorage::ForwardingStorage;
  using Storage::put;
  Result<Buffer> get(const BlobId& id, blob::ByteRange range, std::stop_token stop) override {
    ++gets;
    if (!fail_get.empty() && id.text == fail_get) {
      return error(Code::unavailable, "no connection");
    }
    return ForwardingStorage::get(id, range, stop);
  }
  Result<blob::BlobMetadata> put(const BlobId& id, GatherView data, const blob::PutOptions& options,
                                 std::stop_token stop) override {
    if (!fail_put.empty() && id.text == fail_put) {
      return error(Code::unavailable, "no connection");
    }
    puts.push_back(id.text);
    retention_mode = options.retention_mode;
    return ForwardingStorage::put(id, data, options, stop);
  }
  std::atomic<int> gets{0};
  std::string fail_get, fail_put, retention_mode;
  std::vector<std::string> puts;
};

class FormatManagerTest : public ::testing::Test {
 protected:
  FormatManagerTest() : storage_(std::make_shared<Watched>(blob::make_memory_storage())) {}

  void create(CreateOptions options = {}) {
    const Status s = FormatManager::initialize(*storage_, kPassword, options, {});
    ASSERT_TRUE(s.ok()) << s.message();
    storage_->gets = 0;
    storage_->puts.clear();
  }
  Result<std::unique_ptr<FormatManager>> open(std::string_view password = kPassword, std::string cache = {}) {
    FormatManager::Options o;
    o.clock = &clock_;
    o.cache_directory = std::move(cache);
    o.wait_for_upgrade_lock = false;
    return FormatManager::open(storage_, password, o, {});
  }
  std::unique_ptr<FormatManager> must_open(std::string_view password = kPassword, std::string cache = {}) {
    auto m = open(password, std::move(cache));
    EXPECT_TRUE(m.ok()) << m.status().message();
    return m.ok() ? std::move(*m) : nullptr;
  }

  FakeClock clock_;
  std::shared_ptr<Watched> storage_;
};

TEST_F(FormatManagerTest, CreatesAndOpens) {
  CreateOptions options;
  options.blob_config = {"GOVERNANCE", hours(48)};
  ASSERT_TRUE(FormatManager::initialize(*storage_, kPassword, options, {}).ok());
  EXPECT_EQ(storage_->puts, (std::vector<std::string>{"kopia.blobcfg", "kopia.repository"}));
  EXPECT_EQ(storage_->retention_mode, "GOVERNANCE");
  const auto m = must_open();
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(m->unique_id().size(), 32u);
  EXPECT_EQ(m->unique_id_hex().size(), 64u);
  EXPECT_EQ(m->key_algorithm(), "scrypt-65536-8-1");
  EXPECT_EQ(m->blob_config(), options.blob_config);
  EXPECT_EQ(m->current()->version, 3);
  EXPECT_EQ(as_text(m->format_blob_bytes()), storage_->get(BlobId(kFormatBlobId), {}, {})->text());
  EXPECT_EQ(m->format_key().size(), 32u);
}

TEST_F(FormatManagerTest, WrongPasswordAndNoRepository) {
  auto none = open();
  EXPECT_EQ(none.code(), Code::not_found);
  EXPECT_EQ(none.status().message(), "repository not initialized in the provided storage");
  create();
  auto wrong = open("another password");
  EXPECT_EQ(wrong.code(), Code::unauthenticated);
  EXPECT_EQ(wrong.status().message(), "invalid repository password");
}

TEST_F(FormatManagerTest, NeverCreatesOverAnythingOrOnDoubt) {
  create();
  const std::string before(storage_->get(BlobId(kFormatBlobId), {}, {})->text());
  EXPECT_EQ(FormatManager::initialize(*storage_, "x", {}, {}).code(), Code::already_exists);
  ASSERT_TRUE(storage_->remove(BlobId(kFormatBlobId), {}).ok());
  EXPECT_EQ(FormatManager::initialize(*storage_, "x", {}, {}).code(), Code::already_exists);  // blobcfg alone
  ASSERT_TRUE(storage_->remove(BlobId(kBlobConfigBlobId), {}).ok());
  for (const char* id : {kFormatBlobId, kBlobConfigBlobId}) {
    storage_->fail_get = id;  // an unreachable storage may hold a repository
    EXPECT_EQ(FormatManager::initialize(*storage_, "x", {}, {}).code(), Code::unavailable);
  }
  EXPECT_TRUE(storage_->puts.empty());
}

TEST_F(FormatManagerTest, AFailedCreationCanBeRepeated) {
  storage_->fail_put = kFormatBlobId;
  EXPECT_EQ(FormatManager::initialize(*storage_, kPassword, {}, {}).code(), Code::unavailable);
  storage_->fail_put.clear();
  EXPECT_TRUE(FormatManager::initialize(*storage_, kPassword, {}, {}).ok());
  EXPECT_NE(must_open(), nullptr);
}

TEST_F(FormatManagerTest, RefusesBadRetention) {
  CreateOptions options;
  options.blob_config = {"GOVERNANCE", hours(2)};
  EXPECT_EQ(FormatManager::initialize(*storage_, kPassword, options, {}).code(), Code::invalid_argument);
  EXPECT_TRUE(storage_->puts.empty());
}

TEST_F(FormatManagerTest, AMissingBlobConfigMeansNoRetentionADamagedOneIsFatal) {
  create();
  const Buffer config = storage_->get(BlobId(kBlobConfigBlobId), {}, {}).value();
  ASSERT_TRUE(storage_->remove(BlobId(kBlobConfigBlobId), {}).ok());
  const auto m = must_open();
  ASSERT_NE(m, nullptr);
  EXPECT_FALSE(m->blob_config().enabled());
  Buffer damaged = Buffer::copy_of(config.view());
  damaged[15] ^= 1;
  ASSERT_TRUE(storage_->put(BlobId(kBlobConfigBlobId), damaged, {}).ok());
  EXPECT_EQ(open().code(), Code::corrupt);
  storage_->fail_get = kBlobConfigBlobId;
  EXPECT_EQ(open().code(), Code::unavailable);
}

TEST_F(FormatManagerTest, DerivedKeys) {
  CreateOptions options;
  for (int i = 0; i < 32; ++i) {
    options.unique_id.push_back(static_cast<Byte>(i));
    options.master_key.push_back(static_cast<Byte>(0x40 + i));
    options.secret.push_back(static_cast<Byte>(0x80 + i));
  }
  create(options);
  const auto m = must_open();
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(hex_encode(m->maintenance_key().view()),
            "df3abcb527a008fb8f3b8fe556f35133a44bdfe1f801920f6875b2ad1686b17d");
  EXPECT_EQ(hex_encode(m->cache_key().view()), "7d1423708beff9e56f0f30c72f8f5105");
}

TEST_F(FormatManagerTest, Format1DerivesFromThePassword) {
  CreateOptions options;
  options.version = 1;
  create(options);
  const auto m = must_open();
  ASSERT_NE(m, nullptr);
  const auto expected = crypto::hkdf_sha256(m->format_key(), m->unique_id(), as_bytes("maintenance schedule"), 32);
  EXPECT_EQ(hex_encode(m->maintenance_key().view()), hex_encode(expected.view()));
  EXPECT_EQ(m->cache_key().size(), 16u);
  EXPECT_EQ(m->change_password("new", {}).code(), Code::failed_precondition);
}

TEST_F(FormatManagerTest, RefreshesAfterFifteenMinutes) {
  create();
  const auto m = must_open();
  ASSERT_NE(m, nullptr);
  const auto other = must_open();
  ASSERT_TRUE(other
                  ->update(
                      [](Parameters& p, BlobConfig&) {
                        p.max_pack_size = 30 << 20;
                        return Status();
                      },
                      {})
                  .ok());
  storage_->gets = 0;
  clock_.advance(minutes(14));
  EXPECT_EQ(m->parameters({}).value()->max_pack_size, 20 << 20);
  EXPECT_EQ(storage_->gets, 0);
  clock_.advance(minutes(1));
  EXPECT_EQ(m->current()->max_pack_size, 20 << 20);
  EXPECT_EQ(m->parameters({}).value()->max_pack_size, 30 << 20);
  EXPECT_EQ(storage_->gets, 2);
  clock_.advance(minutes(15));
  storage_->fail_get = kFormatBlobId;
  EXPECT_EQ(m->parameters({}).code(), Code::unavailable);  // too old to be trusted
  storage_->fail_get.clear();
  EXPECT_TRUE(m->parameters({}).ok());
}

TEST_F(FormatManagerTest, ManyThreadsRefreshOnce) {
  create();
  const auto m = must_open();
  ASSERT_NE(m, nullptr);
  clock_.advance(minutes(16));
  storage_->gets = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] { EXPECT_TRUE(m->parameters({}).ok()); });
    }
  }
  EXPECT_EQ(storage_->gets, 2);
}

TEST_F(FormatManagerTest, UpdateReadsAnewAndKeepsWhatIsFixed) {
  create();
  const auto a = must_open();
  const auto b = must_open();
  ASSERT_TRUE(a && b);
  ASSERT_TRUE(a->update(
                   [](Parameters& p, BlobConfig&) {
                     p.max_pack_size = 30 << 20;
                     return Status();
                   },
                   {})
                  .ok());
  EXPECT_EQ(a->current()->max_pack_size, 30 << 20);
  ASSERT_TRUE(b->update(
                   [](Parameters& p, BlobConfig& c) {
                     EXPECT_EQ(p.max_pack_size, 30 << 20);
                     p.epoch.advance_on_count = 50;
                     c = {"COMPLIANCE", hours(24)};
                     return Status();
                   },
                   {})
                  .ok());
  EXPECT_EQ(storage_->puts, (std::vector<std::string>{"kopia.repository", "kopia.blobcfg", "kopia.repository"}));
  EXPECT_EQ(storage_->retention_mode, "COMPLIANCE");
  const auto c = must_open();
  EXPECT_EQ(c->current()->max_pack_size, 30 << 20);
  EXPECT_EQ(c->current()->epoch.advance_on_count, 50);
  EXPECT_EQ(c->blob_config().retention_mode, "COMPLIANCE");

  storage_->puts.clear();
  const auto refused = [&](auto change) {
    return c
        ->update(
            [&](Parameters& p, BlobConfig& config) {
              change(p, config);
              return Status();
            },
            {})
        .code();
  };
  EXPECT_EQ(refused([](Parameters& p, BlobConfig&) { p.hash = "BLAKE3-256"; }), Code::invalid_argument);
  EXPECT_EQ(refused([](Parameters& p, BlobConfig&) { p.splitter = "FIXED"; }), Code::invalid_argument);
  EXPECT_EQ(refused([](Parameters& p, BlobConfig&) { p.master_key = SecretBytes(32); }), Code::invalid_argument);
  EXPECT_EQ(refused([](Parameters& p, BlobConfig&) { p.index_version = 1; }), Code::invalid_argument);
  EXPECT_EQ(refused([](Parameters& p, BlobConfig&) { p.max_pack_size = 1 << 20; }), Code::invalid_argument);
  EXPECT_EQ(refused([](Parameters& p, BlobConfig&) { p.max_pack_size = 121 << 20; }), Code::invalid_argument);
  EXPECT_EQ(refused([](Parameters& p, BlobConfig&) { p.epoch.advance_on_count = 1; }), Code::invalid_argument);
  EXPECT_EQ(refused([](Parameters&, BlobConfig& config) { config.retention_period = hours(1); }),
            Code::invalid_argument);
  EXPECT_EQ(c->update([](Parameters&, BlobConfig&) { return error(Code::conflict, "no"); }, {}).code(), Code::conflict);
  EXPECT_TRUE(storage_->puts.empty());
}

TEST_F(FormatManagerTest, PasswordChange) {
  create();
  const auto m = must_open();
  const auto other = must_open();
  ASSERT_TRUE(m && other);
  const std::string cache_key = hex_encode(m->cache_key().view());
  const ByteView old_key = m->format_key();
  ASSERT_TRUE(m->change_password("second", {}).ok());
  EXPECT_EQ(storage_->puts, (std::vector<std::string>{"kopia.repository", "kopia.blobcfg"}));
  EXPECT_EQ(old_key.size(), 32u);  // views given out stay good
  EXPECT_NE(hex_encode(m->format_key()), hex_encode(old_key));
  EXPECT_EQ(open().code(), Code::unauthenticated);
  const auto again = must_open("second");
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(hex_encode(again->cache_key().view()), cache_key);
  EXPECT_EQ(again->unique_id_hex(), m->unique_id_hex());
  clock_.advance(minutes(15));
  EXPECT_TRUE(m->parameters({}).ok());
  EXPECT_EQ(other->parameters({}).code(), Code::unauthenticated);
}

TEST_F(FormatManagerTest, AFailedPasswordChangeLeavesTheOldPassword) {
  create();
  const auto m = must_open();
  ASSERT_NE(m, nullptr);
  storage_->fail_put = kFormatBlobId;
  EXPECT_EQ(m->change_password("second", {}).code(), Code::unavailable);
  storage_->fail_put.clear();
  EXPECT_NE(must_open(), nullptr);
  EXPECT_TRUE(m->parameters({}).ok());
  EXPECT_TRUE(storage_->get(BlobId(kBlobConfigBlobId), {}, {}).ok());
}

TEST_F(FormatManagerTest, APasswordChangeNeedsNoBlobConfig) {
  create();
  const auto m = must_open();
  ASSERT_NE(m, nullptr);
  storage_->fail_put = kBlobConfigBlobId;
  EXPECT_TRUE(m->change_password("second", {}).ok());
  storage_->fail_put.clear();
  EXPECT_EQ(open().code(), Code::unauthenticated);
  EXPECT_NE(must_open("second"), nullptr);
}

TEST_F(FormatManagerTest, UpgradeLockStopsOthers) {
  create();
  const auto owner = must_open();
  const auto other = must_open();
  ASSERT_TRUE(owner && other);
  UpgradeLock lock;
  lock.owner_id = "someone";
  lock.creation_time = clock_.now();
  lock.io_drain_timeout = minutes(15);
  lock.max_permitted_clock_drift = minutes(5);
  lock.advance_notice = hours(2);
  ASSERT_TRUE(owner
                  ->update(
                      [&](Parameters& p, BlobConfig&) {
                        p.upgrade_lock = lock;
                        return Status();
                      },
                      {})
                  .ok());
  EXPECT_TRUE(owner->parameters({}).ok());  // not in force yet
  clock_.advance(minutes(90));
  auto refused = owner->parameters({});
  EXPECT_EQ(refused.code(), Code::failed_precondition);
  EXPECT_EQ(refused.status().message(), "repository upgrade in progress");
  EXPECT_EQ(other->parameters({}).code(), Code::failed_precondition);
  EXPECT_TRUE(other->current()->upgrade_lock.has_value());
  EXPECT_EQ(open().code(), Code::failed_precondition);
  FormatManager::Options o;
  o.clock = &clock_;
  o.upgrade_owner_id = "someone";
  EXPECT_TRUE(FormatManager::open(storage_, kPassword, o, {}).ok());
  // Waiting ends when it is asked to.
  o.upgrade_owner_id.clear();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(FormatManager::open(storage_, kPassword, o, stop.get_token()).code(), Code::cancelled);
}

TEST_F(FormatManagerTest, WaitsUntilTheLockIsGone) {
  create();
  const auto owner = must_open();
  ASSERT_NE(owner, nullptr);
  UpgradeLock lock;
  lock.owner_id = "someone";
  lock.creation_time = clock_.now();
  const auto set = [&](std::optional<UpgradeLock> l) {
    return owner
        ->update(
            [&](Parameters& p, BlobConfig&) {
              p.upgrade_lock = l;
              return Status();
            },
            {})
        .ok();
  };
  lock.io_drain_timeout = minutes(1);
  ASSERT_TRUE(set(lock));
  std::jthread finisher([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_TRUE(set(std::nullopt));
  });
  FormatManager::Options o;
  o.clock = &clock_;
  EXPECT_TRUE(FormatManager::open(storage_, kPassword, o, {}).ok());
}

TEST_F(FormatManagerTest, CacheFilesServeUntilTheyAreOld) {
  create();
  auto dir = sys::TempDir::make();
  ASSERT_TRUE(dir.ok());
  const std::string cache = dir->path() + "/a/b";  // made when needed
  ASSERT_NE(must_open(kPassword, cache), nullptr);
  EXPECT_EQ(storage_->gets, 2);
  ASSERT_NE(must_open(kPassword, cache), nullptr);
  EXPECT_EQ(storage_->gets, 2);
  EXPECT_EQ(sys::read_file(cache + "/kopia.repository", 1 << 20)->text(),
            storage_->get(BlobId(kFormatBlobId), {}, {})->text());
  storage_->gets = 0;
  clock_.advance(minutes(17));  // the fake clock lags behind the files by the time the test took so far
  ASSERT_NE(must_open(kPassword, cache), nullptr);
  EXPECT_EQ(storage_->gets, 2);
  clock_.advance(hours(-2));  // files from the future are not believed
  ASSERT_NE(must_open(kPassword, cache), nullptr);
  EXPECT_EQ(storage_->gets, 4);
  FormatManager::Options ignore;
  clock_.advance(hours(2));
  ignore.cache_directory = cache;
  ignore.cache_duration = {-1};
  ASSERT_TRUE(FormatManager::open(storage_, kPassword, ignore, {}).ok());
  EXPECT_EQ(storage_->gets, 6);
}

TEST_F(FormatManagerTest, ADamagedOrOutdatedCacheIsBypassed) {
  create();
  auto dir = sys::TempDir::make();
  ASSERT_TRUE(dir.ok());
  const auto m = must_open(kPassword, dir->path());
  ASSERT_NE(m, nullptr);
  for (const char* name : {"/kopia.repository", "/kopia.blobcfg"}) {
    ASSERT_TRUE(sys::write_file_atomic(dir->path() + name, as_bytes("garbage"), 0600).ok());
    EXPECT_NE(must_open(kPassword, dir->path()), nullptr);
  }
  // Another machine changes the password; this one's cache still has the old format.
  const auto elsewhere = must_open();
  ASSERT_TRUE(elsewhere->change_password("second", {}).ok());
  EXPECT_NE(must_open("second", dir->path()), nullptr);
}

TEST_F(FormatManagerTest, AnUnusableCacheDirectoryDoesNotMatter) {
  create();
  auto dir = sys::TempDir::make();
  ASSERT_TRUE(dir.ok());
  ASSERT_TRUE(sys::write_file_atomic(dir->path() + "/file", as_bytes("x"), 0600).ok());
  EXPECT_NE(must_open(kPassword, dir->path() + "/file"), nullptr);
  EXPECT_NE(must_open(kPassword, dir->path() + "/file/below"), nullptr);
  ASSERT_TRUE(sys::make_directories(dir->path() + "/c/kopia.repository", 0700).ok());  // a directory in the way
  EXPECT_NE(must_open(kPassword, dir->path() + "/c"), nullptr);
}

}  // namespace
}  // namespace cairn::format
