#include "snapshot/fix.h"

#include "snapshot/restore_test_support.h"
#include "snapshot/tree_walk.h"

namespace cairn::snapshot {
namespace {

class FixTest : public test::RestoreFixture {
 protected:
  SnapshotManifest loaded(const std::string& id) {
    auto m = load_snapshot(repository_->manifests(), id, {});
    EXPECT_TRUE(m.ok());
    return m.ok() ? *m : SnapshotManifest{};
  }
  Result<DirEntry> fix(const DirEntry& root, FixOptions options) {
    lines_.clear();
    SnapshotFixer fixer(*repository_, std::move(options),
                        {.on_change = [&](const std::string& l) { lines_.push_back(l); }, .on_verified = {}});
    auto blobs = fixer.list_blobs({});
    EXPECT_TRUE(blobs.ok());
    SnapshotManifest m;
    m.root = root;
    return fixer.fix(m, {});
  }
  std::vector<std::string> names(const DirEntry& d) {
    std::vector<std::string> out;
    auto s = for_each_child(objects(), d.obj,
                            [&](const DirEntryView& e) -> Status {
                              out.emplace_back(e.name);
                              return {};
                            },
                            {}, {});
    EXPECT_TRUE(s.ok()) << s.status().message();
    return out;
  }
  DirEntry child(const DirEntry& d, std::string_view name) {
    auto e = find_child(objects(), d.obj, name, {}, {});
    EXPECT_TRUE(e.ok()) << name;
    return e.ok() ? *e : DirEntry{};
  }
  // Contents in packs of their own, and nothing of them in caches.
  void settle() {
    flush();
    reopen();
  }
  std::vector<std::string> lines_;
};

using Names = std::vector<std::string>;

TEST_F(FixTest, RemovesByNameAndById) {
  const DirEntry x = file("x.bin", "xx");
  const DirEntry root =
      directory("src", {directory("d", {file("a.tmp", "1"), file("b", "22")}), x, file("keep", "333")});
  auto now = fix(root, {.name_patterns = {"*.tmp"}, .read_percent = 0});
  ASSERT_TRUE(now.ok()) << now.status().message();
  EXPECT_EQ(names(child(*now, "d")), (Names{"b"}));
  EXPECT_EQ(now->summ->size, 7);
  EXPECT_EQ(now->summ->files, 3);
  EXPECT_EQ(now->mtime, root.mtime);
  EXPECT_EQ(lines_, (Names{"will remove file d/a.tmp"}));
  now = fix(root, {.object_ids = {x.obj.text()}, .name_patterns = {}});
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(names(*now), (Names{"d", "keep"}));
  EXPECT_EQ(child(*now, "d"), child(root, "d")) << "what did not change is not rewritten";
}

TEST_F(FixTest, NothingFoundIsNothingChanged) {
  const DirEntry root = directory("src", {directory("d", {file("a", "1")})});
  settle();
  const auto now = fix(root, {.name_patterns = {"none"}, .verify_files = true, .read_percent = 100});
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(*now, root);
}

TEST_F(FixTest, KeepsWhatFailedWhenTheDirectoryWasStored) {
  DirectoryBuilder builder;
  builder.add(file("a", "1"));
  builder.add(file("b", "2"));
  builder.add_error({"d/gone", "no such file"}, false);
  builder.add_error({"d/odd", "unknown"}, true);
  std::string text;
  DirEntry d = entry("d", EntryType::directory, 0755, 0, {});
  d.summ = builder.encode(test::kEntryTime, "", text);
  auto id = objects().write(as_bytes(text), {.prefix = 'k'}, {});
  ASSERT_TRUE(id.ok());
  d.obj = *id;
  const auto now = fix(directory("src", {d}), {.name_patterns = {"a"}});
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(now->summ->num_failed, 1);
  EXPECT_EQ(now->summ->num_ignored_errors, 1);
  EXPECT_EQ(now->summ->errors.size(), 2U);
}

TEST_F(FixTest, DamagedFilesByHandling) {
  const DirEntry bad = file("bad", "this one will be damaged");
  settle();
  const DirEntry good = file("good", "fine");
  const DirEntry root = directory("src", {bad, good});
  settle();
  damage(bad.obj);
  const auto options = [](InvalidEntry how) {
    return FixOptions{.verify_files = true, .files = how, .read_percent = 100};
  };
  auto now = fix(root, options(InvalidEntry::stub));
  ASSERT_TRUE(now.ok()) << now.status().message();
  EXPECT_EQ(names(*now), (Names{".INVALID.bad", "good"}));
  const DirEntry stub = child(*now, ".INVALID.bad");
  auto text = objects().read_all(stub.obj, 1 << 20, {});
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(stub.size, static_cast<std::int64_t>(text->size()));
  EXPECT_EQ(stub.mtime, bad.mtime);
  const auto json = Json::parse(text->text());
  ASSERT_TRUE(json.ok());
  EXPECT_EQ((*json)["entry"]["obj"].as_string(), bad.obj.text());
  EXPECT_FALSE((*json)["error"].as_string().empty());
  now = fix(root, options(InvalidEntry::remove));
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(names(*now), (Names{"good"}));
  now = fix(root, options(InvalidEntry::keep));
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(*now, root);
  EXPECT_FALSE(fix(root, options(InvalidEntry::fail)).ok());
}

TEST_F(FixTest, MissingPacksAreFoundWithoutReading) {
  const DirEntry bad = file("bad", "its pack will be gone");
  settle();
  const DirEntry root = directory("src", {bad, file("good", "fine")});
  settle();
  ASSERT_TRUE(storage_->remove(pack_of(bad.obj), {}).ok());
  reopen();
  const auto now = fix(root, {.verify_files = true, .files = InvalidEntry::remove});
  ASSERT_TRUE(now.ok()) << now.status().message();
  EXPECT_EQ(names(*now), (Names{"good"}));
}

TEST_F(FixTest, UnreadableDirectoriesByHandling) {
  const DirEntry lost = directory("lost", {file("inner", "1")});
  settle();
  const DirEntry root = directory("src", {lost, file("good", "fine")});
  settle();
  ASSERT_TRUE(storage_->remove(pack_of(lost.obj), {}).ok());
  reopen();
  auto now = fix(root, {.directories = InvalidEntry::stub});
  ASSERT_TRUE(now.ok()) << now.status().message();
  EXPECT_EQ(names(*now), (Names{".INVALID.lost", "good"}));
  now = fix(root, {.directories = InvalidEntry::keep});
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(*now, root);
  EXPECT_FALSE(fix(root, {.directories = InvalidEntry::fail}).ok());
}

TEST_F(FixTest, ARootThatIsRemovedBecomesAStub) {
  const DirEntry root = directory("src", {file("a", "1")});
  const auto now = fix(root, {.object_ids = {root.obj.text()}, .name_patterns = {}});
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(now->type, EntryType::file);
  EXPECT_EQ(now->name, ".INVALID.src");
}

}  // namespace
}  // namespace cairn::snapshot
