// Damaged repositories: clear errors, never a crash, and what the damage does not touch restores.
#include <gmock/gmock.h>

#include "content/verify.h"
#include "snapshot/resolve.h"
#include "snapshot/restore.h"
#include "snapshot/restore_local.h"
#include "snapshot/verify.h"
#include "tests/integration/open_fixture.h"

namespace cairn::testing {
namespace {

constexpr std::size_t kFileSizeMax = std::size_t{1} << 30;

class Damaged : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto fixture = FixtureRepo::open(GetParam());
    ASSERT_TRUE(fixture.ok()) << fixture.status().message();
    fixture_ = std::make_unique<FixtureRepo>(std::move(*fixture));
    auto base = fixture_expectation(expected()["base"].as_string());
    ASSERT_TRUE(base.ok()) << base.status().message();
    base_ = std::move(*base);
    if (kopia_succeeded("repair")) {
      repair();
    }
    files_before_ = files_below(fixture_->path());
    const bool wrong = GetParam() == "damage-wrong-password";
    repository_ = open_fixture(*fixture_, wrong ? "not the password" : fixture_->password());
  }
  void TearDown() override {
    if (fixture_ != nullptr) {
      EXPECT_EQ(files_below(fixture_->path()), files_before_) << "a read-only connection wrote";
    }
  }
  // The lost format blob, from its replica in a pack.
  void repair() {
    blob::ConnectionInfo info;
    info.type = "filesystem";
    info.config = Json::object({{"path", fixture_->path()}});
    auto storage = blob::open_storage(info, {}, {});
    ASSERT_TRUE(storage.ok()) << storage.status().message();
    auto found = format::find_replica(**storage, {"p"}, nullptr, {});
    ASSERT_TRUE(found.ok()) << found.status().message();
    ASSERT_TRUE((*storage)->put(BlobId("kopia.repository"), ByteView(found->format_blob), {}).ok());
  }
  const Json& expected() const { return fixture_->expected(); }
  const Json& kopia(const char* command) const { return expected()["kopia"][command]; }
  bool kopia_succeeded(const char* command) const { return kopia(command)["exit"].as_int(-1) == 0; }
  repo::Repository& repository() { return ***repository_; }

  // Ids of the blobs that were damaged: file names without directories and ".f".
  std::vector<std::string> damaged_blobs() const {
    std::vector<std::string> out;
    for (const Json& d : expected()["damage"].items()) {
      std::string id;
      for (const char c : d["file"].as_string()) {
        if (c != '/') {
          id += c;
        }
      }
      if (id.ends_with(".f")) {
        id.resize(id.size() - 2);
      }
      out.push_back(id);
    }
    return out;
  }
  // Blobs by their ids, the fixed ones in the words everybody knows them by.
  bool names_damage(const std::string& text) const {
    static const std::map<std::string, std::string> kWords = {{".shards", "sharding parameters"},
                                                              {"kopia.blobcfg", "blobcfg blob"},
                                                              {"kopia.repository", "repository not initialized"}};
    auto blobs = damaged_blobs();
    for (std::string& b : blobs) {
      if (const auto it = kWords.find(b); it != kWords.end()) {
        b = it->second;
      }
    }
    return std::any_of(blobs.begin(), blobs.end(), [&](const auto& b) { return text.find(b) != std::string::npos; });
  }

  std::unique_ptr<FixtureRepo> fixture_;
  Json base_;
  std::set<std::string> files_before_;
  std::optional<Result<std::unique_ptr<repo::Repository>>> repository_;
};

TEST_P(Damaged, OpensOrSaysWhatIsWrong) {
  if (repository_->ok()) {
    return;
  }
  const Status s = repository_->status();
  EXPECT_FALSE(kopia_succeeded("snapshot list")) << s.message();
  const bool password = GetParam() == "damage-wrong-password" || GetParam() == "damage-flipped-format";
  if (password) {
    EXPECT_THAT(s.message(), ::testing::HasSubstr("invalid repository password"));
  } else {
    EXPECT_TRUE(names_damage(s.message())) << s.message();
  }
}

TEST_P(Damaged, VerifyFindsIt) {
  if (!repository_->ok()) {
    return;
  }
  snapshot::VerifyOptions options;
  options.files_percent = 100;
  options.max_errors = -1;
  snapshot::VerifyCallbacks callbacks;
  std::vector<std::string> lines;
  std::mutex mutex;
  callbacks.on_error = [&](const std::string& line) {
    const std::lock_guard lock(mutex);
    lines.push_back(line);
  };
  snapshot::VerifyResult result;
  const Status s = snapshot::verify_snapshots(repository(), options, callbacks, result, {});
  if (kopia_succeeded("snapshot verify max-errors=100")) {
    EXPECT_TRUE(s.ok()) << s.message();
    return;
  }
  if (s.ok()) {
    // Better than the original is allowed only where that could not even open the repository.
    EXPECT_NE(kopia("connect")["exit"].as_int(), 0);
    return;
  }
  for (const std::string& line : lines) {
    // Source, time and path; the object or content; and the blob unless its very existence has been forgotten.
    EXPECT_THAT(line, ::testing::AnyOf(::testing::StartsWith("error processing alice@lab:/data/dmg@"),
                                       ::testing::HasSubstr("unable to load manifest contents")));
    EXPECT_TRUE(names_damage(line) || line.find("not found") != std::string::npos) << line;
  }
}

// The original's own figures.
TEST_P(Damaged, ContentVerifyCountsTheSame) {
  if (!repository_->ok()) {
    return;
  }
  constexpr std::string_view kBefore = "verifyCounters:\t";
  std::string counters;
  for (const Json& line : kopia("content verify full")["stderr"].items()) {
    if (const std::size_t at = line.as_string().find(kBefore); at != std::string::npos) {
      counters = line.as_string().substr(at + kBefore.size());
    }
  }
  if (counters.empty()) {
    return;  // it could not open the repository
  }
  content::VerifyContentsResult result;
  content::VerifyContentsOptions options;
  options.read_percent = 100;
  const Status s = content::verify_contents(repository().contents(), options, {}, result, {});
  EXPECT_EQ(s.ok(), kopia_succeeded("content verify full")) << s.message();
  EXPECT_EQ(result.to_json().dump(), counters);
}

TEST_P(Damaged, WhatIsWholeRestores) {
  if (!repository_->ok()) {
    return;
  }
  const auto found = snapshot::resolve_id(repository(), expected()["restored_snapshot"].as_string(), {}, {});
  const Json& files = kopia("restore ignore-errors")["files"];
  if (!found.ok()) {
    EXPECT_FALSE(kopia_succeeded("restore ignore-errors")) << found.status().message();
    EXPECT_TRUE(names_damage(found.status().message())) << found.status().message();
    return;
  }
  auto temp = sys::TempDir::make("cairn-damaged-");
  ASSERT_TRUE(temp.ok());
  const auto run = [&](const std::string& target, bool ignore_errors) {
    snapshot::RestoreOptions options;
    options.ignore_errors = ignore_errors;
    snapshot::RestoreProgress progress;
    const auto output = snapshot::LocalOutput::create(target, {});
    return snapshot::restore_tree(repository().objects(), found->entry, *output, options, progress, {}, {});
  };
  const Status strict = run(temp->path() + "/strict", false);
  const bool kopia_restored = kopia_succeeded("restore");
  // Better than the original is allowed only where that could not even open the repository.
  const bool kopia_opened = kopia("connect")["exit"].as_int(-1) == 0;
  EXPECT_TRUE(strict.ok() == kopia_restored || (strict.ok() && !kopia_opened)) << strict.message();
  if (!strict.ok()) {
    EXPECT_TRUE(names_damage(strict.message()) || strict.is(Code::not_found)) << strict.message();
  }
  const std::string target = temp->path() + "/lenient";
  const Status lenient = run(target, true);
  const auto is_ok = [](const Json::Member& f) { return f.second.as_string() == "ok"; };
  const bool anything = std::any_of(files.members().begin(), files.members().end(), is_ok);
  // The original calls it a success when it could not restore anything at all.
  if (kopia_succeeded("restore ignore-errors") && anything) {
    EXPECT_TRUE(lenient.ok()) << lenient.message();
  }
  std::map<std::string, std::string> hashes;
  for (const auto& [key, tree] : base_["trees"].members()) {
    for (const Json& e : tree.items()) {
      hashes.emplace(e["path"].as_string(), e["sha256"].as_string());
    }
  }
  for (const auto& [path, state] : files.members()) {
    const auto data = sys::read_file(target + "/" + path, kFileSizeMax);
    if (state.as_string() == "ok") {
      ASSERT_TRUE(data.ok()) << data.status().message();
    }
    if (data.ok()) {
      EXPECT_EQ(sha256_text(data->view()), hashes[path]) << path << ": what is there is right";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Repositories, Damaged, ::testing::ValuesIn(names_where(true)), test_name);

}  // namespace
}  // namespace cairn::testing
