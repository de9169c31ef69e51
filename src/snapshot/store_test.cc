#include "snapshot/store.h"

#include <gtest/gtest.h>

#include "tests/support/memory_manifests.h"

namespace cairn::snapshot {
namespace {

using testing::MemoryManifests;

const SourceInfo kSource{"h", "u", "/p"};

SnapshotManifest snapshot(std::int64_t start, const std::string& incomplete = {}, const SourceInfo& source = kSource) {
  SnapshotManifest s;
  s.source = source;
  s.start_time = Timestamp::from_seconds(start);
  s.end_time = s.start_time + seconds(1);
  s.incomplete = incomplete;
  DirEntry root;
  root.type = EntryType::directory;
  root.obj = object::ObjectId::parse("kfe00a91781912fc352edca26571a5f83").value();
  s.root = root;
  return s;
}

TEST(SnapshotStore, SavesLoadsAndLists) {
  MemoryManifests m;
  SnapshotManifest late = snapshot(200);
  late.tags = {{"tag:a", "1"}};
  late.pins = {"z", "a", "z"};
  SnapshotManifest early = snapshot(100);
  SnapshotManifest other = snapshot(150, "", {"h", "u", "/other"});
  for (SnapshotManifest* s : {&late, &early, &other}) {
    auto id = save_snapshot(m, *s, {});
    ASSERT_TRUE(id.ok());
    EXPECT_EQ(s->id, *id);
  }
  const auto of_source = snapshots_of(m, kSource, {});
  ASSERT_EQ(of_source->size(), 2U);
  EXPECT_EQ((*of_source)[0].id, early.id);
  EXPECT_EQ(load_snapshot(m, late.id, {})->pins, (std::vector<std::string>{"a", "z"}));
  EXPECT_EQ(m.get(late.id, {})->payload["id"].as_string(), "");
  EXPECT_EQ(list_snapshots(m, {{"", "u", ""}, {}, false}, {})->size(), 3U);
  EXPECT_EQ(list_snapshots(m, {{}, {{"tag:a", "1"}}, false}, {})->size(), 1U);
  const auto sources = list_sources(m, {});
  ASSERT_EQ(sources->size(), 2U);
  EXPECT_EQ((*sources)[0].path, "/other");
  EXPECT_EQ(find_snapshots_by_root(m, late.root->obj, {})->size(), 3U);
  EXPECT_EQ(load_snapshots(m, {late.id, "nope"}, {})->size(), 1U);
  EXPECT_TRUE(delete_snapshot(m, late.id, {}).ok());
  EXPECT_EQ(load_snapshot(m, late.id, {}).status().message(), "snapshot not found");
}

TEST(SnapshotStore, RefusesIncompleteSourcesAndHidingTags) {
  MemoryManifests m;
  for (const SourceInfo& source : {SourceInfo{"", "u", "/p"}, SourceInfo{"h", "", "/p"}, SourceInfo{"h", "u", ""}}) {
    SnapshotManifest s = snapshot(1, "", source);
    EXPECT_EQ(save_snapshot(m, s, {}).code(), Code::invalid_argument);
  }
  SnapshotManifest s = snapshot(1);
  s.tags = {{"path", "x"}};
  EXPECT_EQ(save_snapshot(m, s, {}).code(), Code::invalid_argument);
  s = snapshot(1);
  s.root.reset();
  EXPECT_EQ(save_snapshot(m, s, {}).code(), Code::invalid_argument);
  EXPECT_EQ(list_snapshots(m, {}, {})->size(), 0U);
}

TEST(SnapshotStore, UpdatingChangesTheId) {
  MemoryManifests m;
  SnapshotManifest s = snapshot(1);
  ASSERT_TRUE(save_snapshot(m, s, {}).ok());
  const std::string old_id = s.id;
  EXPECT_TRUE(update_pins(s, {"keep"}, {}));
  s.retention_reasons = {"latest-1"};
  ASSERT_TRUE(update_snapshot(m, s, {}).ok());
  EXPECT_NE(s.id, old_id);
  const auto all = list_snapshots(m, {}, {});
  ASSERT_EQ(all->size(), 1U);
  EXPECT_EQ((*all)[0].pins, (std::vector<std::string>{"keep"}));
  EXPECT_TRUE((*all)[0].retention_reasons.empty());
}

TEST(SnapshotStore, PinsAreASortedSet) {
  SnapshotManifest s;
  EXPECT_TRUE(update_pins(s, {"d", "c", "b"}, {}));
  EXPECT_EQ(s.pins, (std::vector<std::string>{"b", "c", "d"}));
  EXPECT_TRUE(update_pins(s, {"e", "a"}, {"c"}));
  EXPECT_EQ(s.pins, (std::vector<std::string>{"a", "b", "d", "e"}));
  EXPECT_FALSE(update_pins(s, {"e", "a"}, {"c"}));
}

TEST(SnapshotStore, PreviousOnesAreTheLatestCompleteAndWhatFollows) {
  const std::vector<SnapshotManifest> all{snapshot(10, "canceled"),   snapshot(20),
                                          snapshot(30, "checkpoint"), snapshot(40),
                                          snapshot(50, "checkpoint"), snapshot(60, "canceled")};
  const auto starts = [&](std::optional<Timestamp> limit) {
    std::string out;
    for (const SnapshotManifest& s : select_previous(all, limit)) {
      out += std::to_string(s.start_time.unix_seconds()) + " ";
    }
    return out;
  };
  EXPECT_EQ(starts({}), "40 50 60 ");
  EXPECT_EQ(starts(Timestamp::from_seconds(35)), "20 30 ");
  EXPECT_EQ(starts(Timestamp::from_seconds(20)), "20 ");
  EXPECT_EQ(starts(Timestamp::from_seconds(15)), "10 ");
  EXPECT_EQ(starts(Timestamp::from_seconds(5)), "");
}

TEST(SnapshotStore, RetentionDeletesWhatNothingKeeps) {
  MemoryManifests m;
  Policy p;
  p.retention = {1, 0, 0, 0, 0, 0, {}};
  ASSERT_TRUE(set_policy(m, kSource, p, {}).ok());
  for (const std::int64_t start : {100, 200, 300}) {
    SnapshotManifest s = snapshot(start);
    s.pins = start == 100 ? std::vector<std::string>{"pin"} : std::vector<std::string>{};
    ASSERT_TRUE(save_snapshot(m, s, {}).ok());
  }
  const auto would = apply_retention(m, kSource, false, {});
  ASSERT_EQ(would->size(), 1U);
  EXPECT_EQ((*would)[0].start_time.unix_seconds(), 200);
  EXPECT_EQ(snapshots_of(m, kSource, {})->size(), 3U);
  EXPECT_EQ(apply_retention(m, kSource, true, {})->size(), 1U);
  EXPECT_EQ(snapshots_of(m, kSource, {})->size(), 2U);
  EXPECT_EQ(apply_retention(m, kSource, true, {})->size(), 0U);
}

TEST(SnapshotStore, UnreadableManifestsAreLeftOutUnlessStrict) {
  MemoryManifests m;
  SnapshotManifest s = snapshot(1);
  ASSERT_TRUE(save_snapshot(m, s, {}).ok());
  ASSERT_TRUE(m.put({{"type", "snapshot"}}, Json("nonsense"), {}).ok());
  EXPECT_EQ(list_snapshots(m, {}, {})->size(), 1U);
  EXPECT_EQ(list_snapshots(m, {{}, {}, true}, {}).code(), Code::corrupt);
}

TEST(SnapshotStore, PathsWhereASnapshotMayHoldAPath) {
  EXPECT_EQ(path_and_parents("/a/b"), (std::vector<std::string>{"/a/b", "/a", "/"}));
  EXPECT_EQ(path_and_parents("/"), (std::vector<std::string>{"/"}));
}

}  // namespace
}  // namespace cairn::snapshot
