#include "snapshot/estimate.h"

#include <set>
#include <string>

#include "snapshot/upload_test_support.h"

namespace cairn::snapshot {
namespace {

class EstimateTest : public test::UploadFixture {};

struct Seen final : SourceVisitor {
  void on_directory(const std::string& path) override { add("dir " + path); }
  void on_file(const std::string& path, std::int64_t size) override { add("file " + path, size); }
  void on_excluded_file(const std::string& path, std::int64_t size) override { add("no file " + path, size); }
  void on_excluded_directory(const std::string& path) override { add("no dir " + path); }
  void on_error(const std::string& path, const Status& /*status*/) override { add("error " + path); }
  void add(std::string line, std::int64_t size = -1) {
    lines.insert(size < 0 ? std::move(line) : line + ' ' + std::to_string(size));
  }
  std::set<std::string> lines;
};

TEST_F(EstimateTest, VisitsByTheRulesOfAnUpload) {
  policy_.files.ignore = {"*.tmp", "skip"};
  policy_.files.max_file_size = 100;
  mkdir("d");
  mkdir("skip");
  mkdir("cache");
  write("cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
  mkdir("untagged");
  write("untagged/CACHEDIR.TAG", "not a tag, which must be longer than the signature is");
  write("a", "12345");
  write("d/x.tmp", "1");
  write("big", std::string(101, 'x'));
  ASSERT_EQ(::symlink("a", at("link").c_str()), 0);
  Seen seen;
  ASSERT_TRUE(visit_source(root_, PolicyTree::of(policy_), 1000, seen, {}).ok());
  EXPECT_EQ(seen.lines,
            (std::set<std::string>{"dir .", "dir d", "dir untagged", "file a 5", "file untagged/CACHEDIR.TAG 53",
                                   "no dir cache", "no dir skip", "no file d/x.tmp 1"}));
}

TEST_F(EstimateTest, AnUnreadableDirectoryIsReportedAndPassedOver) {
  policy_.files.ignore_dot_files = {".rules"};
  mkdir("bad");
  write("bad/.rules", "[");  // a malformed pattern makes the directory unreadable, also for root
  write("good", "1");
  Seen seen;
  ASSERT_TRUE(visit_source(root_, PolicyTree::of(policy_), 1000, seen, {}).ok());
  EXPECT_TRUE(seen.lines.contains("error bad"));
  EXPECT_TRUE(seen.lines.contains("file good 1"));
}

TEST_F(EstimateTest, LimitsStopsAndMissingSources) {
  for (int i = 0; i < 5; ++i) {
    mkdir(std::to_string(i));
  }
  Seen seen;
  EXPECT_EQ(visit_source(root_, PolicyTree::of(policy_), 3, seen, {}).code(), Code::resource_exhausted);
  EXPECT_EQ(visit_source(at("none"), PolicyTree::of(policy_), 3, seen, {}).code(), Code::not_found);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(visit_source(root_, PolicyTree::of(policy_), 100, seen, stop.get_token()).code(), Code::cancelled);
}

}  // namespace
}  // namespace cairn::snapshot
