// The torture tree stored into the repository that the real program made of it: everything is found again, nothing new
// is stored. And into one of our own: the same entries.
#include <sys/stat.h>

#include <fstream>
#include <map>
#include <sstream>

#include "blob/filesystem/filesystem_storage.h"
#include "snapshot/create.h"
#include "snapshot/store.h"
#include "snapshot/upload_test_support.h"
#include "sys/process.h"

namespace cairn::snapshot {
namespace {

constexpr std::string_view kFixturePassword = "fixture-password";

std::string read_text(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

Status run_program(std::vector<std::string> argv) {
  sys::ProcessOptions options;
  options.argv = std::move(argv);
  TRY_ASSIGN(const auto result, sys::run_process(options, {}));
  return result.ok() ? Status() : error(Code::internal, "{}: {}", options.argv[0], result.text());
}

class Torture : public test::UploadFixture {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "needs root for owners and devices";
    }
    test::UploadFixture::SetUp();
    tree_ = root_ + "/torture";  // the repository has the same name and is unpacked beside the source
    const std::string tests = CAIRN_TESTS_DIR;
    const Status made = run_program({"python3", tests + "/golden/gen.py", "torture", tree_});
    if (!made.ok()) {
      GTEST_SKIP() << "cannot make the tree: " << made.message();
    }
  }

  void open_fixture(const std::string& name) {
    const std::string golden = std::string(CAIRN_TESTS_DIR) + "/golden/repos/" + name;
    ASSERT_TRUE(run_program({"tar", "-xzf", golden + ".tar.gz", "-C", temp_.path()}).ok());
    auto json = Json::parse(read_text(golden + ".expected.json"));
    ASSERT_TRUE(json.ok()) << json.status().message();
    expected_ = std::move(*json);
    blob::FilesystemOptions options;
    options.path = temp_.path() + "/" + name;
    auto storage = blob::open_filesystem(options, {}, {});
    ASSERT_TRUE(storage.ok()) << storage.status().message();
    repo::ClientOptions client;
    client.hostname = "lab";
    client.username = "alice";
    repository_.reset();
    auto opened = repo::Repository::open_direct(*storage, kFixturePassword, client, {}, {}, {});
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    repository_ = std::move(*opened);
  }

  CreateResult create(const std::string& path, const std::string& source) {
    CreateRequest r;
    r.source.info = {"lab", "alice", source};
    r.source.path = path;
    auto result = create_snapshot(*repository_, r, {});
    EXPECT_TRUE(result.ok()) << result.status().message();
    return result.ok() ? std::move(*result) : CreateResult{};
  }

  // Entry of the root of the recorded snapshot with this source.
  const Json& recorded(const std::string& source) const {
    for (const Json& s : expected_["snapshots"].items()) {
      if (s["source"]["path"].as_string() == source) {
        return s;
      }
    }
    static const Json none;
    return none;
  }

  std::string tree_;
  Json expected_;
};

void check_dedup(repo::Repository& repository, const CreateResult& created, const Json& recorded,
                 std::int64_t new_contents_max) {
  const SnapshotManifest& m = created.manifest;
  ASSERT_TRUE(m.root);
  EXPECT_EQ(m.root->obj.text(), recorded["rootEntry"]["obj"].as_string());
  EXPECT_EQ(m.root->summ->max_time, DirEntry::from_json(recorded["rootEntry"])->summ->max_time);
  EXPECT_EQ(*m.root->summ, *DirEntry::from_json(recorded["rootEntry"])->summ);
  EXPECT_EQ(m.root->mode, 0750U);
  EXPECT_LE(repository.contents().stats().contents_new, new_contents_max);
}

TEST_F(Torture, UnchangedTreeAddsNothingToARealRepository) {
  open_fixture("torture");
  const CreateResult created = create(tree_, "/data/torture");
  check_dedup(*repository_, created, recorded("/data/torture"), 2);  // manifests only
  // As the real program's second run: all but the names that are not UTF-8 are reused.
  EXPECT_EQ(created.manifest.stats.cached_files, 3193);
  EXPECT_EQ(created.manifest.stats.non_cached_files, 9);
  EXPECT_EQ(created.manifest.stats.file_count, 9);
  EXPECT_EQ(created.manifest.stats.dir_count, 97);
  EXPECT_EQ(created.manifest.stats.total_size, 92622555);
}

TEST_F(Torture, FullReadFindsEveryContentInARealRepository) {
  open_fixture("torture");
  // Another source has no previous snapshots: every file is read, split and hashed, and is there already.
  const CreateResult created = create(tree_, "/data/elsewhere");
  check_dedup(*repository_, created, recorded("/data/torture"), 2);
  EXPECT_EQ(created.manifest.stats.cached_files, 0);
  EXPECT_EQ(created.manifest.stats.file_count, 3186);
  EXPECT_EQ(created.manifest.stats.total_size, 92614367);
}

TEST_F(Torture, FullReadFindsEveryContentOfSmallChunks) {
  open_fixture("torture-fixed128k");
  const CreateResult created = create(tree_, "/data/elsewhere");
  check_dedup(*repository_, created, recorded("/data/torture"), 2);
}

TEST_F(Torture, SpecialFilesAsTheRealProgramReportsThem) {
  open_fixture("torture");
  const CreateResult created = create(tree_ + "/special", "/data/special");
  const Json& special = recorded("/data/special");
  EXPECT_EQ(created.manifest.root->obj.text(), special["rootEntry"]["obj"].as_string());
  EXPECT_EQ(created.manifest.stats.error_count, 4);
  EXPECT_EQ(*created.manifest.root->summ, *DirEntry::from_json(special["rootEntry"])->summ);
}

TEST_F(Torture, SingleFileAsTheRealProgramStoresIt) {
  open_fixture("torture");
  const CreateResult created = create(tree_ + "/sizes/4096", "/data/single-file");
  DirEntry expected = *DirEntry::from_json(recorded("/data/single-file")["rootEntry"]);
  EXPECT_EQ(*created.manifest.root, expected);
}

// What the real program recorded of each entry, by path.
std::map<std::string, Json> recorded_tree(const Json& expected, const Json& snapshot) {
  std::map<std::string, Json> out;
  for (const Json& e : expected["trees"][snapshot["tree"].as_string()].items()) {
    out.emplace(e["path"].as_string(), e);
  }
  return out;
}

TEST_F(Torture, EntriesInARepositoryOfOurOwn) {
  open_fixture("torture");
  const auto tree = recorded_tree(expected_, recorded("/data/torture"));
  reopen();
  const SnapshotManifest m = create(tree_, "/data/torture").manifest;
  std::size_t seen = 0;
  const std::function<void(const DirEntry&, const std::string&)> walk = [&](const DirEntry& d,
                                                                            const std::string& path) {
    for (const DirEntry& e : read(d.obj).entries) {
      const std::string name = path.empty() ? e.name : path + "/" + e.name;
      const auto it = tree.find(name);
      ASSERT_NE(it, tree.end()) << name;
      const Json& r = it->second;
      Json ours = e.to_json();
      for (const char* key : {"type", "mode", "size", "uid", "gid", "mtime"}) {
        // Stored names of several entries may be one: then the recorded one may be another.
        if (name.find("\xef\xbf\xbd") == std::string::npos) {
          EXPECT_EQ(ours[key], r[key]) << name << " " << key;
        }
      }
      EXPECT_EQ(e.obj.indirection, object::ObjectId::parse(r["obj"].as_string())->indirection) << name;
      if (e.type == EntryType::directory) {
        EXPECT_EQ(ours["summ"], r["summ"]) << name;
        walk(e, name);
      }
      ++seen;
    }
  };
  walk(*m.root, "");
  EXPECT_GT(seen, 3200U);
}

}  // namespace
}  // namespace cairn::snapshot
