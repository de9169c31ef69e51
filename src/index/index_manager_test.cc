#include "index/index_manager.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>

#include "blob/filesystem/filesystem_storage.h"
#include "blob/forwarding.h"
#include "blob/memory/memory_storage.h"
#include "tests/support/fixture_repo.h"

namespace cairn::index {
namespace {

using blob::BlobMetadata;

class FakeClock : public Clock {
 public:
  Timestamp now() const override { return {ns_.load()}; }
  void advance(Duration d) { ns_ += d.ns; }

 private:
  std::atomic<std::int64_t> ns_{Timestamp::from_seconds(1'700'000'000).ns};
};

// Lets a test act between the calls of the code under test.
class Hooked : public blob::ForwardingStorage {
 public:
  using ForwardingStorage::ForwardingStorage;
  using Storage::put;
  Status list(std::string_view prefix, const blob::ListCallback& callback, std::stop_token stop) override {
    ++lists;
    TRY(ForwardingStorage::list(prefix, callback, stop));
    if (after_list) {
      return after_list(lists);
    }
    return {};
  }
  Result<BlobMetadata> put(const BlobId& id, GatherView data, const blob::PutOptions& options,
                           std::stop_token stop) override {
    auto r = ForwardingStorage::put(id, data, options, stop);
    puts.push_back(id.text);
    if (after_put) {
      after_put(static_cast<int>(puts.size()));
    }
    return r;
  }
  Status remove(const BlobId& id, std::stop_token stop) override {
    removed.push_back(id.text);
    return ForwardingStorage::remove(id, stop);
  }
  int lists = 0;
  std::vector<std::string> puts, removed;
  std::function<Status(int)> after_list;
  std::function<void(int)> after_put;
};

std::shared_ptr<const format::UnitCrypto> make_crypto() {
  auto p = format::new_parameters({});
  EXPECT_TRUE(p.ok());
  auto u = format::UnitCrypto::create(*p);
  EXPECT_TRUE(u.ok());
  return std::shared_ptr<const format::UnitCrypto>(std::move(*u));
}

Buffer index_of(std::initializer_list<int> contents, std::int64_t time = 5) {
  IndexBuilder b;
  for (const int n : contents) {
    Entry e;
    e.id = ContentId::parse(fmt::format("{:032x}", n)).value();
    e.pack = "p1";
    e.packed_length = 100;
    e.original_length = 72;
    e.timestamp_seconds = time;
    b.add(e);
  }
  auto built = b.build(2);
  EXPECT_TRUE(built.ok());
  return std::move(built->front());
}

std::vector<Buffer> one(Buffer b) {
  std::vector<Buffer> out;
  out.push_back(std::move(b));
  return out;
}

std::vector<std::string> ids(const std::vector<BlobMetadata>& blobs) {
  std::vector<std::string> out;
  for (const BlobMetadata& b : blobs) {
    out.push_back(b.id.text);
  }
  return out;
}

using Ids = std::vector<std::string>;

class EpochManagerTest : public ::testing::Test {
 protected:
  EpochManagerTest()
      : storage_(std::make_shared<Hooked>(blob::make_memory_storage(clock_))),
        crypto_(make_crypto()),
        manager_(make_epoch_manager(
            storage_, crypto_, [this] { return parameters_; }, clock_)) {}

  void put(const std::string& id) {
    const Byte dummy[1] = {0};
    ASSERT_TRUE(storage_->ForwardingStorage::put(BlobId(id), std::array{ByteView(dummy)}, {}, {}).ok());
  }
  void advance_to(std::int64_t epoch) { put("xe" + std::to_string(epoch)); }
  Ids active() {
    auto set = manager_->active({});
    EXPECT_TRUE(set.ok()) << set.status().message();
    primary_ = ids(set->blobs);
    extra_.assign(primary_.begin() + static_cast<std::ptrdiff_t>(set->primary_count), primary_.end());
    Ids all = primary_;
    primary_.resize(set->primary_count);
    return all;
  }

  FakeClock clock_;
  format::EpochParameters parameters_ = format::EpochParameters::defaults();
  std::shared_ptr<Hooked> storage_;
  std::shared_ptr<const format::UnitCrypto> crypto_;
  std::unique_ptr<EpochManager> manager_;
  Ids primary_, extra_;
};

TEST_F(EpochManagerTest, EmptyRepository) {
  EXPECT_EQ(active(), Ids{});
  auto s = manager_->state({});
  ASSERT_TRUE(s.ok());
  EXPECT_EQ(s->write_epoch, 0);
  EXPECT_TRUE(s->write_epoch_start.is_zero());
  EXPECT_TRUE(s->deletion_watermark.is_zero());
  ASSERT_EQ(s->uncompacted.size(), 2u);
  EXPECT_EQ(s->valid_until, clock_.now() + minutes(20));
}

TEST_F(EpochManagerTest, ReadsUncompactedEpochsUpToOneAhead) {
  for (const char* id :
       {"xn0_a-s1-c1", "xn1_b-s1-c1", "xn2_c-s1-c2", "xn3_d-s1-c1", "xn_bad", "xnfoo", "xw-5", "xr5"}) {
    put(id);
  }
  EXPECT_EQ(active(), (Ids{"xn0_a-s1-c1", "xn1_b-s1-c1"}));  // 0 and one ahead
  advance_to(1);
  EXPECT_EQ(active(), (Ids{"xn0_a-s1-c1", "xn1_b-s1-c1", "xn2_c-s1-c2"}));  // incomplete xn sets count
  advance_to(5);
  EXPECT_EQ(active().size(), 4u);  // settled epochs without xs are read as they are
  EXPECT_TRUE(extra_.empty());
}

TEST_F(EpochManagerTest, CompactedEpochs) {
  advance_to(4);
  for (const char* id : {"xn0_a-s1-c1", "xs0_a-s00-c1", "xn1_b-s1-c1", "xs1_b-s00-c2", "xs2_c-s00-c1", "xs2_d-s01-c2",
                         "xs2_e-s01-c2", "xn3_f-s1-c1", "xs3_f-s00-c1", "xn4_g-s1-c1"}) {
    put(id);
  }
  const Ids all = active();
  // Epoch 1 has an incomplete set, epoch 3 is not settled: both are read from xn.
  EXPECT_EQ(primary_, (Ids{"xs0_a-s00-c1", "xs2_c-s00-c1", "xn1_b-s1-c1", "xn3_f-s1-c1", "xn4_g-s1-c1"}));
  EXPECT_EQ(extra_, (Ids{"xs2_d-s01-c2", "xs2_e-s01-c2", "xn0_a-s1-c1"}));
}

TEST_F(EpochManagerTest, RangesAndTheTrapOfASingleEpochRange) {
  advance_to(9);
  for (const char* id : {"xr0_3_a-s00-c1", "xr0_3_b-s01-c1", "xr4_6_c-s00-c2", "xr4_6_d-s00-c2", "xr8_9_e-s00-c1",
                         "xs2_x-s00-c1", "xn2_x-s1-c1", "xs7_f-s00-c1", "xn8_g-s1-c1"}) {
    put(id);
  }
  active();
  EXPECT_EQ(primary_, (Ids{"xr0_3_a-s00-c1", "xr4_6_c-s00-c2", "xr4_6_d-s00-c2", "xs7_f-s00-c1", "xn8_g-s1-c1"}));
  EXPECT_EQ(extra_, Ids{"xr0_3_b-s01-c1"});

  for (const char* id : {"xr7_7_h-s00-c1"}) {
    put(id);
  }
  active();
  EXPECT_EQ(primary_, (Ids{"xr0_3_a-s00-c1", "xr4_6_c-s00-c2", "xr4_6_d-s00-c2", "xr8_9_e-s00-c1"}));
  // Kopia would lose epoch 7 here. We read it.
  EXPECT_EQ(extra_, (Ids{"xr0_3_b-s01-c1", "xr7_7_h-s00-c1"}));
}

TEST_F(EpochManagerTest, TheGreatestWatermarkHolds) {
  for (const char* id : {"xw100", "xw300", "xw200", "xwx"}) {
    put(id);
  }
  auto set = manager_->active({});
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->deletion_watermark, Timestamp::from_seconds(300));
  EXPECT_EQ(manager_->state({})->watermarks.size(), 3u);
}

TEST_F(EpochManagerTest, AStateLivesForTheRefreshPeriod) {
  ASSERT_TRUE(manager_->state({}).ok());
  EXPECT_EQ(storage_->lists, 1);
  clock_.advance(minutes(20));
  ASSERT_TRUE(manager_->state({}).ok());
  EXPECT_EQ(storage_->lists, 1);
  clock_.advance(Duration{1});
  ASSERT_TRUE(manager_->state({}).ok());
  EXPECT_EQ(storage_->lists, 2);
  manager_->invalidate();
  ASSERT_TRUE(manager_->state({}).ok());
  EXPECT_EQ(storage_->lists, 3);
  ASSERT_TRUE(manager_->active({}).ok());  // always anew
  EXPECT_EQ(storage_->lists, 4);
}

TEST_F(EpochManagerTest, ASlowListingIsRepeated) {
  put("xn0_a-s1-c1");
  storage_->after_list = [&](int n) {
    if (n == 1) {
      clock_.advance(minutes(21));
      advance_to(1);
    }
    return Status();
  };
  auto s = manager_->state({});
  ASSERT_TRUE(s.ok());
  EXPECT_EQ(storage_->lists, 2);
  EXPECT_EQ(s->write_epoch, 1);
  EXPECT_EQ(s->valid_until, clock_.now() + minutes(20));
}

TEST_F(EpochManagerTest, ListingErrors) {
  storage_->after_list = [](int n) { return n == 1 ? error(Code::unavailable, "busy") : Status(); };
  EXPECT_TRUE(manager_->state({}).ok());
  manager_->invalidate();
  storage_->after_list = [](int) { return error(Code::permission_denied, "no"); };
  EXPECT_EQ(manager_->state({}).code(), Code::permission_denied);
  storage_->after_list = [&](int) {
    clock_.advance(hours(1));
    return Status();
  };
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(manager_->state(stop.get_token()).code(), Code::cancelled);
}

TEST_F(EpochManagerTest, AnInvalidationDuringAListingIsNotLost) {
  storage_->after_list = [&](int n) {
    if (n == 1) {
      manager_->invalidate();
    }
    return Status();
  };
  ASSERT_TRUE(manager_->state({}).ok());
  ASSERT_TRUE(manager_->state({}).ok());
  EXPECT_EQ(storage_->lists, 2);
}

TEST_F(EpochManagerTest, WritesToTheCurrentEpoch) {
  advance_to(3);
  std::vector<Buffer> shards = one(index_of({1, 2}));
  shards.push_back(index_of({3}));
  auto written = manager_->write(std::move(shards), "s0123456789abcdef147", {});
  ASSERT_TRUE(written.ok()) << written.status().message();
  ASSERT_EQ(written->size(), 2u);
  for (const BlobMetadata& b : *written) {
    EXPECT_TRUE(b.id.text.starts_with("xn3_")) << b.id.text;
    EXPECT_TRUE(b.id.text.ends_with("-s0123456789abcdef147-c2")) << b.id.text;
  }
  Ids expected = ids(*written);
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(active(), expected);
  auto reader = open_index_blob(*crypto_, (*written)[0].id, storage_->get((*written)[0].id, {}, {}).value());
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_EQ(reader->size(), 2u);
  EXPECT_TRUE(manager_->write({}, "s0", {})->empty());
}

TEST_F(EpochManagerTest, WritingNeedsAStateThatLastsThreeQuarters) {
  ASSERT_TRUE(manager_->state({}).ok());
  clock_.advance(minutes(5));
  ASSERT_TRUE(manager_->write(one(index_of({1})), "s0", {}).ok());
  EXPECT_EQ(storage_->lists, 2);  // only the one after the write
  clock_.advance(minutes(5) + Duration{1});
  ASSERT_TRUE(manager_->write(one(index_of({2})), "s0", {}).ok());
  EXPECT_EQ(storage_->lists, 4);
}

TEST_F(EpochManagerTest, AnEpochThatAdvancesMeanwhileIsAllRight) {
  storage_->after_put = [&](int) { advance_to(1); };
  auto written = manager_->write(one(index_of({1})), "s0", {});
  ASSERT_TRUE(written.ok()) << written.status().message();
  EXPECT_TRUE(written->front().id.text.starts_with("xn0_"));
  EXPECT_TRUE(storage_->removed.empty());
  EXPECT_EQ(active(), ids(*written));
}

TEST_F(EpochManagerTest, ATooSlowWriteIsTakenBack) {
  storage_->after_put = [&](int) {
    advance_to(1);
    advance_to(2);
  };
  auto written = manager_->write(one(index_of({1})), "s0", {});
  EXPECT_EQ(written.code(), Code::failed_precondition);
  EXPECT_EQ(written.status().message(), "extremely slow index write");
  EXPECT_EQ(storage_->removed, storage_->puts);
  EXPECT_EQ(active(), Ids{});
  storage_->after_put = nullptr;
  written = manager_->write(one(index_of({1})), "s0", {});
  ASSERT_TRUE(written.ok()) << written.status().message();
  EXPECT_TRUE(written->front().id.text.starts_with("xn2_"));
}

TEST_F(EpochManagerTest, ShardsOfAnOlderEpochAreWrittenAgain) {
  std::vector<Buffer> shards = one(index_of({1}));
  shards.push_back(index_of({2}));
  storage_->after_put = [&](int n) {
    if (n == 1) {  // the state runs out between the two shards, and the epoch has advanced
      clock_.advance(minutes(21));
      advance_to(1);
    }
  };
  auto written = manager_->write(std::move(shards), "s0", {});
  ASSERT_TRUE(written.ok()) << written.status().message();
  EXPECT_EQ(storage_->puts.size(), 3u);
  EXPECT_EQ(storage_->removed, Ids{storage_->puts[0]});
  Ids expected = ids(*written);
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(active(), expected);
  for (const BlobMetadata& b : *written) {
    EXPECT_TRUE(b.id.text.starts_with("xn1_"));
  }
}

TEST_F(EpochManagerTest, ShardsOfTheSameEpochAreKept) {
  std::vector<Buffer> shards = one(index_of({1}));
  shards.push_back(index_of({2}));
  storage_->after_put = [&](int n) {
    if (n == 1) {
      clock_.advance(minutes(21));
    }
  };
  auto written = manager_->write(std::move(shards), "s0", {});
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(storage_->puts.size(), 2u);
  EXPECT_TRUE(storage_->removed.empty());
}

TEST_F(EpochManagerTest, SurvivesAbsurdParameters) {
  for (const std::int64_t ns : {std::int64_t{-1}, std::int64_t{0}, std::numeric_limits<std::int64_t>::max()}) {
    parameters_.refresh_frequency = {ns};
    manager_->invalidate();
    EXPECT_TRUE(manager_->state({}).ok());
    EXPECT_TRUE(manager_->write(one(index_of({1})), "s0", {}).ok());
  }
  put("xe9007199254740991");
  EXPECT_TRUE(manager_->active({}).ok());
}

class LegacyManagerTest : public ::testing::Test {
 protected:
  LegacyManagerTest()
      : storage_(std::make_shared<Hooked>(blob::make_memory_storage())),
        crypto_(make_crypto()),
        manager_(make_legacy_index_manager(storage_, crypto_)) {}
  void put(const std::string& id) {
    const Byte dummy[1] = {0};
    ASSERT_TRUE(storage_->put(BlobId(id), ByteView(dummy), {}).ok());
  }
  std::string put_log(const Ids& inputs, const Ids& outputs) {
    Json log = Json::object();
    for (const auto& [key, list] : {std::pair{"inputMetadata", inputs}, {"outputMetadata", outputs}}) {
      Json items = Json::array();
      for (const std::string& id : list) {
        items.push_back(Json::object({{"id", id}, {"length", 5}, {"timestamp", "2020-01-01T00:00:00Z"}}));
      }
      log.set(key, std::move(items));
    }
    auto sealed = crypto_->seal_blob("m", "", as_bytes(log.dump()));
    EXPECT_TRUE(sealed.ok());
    EXPECT_TRUE(storage_->put(sealed->id, sealed->data, {}).ok());
    return sealed->id.text;
  }
  Ids active() {
    auto set = manager_->active({});
    EXPECT_TRUE(set.ok()) << set.status().message();
    EXPECT_EQ(set->primary_count, set->blobs.size());
    return ids(set->blobs);
  }
  std::shared_ptr<Hooked> storage_;
  std::shared_ptr<const format::UnitCrypto> crypto_;
  std::unique_ptr<IndexManager> manager_;
};

TEST_F(LegacyManagerTest, CompactionLogsHideTheirInputs) {
  for (const char* id : {"n1", "n2-s1", "n3", "n4"}) {
    put(id);
  }
  EXPECT_EQ(active(), (Ids{"n1", "n2-s1", "n3", "n4"}));
  put_log({"n1", "n2-s1"}, {"n3"});
  EXPECT_EQ(active(), (Ids{"n3", "n4"}));
  put_log({"n3", "n4"}, {"n5", "n6"});
  put("n5");
  EXPECT_EQ(active(), (Ids{"n3", "n4", "n5"}));  // not valid before all outputs are there
  put("n6");
  EXPECT_EQ(active(), (Ids{"n5", "n6"}));
}

TEST_F(LegacyManagerTest, VanishedLogsAreSkippedDamagedOnesAreNot) {
  put("n1");
  const std::string log = put_log({"n1"}, {"n1"});
  storage_->after_list = [&](int n) { return n == 2 ? storage_->remove(BlobId(log), {}) : Status(); };
  EXPECT_EQ(active(), Ids{"n1"});
  storage_->after_list = nullptr;
  put("m00112233445566778899aabbccddeeff");
  EXPECT_EQ(manager_->active({}).code(), Code::corrupt);
}

TEST_F(LegacyManagerTest, WritesWithoutACount) {
  std::vector<Buffer> shards = one(index_of({1}));
  shards.push_back(index_of({2}));
  auto written = manager_->write(std::move(shards), "s0123", {});
  ASSERT_TRUE(written.ok());
  for (const BlobMetadata& b : *written) {
    EXPECT_EQ(b.id.text.size(), 1u + 32 + 6);
    EXPECT_TRUE(b.id.text.ends_with("-s0123"));
    EXPECT_TRUE(open_index_blob(*crypto_, b.id, storage_->get(b.id, {}, {}).value()).ok());
  }
}

TEST(OpenIndexBlob, GarbageIsCorrupt) {
  const auto crypto = make_crypto();
  EXPECT_EQ(open_index_blob(*crypto, BlobId("xn0_garbage"), Bytes(60)).code(), Code::corrupt);
  EXPECT_EQ(open_index_blob(*crypto, BlobId("xn0_00112233445566778899aabbccddeeff-s0-c1"), Bytes(60)).code(),
            Code::corrupt);
  auto sealed = crypto->seal_blob("n", "", as_bytes("x"));
  EXPECT_EQ(open_index_blob(*crypto, sealed->id, sealed->data).code(), Code::unsupported);
}

// All indexes of a repository merged, as Kopia's "content list --deleted" shows them.
struct Merged {
  IndexBuilder entries;
  std::int64_t watermark_seconds = std::numeric_limits<std::int64_t>::min();
  ActiveSet active;
};

Result<Merged> merge_indexes(const std::string& path, std::string_view password) {
  blob::FilesystemOptions options;
  options.path = path;
  TRY_ASSIGN(auto storage, blob::open_filesystem(options, {.create = false, .read_only = true}, {}));
  TRY_ASSIGN(auto format, format::FormatManager::open(storage, password, {}, {}));
  TRY_ASSIGN(auto parameters, format->parameters({}));
  TRY_ASSIGN(auto unit, format::UnitCrypto::create(*parameters));
  const std::shared_ptr<const format::UnitCrypto> crypto(std::move(unit));
  std::unique_ptr<IndexManager> manager;
  if (parameters->epoch.enabled) {
    manager = make_epoch_manager(
        storage, crypto, [&] { return parameters->epoch; }, system_clock());
  } else {
    manager = make_legacy_index_manager(storage, crypto);
  }
  Merged m;
  TRY_ASSIGN(m.active, manager->active({}));
  if (!m.active.deletion_watermark.is_zero()) {
    m.watermark_seconds = m.active.deletion_watermark.unix_seconds();
  }
  for (const BlobMetadata& b : m.active.blobs) {
    TRY_ASSIGN(const Buffer stored, storage->get(b.id, {}, {}));
    TRY_ASSIGN(const IndexReader reader, open_index_blob(*crypto, b.id, stored));
    for (std::size_t i = 0; i < reader.size(); ++i) {
      TRY_ASSIGN(const Entry e, reader.at(i));
      m.entries.add(e);
    }
  }
  return m;
}

std::string describe(const Entry& e) {
  return fmt::format("{} {} +{} {}/{} t={} z={} v={} {}", e.id.text(), e.pack, e.pack_offset, e.packed_length,
                     e.original_length, e.timestamp_seconds, e.compression, e.format_version,
                     e.deleted ? "deleted" : "");
}

std::string describe(const Json& c) {
  return fmt::format("{} {} +{} {}/{} t={} z={} v={} {}", c["contentID"].as_string(), c["packFile"].as_string(),
                     c["packOffset"].as_int(), c["length"].as_int(), c["originalLength"].as_int(), c["time"].as_int(),
                     c["compression"].as_int(), c["formatVersion"].as_int(), c["deleted"].as_bool() ? "deleted" : "");
}

class FixtureIndex : public ::testing::TestWithParam<std::string> {};

TEST_P(FixtureIndex, HoldsEveryContent) {
  auto repo = testing::FixtureRepo::open(GetParam());
  ASSERT_TRUE(repo.ok()) << repo.status().message();
  auto merged = merge_indexes(repo->path(), repo->password());
  ASSERT_TRUE(merged.ok()) << merged.status().message();
  std::vector<std::string> got;
  ASSERT_TRUE(merged->entries
                  .for_each([&](const Entry& e) {
                    if (!hidden_by_watermark(e, merged->watermark_seconds)) {
                      got.push_back(describe(e));
                    }
                    return Status();
                  })
                  .ok());
  std::vector<std::string> expected;
  for (const Json& c : repo->expected()["contents"].items()) {
    expected.push_back(describe(c));
  }
  std::sort(got.begin(), got.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_FALSE(expected.empty());
  EXPECT_EQ(got, expected);
  // What Kopia lists as its index blobs is what we call primary.
  Ids primary = ids(merged->active.blobs);
  primary.resize(merged->active.primary_count);
  Ids listed;
  for (const Json& b : repo->expected()["index_blobs"].items()) {
    listed.push_back(b["id"].as_string());
  }
  std::sort(primary.begin(), primary.end());
  std::sort(listed.begin(), listed.end());
  EXPECT_EQ(primary, listed);
}

std::vector<std::string> indexed_fixtures() {
  std::vector<std::string> names;
  for (const std::string& name : testing::fixture_names()) {
    auto expected = testing::fixture_expectation(name);
    if (expected.ok() && (*expected)["contents"].is_array()) {
      names.push_back(name);
    }
  }
  return names;
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Golden, FixtureIndex, ::testing::ValuesIn(indexed_fixtures()), test_name);

TEST(FixtureDamage, DamagedIndexBlobsAreNamed) {
  for (const char* name : {"damage-empty-index", "damage-short-index", "damage-flipped-index", "damage-garbage-index",
                           "damage-garbage-index-name"}) {
    auto repo = testing::FixtureRepo::open(name);
    ASSERT_TRUE(repo.ok()) << repo.status().message();
    auto merged = merge_indexes(repo->path(), repo->password());
    EXPECT_EQ(merged.code(), Code::corrupt) << name;
    EXPECT_TRUE(merged.status().message().starts_with("index blob xn0_")) << merged.status().message();
  }
  for (const char* name : {"damage-garbage-epoch", "damage-missing-index", "damage-missing-blobcfg"}) {
    auto repo = testing::FixtureRepo::open(name);
    ASSERT_TRUE(repo.ok());
    auto merged = merge_indexes(repo->path(), repo->password());
    EXPECT_TRUE(merged.ok()) << merged.status().message();
  }
  for (const auto& [name, code] : {std::pair{"damage-missing-format", Code::not_found},
                                   {"damage-flipped-format", Code::unauthenticated},
                                   {"damage-flipped-blobcfg", Code::corrupt}}) {
    auto repo = testing::FixtureRepo::open(name);
    ASSERT_TRUE(repo.ok());
    EXPECT_EQ(merge_indexes(repo->path(), repo->password()).code(), code) << name;
  }
}

}  // namespace
}  // namespace cairn::index
