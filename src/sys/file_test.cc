#include "sys/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/random.h"
#include "sys/attributes.h"
#include "sys/directory.h"
#include "sys/file_system_type.h"

namespace cairn::sys {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    auto dir = TempDir::make();
    ASSERT_TRUE(dir.ok()) << dir.status().message();
    dir_ = std::move(dir).value();
  }
  std::string path(std::string_view name) const { return join_path(dir_.path(), name); }
  std::vector<std::string> names() const {
    DirectoryListing listing;
    auto fd = open_directory(dir_.path());
    EXPECT_TRUE(fd.ok());
    EXPECT_TRUE(read_directory(fd->get(), false, listing, {}).ok());
    listing.sort_by_name();
    std::vector<std::string> out;
    for (const auto& e : listing.entries()) {
      out.emplace_back(listing.name(e));
    }
    return out;
  }
  TempDir dir_;
};

using File = FileTest;
using Directory = FileTest;
using Attributes = FileTest;

TEST_F(File, AtomicWriteReplacesAndLeavesNothingElse) {
  ASSERT_TRUE(write_file_atomic(path("a"), as_bytes("one"), 0640).ok());
  ASSERT_TRUE(write_file_atomic(path("a"), as_bytes("second"), 0600).ok());
  auto read = read_file(path("a"), 100);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->text(), "second");
  EXPECT_EQ(names(), std::vector<std::string>{"a"});
  EXPECT_EQ(stat_path(path("a"))->mode, 0600u);
}

TEST_F(File, AtomicWriteThatFailsLeavesNothing) {
  ASSERT_EQ(::mkdir(path("target").c_str(), 0700), 0);
  ASSERT_TRUE(write_file_atomic(path("target/x"), as_bytes("x"), 0600).ok());
  EXPECT_FALSE(write_file_atomic(path("target"), as_bytes("over a directory"), 0600).ok());
  EXPECT_EQ(names(), std::vector<std::string>{"target"});
  EXPECT_EQ(write_file_atomic(path("missing/x"), as_bytes("x"), 0600).code(), Code::not_found);
}

TEST_F(File, ReadFileBoundsAndErrors) {
  ASSERT_TRUE(write_file_atomic(path("a"), as_bytes("0123456789"), 0600).ok());
  EXPECT_EQ(read_file(path("a"), 10)->text(), "0123456789");
  EXPECT_EQ(read_file(path("a"), 9).code(), Code::resource_exhausted);
  EXPECT_EQ(read_file(path("b"), 9).code(), Code::not_found);
  EXPECT_EQ(read_file(path("b"), 9).status().message(), "open " + path("b") + ": no such file or directory");
  EXPECT_FALSE(read_file(dir_.path(), 9).ok());
  // Files of the kernel say size 0.
  EXPECT_GT(read_file("/proc/self/status", 1 << 20)->size(), 100u);
}

TEST_F(File, WritevAllManyPartsAndPreadExact) {
  std::vector<Buffer> owned;
  std::vector<ByteView> parts;
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    owned.push_back(Buffer::copy_of(std::string(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26))));
    expected += owned.back().text();
  }
  for (const Buffer& b : owned) {
    parts.push_back(b.view());
  }
  auto fd = open_file(path("v"), O_CREAT | O_RDWR, 0600);
  ASSERT_TRUE(fd.ok());
  ASSERT_TRUE(writev_all(fd->get(), parts).ok());
  EXPECT_EQ(read_file(path("v"), 1 << 20)->text(), expected);
  Buffer tail(5);
  ASSERT_TRUE(pread_exact(fd->get(), tail.mut(), static_cast<std::int64_t>(expected.size()) - 5).ok());
  EXPECT_EQ(tail.text(), expected.substr(expected.size() - 5));
  EXPECT_EQ(pread_exact(fd->get(), tail.mut(), static_cast<std::int64_t>(expected.size()) - 4).code(),
            Code::unavailable);
}

TEST_F(File, DirectoriesAreMadeAndRemovedWithoutFollowingLinks) {
  ASSERT_TRUE(make_directories(path("a/b/c"), 0700).ok());
  ASSERT_TRUE(make_directories(path("a/b/c"), 0700).ok());
  ASSERT_TRUE(write_file_atomic(path("a/b/c/f"), as_bytes("x"), 0600).ok());
  ASSERT_TRUE(write_file_atomic(path("keep"), as_bytes("x"), 0600).ok());
  ASSERT_EQ(::symlink(dir_.path().c_str(), path("a/loop").c_str()), 0);
  EXPECT_EQ(make_directories(path("keep/x"), 0700).code(), Code::not_found);
  ASSERT_TRUE(remove_tree(path("a")).ok());
  EXPECT_EQ(names(), std::vector<std::string>{"keep"});
  EXPECT_TRUE(remove_tree(path("a")).ok());
  EXPECT_TRUE(remove_tree(path("keep")).ok());
}

TEST_F(File, Paths) {
  EXPECT_EQ(join_path("a", "b"), "a/b");
  EXPECT_EQ(join_path("a/", "/b"), "/b");
  EXPECT_EQ(join_path("", "b"), "b");
  EXPECT_EQ(parent_path("/a/b/"), "/a");
  EXPECT_EQ(parent_path("/a"), "/");
  EXPECT_EQ(parent_path("a"), ".");
  EXPECT_EQ(base_name("/a/b/"), "b");
  EXPECT_EQ(base_name("/"), "/");
  EXPECT_EQ(clean_path("/a/../../b/./c//d/"), "/b/c/d");
  EXPECT_EQ(clean_path("../x/.."), "..");
  EXPECT_EQ(clean_path(""), ".");
  EXPECT_EQ(clean_path("//"), "/");
}

TEST_F(File, LockExcludesOthersUntilReleased) {
  auto first = FileLock::try_lock(path("lock"));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(FileLock::try_lock(path("lock")).code(), Code::conflict);
  first->unlock();
  EXPECT_TRUE(FileLock::try_lock(path("lock")).ok());
}

TEST_F(File, FreeSpaceAndTempDir) {
  auto space = free_space(dir_.path());
  ASSERT_TRUE(space.ok());
  EXPECT_GT(space->total_bytes, 0);
  EXPECT_LE(space->available_bytes, space->free_bytes);
  std::string where;
  {
    auto dir = TempDir::make("x-", dir_.path());
    where = dir->path();
    ASSERT_TRUE(write_file_atomic(where + "/f", as_bytes("x"), 0600).ok());
  }
  EXPECT_FALSE(file_exists(where));
}

TEST(FileSystemType, OfThisMachine) {
  EXPECT_FALSE(is_remote_file_system("/dev/shm"));
  EXPECT_FALSE(is_compressing_file_system("/dev/shm"));
  EXPECT_FALSE(is_remote_file_system("/no/such/path"));
}

TEST_F(Directory, ListsAllEntriesWithAttributes) {
  constexpr int kCount = 3000;  // several buffers
  for (int i = 0; i < kCount; ++i) {
    auto fd = open_file(path(fmt::format("file-with-a-longer-name-{:05}", i)), O_CREAT | O_WRONLY, 0644);
    ASSERT_TRUE(fd.ok());
    if (i == 7) {
      ASSERT_TRUE(write_all(fd->get(), as_bytes("seven")).ok());
    }
  }
  ASSERT_EQ(::mkdir(path("d").c_str(), 0750), 0);
  ASSERT_EQ(::symlink("target", path("l").c_str()), 0);
  ASSERT_EQ(::mkfifo(path("p").c_str(), 0600), 0);
  ASSERT_EQ(::chmod(path("d").c_str(), 02750), 0);
  auto fd = open_directory(dir_.path());
  ASSERT_TRUE(fd.ok());
  DirectoryListing listing;
  ASSERT_TRUE(read_directory(fd->get(), true, listing, {}).ok());
  listing.sort_by_name();
  ASSERT_EQ(listing.size(), static_cast<std::size_t>(kCount) + 3);
  const auto entries = listing.entries();
  EXPECT_EQ(listing.name(entries[0]), "d");
  EXPECT_EQ(entries[0].type, FileType::directory);
  EXPECT_EQ(entries[0].mode, 02750u);
  EXPECT_EQ(listing.name(entries[8]), "file-with-a-longer-name-00007");
  EXPECT_EQ(entries[8].size, 5);
  EXPECT_EQ(entries[8].uid, ::getuid());
  const auto info = lstat_at(fd->get(), listing.c_name(entries[8]));
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(entries[8].mtime, info->mtime);
  EXPECT_EQ(entries[8].ino, info->ino);
  EXPECT_EQ(entries[8].dev, info->dev);
  EXPECT_EQ(entries[kCount + 1].type, FileType::symlink);
  EXPECT_EQ(entries[kCount + 1].size, 6);
  EXPECT_EQ(entries[kCount + 2].type, FileType::fifo);
  EXPECT_TRUE(std::all_of(entries.begin(), entries.end(), [](const DirectoryEntry& e) { return e.error == 0; }));
}

TEST_F(Directory, StopsAndDoesNotFollow) {
  std::stop_source stop;
  stop.request_stop();
  auto fd = open_directory(dir_.path());
  DirectoryListing listing;
  EXPECT_EQ(read_directory(fd->get(), true, listing, stop.get_token()).code(), Code::cancelled);
  ASSERT_EQ(::symlink("/", path("root").c_str()), 0);
  EXPECT_FALSE(open_directory_at(fd->get(), "root").ok());
  EXPECT_EQ(*read_link_at(fd->get(), "root"), "/");
  const std::string far(3000, 'x');
  ASSERT_EQ(::symlink(far.c_str(), path("far").c_str()), 0);
  EXPECT_EQ(*read_link_at(fd->get(), "far"), far);
}

TEST_F(Attributes, ModeTimesAndOwnerOfFilesAndLinks) {
  ASSERT_TRUE(write_file_atomic(path("f"), as_bytes("x"), 0600).ok());
  ASSERT_EQ(::symlink("f", path("l").c_str()), 0);
  auto dir = open_directory(dir_.path());
  const Timestamp before_epoch{-1};
  const Timestamp later{1'700'000'000'123'456'789};
  ASSERT_TRUE(set_times_at(dir->get(), "l", std::nullopt, before_epoch).ok());
  ASSERT_TRUE(set_times_at(dir->get(), "f", later, later).ok());
  EXPECT_EQ(lstat_at(dir->get(), "l")->mtime, before_epoch);
  EXPECT_EQ(lstat_at(dir->get(), "f")->mtime, later);
  ASSERT_TRUE(set_mode_at(dir->get(), "f", 04755).ok());
  EXPECT_EQ(lstat_at(dir->get(), "f")->mode, 04755u);
  EXPECT_EQ(set_mode_at(dir->get(), "l", 0600).code(), Code::unsupported);
  if (::geteuid() == 0) {
    ASSERT_TRUE(set_owner_at(dir->get(), "l", 1234, 4321).ok());
    EXPECT_EQ(lstat_at(dir->get(), "l")->uid, 1234u);
    EXPECT_EQ(lstat_at(dir->get(), "f")->uid, 0u);
  }
  auto fd = open_for_reading_at(dir->get(), "f");
  ASSERT_TRUE(fd.ok());
  EXPECT_FALSE(open_for_reading_at(dir->get(), "l").ok());
  EXPECT_TRUE(open_for_reading(path("l")).ok());
}

}  // namespace
}  // namespace cairn::sys
