#include "snapshot/compare.h"

#include <set>

#include "snapshot/restore_test_support.h"

namespace cairn::snapshot {
namespace {

class CompareTest : public test::RestoreFixture {};

struct Lines final : CompareVisitor {
  void on_added(const std::string& path, const DirEntry& /*e*/) override { all.insert("+ " + path); }
  void on_removed(const std::string& path, const DirEntry& /*e*/) override { all.insert("- " + path); }
  void on_attributes(const std::string& path, const DirEntry& /*a*/, const DirEntry& /*b*/) override {
    all.insert("attributes " + path);
  }
  void on_kind(const std::string& path, const DirEntry& /*a*/, const DirEntry& /*b*/) override {
    all.insert("kind " + path);
  }
  Status on_content(const std::string& path, const DirEntry& /*a*/, const DirEntry& /*b*/) override {
    all.insert("content " + path);
    return {};
  }
  std::set<std::string> all;
};

TEST_F(CompareTest, EveryKindOfDifference) {
  const DirEntry before =
      directory("r", {file("same", "1"), file("mode", "2", 0600), file("text", "3"),
                      directory("gone", {file("inner", "4")}), directory("turns", {}), link("l", "a")});
  const DirEntry now = directory("r", {file("same", "1"), file("mode", "2", 0644), file("text", "33"),
                                       directory("new", {file("inner", "4")}), file("turns", "t"), link("l", "b")});
  Lines lines;
  CompareStats stats;
  ASSERT_TRUE(compare_trees(objects(), before, now, lines, stats, {}).ok());
  EXPECT_EQ(lines.all,
            (std::set<std::string>{"+ ./new", "+ ./new/inner", "- ./gone", "- ./gone/inner", "attributes ./text",
                                   "content ./text", "attributes ./turns", "kind ./turns"}));
  EXPECT_EQ(stats.files.added, 1);
  EXPECT_EQ(stats.files.removed, 1);
  EXPECT_EQ(stats.files.metadata, 1);
  EXPECT_EQ(stats.files.mode, 1);
  EXPECT_EQ(stats.directories.added, 1);
  EXPECT_EQ(stats.directories.removed, 1);
}

TEST_F(CompareTest, EqualTreesAreNotRead) {
  DirEntry root = directory("r", {file("a", "1")});
  Lines lines;
  CompareStats stats;
  ASSERT_TRUE(compare_trees(objects(), root, root, lines, stats, {}).ok());
  EXPECT_TRUE(lines.all.empty());
  EXPECT_EQ(stats.to_json(), CompareStats().to_json());
}

TEST_F(CompareTest, ADamagedDirectoryIsAnError) {
  const DirEntry lost = directory("d", {file("a", "1")});
  flush();
  reopen();
  const DirEntry root = directory("r", {lost});
  flush();
  damage(lost.obj);
  reopen();
  Lines lines;
  CompareStats stats;
  EXPECT_FALSE(compare_trees(objects(), root, directory("r", {directory("d", {})}), lines, stats, {}).ok());
}

}  // namespace
}  // namespace cairn::snapshot
