// Every promise of blob/storage.h, against every store and decorator. A new store adds a row to kStores.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "base/units.h"
#include "blob/decorators.h"
#include "blob/filesystem/filesystem_storage.h"
#include "blob/memory/memory_storage.h"
#include "sys/file.h"
#include "tests/support/azure_server.h"
#include "tests/support/b2_server.h"
#include "tests/support/dav_server.h"
#include "tests/support/faulty_storage.h"
#include "tests/support/gcs_server.h"
#include "tests/support/gen.h"
#include "tests/support/s3_server.h"
#include "tests/support/ssh_server.h"

namespace cairn::test {
namespace {

using blob::BlobMetadata;
using blob::ByteRange;
using blob::PutOptions;
using blob::StoragePtr;

struct StoreCase {
  const char* name;
  bool survives_process;  // another process sees it
  // `dir` is the same for all openings of one test.
  std::function<Result<StoragePtr>(const std::string& dir)> open;
  bool has_capacity = survives_process;
  Duration time_resolution{1};
  bool sets_mtime = true;
  bool replaces_at_once = true;  // rclone removes a file before it moves another into its place
  std::string (*missing)() = [] { return std::string(); };  // what the machine lacks for it
};

Result<StoragePtr> open_tree(const std::string& dir, std::optional<std::vector<int>> shards, int parallelism = 0) {
  blob::FilesystemOptions options;
  options.path = dir;
  options.dir_shards = std::move(shards);
  options.list_parallelism = parallelism;
  return blob::open_filesystem(options, {.create = true}, {});
}

Result<StoragePtr> open_tree_with_overrides(const std::string& dir) {
  constexpr std::string_view kShards =
      R"({"default":[3,3,1],"maxNonShardedLength":2,"overrides":[{"prefix":"p","shards":[2,2]},{"prefix":"x","shards":[]}]})";
  TRY(sys::write_file_atomic(dir + "/.shards", as_bytes(kShards), 0600));
  return open_tree(dir, std::nullopt);
}

std::string sshd_missing() { return SshServer::missing(); }

// One server for all tests: each has its own directory.
SshServer& ssh_server() {
  static SshServer server;
  return server;
}

Result<StoragePtr> open_sftp_store(const std::string& dir) {
  return blob::open_storage({"sftp", ssh_server().config(dir + "/repo")}, {.create = true}, {});
}

Result<StoragePtr> open_sftp_program_store(const std::string& dir) {
  return blob::open_storage({"sftp", ssh_server().external_config(dir + "/repo")}, {.create = true}, {});
}

Result<StoragePtr> open_webdav_store(const DavServer& server, const std::string& dir, bool atomic) {
  return blob::open_storage({"webdav", server.config(dir + "/repo", atomic)}, {.create = true}, {});
}

Result<StoragePtr> open_nginx_store(const std::string& dir) {
  static const DavServer server;
  return open_webdav_store(server, dir, false);
}

Result<StoragePtr> open_nginx_store_atomic(const std::string& dir) {
  static const DavServer server;
  return open_webdav_store(server, dir, true);
}

std::string azurite_missing() { return AzureServer::missing(); }

Result<StoragePtr> open_azure_store(const std::string& dir) {
  static AzureServer server;
  // A container of its own stands for the directory.
  const std::string container = to_lower(sys::base_name(dir));
  TRY(server.make_container(container));
  return blob::open_storage({"azureBlob", server.config(container)}, {.create = true}, {});
}

std::string b2_missing() { return B2Server::missing(); }

Result<StoragePtr> open_b2_store(const std::string& dir) {
  static B2Server server;
  const std::string bucket = to_lower(sys::base_name(dir));
  TRY(server.make_bucket(bucket));
  return blob::open_storage({"b2", server.config(bucket)}, {.create = true}, {});
}

std::string gcs_missing() { return GcsServer::missing(); }

Result<StoragePtr> open_gcs_store(const std::string& dir) {
  static GcsServer server;
  const std::string bucket = to_lower(sys::base_name(dir));
  TRY(server.make_bucket(bucket));
  return blob::open_storage({"gcs", server.config(bucket)}, {.create = true}, {});
}

std::string rclone_missing() { return find_program("rclone").empty() ? "rclone is not installed" : ""; }

Result<StoragePtr> open_rclone_store(const std::string& dir) {
  ::signal(SIGPIPE, SIG_IGN);
  return blob::open_storage(
      {"rclone", Json::object({{"remotePath", dir + "/repo"}, {"startupTimeout", "0s"}, {"atomicWrites", true}})},
      {.create = true}, {});
}

StoragePtr all_decorators(StoragePtr inner) {
  inner = blob::with_retry(std::move(inner), {});
  inner = blob::with_metrics(std::move(inner), std::make_shared<blob::StorageMetrics>());
  return blob::with_throttle(std::move(inner), {.concurrent_reads = 2, .concurrent_writes = 2}).storage;
}

// A bucket a test on a server that all tests of this process share. Quick rewriting of one key is what the tests do.
Result<StoragePtr> open_bucket(const std::string& dir) {
  static const Result<S3Server> server = S3Server::start();
  TRY(server);
  const std::string bucket = fmt::format("b{:08x}", crc32_ieee(as_bytes(dir)));
  (void)server->make_bucket(bucket);  // is there the second time
  TRY_ASSIGN(blob::S3Options options, blob::S3Options::from_json(server->config(bucket, "some/prefix-")));
  options.rewrite_distance = {};
  return blob::open_s3(options, {.create = true}, {});
}

const StoreCase kStores[] = {
    {"memory", false, [](const std::string&) -> Result<StoragePtr> { return blob::make_memory_storage(); }},
    {"filesystem", true, [](const std::string& dir) { return open_tree(dir, std::nullopt); }},
    {"filesystem_parallel", true, [](const std::string& dir) { return open_tree(dir, std::nullopt, 4); }},
    {"filesystem_flat", true, [](const std::string& dir) { return open_tree(dir, std::vector<int>{}); }},
    {"filesystem_3_3", true,
     [](const std::string& dir) {
       return open_tree(dir, std::vector{3, 3});
     }},
    {"filesystem_overrides", true, [](const std::string& dir) { return open_tree_with_overrides(dir); }},
    {"retry", false,
     [](const std::string&) -> Result<StoragePtr> { return blob::with_retry(blob::make_memory_storage(), {}); }},
    {"throttle", false,
     [](const std::string&) -> Result<StoragePtr> {
       return blob::with_throttle(blob::make_memory_storage(), {.concurrent_reads = 1, .concurrent_writes = 1}).storage;
     }},
    {"metrics", false,
     [](const std::string&) -> Result<StoragePtr> {
       return blob::with_metrics(blob::make_memory_storage(), std::make_shared<blob::StorageMetrics>());
     }},
    {"retention", false,
     [](const std::string&) -> Result<StoragePtr> {
       return blob::with_retention(blob::make_memory_storage(), "GOVERNANCE", hours(24));
     }},
    {"faulty_without_faults", false,
     [](const std::string&) -> Result<StoragePtr> {
       return StoragePtr(std::make_shared<FaultyStorage>(blob::make_memory_storage()));
     }},
    {.name = "s3",
     .survives_process = true,
     .open = open_bucket,
     .has_capacity = false,
     .time_resolution = seconds(1),
     .sets_mtime = false,
     .missing = S3Server::missing},
    {"decorated_filesystem", true,
     [](const std::string& dir) -> Result<StoragePtr> {
       TRY_ASSIGN(StoragePtr tree, open_tree(dir, std::nullopt));
       return all_decorators(std::move(tree));
     }},
    {.name = "sftp",
     .survives_process = true,
     .open = open_sftp_store,
     .time_resolution = seconds(1),
     .missing = sshd_missing},
    {.name = "sftp_program",
     .survives_process = true,
     .open = open_sftp_program_store,
     .time_resolution = seconds(1),
     .missing = sshd_missing},
    {.name = "webdav_nginx",
     .survives_process = true,
     .open = open_nginx_store,
     .has_capacity = false,
     .sets_mtime = false,
     .missing = DavServer::missing},
    {.name = "webdav_nginx_atomic",
     .survives_process = true,
     .open = open_nginx_store_atomic,
     .has_capacity = false,
     .sets_mtime = false,
     .missing = DavServer::missing},
    {.name = "azure",
     .survives_process = true,
     .open = open_azure_store,
     .has_capacity = false,
     .missing = azurite_missing},
    {.name = "b2", .survives_process = true, .open = open_b2_store, .has_capacity = false, .missing = b2_missing},
    {.name = "gcs", .survives_process = true, .open = open_gcs_store, .has_capacity = false, .missing = gcs_missing},
    {.name = "rclone",
     .survives_process = true,
     .open = open_rclone_store,
     .has_capacity = false,
     .sets_mtime = false,
     .replaces_at_once = false,
     .missing = rclone_missing},
};

class StorageContract : public testing::TestWithParam<StoreCase> {
 protected:
  void SetUp() override {
    auto dir = sys::TempDir::make();
    ASSERT_TRUE(dir.ok()) << dir.status().message();
    dir_ = std::move(dir).value();
    if (const std::string missing = GetParam().missing(); !missing.empty()) {
      GTEST_SKIP() << missing;
    }
    auto storage = GetParam().open(dir_.path());
    ASSERT_TRUE(storage.ok()) << storage.status().message();
    storage_ = std::move(storage).value();
  }
  void put(std::string_view id, std::string_view text) {
    auto done = storage_->put(BlobId(id), as_bytes(text), {});
    ASSERT_TRUE(done.ok()) << done.status().message();
  }
  std::string get(std::string_view id, ByteRange range = {}) {
    auto bytes = storage_->get(BlobId(id), range, {});
    EXPECT_TRUE(bytes.ok()) << bytes.status().message();
    return bytes.ok() ? std::string(bytes->text()) : "";
  }
  std::vector<std::string> ids(std::string_view prefix) {
    auto all = storage_->list_all(prefix, {});
    EXPECT_TRUE(all.ok()) << all.status().message();
    std::vector<std::string> out;
    if (all.ok()) {
      for (const BlobMetadata& blob : *all) {
        out.push_back(blob.id.text);
      }
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  // Length of every blob.
  std::map<std::string, std::int64_t> lengths() {
    auto all = storage_->list_all("", {});
    EXPECT_TRUE(all.ok()) << all.status().message();
    std::map<std::string, std::int64_t> out;
    if (all.ok()) {
      for (const BlobMetadata& blob : *all) {
        out.emplace(blob.id.text, blob.length);
      }
    }
    return out;
  }
  sys::TempDir dir_;
  StoragePtr storage_;
};

constexpr const char* kPack = "p06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124";

TEST_P(StorageContract, PutThenGetWholeAndRanges) {
  put(kPack, "0123456789");
  EXPECT_EQ(get(kPack), "0123456789");
  EXPECT_EQ(get(kPack, {0, 10}), "0123456789");
  EXPECT_EQ(get(kPack, {3, 4}), "3456");
  EXPECT_EQ(get(kPack, {9, 1}), "9");
  EXPECT_EQ(get(kPack, {4, -1}), "456789");
  EXPECT_EQ(get(kPack, {0, 0}), "");
  EXPECT_EQ(get(kPack, {10, -1}), "");
}

TEST_P(StorageContract, RangesOutsideAreRefused) {
  put(kPack, "0123456789");
  for (const ByteRange range : {ByteRange{0, 11}, ByteRange{10, 1}, ByteRange{11, 1}, ByteRange{11, -1},
                                ByteRange{-1, 3}, ByteRange{1, std::numeric_limits<std::int64_t>::max()},
                                ByteRange{std::numeric_limits<std::int64_t>::max(), 5}}) {
    auto result = storage_->get(BlobId(kPack), range, {});
    EXPECT_EQ(result.code(), Code::invalid_argument) << range.offset << "+" << range.length;
    EXPECT_THAT(result.status().message(), testing::HasSubstr("invalid range"));
  }
}

TEST_P(StorageContract, EmptyBlob) {
  put("kopia.blobcfg", "");
  EXPECT_EQ(get("kopia.blobcfg"), "");
  EXPECT_EQ(storage_->metadata(BlobId("kopia.blobcfg"), {})->length, 0);
  EXPECT_EQ(storage_->get(BlobId("kopia.blobcfg"), {0, 1}, {}).code(), Code::invalid_argument);
}

TEST_P(StorageContract, MissingBlob) {
  for (const char* id : {kPack, "xe1"}) {
    EXPECT_EQ(storage_->get(BlobId(id), {}, {}).code(), Code::not_found);
    EXPECT_EQ(storage_->get(BlobId(id), {0, 0}, {}).code(), Code::not_found);
    EXPECT_EQ(storage_->get(BlobId(id), {5, 5}, {}).code(), Code::not_found);
    EXPECT_EQ(storage_->metadata(BlobId(id), {}).code(), Code::not_found);
    EXPECT_TRUE(storage_->remove(BlobId(id), {}).ok());
  }
}

TEST_P(StorageContract, RemoveRemoves) {
  put(kPack, "x");
  ASSERT_TRUE(storage_->remove(BlobId(kPack), {}).ok());
  EXPECT_EQ(storage_->get(BlobId(kPack), {}, {}).code(), Code::not_found);
  EXPECT_TRUE(ids("").empty());
  EXPECT_TRUE(storage_->remove(BlobId(kPack), {}).ok());
  put(kPack, "again");
  EXPECT_EQ(get(kPack), "again");
}

TEST_P(StorageContract, PutReplacesAndGathers) {
  put("kopia.repository", "first and longer");
  const ByteView parts[] = {as_bytes("se"), as_bytes(""), as_bytes("co"), as_bytes("nd")};
  auto done = storage_->put(BlobId("kopia.repository"), parts, PutOptions{}, {});
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->length, 6);
  EXPECT_EQ(get("kopia.repository"), "second");
  EXPECT_EQ(ids("").size(), 1u);
}

TEST_P(StorageContract, MetadataAgreesWithPutAndList) {
  const Timestamp before = system_clock().now();
  auto done = storage_->put(BlobId(kPack), as_bytes("12345"), {});
  ASSERT_TRUE(done.ok());
  auto meta = storage_->metadata(BlobId(kPack), {});
  ASSERT_TRUE(meta.ok());
  EXPECT_EQ(meta->id.text, kPack);
  EXPECT_EQ(meta->length, 5);
  // Remote stores may round, and stamp the answer to a put a little later than the blob.
  const double slack = GetParam().time_resolution.ns > 1 ? 1.1 : 0;
  EXPECT_LE(std::abs((meta->timestamp - done->timestamp).seconds()), slack);
  EXPECT_LT(std::abs((meta->timestamp - before).seconds()), 60);
  auto listed = storage_->list_all("p", {});
  ASSERT_TRUE(listed.ok());
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_LE(std::abs((listed->front().timestamp - done->timestamp).seconds()), slack);
  EXPECT_EQ(listed->front().length, 5);
}

TEST_P(StorageContract, ListIsByStringPrefix) {
  const std::vector<std::string> all = {
      "_log_20240102030405_ab12_1_2_1_c0f733e98f9f11868cf685f9b1990e6c",
      "kopia.blobcfg",
      "kopia.maintenance",
      "kopia.repository",
      "kopia.repository.backup.owner1",
      "p06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124",
      "p06c242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124",
      "q06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124",
      "se399594b2565747b5faf9150deb80548-s3035f716e3c5b0d9124",
      "xe1",
      "xe12",
      "xn0_c0f733e98f9f11868cf685f9b1990e6c-s3035f716e3c5b0d9124-c1",
      "xn12_c0f733e98f9f11868cf685f9b1990e6c-s3035f716e3c5b0d9124-c1",
      "xn1_c0f733e98f9f11868cf685f9b1990e6c-s3035f716e3c5b0d9124-c1",
      "xs3_c0f733e98f9f11868cf685f9b1990e6c-s3035f716e3c5b0d9-c1",
  };
  for (const std::string& id : all) {
    put(id, id);
  }
  for (const std::string& id : all) {
    for (std::size_t n = 0; n <= id.size(); ++n) {
      const std::string prefix = id.substr(0, n);
      std::vector<std::string> expected;
      std::copy_if(all.begin(), all.end(), std::back_inserter(expected),
                   [&](const std::string& other) { return other.starts_with(prefix); });
      ASSERT_EQ(ids(prefix), expected) << prefix;
    }
  }
  EXPECT_TRUE(ids("z").empty());
  EXPECT_TRUE(ids("xe123").empty());
  EXPECT_TRUE(ids("kopia.repository.f").empty());
}

TEST_P(StorageContract, ListEndsWithTheErrorOfTheCallback) {
  for (int i = 0; i < 50; ++i) {
    put(fmt::format("p{:032}-s1", i), "x");
  }
  int seen = 0;
  const Status status = storage_->list(
      "p", [&](const BlobMetadata&) -> Status { return ++seen == 3 ? error(Code::conflict, "enough") : Status(); }, {});
  EXPECT_EQ(status.code(), Code::conflict);
  EXPECT_EQ(status.message(), "enough");
  EXPECT_EQ(seen, 3);
}

TEST_P(StorageContract, StopIsObeyed) {
  put(kPack, "x");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(storage_->get(BlobId(kPack), {}, stop.get_token()).code(), Code::cancelled);
  EXPECT_EQ(storage_->metadata(BlobId(kPack), stop.get_token()).code(), Code::cancelled);
  EXPECT_EQ(storage_->put(BlobId("q"), as_bytes("x"), stop.get_token()).code(), Code::cancelled);
  EXPECT_EQ(storage_->remove(BlobId(kPack), stop.get_token()).code(), Code::cancelled);
  EXPECT_EQ(storage_
                ->list(
                    "", [](const BlobMetadata&) { return Status(); }, stop.get_token())
                .code(),
            Code::cancelled);
  EXPECT_EQ(ids(""), std::vector<std::string>{kPack});
}

TEST_P(StorageContract, SetMtime) {
  const Timestamp then = Timestamp::from_seconds(1'577'934'245) + milliseconds(125);
  PutOptions options;
  options.set_mtime = then;
  const ByteView parts[] = {as_bytes("x")};
  auto done = storage_->put(BlobId(kPack), parts, options, {});
  if (!GetParam().sets_mtime) {
    EXPECT_EQ(done.code(), Code::unsupported);
    EXPECT_TRUE(ids("").empty());
    return;
  }
  ASSERT_TRUE(done.ok()) << done.status().message();
  const Timestamp kept{then.ns - then.ns % GetParam().time_resolution.ns};
  EXPECT_EQ(done->timestamp, kept);
  EXPECT_EQ(storage_->metadata(BlobId(kPack), {})->timestamp, kept);
}

TEST_P(StorageContract, InvalidIdsAreRefused) {
  for (const std::string& id : {std::string(), std::string("a/b"), std::string("../x"), std::string("a\0b", 3)}) {
    EXPECT_EQ(storage_->put(BlobId(id), as_bytes("x"), {}).code(), Code::invalid_argument) << id;
  }
  EXPECT_TRUE(ids("").empty());
}

TEST_P(StorageContract, LargeBlob) {
  constexpr std::size_t kSize = (30 << 20) + 12345;
  const Bytes data = gen_rand(7, kSize);
  // Fragments of awkward sizes, aligned and not.
  std::vector<ByteView> parts;
  const std::size_t sizes[] = {1, 4096, 3 << 20, 1000, 5 << 20, 77};
  for (std::size_t at = 0, i = 0; at < kSize; ++i) {
    const std::size_t n = std::min(sizes[i % std::size(sizes)], kSize - at);
    parts.push_back(ByteView(data).subspan(at, n));
    at += n;
  }
  auto done = storage_->put(BlobId(kPack), parts, PutOptions{}, {});
  ASSERT_TRUE(done.ok()) << done.status().message();
  EXPECT_EQ(done->length, static_cast<std::int64_t>(kSize));
  auto read = storage_->get(BlobId(kPack), {}, {});
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(std::ranges::equal(read->view(), data));
  auto tail = storage_->get(BlobId(kPack), {static_cast<std::int64_t>(kSize) - 5, 5}, {});
  ASSERT_TRUE(tail.ok());
  EXPECT_TRUE(std::ranges::equal(tail->view(), ByteView(data).last(5)));
}

TEST_P(StorageContract, SizesAroundThePieces) {
  for (const std::size_t size :
       {std::size_t{4095}, std::size_t{4096}, std::size_t{4097}, (std::size_t{1} << 20) - 1, std::size_t{1} << 20,
        (std::size_t{1} << 20) + 1, (std::size_t{4} << 20) - 1, std::size_t{4} << 20, (std::size_t{4} << 20) + 1}) {
    const Bytes data = gen_rand(size, size);
    ASSERT_TRUE(storage_->put(BlobId(kPack), ByteView(data), {}).ok());
    auto read = storage_->get(BlobId(kPack), {}, {});
    ASSERT_TRUE(read.ok());
    ASSERT_TRUE(std::ranges::equal(read->view(), data)) << size;
  }
}

TEST_P(StorageContract, ManyBlobs) {
  constexpr int kCount = 2000;
  for (int i = 0; i < kCount; ++i) {
    put(fmt::format("{}{:08x}000000000000000000000000-s1", i % 2 == 0 ? 'p' : 'q', i * 2654435761U), std::to_string(i));
  }
  EXPECT_EQ(ids("").size(), static_cast<std::size_t>(kCount));
  EXPECT_EQ(ids("p").size(), static_cast<std::size_t>(kCount) / 2);
  EXPECT_EQ(get(fmt::format("q{:08x}000000000000000000000000-s1", 7 * 2654435761U)), "7");
}

TEST_P(StorageContract, ConcurrentPutsOfOneIdNeverMix) {
  constexpr std::size_t kSize = 300'000;
  std::atomic<bool> done{false};
  std::atomic<int> torn{0};
  put(kPack, std::string(kSize, 'a'));
  std::jthread reader([&] {
    while (!done) {
      auto bytes = storage_->get(BlobId(kPack), {}, {});
      const bool whole = bytes.ok() && bytes->size() == kSize &&
                         std::ranges::all_of(bytes->view(), [&](Byte b) { return b == (*bytes)[0]; });
      const bool gap = bytes.code() == Code::not_found && !GetParam().replaces_at_once;
      torn += whole || gap ? 0 : 1;
    }
  });
  {
    std::vector<std::jthread> writers;
    for (int w = 0; w < 4; ++w) {
      writers.emplace_back([&, w] {
        for (int i = 0; i < 15; ++i) {
          const std::string text(kSize, static_cast<char>('a' + w));
          const auto stored = storage_->put(BlobId(kPack), as_bytes(text), {});
          EXPECT_TRUE(stored.ok()) << stored.status().message();
        }
      });
    }
  }
  done = true;
  reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(ids("").size(), 1u);
}

TEST_P(StorageContract, ConcurrentCallsOfAllKinds) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 40; ++i) {
        const BlobId id(fmt::format("p{:02}{:030}-s1", t, i));
        EXPECT_TRUE(storage_->put(id, as_bytes(id.text), {}).ok());
        EXPECT_EQ(storage_->get(id, {}, {})->text(), id.text);
        if (i % 10 == 0) {
          EXPECT_TRUE(storage_->list("p", [](const BlobMetadata&) { return Status(); }, {}).ok());
        }
        if (i % 2 == 0) {
          EXPECT_TRUE(storage_->remove(id, {}).ok());
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(ids("").size(), 6u * 20u);
}

TEST_P(StorageContract, KilledInTheMiddleOfAPutLeavesNoTornBlob) {
  if (!GetParam().survives_process) {
    GTEST_SKIP() << "lives in one process";
  }
  const std::string old(3 << 20, 'o');
  const std::string fresh(8 << 20, 'n');
  put(kPack, old);
  for (int round = 0; round < 12; ++round) {
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      auto mine = GetParam().open(dir_.path());
      while (mine.ok()) {
        if (!(*mine)->put(BlobId(kPack), as_bytes(fresh), {}).ok() ||
            !(*mine)->put(BlobId("q00000000000000000000000000000000-s2"), as_bytes(fresh), {}).ok() ||
            !(*mine)->remove(BlobId("q00000000000000000000000000000000-s2"), {}).ok()) {
          break;
        }
      }
      ::_exit(1);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5 + round * 13));
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer failed by itself";
    // A server may still be at the last request of the writer: what changes while it is looked at is looked at again.
    bool settled = false;
    for (int look = 0; look < 50 && !settled; ++look) {
      const auto before = lengths();
      std::map<std::string, std::string> texts;
      for (const auto& [id, length] : before) {
        if (auto bytes = storage_->get(BlobId(id), {}, {}); bytes.ok()) {
          texts.emplace(id, bytes->text());
        }
      }
      settled = before == lengths() && texts.size() == before.size();
      for (const auto& [id, text] : texts) {
        ASSERT_TRUE(text == fresh || (text == old && id == kPack)) << id << ": " << text.size() << " bytes";
        settled = settled && static_cast<std::int64_t>(text.size()) == before.at(id);
      }
    }
    ASSERT_TRUE(settled);
    ASSERT_FALSE(ids("p").empty());
  }
  put(kPack, "and goes on");
  EXPECT_EQ(get(kPack), "and goes on");
}

TEST_P(StorageContract, DescribesItself) {
  EXPECT_FALSE(storage_->display_name().empty());
  const auto info = storage_->connection_info();
  EXPECT_FALSE(info.type.empty());
  auto parsed = blob::ConnectionInfo::from_json(info.to_json());
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->to_json(), info.to_json());
  EXPECT_FALSE(storage_->read_only());
  auto capacity = storage_->capacity();
  if (GetParam().has_capacity) {
    ASSERT_TRUE(capacity.ok());
    EXPECT_GT(capacity->total_bytes, 0);
    EXPECT_LE(capacity->free_bytes, capacity->total_bytes);
  } else {
    EXPECT_EQ(capacity.code(), Code::unsupported);
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, StorageContract, testing::ValuesIn(kStores),
                         [](const testing::TestParamInfo<StoreCase>& store) { return std::string(store.param.name); });

}  // namespace
}  // namespace cairn::test
