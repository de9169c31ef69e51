#include "snapshot/verify.h"

#include <gmock/gmock.h>

#include "snapshot/resolve.h"
#include "snapshot/restore_test_support.h"
#include "tests/support/gen.h"

namespace cairn::snapshot {
namespace {

using test::kEntryTime;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

class Verify : public test::RestoreFixture {
 protected:
  Status verify(VerifyOptions options = {}) {
    lines_.clear();
    VerifyCallbacks callbacks;
    std::mutex mutex;
    callbacks.on_error = [&](const std::string& line) {
      const std::lock_guard lock(mutex);
      lines_.push_back(line);
    };
    result_ = {};
    return verify_snapshots(*repository_, options, callbacks, result_, {});
  }
  static std::string random_text(std::uint64_t seed, std::size_t size) {
    return std::string(as_text(cairn::test::gen_rand(seed, size)));
  }
  static VerifyOptions everything(std::int64_t max_errors = -1) {
    VerifyOptions o;
    o.files_percent = 100;
    o.max_errors = max_errors;
    return o;
  }
  std::vector<std::string> lines_;
  VerifyResult result_;
};

TEST_F(Verify, CountsEachObjectOnce) {
  const DirEntry shared = file("shared", random_text(1, 5000));
  const DirEntry sub = directory("sub", {shared, file("f", "six666")});
  save(directory("data", {sub, shared, link("l", "shared")}));
  save(sub, "/other");
  ASSERT_TRUE(verify(everything()).ok());
  EXPECT_EQ(result_.stats.processed_objects, 5);
  EXPECT_EQ(result_.stats.processed_bytes, 5000 + 6 + 6);
  EXPECT_EQ(result_.stats.read_files, 3);
  EXPECT_EQ(result_.stats.read_bytes, 5000 + 6 + 6);
  EXPECT_EQ(result_.stats.expected_files, 3 + 2);
  EXPECT_EQ(result_.stats.expected_objects, 6 + 3);
  EXPECT_EQ(result_.error_count, 0);
  EXPECT_EQ(result_.to_json().dump(),
            R"({"stats":{"processedObjectCount":5,"processedBytes":5012,"readFileCount":3,"readBytes":5012,)"
            R"("expectedTotalObjectCount":9,"expectedTotalFileCount":5,"expectedTotalBytes":15012},"errorCount":0})");
  ASSERT_TRUE(verify().ok());
  EXPECT_EQ(result_.stats.read_files, 0);
}

TEST_F(Verify, SmallBatchesSeeEverything) {
  std::vector<DirEntry> files;
  for (int i = 0; i < 500; ++i) {
    files.push_back(file("f" + std::to_string(i), random_text(static_cast<std::uint64_t>(i % 300), 1000)));
  }
  files.push_back(file("big", random_text(7, 3'000'000), 0644, "FIXED-128K"));
  save(directory("data", files));
  VerifyOptions options = everything();
  options.contents_in_batch_max = 7;
  ASSERT_TRUE(verify(options).ok());
  EXPECT_EQ(result_.stats.read_files, 301);
  EXPECT_EQ(result_.stats.read_bytes, 300 * 1000 + 3'000'000);
}

TEST_F(Verify, DamageIsNamed) {
  const DirEntry bad = file("bad", random_text(1, 5000));
  const DirEntry bad_twin = file("other", random_text(2, 300'000) + "x", 0644, "FIXED-128K");
  const DirEntry good = file("good", "good");
  const std::string id = save(directory("data", {directory("d", {bad, good}), bad_twin}));
  std::vector<object::ObjectId> chunks;
  ASSERT_TRUE(objects()
                  .for_each_chunk(bad_twin.obj,
                                  [&](const object::IndirectEntry& e) {
                                    chunks.push_back(e.object);
                                    return Status();
                                  },
                                  {})
                  .ok());
  damage(bad.obj);
  damage(chunks[1]);
  reopen();
  EXPECT_TRUE(verify().ok());  // nothing is missing
  const Status s = verify(everything());
  EXPECT_EQ(s.message(), "encountered 2 errors");
  EXPECT_EQ(result_.error_count, 2);
  EXPECT_EQ(result_.stats.read_files, 1);
  const std::string source = "error processing alice@lab:/data@" + display_time(kEntryTime);
  EXPECT_THAT(lines_, Contains(AllOf(HasSubstr(source + "/d/bad: error reading object " + bad.obj.text()),
                                     HasSubstr(pack_of(bad.obj).text))));
  EXPECT_THAT(lines_, Contains(AllOf(HasSubstr(source + "/other: "), HasSubstr(chunks[1].text()))));
  EXPECT_EQ(result_.error_texts.size(), 2U);
  // Stops at the first.
  const Status first = verify(everything(0));
  EXPECT_TRUE(first.is(Code::corrupt)) << first.message();
  VerifyOptions one;
  one.snapshot_ids = {id};
  EXPECT_TRUE(verify(one).ok());
}

TEST_F(Verify, FilesThatShareADamagedContentAreAllReported) {
  const std::string common = random_text(3, 131072);
  const DirEntry a = file("a", common + random_text(4, 1000), 0644, "FIXED-128K");
  const DirEntry b = file("b", common + random_text(5, 1000), 0644, "FIXED-128K");
  save(directory("data", {a, b}));
  std::vector<object::ObjectId> chunks;
  ASSERT_TRUE(objects()
                  .for_each_chunk(a.obj,
                                  [&](const object::IndirectEntry& e) {
                                    chunks.push_back(e.object);
                                    return Status();
                                  },
                                  {})
                  .ok());
  damage(chunks[0]);
  reopen();
  for (const std::size_t batch : {std::size_t{1}, std::size_t{1000}}) {
    VerifyOptions options = everything();
    options.contents_in_batch_max = batch;
    EXPECT_FALSE(verify(options).ok());
    EXPECT_EQ(result_.error_count, 2) << batch;
  }
}

TEST_F(Verify, MissingPackAndMissingContent) {
  const DirEntry f = file("f", "some content");
  save(directory("data", {f}));
  const BlobId pack = pack_of(f.obj);
  ASSERT_TRUE(storage_->remove(pack, {}).ok());
  reopen();
  Status s = verify();
  EXPECT_EQ(s.message(), fmt::format("object {} is backed by missing blob {}", f.obj.text(), pack.text));
  VerifyOptions options;
  options.file_ids = {"ffffffffffffffffffffffffffffffff"};
  s = verify(options);
  EXPECT_EQ(s.message(),
            "verify object: error getting content info for ffffffffffffffffffffffffffffffff: content not found");
  EXPECT_EQ(result_.stats.processed_objects, 1);
  options = {};
  options.directory_ids = {"kffffffffffffffffffffffffffffffff"};
  s = verify(options);
  EXPECT_EQ(s.message(),
            "error reading directory: unable to open object: kffffffffffffffffffffffffffffffff: content "
            "kffffffffffffffffffffffffffffffff not found: object not found");
}

TEST_F(Verify, UnknownSnapshots) {
  const std::string id = save(directory("data", {file("f", "x")}));
  VerifyOptions options;
  options.snapshot_ids = {id, "abc"};
  EXPECT_EQ(verify(options).message(), "found 1 of the 2 requested snapshot IDs to verify");
  EXPECT_THAT(lines_, Contains("unable to parse snapshot manifest abc: snapshot not found"));
  EXPECT_THAT(lines_,
              Contains("error processing tree walker enqueue: found 1 of the 2 requested snapshot IDs to verify"));
  EXPECT_EQ(result_.stats.processed_objects, 0);
}

TEST_F(Verify, SourcesSelect) {
  save(directory("data", {file("f", "x")}));
  save(directory("data", {file("g", "y")}), "/other");
  VerifyOptions options;
  options.sources = {"alice@lab:/other"};
  ASSERT_TRUE(verify(options).ok());
  EXPECT_EQ(result_.stats.processed_objects, 2);
  options.sources = {"@lab"};
  ASSERT_TRUE(verify(options).ok());
  EXPECT_EQ(result_.stats.processed_objects, 4);
  options.sources = {"bob@nowhere"};
  ASSERT_TRUE(verify(options).ok());
  EXPECT_EQ(result_.stats.processed_objects, 0);
}

class Resolve : public test::RestoreFixture {};

TEST_F(Resolve, Ids) {
  const DirEntry root = directory("data", {directory("d", {file("f", "text")}), file("a", "alpha")}, 0711);
  const std::string id = save(root);
  auto r = resolve_id(*repository_, id, {}, {});
  ASSERT_TRUE(r.ok()) << r.status().message();
  EXPECT_EQ(r->entry, root);
  EXPECT_EQ(r->snapshot_id, id);
  r = resolve_id(*repository_, id + "//d/f/", {}, {});
  ASSERT_TRUE(r.ok()) << r.status().message();
  EXPECT_EQ(r->entry.name, "f");
  EXPECT_EQ(r->relative_path, "d/f");
  // The root object brings the snapshot's attributes, another object generic ones.
  EXPECT_EQ(resolve_id(*repository_, root.obj.text(), {}, {})->entry.mode, 0711U);
  const object::ObjectId d = resolve_id(*repository_, id + "/d", {}, {})->entry.obj;
  r = resolve_id(*repository_, d.text(), {}, {});
  EXPECT_EQ(r->entry.mode, 0555U);
  EXPECT_EQ(r->entry.type, EntryType::directory);
  const object::ObjectId f = resolve_id(*repository_, d.text() + "/f", {}, {})->entry.obj;
  r = resolve_id(*repository_, f.text(), {}, {});
  EXPECT_EQ(r->entry.mode, 0644U);
  EXPECT_EQ(r->entry.size, 4);
  EXPECT_EQ(resolve_id(*repository_, id + "/nope", {}, {}).status().message(),
            "error reading directory: entry not found");
  EXPECT_EQ(resolve_id(*repository_, id + "/a/deeper", {}, {}).status().message(),
            "entry not found \"deeper\": parent is not a directory");
  EXPECT_EQ(resolve_id(*repository_, "nope", {}, {}).status().message(),
            "error parsing root object ID: malformed content ID: \"nope\": invalid content hash: encoding/hex: invalid "
            "byte: U+006E 'n'");
  EXPECT_FALSE(looks_like_id("null"));
  EXPECT_FALSE(looks_like_id("/data"));
  EXPECT_TRUE(looks_like_id(id + "/x"));
}

TEST_F(Resolve, SameRootOtherAttributes) {
  DirEntry root = directory("data", {file("a", "alpha")}, 0700);
  save(root, "/data", Timestamp::from_seconds(100));
  root.mode = 0750;
  save(root, "/data", Timestamp::from_seconds(200));
  EXPECT_EQ(resolve_id(*repository_, root.obj.text(), {}, {})->entry.mode, 0750U);
  EXPECT_FALSE(resolve_id(*repository_, root.obj.text(), {.consistent_attributes = true}, {}).ok());
}

TEST_F(Resolve, Paths) {
  const DirEntry old_root = directory("data", {directory("d", {file("f", "old")}, 0700)});
  const DirEntry new_root = directory("data", {directory("e", {file("g", "new")}, 0700)});
  save(old_root, "/data", Timestamp::from_seconds(1'000'000));
  save(new_root, "/data", Timestamp::from_seconds(2'000'000));
  const auto resolve = [&](std::string_view path, std::string_view time = "latest", bool generic = false) {
    const auto filter = SnapshotTimeFilter::parse(time, Timestamp::from_seconds(3'000'000));
    EXPECT_TRUE(filter.ok());
    return resolve_path(*repository_, path, "/", *filter, {.generic_nested_attributes = generic}, {});
  };
  EXPECT_EQ(resolve("/data")->entry.obj, new_root.obj);
  EXPECT_EQ(resolve("/data", "oldest")->entry.obj, old_root.obj);
  EXPECT_EQ(resolve("/data", "1970-01-15")->entry.obj, old_root.obj);
  // The newest that holds the path.
  const auto d = resolve("alice@lab:/data/d/");
  ASSERT_TRUE(d.ok()) << d.status().message();
  EXPECT_EQ(d->snapshot_time, Timestamp::from_seconds(1'000'000));
  EXPECT_EQ(d->relative_path, "d");
  EXPECT_EQ(d->entry.mode, 0700U);
  EXPECT_EQ(resolve("/data/d", "latest", true)->entry.mode, 0555U);
  EXPECT_EQ(resolve("/data/d/f")->entry.size, 3);
  EXPECT_EQ(resolve("/data/nope").status().message(), "no snapshots contain data for /data/nope");
  EXPECT_EQ(resolve("/data", "1969").status().message(), "no snapshots contain data for /data");
  EXPECT_EQ(resolve("bob@lab:/data").status().message(), "no snapshots contain data for bob@lab:/data");
  EXPECT_EQ(resolve("/datax").status().message(), "no snapshots contain data for /datax");
}

TEST_F(Resolve, ObjectIdsOnly) {
  const DirEntry root = directory("data", {file("a", "alpha")});
  const std::string id = save(root);
  EXPECT_EQ(*resolve_object_id(objects(), root.obj.text(), {}), root.obj);
  const auto a = resolve_object_id(objects(), root.obj.text() + "/a", {});
  ASSERT_TRUE(a.ok());
  EXPECT_FALSE(a->is_directory());
  EXPECT_EQ(resolve_object_id(objects(), id + "/a", {}).status().message(),
            "entry not found \"a\": parent is not a directory");
  EXPECT_EQ(resolve_object_id(objects(), "rubbish", {}).status().message(),
            "can't parse object ID rubbish: malformed content ID: \"rubbish\": invalid content hash: encoding/hex: "
            "invalid byte: U+0075 'u'");
  EXPECT_EQ(resolve_object_id(objects(), "/x/y", {}).status().message(),
            "entry not found \"x\": parent is not a directory");
}

}  // namespace
}  // namespace cairn::snapshot
