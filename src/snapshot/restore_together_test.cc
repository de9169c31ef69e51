#include <thread>

#include "blob/decorators.h"
#include "blob/forwarding.h"
#include "snapshot/restore_archive.h"
#include "snapshot/restore_test_support.h"
#include "tests/support/gen.h"

namespace cairn::snapshot {
namespace {

// Answers late, and remembers how many waited at one time.
class LateStorage final : public blob::ForwardingStorage {
 public:
  using ForwardingStorage::ForwardingStorage;
  using Storage::put;
  Result<Buffer> get(const BlobId& id, blob::ByteRange range, std::stop_token stop) override {
    if (!id.starts_with("p")) {
      return inner().get(id, range, std::move(stop));
    }
    ++gets;
    const int now = ++in_flight;
    int before = in_flight_max;
    while (now > before && !in_flight_max.compare_exchange_weak(before, now)) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    auto result = inner().get(id, range, std::move(stop));
    --in_flight;
    return result;
  }
  std::atomic<int> gets{0}, in_flight{0}, in_flight_max{0};
};

class RestoreTogether : public test::RestoreFixture {
 protected:
  void SetUp() override {
    RestoreFixture::SetUp();
    late_ = std::make_shared<LateStorage>(storage_);
    storage_ = late_;
    reopen();
    options_.parallel = 32;
    options_.together = true;
    options_.limits = {.length_max = 2u << 20, .gap_max = 256u << 10, .decoded_max = 512u << 10};
    options_.bytes_in_flight_max = std::size_t{40} << 20;
  }
  static std::string text_of(int d, int f) {
    return fmt::format("file {} of directory {} {}", f, d, std::string(1000, 'x'));
  }
  // `directories` with `files` each; the data of every `directories_in_pack` stand in packs of their own.
  DirEntry make_tree(int directories, int files, int directories_in_pack) {
    std::vector<DirEntry> top;
    for (int d = 0; d < directories; ++d) {
      std::vector<DirEntry> entries;
      for (int f = 0; f < files; ++f) {
        entries.push_back(file(fmt::format("f{:04}", f), text_of(d, f)));
      }
      entries.push_back(link("link", "f0000"));
      top.push_back(directory(fmt::format("d{:03}", d), entries));
      if ((d + 1) % directories_in_pack == 0) {
        flush();
      }
    }
    const DirEntry root = directory("", top);
    flush();
    late_->gets = 0;
    return root;
  }
  void expect_tree(int directories, int files) {
    for (int d = 0; d < directories; ++d) {
      for (int f = 0; f < files; ++f) {
        ASSERT_EQ(content(fmt::format("d{:03}/f{:04}", d, f)), text_of(d, f));
      }
      EXPECT_EQ(info(fmt::format("d{:03}/link", d)).type, sys::FileType::symlink);
      EXPECT_EQ(info(fmt::format("d{:03}", d)).mtime, test::kEntryTime) << "finished after its files";
    }
  }

  // The bytes of a tar archive.
  Status archive(const DirEntry& root, bool together, std::string& out) {
    const std::string path = temp_.path() + "/archive";
    auto sink = open_archive_file(path);
    TRY(sink);
    const auto output = make_archive_output(ArchiveFormat::tar, std::move(*sink), false, "only");
    RestoreOptions options = options_;
    options.together = together;
    RestoreProgress progress;
    RestoreCallbacks callbacks;
    ignored_.clear();
    callbacks.on_ignored_error = [&](const std::string& p, const Status& s) { ignored_[p] = s.message(); };
    late_->gets = 0;
    late_->in_flight_max = 0;
    TRY(restore_tree(objects(), root, *output, options, progress, callbacks, {}));
    TRY_ASSIGN(const Buffer bytes, sys::read_file(path, std::size_t{64} << 20));
    out = bytes.text();
    return {};
  }

  std::shared_ptr<LateStorage> late_;
  RestoreOptions options_;
};

TEST_F(RestoreTogether, TwoThousandFilesAreAHandfulOfRequests) {
  const DirEntry root = make_tree(100, 20, 1000);
  const Status s = restore(root, {}, options_);
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_LE(late_->gets, 4);
  EXPECT_EQ(progress_->restored_files, 2000);
  EXPECT_EQ(progress_->restored_symlinks, 100);
  EXPECT_EQ(progress_->restored_bytes, progress_->enqueued_bytes);
  expect_tree(100, 20);
}

TEST_F(RestoreTogether, ManyPacksAreAskedForAtOnce) {
  const DirEntry root = make_tree(40, 2, 1);
  const Status s = restore(root, {}, options_);
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_LE(late_->gets, 41);
  EXPECT_GE(late_->in_flight_max, 16);
  expect_tree(40, 2);
}

TEST_F(RestoreTogether, ADamagedContentFailsOnlyItsFiles) {
  const DirEntry bad = file("bad", "to be damaged");
  const DirEntry root = directory("", {bad, file("good", "stays"), file("good2", "stays, too")});
  flush();
  damage(bad.obj);
  options_.ignore_errors = true;
  const Status s = restore(root, {}, options_);
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_EQ(content("good"), "stays");
  EXPECT_EQ(content("good2"), "stays, too");
  EXPECT_FALSE(exists("bad"));
  ASSERT_EQ(ignored_.size(), 1u);
  EXPECT_NE(ignored_["bad"].find("damaged data"), std::string::npos) << ignored_["bad"];

  options_.ignore_errors = false;
  target_ += "-strict";
  EXPECT_EQ(restore(root, {}, options_).code(), Code::corrupt);
}

TEST_F(RestoreTogether, SkipsWhatIsThereAndRestoresEqualFiles) {
  put("same1", "equal content");
  const DirEntry kept = file("same1", "equal content");
  const DirEntry root =
      directory("", {kept, file("same2", "equal content"), file("same3", "equal content"), file("empty", "")});
  options_.skip_existing = true;
  const Status s = restore(root, {.overwrite_directories = true}, options_);
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_EQ(content("same2"), "equal content");
  EXPECT_EQ(content("same3"), "equal content");
  EXPECT_EQ(content("empty"), "");
}

TEST_F(RestoreTogether, AnArchiveInOrderIsReadAhead) {
  const DirEntry root = make_tree(40, 2, 1);
  std::string one_by_one, ahead;
  ASSERT_TRUE(archive(root, false, one_by_one).ok());
  EXPECT_GE(late_->gets, 80);
  EXPECT_EQ(late_->in_flight_max, 1);
  ASSERT_TRUE(archive(root, true, ahead).ok());
  EXPECT_LE(late_->gets, 41);
  EXPECT_GE(late_->in_flight_max, 16);
  EXPECT_TRUE(ahead == one_by_one);
}

TEST_F(RestoreTogether, AnArchiveHoldsFilesOfAnySizeInOrder) {
  const std::string big(as_text(cairn::test::gen_text(3, 700'000)));
  const std::string huge(as_text(cairn::test::gen_text(4, 30'000'000)));  // more than two windows
  const DirEntry deep = directory("deep", {file("big", big, 0600, "FIXED-128K"), link("l", "big"), file("z", "last")});
  const DirEntry root =
      directory("", {directory("a", {deep, file("f", "eff")}), file("empty", ""), directory("none", {}),
                     file("huge", huge, 0644, "FIXED-4M"), file("same", "eff"), file("same2", "eff")});
  flush();
  std::string one_by_one, ahead;
  for (const DirEntry& from : {root, deep, file("only", big, 0600, "FIXED-128K"), file("only", "small")}) {
    flush();
    ASSERT_TRUE(archive(from, false, one_by_one).ok());
    const Status s = archive(from, true, ahead);
    ASSERT_TRUE(s.ok()) << s.message();
    EXPECT_TRUE(ahead == one_by_one);
  }
}

TEST_F(RestoreTogether, ADamagedContentIsMissingFromTheArchive) {
  const DirEntry bad = file("bad", "to be damaged");
  const DirEntry root = directory("", {bad, file("good", "stays")});
  flush();
  damage(bad.obj);
  std::string one_by_one, ahead;
  const Status strict = archive(root, false, one_by_one);
  EXPECT_EQ(strict.code(), Code::corrupt);
  EXPECT_EQ(archive(root, true, ahead).message(), strict.message());
  options_.ignore_errors = true;
  ASSERT_TRUE(archive(root, false, one_by_one).ok());
  ASSERT_TRUE(archive(root, true, ahead).ok());
  EXPECT_TRUE(ahead == one_by_one);
  EXPECT_EQ(ignored_.size(), 1u);
}

TEST_F(RestoreTogether, AStopEndsIt) {
  const DirEntry root = make_tree(40, 2, 1);
  std::stop_source source;
  const auto output = LocalOutput::create(target_, {});
  RestoreProgress progress;
  std::jthread stopper([&] {
    while (late_->gets == 0) {
      std::this_thread::yield();
    }
    source.request_stop();
  });
  const Status s = restore_tree(objects(), root, *output, options_, progress, {}, source.get_token());
  EXPECT_TRUE(s.is(Code::cancelled)) << s.message();
}

}  // namespace
}  // namespace cairn::snapshot
