// What only trees of files can show: layout files, modes, left-over files, full and read-only disks.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "blob/decorators.h"
#include "blob/filesystem/filesystem_storage.h"
#include "sys/directory.h"
#include "sys/file.h"
#include "sys/process.h"
#include "tests/support/gen.h"

namespace cairn::test {
namespace {

using blob::FilesystemOptions;
using blob::StoragePtr;

constexpr const char* kPack = "p06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124";
constexpr std::string_view kDefaultShards = "{\"default\":[1,3],\"maxNonShardedLength\":20}\n";

// Relative paths of all files, sorted.
void collect_files(const std::string& root, const std::string& below, std::vector<std::string>& out) {
  auto fd = sys::open_directory(sys::join_path(root, below));
  ASSERT_TRUE(fd.ok());
  sys::DirectoryListing listing;
  ASSERT_TRUE(sys::read_directory(fd->get(), true, listing, {}).ok());
  listing.sort_by_name();
  for (const auto& e : listing.entries()) {
    const std::string path = below + std::string(listing.name(e));
    if (e.type == sys::FileType::directory) {
      collect_files(root, path + "/", out);
    } else {
      out.push_back(path);
    }
  }
}

std::vector<std::string> files_below(const std::string& root) {
  std::vector<std::string> out;
  collect_files(root, "", out);
  return out;
}

class FilesystemContract : public testing::Test {
 protected:
  void SetUp() override {
    auto dir = sys::TempDir::make();
    ASSERT_TRUE(dir.ok());
    dir_ = std::move(dir).value();
    options_.path = dir_.path() + "/repo";
  }
  StoragePtr create() {
    auto storage = blob::open_filesystem(options_, {.create = true}, {});
    EXPECT_TRUE(storage.ok()) << storage.status().message();
    return storage.ok() ? *storage : nullptr;
  }
  Result<StoragePtr> open(bool read_only = false) {
    return blob::open_filesystem(options_, {.read_only = read_only}, {});
  }
  std::string shards_text() {
    auto text = sys::read_file(options_.path + "/.shards", 1000);
    return text.ok() ? std::string(text->text()) : "";
  }
  bool put(const StoragePtr& storage, std::string_view id) {
    auto done = storage->put(BlobId(id), as_bytes(id), {});
    EXPECT_TRUE(done.ok()) << done.status().message();
    return done.ok();
  }
  // A tree of that layout with three packs and the format blob, whose `.shards` is lost.
  void make_tree_without_layout_file(std::optional<std::vector<int>> shards) {
    options_.dir_shards = std::move(shards);
    const StoragePtr storage = create();
    for (const char* id : {"kopia.repository", kPack, "p16b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124",
                           "xn0_c0f733e98f9f11868cf685f9b1990e6c-s3035f716e3c5b0d9124-c1"}) {
      ASSERT_TRUE(put(storage, id));
    }
    ASSERT_TRUE(sys::remove_file(options_.path + "/.shards").ok());
    options_.dir_shards.reset();
  }
  sys::TempDir dir_;
  FilesystemOptions options_;
};

TEST_F(FilesystemContract, CreateWritesTheLayoutFirstAndOpenKeepsIt) {
  create();
  EXPECT_EQ(shards_text(), kDefaultShards);
  EXPECT_EQ(files_below(options_.path), std::vector<std::string>{".shards"});
  options_.dir_shards = std::vector{3, 3};  // the file wins
  auto again = open();
  ASSERT_TRUE(again.ok());
  ASSERT_TRUE(put(*again, kPack));
  EXPECT_THAT(files_below(options_.path),
              testing::ElementsAre(".shards", "p/06b/242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124.f"));
  create();
  EXPECT_EQ(shards_text(), kDefaultShards);
}

TEST_F(FilesystemContract, LayoutsGoIntoTheFile) {
  options_.dir_shards = std::vector<int>{};
  create();
  EXPECT_EQ(shards_text(), "{\"default\":[],\"maxNonShardedLength\":20}\n");
}

TEST_F(FilesystemContract, OpenNeedsTheRoot) {
  auto missing = open();
  EXPECT_EQ(missing.code(), Code::not_found);
  EXPECT_EQ(missing.status().message(),
            "cannot access storage path: stat " + options_.path + ": no such file or directory");
  ASSERT_TRUE(sys::write_file_atomic(options_.path, as_bytes("a file"), 0600).ok());
  EXPECT_EQ(open().code(), Code::failed_precondition);
  options_.path = "relative";
  EXPECT_EQ(open().code(), Code::invalid_argument);
  EXPECT_EQ(open().status().message(), "filesystem repository path must be absolute");
}

TEST_F(FilesystemContract, OpenOfAnEmptyDirectoryWritesNothingUntilTheFirstPut) {
  ASSERT_TRUE(sys::make_directories(options_.path, 0700).ok());
  auto storage = open();
  ASSERT_TRUE(storage.ok());
  EXPECT_TRUE((*storage)->list_all("", {})->empty());
  EXPECT_TRUE(files_below(options_.path).empty());
  ASSERT_TRUE(put(*storage, "foobarbaz12345678910123213123"));
  EXPECT_THAT(files_below(options_.path), testing::ElementsAre(".shards", "foo/bar/baz12345678910123213123.f"));
  EXPECT_EQ(shards_text(), "{\"default\":[3,3],\"maxNonShardedLength\":20}\n");
}

TEST_F(FilesystemContract, TheFirstOfTwoFirstWritersDecidesTheLayout) {
  ASSERT_TRUE(sys::make_directories(options_.path, 0700).ok());
  options_.dir_shards = std::vector{2};
  auto first = open();
  options_.dir_shards = std::vector{5};
  auto second = open();
  ASSERT_TRUE(first.ok() && second.ok());
  ASSERT_TRUE(put(*first, kPack));
  ASSERT_TRUE(put(*second, "q06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124"));
  EXPECT_EQ(shards_text(), "{\"default\":[2],\"maxNonShardedLength\":20}\n");
  EXPECT_EQ((*first)->list_all("q", {})->size(), 1u);
  EXPECT_TRUE((*first)->get(BlobId("q06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124"), {}, {}).ok());
}

TEST_F(FilesystemContract, LostLayoutFileIsRecognisedAndNotWritten) {
  const std::optional<std::vector<int>> layouts[] = {std::nullopt, std::vector{3, 3}, std::vector<int>{}};
  for (const auto& layout : layouts) {
    for (const bool read_only : {false, true}) {
      make_tree_without_layout_file(layout);
      const std::vector<std::string> before = files_below(options_.path);
      auto storage = open(read_only);
      ASSERT_TRUE(storage.ok());
      EXPECT_EQ((*storage)->get(BlobId(kPack), {}, {})->text(), kPack);
      EXPECT_EQ((*storage)->list_all("", {})->size(), 4u);
      EXPECT_EQ((*storage)->put(BlobId(kPack), as_bytes("x"), {}).ok(), !read_only);
      EXPECT_EQ(files_below(options_.path), before);
      create();  // not even then: there are blobs
      EXPECT_EQ(files_below(options_.path), before);
      ASSERT_TRUE(sys::remove_tree(options_.path).ok());
    }
  }
}

TEST_F(FilesystemContract, ReadOnlyWritesNothing) {
  ASSERT_TRUE(sys::make_directories(options_.path, 0700).ok());
  auto storage = open(true);
  ASSERT_TRUE(storage.ok());
  EXPECT_TRUE((*storage)->read_only());
  EXPECT_EQ((*storage)->put(BlobId("xe1"), as_bytes("x"), {}).code(), Code::permission_denied);
  EXPECT_EQ((*storage)->put(BlobId("xe1"), as_bytes("x"), {}).status().message(), "storage is read-only");
  EXPECT_EQ((*storage)->remove(BlobId("xe1"), {}).code(), Code::permission_denied);
  EXPECT_TRUE(files_below(options_.path).empty());
}

TEST_F(FilesystemContract, BadLayoutFileIsAnError) {
  create();
  for (const char* text : {"{not json", "[]", "{\"default\":[-1]}", "{\"default\":[\"a\"]}", ""}) {
    ASSERT_TRUE(sys::write_file_atomic(options_.path + "/.shards", as_bytes(text), 0600).ok());
    EXPECT_EQ(open().code(), Code::corrupt) << text;
    EXPECT_THAT(open().status().message(),
                testing::StartsWith("error determining sharded path: error parsing sharding parameters for storage: "));
    EXPECT_EQ(shards_text(), text);
  }
}

TEST_F(FilesystemContract, ModesAndOwner) {
  const mode_t umask = ::umask(0);
  options_.file_mode = 0640;
  options_.dir_mode = 0750;
  if (::geteuid() == 0) {
    options_.uid = 1234;
    options_.gid = 4321;
  }
  const StoragePtr storage = create();
  ASSERT_TRUE(put(storage, kPack));
  ::umask(umask);
  EXPECT_EQ(sys::stat_path(options_.path)->mode, 0750u);
  EXPECT_EQ(sys::stat_path(options_.path + "/p/06b")->mode, 0750u);
  const auto file = sys::stat_path(options_.path + "/p/06b/242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124.f");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->mode, 0640u);
  if (::geteuid() == 0) {
    EXPECT_EQ(file->uid, 1234u);
    EXPECT_EQ(file->gid, 4321u);
  }
}

TEST_F(FilesystemContract, UnsupportedOptions) {
  const StoragePtr storage = create();
  const ByteView parts[] = {as_bytes("x")};
  blob::PutOptions retention;
  retention.retention_mode = "GOVERNANCE";
  retention.retention_period = hours(24);
  EXPECT_EQ(storage->put(BlobId("xe1"), parts, retention, {}).status().message(),
            "blob-retention: unsupported put-blob option");
  blob::PutOptions once;
  once.do_not_recreate = true;
  EXPECT_EQ(storage->put(BlobId("xe1"), parts, once, {}).code(), Code::unsupported);
  EXPECT_EQ(storage->extend_retention(BlobId("xe1"), "GOVERNANCE", hours(24), {}).code(), Code::unsupported);
  EXPECT_EQ(files_below(options_.path), std::vector<std::string>{".shards"});
}

TEST_F(FilesystemContract, ForeignFilesAreNotBlobs) {
  const StoragePtr storage = create();
  ASSERT_TRUE(put(storage, kPack));
  ASSERT_TRUE(sys::make_directories(options_.path + "/foreign/deep", 0700).ok());
  for (const char* name : {"readme.txt", "p/06b/x.f.tmp.0123456789abcdef", "foreign/deep/note", ".f-not"}) {
    ASSERT_TRUE(sys::write_file_atomic(options_.path + "/" + name, as_bytes("x"), 0600).ok());
  }
  ASSERT_TRUE(sys::make_directories(options_.path + "/directory.f", 0700).ok());
  ASSERT_EQ(::mkfifo((options_.path + "/pipe.f").c_str(), 0600), 0);
  const auto all = storage->list_all("", {});
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ(all->front().id.text, kPack);
  EXPECT_EQ(storage->get(BlobId("pipe"), {}, {}).code(), Code::not_found);
  EXPECT_EQ(storage->get(BlobId("directory"), {}, {}).code(), Code::not_found);
}

TEST_F(FilesystemContract, TheRootIsNeverMadeByAPut) {
  const StoragePtr storage = create();
  ASSERT_TRUE(sys::remove_tree(options_.path).ok());
  EXPECT_EQ(storage->put(BlobId(kPack), as_bytes("x"), {}).code(), Code::failed_precondition);
  EXPECT_EQ(storage->put(BlobId("xe1"), as_bytes("x"), {}).code(), Code::failed_precondition);
  EXPECT_FALSE(sys::file_exists(options_.path));
  // Unmounted: the mount point is there, and empty.
  ASSERT_TRUE(sys::make_directories(options_.path, 0700).ok());
  EXPECT_EQ(storage->put(BlobId(kPack), as_bytes("x"), {}).code(), Code::failed_precondition);
  EXPECT_TRUE(files_below(options_.path).empty());
}

TEST_F(FilesystemContract, ConnectionInfo) {
  const char* texts[] = {
      R"({"type":"filesystem","config":{"path":"/backup/repo","dirShards":null}})",
      R"({"type":"filesystem","config":{"path":"/backup/repo","fileMode":416,"dirMode":488,"uid":1000,"gid":1000,"dirShards":[],"maxUploadSpeedBytesPerSecond":1000000,"concurrentReads":4}})",
      R"({"type":"filesystem","config":{"path":"/r","fileMode":384,"dirMode":448,"uid":0,"dirShards":[3,3],"listParallelism":8,"unknownKey":{"a":1}}})",
  };
  for (const char* text : texts) {
    auto info = blob::ConnectionInfo::from_json(*Json::parse(text));
    ASSERT_TRUE(info.ok());
    auto options = FilesystemOptions::from_json(info->config);
    ASSERT_TRUE(options.ok());
    EXPECT_EQ((blob::ConnectionInfo{"filesystem", options->to_json()}.to_json().dump()), text);
  }
  const StoragePtr storage = create();
  EXPECT_EQ(storage->display_name(), "Filesystem: " + options_.path);
  auto reopened = blob::open_storage(storage->connection_info(), {}, {});
  ASSERT_TRUE(reopened.ok());
  EXPECT_EQ((*reopened)->connection_info().to_json(), storage->connection_info().to_json());
  auto other = blob::open_storage({"gdrive", Json::object()}, {}, {});
  EXPECT_EQ(other.code(), Code::unsupported);
  EXPECT_EQ(other.status().message(), "storage type 'gdrive' not registered");
}

TEST_F(FilesystemContract, DeadlineEndsACall) {
  ASSERT_TRUE(put(create(), kPack));
  options_.call_deadline = seconds(-1);
  auto late = open();
  EXPECT_EQ(late.code(), Code::deadline);
}

// Runs in a child, because it changes the user or the limits of the process. 0 = as expected, else the line.
int in_child(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
#define CHILD_EXPECT(condition)    \
  do {                             \
    if (!(condition)) {            \
      return (__LINE__ % 250) + 1; \
    }                              \
  } while (false)

TEST_F(FilesystemContract, FileSizeLimitIsReportedAndLeavesNothing) {
  const StoragePtr storage = create();
  ASSERT_TRUE(put(storage, kPack));
  const std::vector<std::string> before = files_below(options_.path);
  const int failed = in_child([&]() -> int {
    ::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit = {2 << 20, 2 << 20};
    CHILD_EXPECT(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    for (const std::size_t size : {std::size_t{3} << 20, (std::size_t{20} << 20) + 7}) {
      const auto result = storage->put(BlobId(kPack), ByteView(gen_rand(1, size)), {});
      CHILD_EXPECT(result.code() == Code::resource_exhausted);
    }
    return 0;
  });
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(files_below(options_.path), before);
  EXPECT_EQ(storage->get(BlobId(kPack), {}, {})->text(), kPack);
}

TEST_F(FilesystemContract, FullDiskIsReportedAndLeavesNothing) {
  ASSERT_TRUE(sys::make_directories(options_.path, 0700).ok());
  if (::mount("tmpfs", options_.path.c_str(), "tmpfs", 0, "size=8m") != 0) {
    GTEST_SKIP() << "may not mount";
  }
  {
    const StoragePtr storage = create();
    const Bytes data = gen_rand(1, 3 << 20);
    ASSERT_TRUE(storage->put(BlobId(kPack), ByteView(data), {}).ok());
    ASSERT_TRUE(put(storage, "q06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124"));
    const std::vector<std::string> before = files_below(options_.path);
    for (const std::size_t size : {std::size_t{6} << 20, (std::size_t{20} << 20) + 7}) {
      const auto result = storage->put(BlobId("q06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124"),
                                       ByteView(gen_rand(2, size)), {});
      EXPECT_EQ(result.code(), Code::resource_exhausted) << result.status().message();
      EXPECT_THAT(result.status().message(), testing::HasSubstr("no space left on device"));
    }
    EXPECT_EQ(files_below(options_.path), before);
    auto read = storage->get(BlobId(kPack), {}, {});
    EXPECT_TRUE(read.ok() && std::ranges::equal(read->view(), data));
    ASSERT_TRUE(storage->remove(BlobId(kPack), {}).ok());
    EXPECT_TRUE(storage->put(BlobId(kPack), ByteView(data), {}).ok());
  }
  EXPECT_EQ(::umount2(options_.path.c_str(), MNT_DETACH), 0);
}

TEST_F(FilesystemContract, ReadOnlyDirectoryIsPermissionDenied) {
  const StoragePtr storage = create();
  ASSERT_TRUE(put(storage, kPack));
  const std::vector<std::string> before = files_below(options_.path);
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
  for (const char* part : {"/p/06b", "/p", ""}) {
    ASSERT_EQ(::chmod((options_.path + part).c_str(), 0555), 0);
  }
  const int failed = in_child([&]() -> int {
    if (::geteuid() == 0) {
      CHILD_EXPECT(::setgid(65534) == 0 && ::setuid(65534) == 0);
    }
    for (const char* id : {kPack, "xe1", "q06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124"}) {
      CHILD_EXPECT(storage->put(BlobId(id), as_bytes("x"), {}).code() == Code::permission_denied);
    }
    CHILD_EXPECT(storage->remove(BlobId(kPack), {}).code() == Code::permission_denied);
    CHILD_EXPECT(storage->list_all("", {}).ok());
    return 0;
  });
  EXPECT_EQ(failed, 0);
  for (const char* part : {"", "/p", "/p/06b"}) {
    ASSERT_EQ(::chmod((options_.path + part).c_str(), 0755), 0);
  }
  EXPECT_EQ(files_below(options_.path), before);
}

TEST_F(FilesystemContract, UnreadableDirectoryFailsTheListing) {
  const StoragePtr storage = create();
  ASSERT_TRUE(put(storage, kPack));
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(options_.path.c_str(), 0755), 0);
  const int failed = in_child([&]() -> int {
    if (::geteuid() == 0) {
      CHILD_EXPECT(::setgid(65534) == 0 && ::setuid(65534) == 0);
    } else {
      CHILD_EXPECT(::chmod((options_.path + "/p").c_str(), 0) == 0);
    }
    CHILD_EXPECT(storage->list_all("", {}).code() == Code::permission_denied);
    CHILD_EXPECT(storage->list_all("x", {}).ok());  // not entered
    return 0;
  });
  EXPECT_EQ(failed, 0);
  ASSERT_EQ(::chmod((options_.path + "/p").c_str(), 0700), 0);
}

// Trees written by the real program, two of them without `.shards`.
TEST_F(FilesystemContract, TreesOfTheRealProgram) {
  for (const std::string name : {"damage-missing-shards", "old-0.8.4", "format-3-flat"}) {
    const std::string golden = std::string(CAIRN_TESTS_DIR) + "/golden/repos/" + name;
    sys::ProcessOptions unpack;
    unpack.argv = {"tar", "xzf", golden + ".tar.gz", "-C", dir_.path()};
    auto unpacked = sys::run_process(unpack, {});
    ASSERT_TRUE(unpacked.ok() && unpacked->ok());
    auto text = sys::read_file(golden + ".expected.json", 64 << 20);
    ASSERT_TRUE(text.ok());
    const auto expected = Json::parse(text->text());
    ASSERT_TRUE(expected.ok());

    options_.path = dir_.path() + "/" + name;
    const std::vector<std::string> before = files_below(options_.path);
    auto storage = open();
    ASSERT_TRUE(storage.ok()) << storage.status().message();
    auto all = (*storage)->list_all("", {});
    ASSERT_TRUE(all.ok());
    ASSERT_GT(all->size(), 4u);
    for (const blob::BlobMetadata& blob : *all) {
      auto bytes = (*storage)->get(blob.id, {}, {});
      ASSERT_TRUE(bytes.ok()) << name << ": " << bytes.status().message();
      EXPECT_EQ(static_cast<std::int64_t>(bytes->size()), blob.length);
    }
    for (const Json& blob : (*expected)["blobs"].items()) {
      auto meta = (*storage)->metadata(BlobId(blob["id"].as_string()), {});
      ASSERT_TRUE(meta.ok()) << name << ": " << meta.status().message();
      EXPECT_EQ(meta->length, blob["length"].as_int());
      const auto stored = parse_rfc3339(blob["timestamp"].as_string());
      ASSERT_TRUE(stored.ok());
      // The archive keeps times to 100 ns.
      EXPECT_LT(std::abs((meta->timestamp - *stored).ns), 1000) << name << ": " << blob["id"].as_string();
    }
    EXPECT_EQ(files_below(options_.path), before);
  }
}

}  // namespace
}  // namespace cairn::test
