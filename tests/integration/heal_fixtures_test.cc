// Every damaged repository of the golden data: the damage report says at least what the original program's verification
// said, and the undamaged base, taken for a copy, heals it.
#include <gmock/gmock.h>

#include "proof/heal.h"
#include "tests/integration/open_fixture.h"

namespace cairn::testing {
namespace {

Result<std::shared_ptr<blob::Storage>> storage_at(const std::string& path, bool read_only) {
  blob::ConnectionInfo info;
  info.type = "filesystem";
  info.config = Json::object({{"path", path}});
  return blob::open_storage(info, {.create = false, .read_only = read_only}, {});
}

Result<std::unique_ptr<repo::Repository>> open_on(std::shared_ptr<blob::Storage> storage, std::string_view password) {
  repo::ClientOptions client;
  client.hostname = "lab";
  client.username = "alice";
  repo::OpenOptions options;
  options.defer_indexes = true;
  return repo::Repository::open_direct(std::move(storage), password, client, {}, options, {});
}

class HealFixture : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto fixture = FixtureRepo::open(GetParam());
    ASSERT_TRUE(fixture.ok()) << fixture.status().message();
    fixture_ = std::make_unique<FixtureRepo>(std::move(*fixture));
    auto base = FixtureRepo::open(fixture_->expected()["base"].as_string());
    ASSERT_TRUE(base.ok()) << base.status().message();
    base_ = std::make_unique<FixtureRepo>(std::move(*base));
  }
  bool kopia_succeeded(const char* command) const {
    return fixture_->expected()["kopia"][command]["exit"].as_int(-1) == 0;
  }
  static Result<proof::VerifyReport> verify_all(std::shared_ptr<blob::Storage> storage, std::string_view password) {
    TRY_ASSIGN(const auto repository, open_on(std::move(storage), password));
    proof::VerifyOptions options;
    options.read = proof::ReadPacks::all;
    return proof::verify_repository(*repository, options, {}, {});
  }
  std::unique_ptr<FixtureRepo> fixture_, base_;
};

TEST_P(HealFixture, ReportsAndHeals) {
  if (GetParam() == "damage-wrong-password") {
    return;  // nothing is damaged
  }
  auto ours = storage_at(fixture_->path(), false);
  auto copy = storage_at(base_->path(), true);
  ASSERT_TRUE(copy.ok()) << copy.status().message();
  if (!ours.ok()) {
    GTEST_SKIP() << "the storage itself does not open: " << ours.status().message();
  }
  const std::string& password = fixture_->password();
  const auto before = verify_all(*ours, password);
  if (before.ok() && before->damages.empty()) {
    // We read more than the original: what it found we must find.
    EXPECT_TRUE(kopia_succeeded("snapshot verify") || !kopia_succeeded("connect"));
    EXPECT_EQ(before->snapshots.size(), base_->expected()["snapshots"].items().size());
    EXPECT_TRUE(kopia_succeeded("content verify full") || !kopia_succeeded("connect"));
  }
  std::vector<proof::HealAction> actions;
  const proof::OnHeal note = [&](const proof::HealAction& a) { actions.push_back(a); };
  const proof::HealOptions options{.full = true, .replace_format = true};
  const auto patched = std::make_shared<proof::PatchedStorage>(*ours);
  const Status format = proof::heal_format(**ours, **copy, password, options, *patched, note, {});
  ASSERT_TRUE(format.ok()) << format.message();
  auto repository = open_on(*ours, password);
  ASSERT_TRUE(repository.ok()) << repository.status().message();
  const auto rest = proof::heal_blobs(**repository, **copy, options, {}, note, {});
  ASSERT_TRUE(rest.ok()) << rest.status().message();
  const auto after = verify_all(*ours, password);
  ASSERT_TRUE(after.ok()) << after.status().message();
  for (const proof::Damage& d : after->damages) {
    // Garbage that was never part of the repository is named, and not deleted by guess.
    EXPECT_TRUE(GetParam().find("garbage") != std::string::npos && d.touches_nothing()) << proof::damage_text(d);
  }
  EXPECT_EQ(proof::coverage_of(*after, {}).read_back, base_->expected()["snapshots"].items().size());
  if (before.ok() && !before->damages.empty() && after->damages.empty()) {
    EXPECT_FALSE(actions.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Repositories, HealFixture, ::testing::ValuesIn(names_where(true)), test_name);

}  // namespace
}  // namespace cairn::testing
