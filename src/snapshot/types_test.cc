#include "snapshot/types.h"

#include <gtest/gtest.h>

#include <limits>

#include "snapshot/fields.h"

namespace cairn::snapshot {
namespace {

SourceInfo parse(std::string_view text) {
  auto r = SourceInfo::parse(text, "host", "user", "/cwd/dir");
  EXPECT_TRUE(r.ok()) << text;
  return r.ok() ? *r : SourceInfo{};
}

TEST(SourceInfo, ParsesAllForms) {
  EXPECT_EQ(parse(""), (SourceInfo{"host", "user", "/cwd/dir"}));
  EXPECT_EQ(parse("."), (SourceInfo{"host", "user", "/cwd/dir"}));
  EXPECT_EQ(parse(".."), (SourceInfo{"host", "user", "/cwd"}));
  EXPECT_EQ(parse("foo@bar:/some/path"), (SourceInfo{"bar", "foo", "/some/path"}));
  EXPECT_EQ(parse("foo@bar:relative/../x/"), (SourceInfo{"bar", "foo", "relative/../x/"}));
  EXPECT_EQ(parse("/some/path/../other-path"), (SourceInfo{"host", "user", "/some/other-path"}));
  EXPECT_EQ(parse("@some-host"), (SourceInfo{"some-host", "", ""}));
  EXPECT_EQ(parse("some-user@some-host"), (SourceInfo{"some-host", "some-user", ""}));
  EXPECT_EQ(parse("(global)"), SourceInfo{});
  EXPECT_EQ(parse("@host:/x"), (SourceInfo{"host", "user", "/cwd/dir/@host:/x"}));
  EXPECT_EQ(parse("C:x"), (SourceInfo{"host", "user", "/cwd/dir/C:x"}));
}

TEST(SourceInfo, RefusesAnEmptyHost) {
  auto r = SourceInfo::parse("@", "h", "u", "/");
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.status().message(), "invalid hostname in \"@\"");
  EXPECT_FALSE(SourceInfo::parse("user@", "h", "u", "/").ok());
}

TEST(SourceInfo, PrintsAllForms) {
  EXPECT_EQ((SourceInfo{"h", "u", "/p"}).text(), "u@h:/p");
  EXPECT_EQ((SourceInfo{"h", "u", ""}).text(), "u@h");
  EXPECT_EQ((SourceInfo{"h", "", ""}).text(), "@h");
  EXPECT_EQ(SourceInfo{}.text(), "(global)");
}

TEST(CleanPath, FollowsGo) {
  EXPECT_EQ(clean_path("/", "/w"), "/");
  EXPECT_EQ(clean_path("/../..", "/w"), "/");
  EXPECT_EQ(clean_path("a//b/./c/", "/w"), "/w/a/b/c");
  EXPECT_EQ(clean_path("/a/", "/w"), "/a");
}

TEST(StoredMode, PutsSpecialBitsWhereGoHasThem) {
  const std::pair<std::uint32_t, std::string> cases[] = {{0644, "0644"},       {0755, "0755"},
                                                         {04755, "040000755"}, {02755, "020000755"},
                                                         {01777, "04000777"},  {07777, "064000777"}};
  for (const auto& [mode, text] : cases) {
    std::string out;
    append_stored_mode(out, mode);
    EXPECT_EQ(out, text);
    auto back = parse_stored_mode(text);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(*back, mode);
  }
  EXPECT_EQ(*parse_stored_mode("493"), 0755U);
  EXPECT_EQ(*parse_stored_mode("0x1ed"), 0755U);
  EXPECT_EQ(*parse_stored_mode("0o755"), 0755U);
  EXPECT_EQ(*parse_stored_mode("0"), 0U);
  for (const char* bad : {"", "x", "08", "-1", "0x", "020000000000", "4294967296", " 0644"}) {
    EXPECT_EQ(parse_stored_mode(bad).code(), Code::corrupt) << bad;
  }
}

TEST(StoredTime, WritesAndReadsTheWholeRange) {
  EXPECT_EQ(stored_time(Timestamp{0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(stored_time(Timestamp{-500'000'000}), "1969-12-31T23:59:59.5Z");
  EXPECT_EQ(stored_time(Timestamp::zero()), "1754-08-30T22:43:41.128654848Z");
  EXPECT_EQ(parse_stored_time("1754-08-30T22:43:41.128654848Z")->ns, -6795364578871345152);
  EXPECT_EQ(parse_stored_time("2022-07-10T11:15:22.656077568-07:00")->ns, 1657476922656077568);
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(stored_time(Timestamp{kMax}), "2262-04-11T23:47:16.854775807Z");
  EXPECT_EQ(parse_stored_time("2262-04-11T23:47:16.854775807Z")->ns, kMax);
  EXPECT_EQ(stored_time(Timestamp{-kMax}), "1677-09-21T00:12:43.145224193Z");
  EXPECT_EQ(parse_stored_time("1677-09-21T00:12:43.145224193Z")->ns, -kMax);
  // Go's unset time, as calendar text, wraps to the same integer.
  EXPECT_EQ(parse_stored_time("0001-01-01T00:00:00Z")->ns, -6795364578871345152);
  for (const char* bad : {"", "2020-01-01", "2020-02-30T00:00:00Z", "2020-01-01T24:00:00Z", "2020-01-01T00:00:00",
                          "2020-01-01T00:00:00.Z", "2020-01-01T00:00:00Zx", "2020-01-01T00:00:00+1:00"}) {
    EXPECT_EQ(parse_stored_time(bad).code(), Code::corrupt) << bad;
  }
}

constexpr std::string_view kManifest =
    R"({"id":"","source":{"host":"host1","userName":"alice","path":"/home/alice"},"description":"","startTime":"2024-03-05T06:07:08.123456789Z","endTime":"2024-03-05T06:07:09.623456789Z","stats":{"totalSize":12,"excludedTotalSize":0,"fileCount":1,"cachedFiles":0,"nonCachedFiles":1,"dirCount":2,"excludedFileCount":0,"excludedDirCount":0,"ignoredErrorCount":0,"errorCount":0},"rootEntry":{"name":"alice","type":"d","mode":"0750","mtime":"2024-03-05T06:07:08.123456789Z","uid":1000,"gid":1000,"obj":"kfe00a91781912fc352edca26571a5f83","summ":{"size":12,"files":1,"symlinks":1,"dirs":2,"maxTime":"2024-03-05T06:07:08.123456789Z","numFailed":0}},"tags":{"tag:alpha":"x","tag:zeta":"1"},"pins":["keep"]})";

manifest::Manifest manifest_of(std::string_view json) {
  manifest::Manifest m;
  m.metadata.id = "0123456789abcdef0123456789abcdef";
  m.payload = Json::parse(json).value();
  return m;
}

TEST(SnapshotManifest, IsWrittenExactlyAsKopiaDoes) {
  auto s = SnapshotManifest::from_manifest(manifest_of(kManifest));
  ASSERT_TRUE(s.ok()) << s.status().message();
  EXPECT_EQ(s->id, "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(s->source.text(), "alice@host1:/home/alice");
  ASSERT_TRUE(s->root);
  EXPECT_EQ(s->root->mode, 0750U);
  s->id.clear();
  EXPECT_EQ(s->to_json().dump(), kManifest);
  EXPECT_FALSE(s->to_json(false).find("stats"));
}

TEST(SnapshotManifest, ListsReasonsLast) {
  auto s = SnapshotManifest::from_manifest(manifest_of(kManifest));
  ASSERT_TRUE(s.ok());
  s->retention_reasons = {"latest-1"};
  EXPECT_TRUE(s->to_json().dump().ends_with(R"("pins":["keep"],"retentionReason":["latest-1"]})"));
}

TEST(SnapshotManifest, RefusesWrongTypes) {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {R"("uid":1000)", R"("uid":"1000")"},
           {R"("uid":1000)", R"("uid":-1)"},
           {R"("uid":1000)", R"("uid":4294967296)"},
           {R"("uid":1000)", R"("uid":1.0)"},
           {R"("size":12)", R"("size":1e3)"},
           {R"("mode":"0750")", R"("mode":"rwx")"},
           {R"("obj":"kfe00a91781912fc352edca26571a5f83")", R"("obj":"xyz")"},
           {R"("startTime":"2024)", R"("startTime":"24)"},
           {R"("pins":["keep"])", R"("pins":[1])"},
           {R"("tag:alpha":"x")", R"("tag:alpha":1)"}}) {
    std::string text(kManifest);
    text.replace(text.find(from), from.size(), to);
    EXPECT_EQ(SnapshotManifest::from_manifest(manifest_of(text)).code(), Code::corrupt) << to;
  }
}

TEST(Stats, AreClampedToWhatKopiaReads) {
  Stats s;
  s.total_size = std::int64_t{1} << 50;
  s.file_count = std::int64_t{1} << 40;
  s.error_count = 3;
  const Json j = s.to_json();
  EXPECT_EQ(j["totalSize"].as_int(), std::int64_t{1} << 50);
  EXPECT_EQ(j["fileCount"].as_int(), 2147483647);
  EXPECT_EQ(Stats::from_json(j).error_count, 3);
}

TEST(DirEntry, OmitsWhatIsZero) {
  DirEntry e;
  e.type = EntryType::file;
  e.obj = object::ObjectId::parse("a948904f2f0f479b8f8197694b30184b").value();
  std::string out;
  e.append_json(out);
  EXPECT_EQ(out, R"({"type":"f","obj":"a948904f2f0f479b8f8197694b30184b"})");
  EXPECT_EQ(e.to_json().dump(), out);
  EXPECT_EQ(*DirEntry::from_json(e.to_json()), e);
}

TEST(DirEntry, KeepsUnknownTypes) {
  auto e =
      DirEntry::from_json(Json::parse(R"({"name":"x","type":"q","obj":"a948904f2f0f479b8f8197694b30184b"})").value());
  ASSERT_TRUE(e.ok());
  EXPECT_EQ(e->type, EntryType::unknown);
  EXPECT_EQ(e->to_json()["type"].as_string(), "q");
}

}  // namespace
}  // namespace cairn::snapshot
