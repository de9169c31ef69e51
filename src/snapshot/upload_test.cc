#include "snapshot/upload.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <thread>

#include "snapshot/upload_pool.h"
#include "snapshot/upload_test_support.h"
#include "tests/support/gen.h"

namespace cairn::snapshot {
namespace {

using Upload = test::UploadFixture;

TEST_F(Upload, FirstBackupStoresEverything) {
  write("b.txt", "hello");
  write("a.txt", "");
  mkdir("dir");
  write("dir/c", "cc", 0600);
  ASSERT_EQ(::symlink("a.txt", at("link").c_str()), 0);
  const SnapshotManifest m = run();
  ASSERT_TRUE(m.root);
  EXPECT_EQ(m.incomplete, "");
  EXPECT_EQ(m.root->name, "src");
  EXPECT_EQ(m.root->type, EntryType::directory);
  EXPECT_EQ(m.root->mode, 0755U);
  const Directory d = read(m.root->obj);
  EXPECT_EQ(names(d), (std::vector<std::string>{"dir", "a.txt", "b.txt", "link"}));
  EXPECT_EQ(content(find(m, "b.txt").obj), "hello");
  EXPECT_EQ(content(find(m, "a.txt").obj), "");
  EXPECT_EQ(content(find(m, "dir/c").obj), "cc");
  EXPECT_EQ(content(find(m, "link").obj), "a.txt");
  const DirEntry c = find(m, "dir/c");
  EXPECT_EQ(c.mode, 0600U);
  EXPECT_EQ(c.size, 2);
  EXPECT_EQ(c.mtime, test::kFileTime);
  EXPECT_EQ(c.uid, ::getuid());
  EXPECT_EQ(find(m, "link").mode, 0777U);
  EXPECT_EQ(find(m, "link").size, 5);
  EXPECT_EQ(find(m, "dir").size, 0);
  ASSERT_TRUE(m.root->summ);
  EXPECT_EQ(m.root->summ->files, 3);
  EXPECT_EQ(m.root->summ->symlinks, 1);
  EXPECT_EQ(m.root->summ->dirs, 2);
  EXPECT_EQ(m.root->summ->size, 7);
  EXPECT_EQ(*m.root->summ, d.summary);
  EXPECT_EQ(m.stats.total_size, 7);
  EXPECT_EQ(m.stats.file_count, 3);
  EXPECT_EQ(m.stats.non_cached_files, 3);
  EXPECT_EQ(m.stats.cached_files, 0);
  EXPECT_EQ(m.stats.dir_count, 2);
  EXPECT_EQ(m.stats.error_count, 0);
}

TEST_F(Upload, UnchangedFilesAreReusedWithoutReading) {
  write("a", "one");
  write("b", "two");
  mkdir("dir");
  write("dir/c", "three");
  ASSERT_EQ(::symlink("a", at("link").c_str()), 0);
  const SnapshotManifest first = run();
  previous_ = {first};
  // Same size and time: a reader would notice, a comparison of attributes must not.
  write("a", "ONE");
  const SnapshotManifest second = run();
  EXPECT_EQ(second.root->obj, first.root->obj);
  EXPECT_EQ(second.stats.cached_files, 4);
  EXPECT_EQ(second.stats.file_count, 0);
  EXPECT_EQ(second.stats.non_cached_files, 0);
  EXPECT_EQ(second.stats.dir_count, 2);
  EXPECT_EQ(second.stats.total_size, first.stats.total_size + 1);  // a reused link counts with its size
}

TEST_F(Upload, EveryComparedAttributeCausesAnUpload) {
  for (const char* name : {"mtime", "mode", "size", "same"}) {
    write(name, "content");
  }
  previous_ = {run()};
  write("size", "content+");
  ASSERT_EQ(::chmod(at("mode").c_str(), 04644), 0);
  const auto fd = sys::open_file(at("mtime"), O_WRONLY);
  ASSERT_TRUE(fd.ok());
  ASSERT_TRUE(sys::set_times(fd->get(), std::nullopt, Timestamp{test::kFileTime.ns + 1}).ok());
  const SnapshotManifest m = run();
  EXPECT_EQ(m.stats.cached_files, 1);
  EXPECT_EQ(m.stats.non_cached_files, 3);
  EXPECT_EQ(find(m, "mode").mode, 04644U);
  EXPECT_EQ(content(find(m, "size").obj), "content+");
}

TEST_F(Upload, ForceHashReadsAllAgain) {
  write("a", "one");
  previous_ = {run()};
  write("a", "ONE");
  options_.force_hash_percent = 100;
  const SnapshotManifest m = run();
  EXPECT_EQ(m.stats.cached_files, 0);
  EXPECT_EQ(content(find(m, "a").obj), "ONE");
}

TEST_F(Upload, SeveralPreviousSnapshotsComplementEachOther) {
  write("a", "one");
  const SnapshotManifest first = run();
  ASSERT_EQ(::rename(at("a").c_str(), (temp_.path() + "/a").c_str()), 0);
  write("b", "two");
  const SnapshotManifest second = run();
  ASSERT_EQ(::rename((temp_.path() + "/a").c_str(), at("a").c_str()), 0);
  previous_ = {first, second};
  EXPECT_EQ(run().stats.cached_files, 2);
}

TEST_F(Upload, UnreadablePreviousDirectoryIsNoObstacle) {
  write("a", "one");
  SnapshotManifest broken = run();
  broken.root->obj.content.hash[0] ^= 1;
  previous_ = {broken};
  const SnapshotManifest m = run();
  EXPECT_EQ(m.stats.cached_files, 0);
  EXPECT_EQ(content(find(m, "a").obj), "one");
}

TEST_F(Upload, WhatNoIndexKnowsIsStoredAgain) {
  write("a", "one");
  write("b", "two");
  SnapshotManifest damaged = run();
  std::string text;
  DirectoryBuilder builder;
  for (DirEntry e : read(damaged.root->obj).entries) {
    e.obj.content.hash[0] ^= e.name == "a" ? 1 : 0;
    builder.add(e);
  }
  damaged.root->summ = builder.encode(damaged.root->mtime, "", text);
  object::WriterOptions options;
  options.prefix = 'k';
  const auto root = repository_->objects().write(as_bytes(text), options, {});
  ASSERT_TRUE(root.ok()) << root.status().message();
  damaged.root->obj = *root;
  previous_ = {damaged};
  const SnapshotManifest m = run();
  EXPECT_EQ(m.stats.cached_files, 1);
  EXPECT_EQ(content(find(m, "a").obj), "one");
}

TEST_F(Upload, NamesThatAreNotUtf8) {
  write("x-\xff", "ff");
  write("x-\xfe", "fe");
  mkdir("d-\xff");
  write("d-\xff/in", "in");
  const SnapshotManifest first = run();
  EXPECT_EQ(names(read(first.root->obj)),
            (std::vector<std::string>{"d-\xef\xbf\xbd", "x-\xef\xbf\xbd"}));  // equal stored names: the last one counts
  EXPECT_EQ(first.root->summ->files, 3);
  previous_ = {first};
  const SnapshotManifest second = run();
  EXPECT_EQ(second.stats.cached_files, 0);  // stored names differ from the real ones: never taken for the same
  EXPECT_EQ(second.root->obj, first.root->obj);
  // A file whose real name is the stored one of two others must not get the content of either.
  ASSERT_EQ(::unlink(at("x-\xff").c_str()), 0);
  ASSERT_EQ(::unlink(at("x-\xfe").c_str()), 0);
  write("x-\xef\xbf\xbd", "ef");
  const SnapshotManifest third = run();
  EXPECT_EQ(content(find(third, "x-\xef\xbf\xbd").obj), "ef");
}

TEST_F(Upload, LargeFileIsOneObjectOfManyChunks) {
  const Bytes data = cairn::test::gen_rand(7, 30'000'001);
  write("big", as_text(data));
  options_.parallel = 3;
  const SnapshotManifest m = run();
  const DirEntry big = find(m, "big");
  EXPECT_EQ(big.size, 30'000'001);
  EXPECT_EQ(big.obj.indirection, 1);
  EXPECT_EQ(content(big.obj), as_text(data));
  // The layout does not depend on threads.
  options_.parallel = 1;
  EXPECT_EQ(find(run(), "big").obj, big.obj);
}

TEST_F(Upload, FilesAboveTheThresholdAreStoredInParts) {
  const Bytes data = cairn::test::gen_rand(8, 4'000'000);
  write("parts", as_text(data));
  write("exact", as_text(data).substr(0, 3'000'000));
  write("below", as_text(data).substr(0, 1'000'000));
  policy_.upload.parallel_upload_above_size = 1'000'000;
  options_.parallel = 4;
  const SnapshotManifest m = run();
  EXPECT_EQ(content(find(m, "parts").obj), as_text(data));
  EXPECT_EQ(content(find(m, "exact").obj), as_text(data).substr(0, 3'000'000));
  EXPECT_EQ(find(m, "parts").obj.indirection, 1);
  EXPECT_EQ(find(m, "below").obj.indirection, 0);
  EXPECT_EQ(find(m, "parts").size, 4'000'000);
  // 5 parts (the last one empty), 4 parts, 1 file.
  EXPECT_EQ(m.stats.file_count, 10);
  EXPECT_EQ(m.stats.non_cached_files, 3);
  std::vector<std::int64_t> starts;
  ASSERT_TRUE(repository_->objects()
                  .for_each_chunk(find(m, "exact").obj,
                                  [&](const object::IndirectEntry& e) -> Status {
                                    starts.push_back(e.start);
                                    return {};
                                  },
                                  {})
                  .ok());
  EXPECT_EQ(starts, (std::vector<std::int64_t>{0, 1'000'000, 2'000'000, 3'000'000}));
}

TEST_F(Upload, DirectoryOfManyEntries) {
  mkdir("many");
  constexpr int kCount = 100'000;
  const auto fd = sys::open_directory(at("many"));
  ASSERT_TRUE(fd.ok());
  for (int i = 0; i < kCount; ++i) {
    ASSERT_TRUE(sys::open_file_at(fd->get(), fmt::format("f{}", i).c_str(), O_CREAT | O_WRONLY, 0644).ok());
  }
  const SnapshotManifest first = run();
  EXPECT_EQ(first.root->summ->files, kCount);
  EXPECT_GT(find(first, "many").obj.indirection, 0);
  const Directory d = read(find(first, "many").obj);
  EXPECT_EQ(d.entries.size(), static_cast<std::size_t>(kCount));
  EXPECT_TRUE(std::is_sorted(d.entries.begin(), d.entries.end(),
                             [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; }));
  previous_ = {first};
  const SnapshotManifest second = run();
  EXPECT_EQ(second.stats.cached_files, kCount);
  EXPECT_EQ(second.root->obj, first.root->obj);
}

TEST_F(Upload, DeepDirectories) {
  std::string path;
  for (int i = 0; i < 300; ++i) {
    path += fmt::format("{}d{}", i == 0 ? "" : "/", i);
    mkdir(path);
    // Visited after the way down and back: the ancestors' descriptors have been given back by then.
    mkdir(path + "/zz");
    write(path + "/zz/f", std::to_string(i));
  }
  const SnapshotManifest m = run();
  EXPECT_EQ(m.stats.error_count, 0);
  EXPECT_EQ(m.root->summ->dirs, 601);
  EXPECT_EQ(m.root->summ->files, 300);
  EXPECT_EQ(content(find(m, path + "/zz/f").obj), "299");
  EXPECT_EQ(content(find(m, "d0/zz/f").obj), "0");
}

TEST_F(Upload, IgnoreRulesAndCacheDirectories) {
  write(".kopiaignore", "*.tmp\n/cache/\n");
  write("a.tmp", "x");
  write("keep", "k");
  mkdir("cache");
  write("cache/c", "x");
  mkdir("sub");
  mkdir("sub/cache");
  write("sub/cache/d", "d");
  mkdir("tagged");
  write("tagged/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
  write("tagged/x", "x");
  const SnapshotManifest m = run();
  EXPECT_EQ(names(read(m.root->obj)), (std::vector<std::string>{"sub", "tagged", ".kopiaignore", "keep"}));
  EXPECT_TRUE(read(find(m, "tagged").obj).entries.empty());
  EXPECT_EQ(content(find(m, "sub/cache/d").obj), "d");
  EXPECT_EQ(m.stats.excluded_file_count, 1);
  EXPECT_EQ(m.stats.excluded_dir_count, 2);
  EXPECT_EQ(m.stats.excluded_total_size, 1);
  EXPECT_EQ(m.stats.dir_count, 4);
}

TEST_F(Upload, FilesAboveTheMaximumSizeAreLeftOut) {
  write("small", "12345");
  write("large", "123456");
  policy_.files.max_file_size = 5;
  const SnapshotManifest m = run();
  EXPECT_EQ(names(read(m.root->obj)), (std::vector<std::string>{"small"}));
  EXPECT_EQ(m.stats.excluded_file_count, 0);
}

TEST_F(Upload, OneFileSystem) {
  mkdir("mounted");
  write("here", "h");
  // A mount of this thread only, gone with it.
  std::string skipped;
  std::jthread mounter([&] {
    if (::unshare(CLONE_NEWNS | CLONE_FS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", at("mounted").c_str(), "tmpfs", 0, nullptr) != 0) {
      skipped = "cannot mount";
      return;
    }
    write("mounted/there", "t");
    EXPECT_EQ(names(read(find(run(), "mounted").obj)), (std::vector<std::string>{"there"}));
    policy_.files.one_file_system = true;
    EXPECT_EQ(names(read(run().root->obj)), (std::vector<std::string>{"here"}));
  });
  mounter.join();
  if (!skipped.empty()) {
    GTEST_SKIP() << skipped;
  }
}

TEST_F(Upload, SingleFileSource) {
  write("single", "content");
  source_.path = at("single");
  const SnapshotManifest m = run();
  EXPECT_EQ(m.root->name, "single");
  EXPECT_EQ(m.root->type, EntryType::file);
  EXPECT_EQ(m.root->size, 7);
  ASSERT_TRUE(m.root->summ);
  EXPECT_EQ(m.root->summ->files, 1);
  EXPECT_EQ(m.root->summ->dirs, 0);
  EXPECT_EQ(m.root->summ->size, 7);
  EXPECT_EQ(m.root->summ->max_time, test::kFileTime);
  EXPECT_EQ(content(m.root->obj), "content");
  EXPECT_EQ(m.stats.file_count, 1);
  EXPECT_EQ(m.stats.non_cached_files, 0);
  EXPECT_EQ(m.stats.dir_count, 0);
}

TEST_F(Upload, StandardInput) {
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  const std::string data(3'000'000, 'z');
  std::jthread feeder([&] {
    EXPECT_TRUE(sys::write_all(fds[1], as_bytes(data)).ok());
    ::close(fds[1]);
  });
  source_.stream_name = "dump.sql";
  source_.stream_fd = fds[0];
  const SnapshotManifest m = run();
  ::close(fds[0]);
  EXPECT_EQ(m.root->name, source_.path);
  EXPECT_EQ(m.root->mode, 0777U);
  EXPECT_EQ(rfc3339(m.root->mtime), "1754-08-30T22:43:41.128654848Z");
  const DirEntry file = find(m, "dump.sql");
  EXPECT_EQ(file.mode, 0777U);
  EXPECT_EQ(file.size, 3'000'000);
  EXPECT_EQ(content(file.obj), data);
  EXPECT_EQ(m.root->summ->max_time, file.mtime);
  EXPECT_EQ(m.stats.file_count, 1);
  EXPECT_EQ(m.stats.non_cached_files, 1);
  EXPECT_EQ(m.stats.dir_count, 1);
}

TEST_F(Upload, SilentStandardInputCanBeCancelled) {
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  source_.stream_name = "x";
  source_.stream_fd = fds[0];
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop.request_stop();
  });
  const SnapshotManifest m = run(stop.get_token());
  EXPECT_EQ(m.incomplete, "canceled");
  EXPECT_TRUE(read(m.root->obj).entries.empty());
  ::close(fds[0]);
  ::close(fds[1]);
}

TEST_F(Upload, CompressionFollowsThePolicy) {
  const std::string text(100'000, 'a');
  write("a.txt", text);
  write("b.jpg", text + "b");
  policy_.compression.compressor_name = "zstd-fastest";
  policy_.compression.never_compress = {".jpg"};
  const SnapshotManifest m = run();
  const auto stored = [&](const char* name) {
    const auto info = repository_->contents().info(find(m, name).obj.content, {});
    EXPECT_TRUE(info.ok());
    return info->compression;
  };
  EXPECT_EQ(stored("a.txt"), compress::kZstdFastest);
  EXPECT_EQ(stored("b.jpg"), compress::kNone);
  EXPECT_EQ(content(find(m, "a.txt").obj), text);
}

TEST_F(Upload, TooLongCheckpointIntervalIsRefused) {
  options_.checkpoint_interval = minutes(50);
  const auto r = try_run();
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.status().message(), "checkpoint interval cannot be greater than 45m0s");
}

TEST_F(Upload, ProgressCountersAddUp) {
  write("a", "one");
  write("b", "three");
  previous_ = {run()};
  write("c", "new file");
  test::ErrorLog progress;
  options_.progress = &progress;
  options_.estimate = true;
  run();
  EXPECT_EQ(progress.counters.cached_files, 2);
  EXPECT_EQ(progress.counters.cached_bytes, 8);
  EXPECT_EQ(progress.counters.hashed_files, 1);
  EXPECT_EQ(progress.counters.hashed_bytes, 8);
  EXPECT_EQ(progress.counters.hashing_files, 0);
}

TEST(UploadPool, PartsAndChunksFinishWhateverTheNumberOfThreads) {
  for (const unsigned workers : {1U, 2U, 5U}) {
    UploadPool pool(workers, 2);
    std::atomic<int> jobs{0}, chunks{0};
    std::atomic<int> finished{0};
    for (int j = 0; j < 20; ++j) {
      pool.submit([&](UploadScratch& scratch) {
        pool.run_parts(
            7,
            [&](std::size_t, UploadScratch&) {
              const auto left = std::make_shared<std::atomic<int>>(5);
              for (int c = 0; c < 5; ++c) {
                pool.execute([&chunks, left] {
                  ++chunks;
                  --*left;
                });
              }
              pool.help_until([&] { return left->load() == 0; });
              ++jobs;
            },
            scratch);
        ++finished;
      });
    }
    while (finished < 20) {
      std::this_thread::yield();
    }
    EXPECT_EQ(jobs, 140);
    EXPECT_EQ(chunks, 700);
  }
}

}  // namespace
}  // namespace cairn::snapshot
