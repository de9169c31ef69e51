// Uploads that meet errors, limits and stop requests.
#include <sys/stat.h>
#include <sys/wait.h>

#include <thread>

#include "blob/decorators.h"
#include "snapshot/store.h"
#include "snapshot/upload_test_support.h"
#include "tests/support/gen.h"

namespace cairn::snapshot {
namespace {

class UploadErrors : public test::UploadFixture {
 protected:
  void SetUp() override {
    test::UploadFixture::SetUp();
    options_.progress = &progress_;
  }

  // As somebody who may not read everything: in a child process, since this one may be root. `body` returns its
  // complaints; "" = none.
  void as_nobody(const std::function<std::string()>& body) {
    ASSERT_EQ(::chmod(temp_.path().c_str(), 0755), 0);
    int fds[2];
    ASSERT_EQ(::pipe(fds), 0);
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      ::close(fds[0]);
      std::string complaints = "cannot change the user";
      if (::geteuid() != 0 || (::setgid(65534) == 0 && ::setuid(65534) == 0)) {
        complaints = body();
      }
      (void)!::write(fds[1], complaints.data(), complaints.size());
      ::_exit(complaints.empty() ? 0 : 1);
    }
    ::close(fds[1]);
    Buffer out(4096);
    std::string complaints;
    while (true) {
      const auto n = sys::read_some(fds[0], out.mut());
      if (!n.ok() || *n == 0) {
        break;
      }
      complaints.append(as_text(out.view().subspan(0, *n)));
    }
    ::close(fds[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(complaints, "");
    EXPECT_EQ(status, 0);
  }

  // The repository must be opened in the child: its threads do not survive a fork.
  void make_unreadable_tree() {
    write("ok.txt", "readable\n");
    write("secret.txt", "unreadable", 0);
    mkdir("deep");
    write("deep/secret", "s", 0);
    write("deep/ok", "o");
    mkdir("noread", 0700);
    mkdir("noexec", 0744);
    ASSERT_EQ(::chown(at("noread").c_str(), 0, 0), 0);
    write("noexec/inside", "z");
    ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0644), 0);
  }

  std::string expect_counts(std::int64_t fatal, std::int64_t ignored, const std::vector<EntryError>& errors) {
    reopen();
    const auto m = try_run();
    if (!m.ok()) {
      return m.status().message();
    }
    const Summary& s = *m->root->summ;
    if (s.num_failed != fatal || s.num_ignored_errors != ignored || m->stats.error_count != fatal ||
        m->stats.ignored_error_count != ignored || !m->incomplete.empty()) {
      return fmt::format("counts: {} fatal, {} ignored", s.num_failed, s.num_ignored_errors);
    }
    if (s.errors != errors) {
      std::string out = "errors:";
      for (const EntryError& e : s.errors) {
        out += "\n" + e.path + ": " + e.error;
      }
      return out;
    }
    if (names(read(m->root->obj)) != std::vector<std::string>{"deep", "noexec", "ok.txt"}) {
      return "unexpected entries";
    }
    return "";
  }

  std::vector<EntryError> expected_errors() const {
    return {
        {"deep/secret",
         "unable to open file: unable to open local file: open " + at("deep/secret") + ": permission denied"},
        {"noexec/inside", "lstat " + at("noexec/inside") + ": permission denied"},
        {"noread", "cannot create iterator: unable to read directory: open " + at("noread") + ": permission denied"},
        {"secret.txt",
         "unable to open file: unable to open local file: open " + at("secret.txt") + ": permission denied"}};
  }

  static Policy slow_policy() {
    Policy p;
    p.actions.before_folder.emplace();
    p.actions.before_folder->path = "sleep";
    p.actions.before_folder->args = {"20"};
    p.actions.before_folder->mode = "essential";
    return p;
  }

  test::ErrorLog progress_;
};

TEST_F(UploadErrors, PoliciesDecideWhichAreFatal) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root to make files of another owner";
  }
  make_unreadable_tree();
  repository_.reset();
  struct Case {
    bool files, directories, unknown;
    std::int64_t fatal, ignored;
  };
  for (const Case& c : {Case{false, false, true, 4, 0}, Case{true, false, true, 1, 3}, Case{false, true, true, 3, 1},
                        Case{true, true, true, 0, 4}, Case{true, true, false, 1, 4}}) {
    policy_.error_handling.ignore_file_errors = c.files;
    policy_.error_handling.ignore_directory_errors = c.directories;
    policy_.error_handling.ignore_unknown_types = c.unknown;
    auto errors = expected_errors();
    if (!c.unknown) {
      errors.insert(errors.begin() + 1, {"fifo", "unknown or unsupported entry type"});
    }
    as_nobody([&] { return expect_counts(c.fatal, c.ignored, errors); });
  }
}

TEST_F(UploadErrors, UnreadableRootFails) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root to make files of another owner";
  }
  ASSERT_EQ(::chmod(root_.c_str(), 0), 0);
  repository_.reset();
  as_nobody([&]() -> std::string {
    reopen();
    const auto r = try_run();
    return r.ok() ? "no error" : r.status().message() == "permission denied" ? "" : r.status().message();
  });
}

TEST_F(UploadErrors, MissingRootAndOtherKindsFail) {
  source_.path = at("missing");
  EXPECT_EQ(try_run().status().message(), "no such file or directory");
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0644), 0);
  source_.path = at("fifo");
  EXPECT_EQ(try_run().status().message(), "unsupported source: alice@lab:/data/src");
}

TEST_F(UploadErrors, FailFastCancels) {
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0644), 0);
  mkdir("later");
  write("later/file", "x");
  policy_.error_handling.ignore_unknown_types = false;
  options_.fail_fast = true;
  const SnapshotManifest m = run();
  EXPECT_EQ(m.incomplete, "canceled");
  EXPECT_EQ(m.root->summ->incomplete, "canceled");
  EXPECT_EQ(m.root->summ->num_failed, 1);
  EXPECT_TRUE(read(m.root->obj).entries.empty());
  EXPECT_EQ(progress_.lines, (std::vector<std::string>{"fatal fifo: unknown or unsupported entry type"}));
}

TEST_F(UploadErrors, UnusableCompressorIsAnErrorOfEachFile) {
  write("a", std::string(10'000, 'a'));
  policy_.compression.compressor_name = "lz4";
  const SnapshotManifest m = run();
  EXPECT_EQ(m.incomplete, "");
  EXPECT_EQ(m.stats.error_count, 1);
  EXPECT_TRUE(read(m.root->obj).entries.empty());
}

TEST_F(UploadErrors, AtMostTenErrorsAreListedButAllAreCounted) {
  policy_.error_handling.ignore_unknown_types = false;
  for (int i = 0; i < 15; ++i) {
    ASSERT_EQ(::mkfifo(at(fmt::format("fifo{:02}", i)).c_str(), 0644), 0);
  }
  const SnapshotManifest m = run();
  EXPECT_EQ(m.root->summ->num_failed, 15);
  EXPECT_EQ(m.root->summ->errors.size(), 10U);
}

TEST_F(UploadErrors, LimitLeavesAnIncompleteSnapshotThatTheNextOneContinues) {
  options_.parallel = 1;
  for (int i = 0; i < 8; ++i) {
    const Bytes data = cairn::test::gen_rand(static_cast<std::uint64_t>(i), 2'000'000);
    write(fmt::format("f{}", i), as_text(data));
  }
  options_.upload_limit_bytes = 5'000'000;
  const SnapshotManifest first = run();
  EXPECT_EQ(first.incomplete, "limit reached");
  EXPECT_EQ(first.root->summ->incomplete, "limit reached");
  const std::int64_t stored = first.root->summ->files;
  EXPECT_GE(stored, 2);
  EXPECT_LE(stored, 4);
  EXPECT_EQ(first.stats.error_count, 0);
  previous_ = {first};
  options_.upload_limit_bytes = 0;
  const SnapshotManifest second = run();
  EXPECT_EQ(second.incomplete, "");
  EXPECT_EQ(second.stats.cached_files, stored);
  EXPECT_EQ(second.root->summ->files, 8);
}

TEST_F(UploadErrors, CancellingKeepsWhatIsStored) {
  // One worker reads the files of `a`; the stop comes while the walker is in an action of `b`.
  mkdir("a");
  write("a/file", "content");
  mkdir("b");
  write("b/file", "more");
  ASSERT_TRUE(set_policy(repository_->manifests(), {"lab", "alice", "/data/src/b"}, slow_policy(), {}).ok());
  auto tree = PolicyTree::load(repository_->manifests(), source_.info, {});
  ASSERT_TRUE(tree.ok());
  options_.enable_actions = true;
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    stop.request_stop();
  });
  const auto m = upload(*repository_, source_, *tree, {}, options_, stop.get_token());
  ASSERT_TRUE(m.ok()) << m.status().message();
  EXPECT_EQ(m->incomplete, "canceled");
  EXPECT_EQ(names(read(m->root->obj)), (std::vector<std::string>{"a"}));
  EXPECT_EQ(m->stats.error_count, 0);
  EXPECT_EQ(content(find(*m, "a/file").obj), "content");
  EXPECT_EQ(find(*m, "a").summ->incomplete, "");
}

TEST_F(UploadErrors, CheckpointsAreSavedAndSurvive) {
  write("done", "content");
  mkdir("dir");
  write("dir/inner", "inner");
  mkdir("slow");
  ASSERT_TRUE(set_policy(repository_->manifests(), {"lab", "alice", "/data/src/slow"}, slow_policy(), {}).ok());
  auto tree = PolicyTree::load(repository_->manifests(), source_.info, {});
  ASSERT_TRUE(tree.ok());
  options_.enable_actions = true;
  options_.checkpoint_interval = milliseconds(100);
  options_.checkpoint_tags = {{"tag:kind", "checkpoint"}};
  std::stop_source stop;
  std::jthread stopper([&] {
    while (progress_.checkpoints == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    stop.request_stop();
  });
  const auto m = upload(*repository_, source_, *tree, {}, options_, stop.get_token());
  ASSERT_TRUE(m.ok()) << m.status().message();
  // As after a crash: what was not flushed is gone.
  reopen();
  const auto saved = snapshots_of(repository_->manifests(), source_.info, {});
  ASSERT_TRUE(saved.ok());
  ASSERT_GE(saved->size(), 1U);
  const SnapshotManifest& checkpoint = saved->front();
  EXPECT_EQ(checkpoint.incomplete, "checkpoint");
  EXPECT_EQ(checkpoint.start_time, m->start_time);
  EXPECT_EQ(checkpoint.tags, options_.checkpoint_tags);
  EXPECT_EQ(checkpoint.stats.file_count, 0);
  EXPECT_EQ(checkpoint.root->summ->incomplete, "checkpoint");
  EXPECT_EQ(content(find(checkpoint, "done").obj), "content");
  EXPECT_EQ(content(find(checkpoint, "dir/inner").obj), "inner");
  EXPECT_EQ(find(checkpoint, "dir").summ->incomplete, "");
}

TEST_F(UploadErrors, CheckpointOfAFileBeingRead) {
  // Standard input that stalls after 20 MB: its first chunks are in the checkpoint.
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  source_.stream_name = "stream";
  source_.stream_fd = fds[0];
  options_.checkpoint_interval = milliseconds(100);
  const Bytes data = cairn::test::gen_rand(3, 20'000'000);
  std::stop_source stop;
  std::jthread feeder([&] {
    EXPECT_TRUE(sys::write_all(fds[1], data).ok());
    const int seen = progress_.checkpoints;
    while (progress_.checkpoints < seen + 2) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    stop.request_stop();
  });
  const SnapshotManifest m = run(stop.get_token());
  ::close(fds[0]);
  ::close(fds[1]);
  EXPECT_EQ(m.incomplete, "canceled");
  const auto saved = snapshots_of(repository_->manifests(), source_.info, {});
  ASSERT_TRUE(saved.ok());
  ASSERT_FALSE(saved->empty());
  const Directory d = read(saved->back().root->obj);
  ASSERT_EQ(d.entries.size(), 1U);
  const DirEntry& e = d.entries[0];
  EXPECT_TRUE(e.name.starts_with(".checkpointed.stream."));
  const std::string stored = content(e.obj);
  EXPECT_GT(stored.size(), 1'000'000U);
  EXPECT_EQ(stored, as_text(data).substr(0, stored.size()));
}

TEST_F(UploadErrors, FailingStorageFailsTheUpload) {
  write("a", "content");
  repository_.reset();
  repo::ClientOptions client;
  client.hostname = "lab";
  client.username = "alice";
  auto opened = repo::Repository::open_direct(blob::with_read_only(storage_), test::kPassword, client, {}, {}, {});
  ASSERT_TRUE(opened.ok());
  repository_ = std::move(*opened);
  const auto r = try_run();
  EXPECT_FALSE(r.ok());
}

}  // namespace
}  // namespace cairn::snapshot
