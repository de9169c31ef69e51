#include "snapshot/restore.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include "snapshot/restore_test_support.h"
#include "sys/directory.h"
#include "tests/support/gen.h"

namespace cairn::snapshot {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Restore = test::RestoreFixture;
using test::kEntryTime;

std::string random_text(std::uint64_t seed, std::size_t size) {
  const Bytes b = cairn::test::gen_rand(seed, size);
  return std::string(as_text(b));
}

TEST_F(Restore, TreeWithAttributes) {
  const DirEntry root = directory("data",
                                  {directory("sub", {file("inner", "in", 0400), link("up", "../a")}, 0555),
                                   file("a", "alpha", 04751), file("empty", ""), link("dangling", "nowhere")},
                                  01777);
  const Status s = restore(root);
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_EQ(info("a").atime, kEntryTime);  // before anybody reads it
  EXPECT_EQ(content("a"), "alpha");
  EXPECT_EQ(info("a").mode, 04751U);
  EXPECT_EQ(info("a").mtime, kEntryTime);
  EXPECT_EQ(content("empty"), "");
  EXPECT_EQ(info("sub").mode, 0555U);
  EXPECT_EQ(info("sub").mtime, kEntryTime);
  EXPECT_EQ(content("sub/inner"), "in");
  EXPECT_EQ(info("").mode, 01777U);
  EXPECT_EQ(info("").mtime, kEntryTime);
  EXPECT_EQ(info("dangling").type, sys::FileType::symlink);
  EXPECT_EQ(info("dangling").mtime, kEntryTime);
  EXPECT_EQ(*sys::read_link(at("sub/up")), "../a");
  EXPECT_EQ(progress_->restored_files, 3);
  EXPECT_EQ(progress_->restored_dirs, 2);
  EXPECT_EQ(progress_->restored_symlinks, 2);
  EXPECT_EQ(progress_->restored_bytes, 7);
}

TEST_F(Restore, LargeFilesInParallelAndSmallBudget) {
  const std::string big = random_text(1, 9'000'001);
  const std::string medium = random_text(2, 300'000);
  const DirEntry root =
      directory("data", {file("big", big, 0600, "FIXED-128K"), file("medium", medium), file("single", big)});
  RestoreOptions options;
  options.parallel = 8;
  options.bytes_in_flight_max = 200'000;
  const Status s = restore(root, {}, options);
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_TRUE(content("big") == big);
  EXPECT_TRUE(content("medium") == medium);
  EXPECT_TRUE(content("single") == big);
  EXPECT_EQ(info("big").mode, 0600U);
  EXPECT_EQ(info("big").mtime, kEntryTime);
}

TEST_F(Restore, ManyEntriesInManyDirectories) {
  std::vector<DirEntry> dirs;
  for (int d = 0; d < 20; ++d) {
    std::vector<DirEntry> files;
    for (int f = 0; f < 100; ++f) {
      files.push_back(file("f" + std::to_string(f), std::to_string(d * 1000 + f)));
    }
    dirs.push_back(directory("d" + std::to_string(d), files));
  }
  ASSERT_TRUE(restore(directory("data", dirs)).ok());
  EXPECT_EQ(progress_->restored_files, 2000);
  for (int d = 0; d < 20; ++d) {
    EXPECT_EQ(info("d" + std::to_string(d)).mtime, kEntryTime);
    for (int f = 0; f < 100; ++f) {
      EXPECT_EQ(content(fmt::format("d{}/f{}", d, f)), std::to_string(d * 1000 + f));
    }
  }
}

TEST_F(Restore, VeryDeepTree) {
  DirEntry d = directory("d", {file("bottom", "x")});
  for (int i = 0; i < 600; ++i) {
    d = directory("d", {d});
  }
  // Deeper than the descriptors that may be open.
  const Status s = restore(d);
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_EQ(progress_->restored_dirs, 601);
}

TEST_F(Restore, SingleFileAndLink) {
  ASSERT_TRUE(restore(file("a", "text", 0640)).ok());
  EXPECT_EQ(content(""), "text");
  EXPECT_EQ(info("").mode, 0640U);
  target_ = temp_.path() + "/link";
  ASSERT_TRUE(restore(link("l", "somewhere")).ok());
  EXPECT_EQ(*sys::read_link(target_), "somewhere");
  target_ = temp_.path() + "/no/parent";
  EXPECT_THAT(restore(file("a", "text")).message(),
              testing::EndsWith("copy file: error creating file: open " + target_ + ": no such file or directory"));
}

class HostileName : public Restore, public testing::WithParamInterface<std::string> {};

TEST_P(HostileName, IsRefused) {
  const DirEntry bad_file = file(GetParam(), "evil");
  DirEntry bad_dir = directory(GetParam(), {file("inside", "evil")});
  for (const DirEntry& bad : {bad_file, bad_dir, link(GetParam(), "evil")}) {
    const Status s = restore(directory("data", {bad}));
    EXPECT_TRUE(s.is(Code::corrupt)) << s.message();
    EXPECT_THAT(s.message(), HasSubstr("unsafe entry name"));
  }
  RestoreOptions options;
  options.ignore_errors = true;
  ASSERT_TRUE(restore(directory("data", {bad_file, file("good", "fine")}), {}, options).ok());
  EXPECT_EQ(content("good"), "fine");
  EXPECT_EQ(progress_->ignored_errors, 1);
  EXPECT_FALSE(sys::file_exists(temp_.path() + "/evil"));
  EXPECT_FALSE(sys::file_exists(temp_.path() + "/inside"));
}
INSTANTIATE_TEST_SUITE_P(All, HostileName,
                         testing::Values("", ".", "..", "../evil", "a/b", "/evil", std::string("a\0b", 3), "/"));

TEST_F(Restore, DoesNotWriteThroughLinks) {
  const std::string outside = temp_.path() + "/outside";
  ASSERT_TRUE(sys::make_directories(outside, 0755).ok());
  ASSERT_TRUE(sys::write_file_atomic(outside + "/victim", as_bytes("precious"), 0644).ok());
  ASSERT_TRUE(sys::make_directories(target_, 0755).ok());
  ASSERT_EQ(::symlink((outside + "/victim").c_str(), at("file").c_str()), 0);
  ASSERT_EQ(::symlink(outside.c_str(), at("dir").c_str()), 0);
  ASSERT_TRUE(restore(directory("data", {file("file", "new")})).ok());
  EXPECT_EQ(content("file"), "new");
  EXPECT_EQ(info("file").type, sys::FileType::regular);
  EXPECT_EQ(sys::read_file(outside + "/victim", 100)->text(), "precious");
  const Status s = restore(directory("data", {directory("dir", {file("victim", "new")})}));
  EXPECT_THAT(s.message(), HasSubstr("already exists and it is not a directory"));
  EXPECT_EQ(sys::read_file(outside + "/victim", 100)->text(), "precious");
  // Both in one snapshot: whichever comes second, nothing leaves the target.
  target_ = temp_.path() + "/second";
  RestoreOptions options;
  options.ignore_errors = true;
  (void)restore(directory("data", {directory("x", {file("victim", "new")}), link("x", outside)}), {}, options);
  EXPECT_EQ(sys::read_file(outside + "/victim", 100)->text(), "precious");
}

TEST_F(Restore, NothingIsTouchedWhenTheRootCannotBeRead) {
  const DirEntry root = directory("data", {file("a", "alpha")});
  flush();
  damage(root.obj);
  reopen();
  const Status s = restore(root);
  EXPECT_TRUE(s.is(Code::corrupt)) << s.message();
  EXPECT_THAT(s.message(), HasSubstr(root.obj.text()));
  EXPECT_FALSE(sys::file_exists(target_));
  DirEntry missing = root;
  missing.obj.content.hash[0] ^= 1;
  EXPECT_TRUE(restore(missing).is(Code::not_found));
  EXPECT_FALSE(sys::file_exists(target_));
}

TEST_F(Restore, NothingIsTouchedWithoutSpace) {
  DirEntry root = directory("data", {file("a", "alpha")});
  root.summ->size = std::int64_t{1} << 60;
  const Status s = restore(root);
  if (s.ok()) {
    GTEST_SKIP() << "free space of this file system is not looked at";
  }
  EXPECT_TRUE(s.is(Code::resource_exhausted)) << s.message();
  EXPECT_THAT(s.message(), HasSubstr("not enough space"));
  EXPECT_FALSE(sys::file_exists(target_));
  // With something there already, part of it may be reused: no verdict.
  put("old", "x");
  EXPECT_TRUE(restore(root).ok());
}

TEST_F(Restore, OverwriteOptions) {
  const DirEntry root = directory("data", {directory("d", {file("f", "new f")}), file("a", "new"), link("l", "new")});
  const auto prepare = [&] {
    ASSERT_TRUE(sys::remove_tree(target_).ok());
    put("a", "old old");
    put("d/x", "x");
    ASSERT_EQ(::symlink("old", at("l").c_str()), 0);
  };
  prepare();
  ASSERT_TRUE(restore(root).ok());
  EXPECT_EQ(content("a"), "new");
  EXPECT_EQ(content("d/x"), "x");
  EXPECT_EQ(*sys::read_link(at("l")), "new");
  prepare();
  EXPECT_THAT(restore(root, {.overwrite_files = false}).message(),
              HasSubstr("copy file: error creating file: unable to create \"" + at("a") + "\", it already exists"));
  EXPECT_EQ(content("a"), "old old");
  prepare();
  EXPECT_THAT(restore(root, {.overwrite_symlinks = false}).message(),
              HasSubstr("create symlink: will not overwrite existing symlink"));
  EXPECT_EQ(*sys::read_link(at("l")), "old");
  prepare();
  EXPECT_THAT(restore(root, {.overwrite_directories = false}).message(),
              HasSubstr("non-empty directory already exists, not overwriting it: \"" + target_ + "\""));
  EXPECT_EQ(content("a"), "old old");
}

TEST_F(Restore, WrongTypesInTheWay) {
  put("d", "a file");
  EXPECT_THAT(restore(directory("data", {directory("d", {})})).message(),
              HasSubstr("create directory: error creating directory: unable to create directory, \"" + at("d") +
                        "\" already exists and it is not a directory"));
  ASSERT_TRUE(sys::remove_tree(target_).ok());
  ASSERT_TRUE(sys::make_directories(at("f"), 0755).ok());
  EXPECT_THAT(restore(directory("data", {file("f", "x")})).message(),
              HasSubstr("copy file: error creating file: open " + at("f") + ": is a directory"));
  EXPECT_THAT(restore(directory("data", {file("f", "x")}), {.write_files_atomically = true}).message(),
              HasSubstr("open " + at("f") + ": is a directory"));
  EXPECT_THAT(
      restore(directory("data", {link("f", "x")})).message(),
      HasSubstr("create symlink: unable to create symlink, \"" + at("f") + "\" already exists and is not a symlink"));
}

TEST_F(Restore, AtomicFilesLeaveNoTemporaries) {
  put("a", "old");
  const std::string big = random_text(3, 1'000'000);
  ASSERT_TRUE(restore(directory("data", {file("a", "new", 0600), file("big", big, 0644, "FIXED-128K")}),
                      {.write_files_atomically = true})
                  .ok());
  EXPECT_EQ(content("a"), "new");
  EXPECT_EQ(info("a").mode, 0600U);
  EXPECT_TRUE(content("big") == big);
  auto fd = sys::open_directory(target_);
  sys::DirectoryListing listing;
  ASSERT_TRUE(sys::read_directory(fd->get(), false, listing, {}).ok());
  EXPECT_EQ(listing.size(), 2U);
}

TEST_F(Restore, SparseFilesHaveHoles) {
  std::string holes(4 << 20, '\0');
  holes.replace(1'000'000, 5, "words");
  holes.replace(holes.size() - 3, 3, "end");
  ASSERT_TRUE(
      restore(directory("data", {file("s", holes, 0644, "FIXED-128K"), file("t", holes)}), {.write_sparse_files = true})
          .ok());
  for (const char* name : {"s", "t"}) {
    EXPECT_TRUE(content(name) == holes);
    EXPECT_LT(info(name).allocated_bytes, 1 << 20) << name;
  }
}

TEST_F(Restore, SkipExisting) {
  const DirEntry root = directory("data", {file("same", "12345"), file("other", "12345"), link("l", "new")});
  ASSERT_TRUE(restore(root).ok());
  put("same", "54321");
  timespec times[2] = {};
  times[0].tv_sec = times[1].tv_sec = kEntryTime.unix_seconds() + 1;
  ASSERT_EQ(::utimensat(AT_FDCWD, at("same").c_str(), times, 0), 0);
  put("other", "1");
  RestoreOptions options;
  options.skip_existing = true;
  ASSERT_TRUE(restore(root, {}, options).ok());
  EXPECT_EQ(content("same"), "54321");
  EXPECT_EQ(content("other"), "12345");
  EXPECT_EQ(progress_->skipped_count, 2);
  EXPECT_EQ(progress_->skipped_bytes, 5);
  EXPECT_EQ(progress_->restored_files, 1);
}

TEST_F(Restore, DeleteExtra) {
  put("extra", "x");
  put("d/extra2", "x");
  put("extradir/f/g", "x");
  put("swapped/f", "a directory where a file belongs");
  ASSERT_EQ(::symlink("nowhere", at("extralink").c_str()), 0);
  RestoreOptions options;
  options.delete_extra = true;
  ASSERT_TRUE(restore(directory("data", {directory("d", {file("f", "f")}), file("swapped", "s")}), {}, options).ok());
  EXPECT_FALSE(exists("extra"));
  EXPECT_FALSE(exists("d/extra2"));
  EXPECT_FALSE(exists("extradir"));
  EXPECT_FALSE(exists("extralink"));
  EXPECT_EQ(content("swapped"), "s");
  EXPECT_EQ(progress_->deleted_files, 2);
  EXPECT_EQ(progress_->deleted_dirs, 2);
  EXPECT_EQ(progress_->deleted_symlinks, 1);
}

TEST_F(Restore, IgnoredErrorsLeaveTheRest) {
  const DirEntry bad = file("bad", random_text(5, 1000));
  const DirEntry bad_chunk = file("bad-big", random_text(6, 600'000), 0644, "FIXED-128K");
  const DirEntry root = directory("data", {directory("d", {bad, bad_chunk, file("good", "good")}), file("top", "top")});
  flush();
  damage(bad.obj);
  // One chunk in the middle of the large file.
  std::vector<object::ObjectId> chunks;
  ASSERT_TRUE(objects()
                  .for_each_chunk(bad_chunk.obj,
                                  [&](const object::IndirectEntry& e) {
                                    chunks.push_back(e.object);
                                    return Status();
                                  },
                                  {})
                  .ok());
  ASSERT_GE(chunks.size(), 4U);
  damage(chunks[2]);
  reopen();
  const Status fatal = restore(root);
  EXPECT_TRUE(fatal.is(Code::corrupt)) << fatal.message();
  EXPECT_THAT(fatal.message(), StartsWith("restore error: copy file: error creating file: "));
  ASSERT_TRUE(sys::remove_tree(target_).ok());
  RestoreOptions options;
  options.ignore_errors = true;
  ASSERT_TRUE(restore(root, {}, options).ok());
  EXPECT_EQ(content("d/good"), "good");
  EXPECT_EQ(content("top"), "top");
  EXPECT_FALSE(exists("d/bad"));
  EXPECT_FALSE(exists("d/bad-big"));  // no half of a file is left
  EXPECT_EQ(progress_->ignored_errors, 2);
  ASSERT_TRUE(ignored_.contains("d/bad"));
  EXPECT_THAT(ignored_["d/bad"], HasSubstr(bad.obj.text()));
  EXPECT_THAT(ignored_["d/bad"], HasSubstr(pack_of(bad.obj).text));
  EXPECT_THAT(ignored_["d/bad-big"], HasSubstr(chunks[2].text()));
  // Better than the original: parents of what failed still get their attributes.
  EXPECT_EQ(info("d").mtime, kEntryTime);
  EXPECT_EQ(info("").mtime, kEntryTime);
}

TEST_F(Restore, MissingPackIsNamed) {
  const DirEntry f = file("f", "some content");
  const DirEntry root = directory("data", {f});
  flush();
  const BlobId pack = pack_of(f.obj);
  ASSERT_TRUE(storage_->remove(pack, {}).ok());
  reopen();
  EXPECT_THAT(
      restore(root).message(),
      HasSubstr(fmt::format("unable to open snapshot file for {}: unable to open object: {}: unexpected content "
                            "error: error getting cached content from blob \"{}\": failed to get blob with ID "
                            "{}: BLOB not found",
                            at("f"), f.obj.text(), pack.text, pack.text)));
}

TEST_F(Restore, LastOfEqualNamesCounts) {
  // Names that were not valid UTF-8 may have become equal.
  const DirEntry root =
      directory("data", {file("b", "first, and longer"), file("a", "a"), file("b", "second"), file("c", "c")});
  ASSERT_TRUE(restore(root).ok());
  EXPECT_EQ(content("b"), "second");
  EXPECT_EQ(progress_->restored_files, 3);
}

TEST_F(Restore, SkipAttributes) {
  ASSERT_TRUE(restore(directory("data", {file("a", "x", 0777)}, 0777),
                      {.skip_owners = true, .skip_permissions = true, .skip_times = true})
                  .ok());
  EXPECT_EQ(info("a").mode, 0600U);
  EXPECT_EQ(info("").mode, 0700U);
  EXPECT_GT(info("a").mtime, kEntryTime);
}

TEST_F(Restore, OwnersAndStrictness) {
  DirEntry foreign = file("a", "x", 06755);
  foreign.uid = 12345;
  foreign.gid = 54321;
  const DirEntry root = directory("data", {foreign});
  if (::geteuid() == 0) {
    ASSERT_TRUE(restore(root).ok());
    EXPECT_EQ(info("a").uid, 12345U);
    EXPECT_EQ(info("a").gid, 54321U);
    EXPECT_EQ(info("a").mode, 06755U);  // the owner was set before the mode
    EXPECT_EQ(problems_.count, 0);
    return;
  }
  ASSERT_TRUE(restore(root).ok());
  EXPECT_EQ(info("a").mode, 0755U);  // not set-id for somebody else
  EXPECT_THAT(restore(root, {.ignore_permission_errors = false}).message(),
              HasSubstr("error setting attributes: could not change owner/group for " + at("a") + ": chown " + at("a") +
                        ": operation not permitted"));
  ASSERT_TRUE(restore(root, {.collect_attribute_problems = true}).ok());
  EXPECT_EQ(problems_.count, 1);
}

TEST_F(Restore, ShallowAndPlaceholders) {
  const DirEntry inner = file("c", "gamma", 0640);
  const DirEntry root = directory(
      "data", {directory("d", {inner, directory("e", {file("deep", "x")})}), file("a", "alpha"), link("l", "a")});
  RestoreOptions options;
  options.shallow_depth = 0;
  ASSERT_TRUE(restore(root, {}, options).ok());
  EXPECT_FALSE(exists("a"));
  EXPECT_FALSE(exists("d"));
  EXPECT_TRUE(exists("l"));
  EXPECT_EQ(info("a.kopia-entry").mode, 0444U);
  EXPECT_EQ(progress_->restored_dirs, 2);
  EXPECT_EQ(progress_->restored_files, 1);
  const auto placeholder = read_placeholder(at("a.kopia-entry"));
  ASSERT_TRUE(placeholder.ok()) << placeholder.status().message();
  EXPECT_EQ(placeholder->name, "a");
  EXPECT_EQ(placeholder->size, 5);
  const auto dir_placeholder = read_placeholder(at("d.kopia-entry"));
  ASSERT_TRUE(dir_placeholder.ok());
  EXPECT_EQ(dir_placeholder->type, EntryType::directory);
  // Made full in place: the placeholder goes, the next level has placeholders.
  const std::string top = target_;
  target_ = top + "/d";
  ASSERT_TRUE(restore(*dir_placeholder, {}, options).ok());
  EXPECT_FALSE(sys::file_exists(top + "/d.kopia-entry"));
  EXPECT_TRUE(exists("c.kopia-entry"));
  EXPECT_TRUE(exists("e.kopia-entry/.kopia-entry"));
  target_ = top;
  options.shallow_depth = 100;
  ASSERT_TRUE(restore(root, {}, options).ok());
  EXPECT_EQ(content("d/c"), "gamma");
  EXPECT_FALSE(exists("d/c.kopia-entry"));
  EXPECT_FALSE(exists("d/e.kopia-entry"));
  EXPECT_FALSE(exists("a.kopia-entry"));
}

TEST_F(Restore, StopsOnRequest) {
  const DirEntry root = directory("data", {file("a", "alpha")});
  flush();
  const auto output = LocalOutput::create(target_, {});
  RestoreProgress progress;
  std::stop_source stop;
  stop.request_stop();
  const Status s = restore_tree(objects(), root, *output, {}, progress, {}, stop.get_token());
  EXPECT_TRUE(s.is(Code::cancelled)) << s.message();
  EXPECT_FALSE(exists("a"));
}

}  // namespace
}  // namespace cairn::snapshot
