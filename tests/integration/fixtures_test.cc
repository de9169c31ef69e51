// Repositories written by real programs: everything in them equals what the real program said.
#include <gmock/gmock.h>
#include <unistd.h>

#include <deque>

#include "snapshot/directory.h"
#include "snapshot/restore.h"
#include "snapshot/restore_local.h"
#include "snapshot/store.h"
#include "snapshot/tree_walk.h"
#include "snapshot/verify.h"
#include "tests/integration/open_fixture.h"

namespace cairn::testing {
namespace {

using snapshot::DirEntry;
using snapshot::EntryType;
using snapshot::SnapshotManifest;

constexpr std::size_t kFileSizeMax = std::size_t{1} << 30;

class Fixture : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto fixture = FixtureRepo::open(GetParam());
    ASSERT_TRUE(fixture.ok()) << fixture.status().message();
    fixture_ = std::make_unique<FixtureRepo>(std::move(*fixture));
    files_before_ = files_below(fixture_->path());
    auto repository = open_fixture(*fixture_, fixture_->password());
    ASSERT_TRUE(repository.ok()) << repository.status().message();
    repository_ = std::move(*repository);
  }
  void TearDown() override {
    if (repository_ != nullptr) {
      EXPECT_EQ(files_below(fixture_->path()), files_before_) << "a read-only connection wrote";
    }
  }
  const Json& expected() const { return fixture_->expected(); }

  // The tree in the order of the expectation: breadth first, `path` → entry as stored.
  std::vector<std::pair<std::string, DirEntry>> walk(const DirEntry& root) {
    std::vector<std::pair<std::string, DirEntry>> out{{"", root}};
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (out[i].second.type != EntryType::directory) {
        continue;
      }
      const std::string parent = out[i].first;
      const object::ObjectId id = out[i].second.obj;
      const auto add = [&](const snapshot::DirEntryView& e) -> Status {
        out.emplace_back(parent.empty() ? std::string(e.name) : parent + "/" + std::string(e.name), e.to_entry());
        return {};
      };
      const auto read = snapshot::for_each_child(repository_->objects(), id, add, {}, {});
      EXPECT_TRUE(read.ok()) << parent << ": " << read.status().message();
    }
    return out;
  }

  const std::string& sha256_of(const object::ObjectId& id) {
    auto [it, fresh] = hashes_.try_emplace(id.text());
    if (fresh) {
      auto data = repository_->objects().read_all(id, kFileSizeMax, {});
      EXPECT_TRUE(data.ok()) << id.text() << ": " << data.status().message();
      it->second = data.ok() ? sha256_text(data->view()) : "unreadable";
    }
    return it->second;
  }

  // `shown`: not hidden by a later entry of the same name, whose content the expectation gives for both.
  void compare_entry(const Json& want, const std::string& path, const DirEntry& entry, bool shown) {
    ASSERT_EQ(want["path"].as_string(), path);
    const Json got = entry.to_json();
    for (const char* key : {"type", "mode", "size", "uid", "gid", "mtime", "obj", "summ"}) {
      EXPECT_EQ(want[key], got[key]) << path << " " << key << ": " << want[key].dump() << " " << got[key].dump();
    }
    if (shown && (entry.type == EntryType::file || entry.type == EntryType::symlink)) {
      EXPECT_EQ(want["sha256"].as_string(), sha256_of(entry.obj)) << path;
    }
  }

  std::unique_ptr<FixtureRepo> fixture_;
  std::unique_ptr<repo::Repository> repository_;
  std::set<std::string> files_before_;
  std::map<std::string, std::string> hashes_;
};

TEST_P(Fixture, SnapshotsAreListed) {
  auto listed = snapshot::list_snapshots(repository_->manifests(), {}, {});
  ASSERT_TRUE(listed.ok()) << listed.status().message();
  std::map<std::string, const SnapshotManifest*> by_id;
  for (const SnapshotManifest& m : *listed) {
    by_id[m.id] = &m;
  }
  EXPECT_EQ(listed->size(), expected()["snapshots"].size());
  for (const Json& want : expected()["snapshots"].items()) {
    const auto found = by_id.find(want["id"].as_string());
    ASSERT_NE(found, by_id.end()) << want["id"].as_string();
    const Json got = found->second->to_json();
    EXPECT_EQ(want["description"].as_string(), got["description"].as_string());  // empty ones were left out
    for (const char* key : {"source", "startTime", "endTime", "incomplete", "stats", "rootEntry", "tags", "pins"}) {
      EXPECT_EQ(want[key].dump(), got[key].dump()) << key;
    }
  }
}

TEST_P(Fixture, TreesAndFilesAreEqual) {
  std::set<std::string> seen;
  for (const Json& want : expected()["snapshots"].items()) {
    const std::string& key = want["tree"].as_string();
    if (!seen.insert(key).second) {
      continue;
    }
    auto m = snapshot::load_snapshot(repository_->manifests(), want["id"].as_string(), {});
    ASSERT_TRUE(m.ok()) << m.status().message();
    ASSERT_TRUE(m->root);
    const auto& tree = expected()["trees"][key].items();
    const auto got = walk(*m->root);
    ASSERT_EQ(tree.size(), got.size());
    for (std::size_t i = 0; i < tree.size(); ++i) {
      const bool shown = i + 1 == got.size() || got[i].first != got[i + 1].first;
      compare_entry(tree[i], got[i].first, got[i].second, shown);
      if (HasFatalFailure()) {
        return;
      }
    }
  }
}

TEST_P(Fixture, ContentsAndBlobsAreEqual) {
  std::map<std::string, content::ContentInfo> infos;
  const auto add = [&](const content::ContentInfo& i) -> Status {
    infos.emplace(i.id.text(), i);
    return {};
  };
  content::IterateOptions options;
  options.include_deleted = true;
  ASSERT_TRUE(repository_->contents().iterate(options, add, {}).ok());
  EXPECT_EQ(infos.size(), expected()["contents"].size());
  for (const Json& want : expected()["contents"].items()) {
    const std::string& id = want["contentID"].as_string();
    ASSERT_TRUE(infos.contains(id)) << id;
    const content::ContentInfo& got = infos.at(id);
    EXPECT_EQ(want["packFile"].as_string(), got.pack.text) << id;
    EXPECT_EQ(want["length"].as_int(), got.packed_length) << id;
    EXPECT_EQ(want["originalLength"].as_int(), got.original_length) << id;
    EXPECT_EQ(want["packOffset"].as_int(), got.pack_offset) << id;
    EXPECT_EQ(want["compression"].as_int(), got.compression) << id;
    EXPECT_EQ(want["deleted"].as_bool(), got.deleted) << id;
    EXPECT_EQ(want["formatVersion"].as_int(), got.format_version) << id;
    EXPECT_EQ(want["time"].as_int(), got.timestamp_seconds) << id;
  }
  std::map<std::string, std::int64_t> blobs;
  const auto add_blob = [&](const blob::BlobMetadata& b) -> Status {
    blobs.emplace(b.id.text, b.length);
    return {};
  };
  ASSERT_TRUE(repository_->storage().list("", add_blob, {}).ok());
  for (const Json& want : expected()["blobs"].items()) {
    const auto found = blobs.find(want["id"].as_string());
    ASSERT_NE(found, blobs.end()) << want["id"].as_string();
    EXPECT_EQ(found->second, want["length"].as_int()) << found->first;
  }
  EXPECT_EQ(blobs.size(), expected()["blobs"].size());
}

TEST_P(Fixture, EveryByteIsVerified) {
  snapshot::VerifyOptions options;
  options.files_percent = 100;
  options.max_errors = -1;
  snapshot::VerifyResult result;
  const Status s = snapshot::verify_snapshots(*repository_, options, {}, result, {});
  EXPECT_TRUE(s.ok()) << s.message() << " " << ::testing::PrintToString(result.error_texts);
  std::set<std::string> objects;
  for (const auto& [key, tree] : expected()["trees"].members()) {
    for (const Json& e : tree.items()) {
      objects.insert(e["obj"].as_string());
    }
  }
  EXPECT_EQ(result.stats.processed_objects, static_cast<std::int64_t>(objects.size()));
}

// What stands in the target after a restore, compared with the expectation.
void compare_restored(const Json& want, const std::string& path) {
  const auto info = sys::lstat_path(path);
  ASSERT_TRUE(info.ok()) << info.status().message();
  auto entry = DirEntry::from_json(want);
  ASSERT_TRUE(entry.ok()) << entry.status().message();
  // Not every file system knows times before 1901.
  if (entry->mtime >= Timestamp::from_seconds(-(std::int64_t{1} << 31))) {
    EXPECT_EQ(info->mtime, entry->mtime) << path;
  }
  const bool owner = ::geteuid() == 0 || (entry->uid == ::geteuid() && entry->gid == ::getegid());
  if (owner) {
    EXPECT_EQ(info->uid, entry->uid) << path;
    EXPECT_EQ(info->gid, entry->gid) << path;
  }
  if (entry->type == EntryType::symlink) {
    const auto target = sys::read_link(path);
    ASSERT_TRUE(target.ok()) << path;
    EXPECT_EQ(hex_encode(as_bytes(*target)), want["target_hex"].as_string());
    return;
  }
  EXPECT_EQ(info->mode, owner ? entry->mode : entry->mode & ~06000U) << path;
  if (entry->type == EntryType::file && (::geteuid() == 0 || (entry->mode & 0400) != 0)) {
    const auto data = sys::read_file(path, kFileSizeMax);
    ASSERT_TRUE(data.ok()) << data.status().message();
    EXPECT_EQ(sha256_text(data->view()), want["sha256"].as_string()) << path;
  }
}

TEST_P(Fixture, RestoresEqual) {
  std::set<std::string> seen;
  for (const Json& want : expected()["snapshots"].items()) {
    const std::string& key = want["tree"].as_string();
    if (!seen.insert(key).second) {
      continue;
    }
    auto m = snapshot::load_snapshot(repository_->manifests(), want["id"].as_string(), {});
    ASSERT_TRUE(m.ok());
    auto temp = sys::TempDir::make("cairn-fixture-restore-");
    ASSERT_TRUE(temp.ok());
    const std::string target = temp->path() + "/target";
    const auto output = snapshot::LocalOutput::create(target, {});
    snapshot::RestoreProgress progress;
    const Status s = snapshot::restore_tree(repository_->objects(), *m->root, *output, {}, progress, {}, {});
    ASSERT_TRUE(s.ok()) << s.message();
    std::map<std::string, const Json*> last;  // of equal names the last one counts
    for (const Json& e : expected()["trees"][key].items()) {
      last[e["path"].as_string()] = &e;
    }
    for (const auto& [path, e] : last) {
      compare_restored(*e, path.empty() ? target : target + "/" + path);
      if (HasFatalFailure()) {
        return;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Repositories, Fixture, ::testing::ValuesIn(names_where(false)), test_name);

TEST(FixturePassword, TheOldOneIsRefused) {
  auto fixture = FixtureRepo::open("password-changed");
  ASSERT_TRUE(fixture.ok()) << fixture.status().message();
  const auto old_one = open_fixture(*fixture, fixture->expected()["old_password"].as_string());
  EXPECT_EQ(old_one.code(), Code::unauthenticated) << old_one.status().message();
  EXPECT_TRUE(open_fixture(*fixture, fixture->password()).ok());
}

}  // namespace
}  // namespace cairn::testing
