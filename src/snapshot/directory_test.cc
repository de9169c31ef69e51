#include "snapshot/directory.h"

#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "tests/support/golden.h"

namespace cairn::snapshot {
namespace {

using testing::golden_json;
using testing::read_text;
using testing::UnpackedArchive;

constexpr std::string_view kExample =
    R"({"stream":"kopia:directory","entries":[{"name":"sub","type":"d","mode":"0755","mtime":"2024-03-05T06:07:08.123456789Z","uid":1000,"gid":1000,"obj":"k0123456789abcdef0123456789abcdef","summ":{"size":0,"files":0,"symlinks":0,"dirs":1,"maxTime":"2024-03-05T06:07:08.123456789Z","numFailed":0}},{"name":"hello.txt","type":"f","mode":"0644","size":12,"mtime":"2024-03-05T06:07:08.123456789Z","uid":1000,"gid":1000,"obj":"a948904f2f0f479b8f8197694b30184b"},{"name":"link","type":"s","mode":"0777","size":9,"mtime":"2024-03-05T06:07:08.123456789Z","uid":1000,"gid":1000,"obj":"deadbeefdeadbeefdeadbeefdeadbeef"}],"summary":{"size":12,"files":1,"symlinks":1,"dirs":2,"maxTime":"2024-03-05T06:07:08.123456789Z","numFailed":0}})"
    "\n";

std::string reencode(const Directory& dir) {
  std::string out;
  DirectoryEncoder encoder(out);
  for (const DirEntry& e : dir.entries) {
    encoder.append(e);
  }
  encoder.finish(dir.summary);
  return out;
}

TEST(Directory, BuilderSortsAndAddsUp) {
  auto dir = parse_directory(kExample);
  ASSERT_TRUE(dir.ok()) << dir.status().message();
  ASSERT_EQ(dir->entries.size(), 3U);
  DirectoryBuilder builder;
  for (const std::size_t i : {2U, 1U, 0U}) {
    builder.add(dir->entries[i]);
  }
  std::string out;
  const Summary summary = builder.encode(Timestamp{1}, "", out);
  EXPECT_EQ(out, kExample);
  EXPECT_EQ(summary, dir->summary);
  EXPECT_EQ(out.size(), 718U);
}

TEST(Directory, EmptyOneHasNullEntriesAndItsOwnTime) {
  DirectoryBuilder builder;
  std::string out;
  builder.encode(Timestamp{1709618828123456789}, "", out);
  EXPECT_EQ(
      out,
      R"({"stream":"kopia:directory","entries":null,"summary":{"size":0,"files":0,"symlinks":0,"dirs":1,"maxTime":"2024-03-05T06:07:08.123456789Z","numFailed":0}})"
      "\n");
  auto back = parse_directory(out);
  ASSERT_TRUE(back.ok());
  EXPECT_TRUE(back->entries.empty());
}

TEST(Directory, ErrorsAreCountedSortedAndCut) {
  DirectoryBuilder builder;
  for (int i = 14; i >= 0; --i) {
    builder.add_error({fmt::format("f{:02}", i), "no"}, i % 5 == 0);
  }
  std::string out;
  const Summary s = builder.encode(Timestamp{0}, "canceled", out);
  EXPECT_EQ(s.num_failed, 12);
  EXPECT_EQ(s.num_ignored_errors, 3);
  ASSERT_EQ(s.errors.size(), 10U);
  EXPECT_EQ(s.errors[0].path, "f00");
  EXPECT_EQ(s.incomplete, "canceled");
  EXPECT_NE(out.find(R"("incomplete":"canceled","numFailed":12,"numIgnoredErrors":3,"errors":[{"path":"f00")"),
            std::string::npos);
  EXPECT_EQ(parse_directory(out)->summary, s);
}

TEST(Directory, ReadsInPiecesOfAnySize) {
  for (const std::size_t size : {1U, 2U, 3U, 7U, 100U, 1000U}) {
    std::vector<DirEntry> entries;
    DirectoryParser parser([&](const DirEntryView& e) -> Status {
      entries.push_back(e.to_entry());
      return {};
    });
    for (std::size_t i = 0; i < kExample.size(); i += size) {
      ASSERT_TRUE(parser.feed(kExample.substr(i, size)).ok());
    }
    auto summary = parser.finish();
    ASSERT_TRUE(summary.ok()) << size << summary.status().message();
    EXPECT_EQ(reencode({entries, *summary}), kExample) << size;
  }
}

TEST(Directory, EveryTruncationIsCorrupt) {
  for (std::size_t n = 0; n < kExample.size() - 1; ++n) {
    EXPECT_EQ(parse_directory(kExample.substr(0, n)).code(), Code::corrupt) << n;
  }
}

TEST(Directory, EveryFlippedByteGivesAnAnswer) {
  std::string text(kExample);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char flip : {'\x01', '\x20', '\x7f', '\x80'}) {
      std::string bad = text;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      auto r = parse_directory(bad);
      if (!r.ok()) {
        EXPECT_EQ(r.code(), Code::corrupt);
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, text.size());
}

TEST(Directory, ReadsLikeKopia) {
  // Unknown and differently cased keys, white space, escapes, trailing bytes, nulls.
  auto dir = parse_directory(
      R"( { "x" : [ { "a" : -1.5e3 } , "\u00e9", true ] , "Entries" : [ { "NAME" : "a\u003c\ud83d\ude00\ud800\/" , "type":null, "obj":"a948904f2f0f479b8f8197694b30184b", "extra":{"deep":[[]]}, "summ":null } ] , "summary" : null , "stream":"kopia:directory" } trailing )");
  ASSERT_TRUE(dir.ok()) << dir.status().message();
  ASSERT_EQ(dir->entries.size(), 1U);
  EXPECT_EQ(dir->entries[0].name, "a<\xF0\x9F\x98\x80\xEF\xBF\xBD/");
  EXPECT_EQ(dir->entries[0].type, EntryType::none);
  EXPECT_FALSE(dir->entries[0].summ);
}

TEST(Directory, LastOfEqualNamesWins) {
  auto dir = parse_directory(
      R"({"stream":"kopia:directory","entries":[{"name":"a","size":1,"obj":"a948904f2f0f479b8f8197694b30184b"},{"name":"b","obj":"a948904f2f0f479b8f8197694b30184b"},{"name":"a","size":2,"obj":"a948904f2f0f479b8f8197694b30184b"}],"summary":{}})");
  ASSERT_TRUE(dir.ok());
  ASSERT_EQ(dir->entries.size(), 2U);
  ASSERT_NE(dir->find("a"), nullptr);
  EXPECT_EQ(dir->find("a")->size, 2);
  EXPECT_EQ(dir->find("c"), nullptr);
}

TEST(Directory, RefusesWhatIsNotADirectory) {
  for (const char* bad :
       {"", "null", "[]", "{}", "\x01", R"({"stream":"kopia:indirect","entries":[]})", R"({"entries":[],"summary":{}})",
        R"({"stream":"kopia:directory","entries":{}})", R"({"stream":"kopia:directory","entries":[null]})",
        R"({"stream":"kopia:directory","entries":[{"size":"1"}]})",
        R"({"stream":"kopia:directory","entries":[{"size":1.0}]})",
        R"({"stream":"kopia:directory","entries":[{"size":99999999999999999999}]})",
        R"({"stream":"kopia:directory","entries":[{"uid":-1}]})",
        R"({"stream":"kopia:directory","entries":[{"obj":""}]})",
        R"({"stream":"kopia:directory","entries":[{"obj":"nope"}]})",
        R"({"stream":"kopia:directory","entries":[{"mtime":"yesterday"}]})",
        R"({"stream":"kopia:directory","entries":[],})", R"({"stream":"kopia:directory","entries":[{"name":"a"},]})"}) {
    EXPECT_EQ(parse_directory(bad).code(), Code::corrupt) << bad;
  }
  const std::string deep = R"({"stream":"kopia:directory","x":)" + std::string(100000, '[');
  EXPECT_EQ(parse_directory(deep).code(), Code::corrupt);
}

TEST(Directory, ChildTimesCanComeFromTheSummary) {
  auto dir = parse_directory(
      R"({"stream":"kopia:directory","entries":[{"name":"d","type":"d","mtime":"2020-01-01T00:00:00Z","obj":"k948904f2f0f479b8f8197694b30184b0","summ":{"size":77,"files":1,"symlinks":0,"dirs":1,"maxTime":"2021-01-01T00:00:00Z","numFailed":0}}],"summary":{}})",
      {.child_directory_times_from_summary = true});
  ASSERT_TRUE(dir.ok());
  EXPECT_EQ(dir->entries[0].size, 77);
  EXPECT_EQ(dir->entries[0].mtime, dir->entries[0].summ->max_time);
}

TEST(Directory, CallbackErrorsStopTheParser) {
  auto r = for_each_entry(kExample, [](const DirEntryView&) { return error(Code::cancelled, "stop"); });
  EXPECT_EQ(r.code(), Code::cancelled);
}

TEST(Directory, UnsafeNames) {
  for (const std::string_view bad : {std::string_view(""), std::string_view("."), std::string_view(".."),
                                     std::string_view("a/b"), std::string_view("a\0b", 3)}) {
    EXPECT_FALSE(safe_entry_name(bad)) << bad;
  }
  EXPECT_TRUE(safe_entry_name("..."));
}

class TortureDirectories : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Both, TortureDirectories, ::testing::Values("torture", "torture-fixed128k"));

TEST_P(TortureDirectories, AreReencodedByteForByte) {
  const UnpackedArchive archive(std::string("repos/") + GetParam() + ".dirobjects.tar.gz");
  std::size_t count = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(archive.dir())) {
    if (!file.is_regular_file()) {
      continue;
    }
    const std::string stored = read_text(file.path().string());
    std::string out;
    DirectoryEncoder encoder(out);
    DirectoryBuilder builder;
    auto summary = for_each_entry(stored, [&](const DirEntryView& e) -> Status {
      encoder.append(e.to_entry());
      builder.add(e.to_entry());
      return {};
    });
    ASSERT_TRUE(summary.ok()) << file.path() << summary.status().message();
    encoder.finish(*summary);
    // Bytes that are not UTF-8 were stored as an escape, and are read as the character it means.
    std::string wanted = stored;
    for (std::size_t at = 0; (at = wanted.find("\\ufffd", at)) != std::string::npos; at += 3) {
      wanted.replace(at, 6, "\xEF\xBF\xBD");
    }
    EXPECT_TRUE(out == wanted) << file.path();
    // The builder finds the same summary, except for what left no entry: errors, the time of an empty directory.
    if (summary->errors.empty()) {
      std::string built;
      EXPECT_EQ(builder.encode(summary->max_time, "", built), *summary) << file.path();
      EXPECT_EQ(built.size(), wanted.size());
    }
    ++count;
  }
  EXPECT_GT(count, 80U);
}

// Makes every directory object from the description of the tree; only the objects of files come from what was stored.
class TreeRebuilder {
 public:
  TreeRebuilder(const std::string& description, std::filesystem::path objects) : objects_(std::move(objects)) {
    std::istringstream lines(description);
    for (std::string line; std::getline(lines, line);) {
      const Json node = Json::parse(line).value();
      const std::string path = unhex(node["path_hex"].as_string());
      by_path_[path] = node;
      if (!path.empty() && std::string("pScb").find(node["type"].as_string()) == std::string::npos) {
        const std::size_t slash = path.rfind('/');
        children_[slash == std::string::npos ? "" : path.substr(0, slash)].push_back(path);
      }
    }
  }

  Summary rebuild(const std::string& path, const std::string& object_id) {
    const std::string stored = read_text((objects_ / object_id).string());
    auto dir = parse_directory_raw(stored);
    auto& paths = children_[path];
    std::sort(paths.begin(), paths.end(), [this](const std::string& a, const std::string& b) {
      const bool da = by_path_[a]["type"].as_string() == "d";
      const bool db = by_path_[b]["type"].as_string() == "d";
      return da != db ? da : a < b;
    });
    EXPECT_EQ(dir.size(), paths.size()) << path;
    DirectoryBuilder builder;
    for (std::size_t i = 0; i < std::min(dir.size(), paths.size()); ++i) {
      builder.add(entry(paths[i], dir[i].obj));
    }
    std::string out;
    const Summary summary = builder.encode(time_of(by_path_[path]), "", out);
    EXPECT_TRUE(out == stored) << "directory " << path;
    ++count_;
    return summary;
  }
  std::size_t count() const { return count_; }

 private:
  static std::string unhex(const std::string& hex) {
    const Bytes bytes = hex_decode(hex).value();
    return {bytes.begin(), bytes.end()};
  }
  static Timestamp time_of(const Json& node) { return {node["mtime_ns"].as_int()}; }
  static std::vector<DirEntry> parse_directory_raw(const std::string& text) {
    std::vector<DirEntry> out;
    auto r = for_each_entry(text, [&](const DirEntryView& e) -> Status {
      out.push_back(e.to_entry());
      return {};
    });
    EXPECT_TRUE(r.ok());
    return out;
  }

  DirEntry entry(const std::string& path, const object::ObjectId& obj) {
    const Json& own = by_path_[path];
    const std::string type = own["type"].as_string();
    const Json& node = type == "h" ? by_path_[unhex(own["target_hex"].as_string())] : own;
    DirEntry e;
    e.name = path.substr(path.rfind('/') + 1);
    e.type = type == "d" ? EntryType::directory : type == "s" ? EntryType::symlink : EntryType::file;
    e.mode = static_cast<std::uint32_t>(std::stoul(node["mode"].as_string(), nullptr, 8));
    e.mtime = time_of(node);
    e.uid = static_cast<std::uint32_t>(node["uid"].as_int());
    e.gid = static_cast<std::uint32_t>(node["gid"].as_int());
    e.obj = obj;
    if (e.type == EntryType::directory) {
      e.summ = rebuild(path, obj.text());
    } else {
      e.size =
          type == "s" ? static_cast<std::int64_t>(unhex(own["target_hex"].as_string()).size()) : node["size"].as_int();
    }
    return e;
  }

  std::filesystem::path objects_;
  std::map<std::string, Json> by_path_;
  std::map<std::string, std::vector<std::string>> children_;
  std::size_t count_ = 0;
};

TEST_P(TortureDirectories, AreMadeAnewFromTheTree) {
  const UnpackedArchive tree("directories/torture-tree.tar.gz");
  const UnpackedArchive objects(std::string("repos/") + GetParam() + ".dirobjects.tar.gz");
  const Json expected = golden_json(std::string("repos/") + GetParam() + ".expected.json");
  std::string root;
  for (const Json& s : expected["snapshots"].items()) {
    if (s["source"]["path"].as_string() == "/data/torture") {
      root = s["root"].as_string();
      break;
    }
  }
  ASSERT_FALSE(root.empty());
  TreeRebuilder rebuilder(read_text((tree.dir() / "torture-tree.jsonl").string()), objects.dir() / "dirobjects");
  rebuilder.rebuild("", root);
  EXPECT_GT(rebuilder.count(), 80U);
}

}  // namespace
}  // namespace cairn::snapshot
