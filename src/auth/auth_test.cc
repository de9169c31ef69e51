#include <gtest/gtest.h>

#include "auth/acl.h"
#include "auth/users.h"

namespace cairn::auth {
namespace {

// kopia-model §12.1: password "foo", salt 00 01 … 1f.
constexpr std::string_view kScryptHash =
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9CqniU3AK6cZ8r2BB4Ic57K2UMXawPATKUt148+uI+Pg==";
constexpr std::string_view kPbkdf2Hash =
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh/EbmDgTbuKMOD8xeOK6WDgvODwM1dGIIx1/RVdI6yOeg==";
constexpr std::string_view kPortable =
    "eyJwYXNzd29yZEhhc2hWZXJzaW9uIjoxLCJwYXNzd29yZEhhc2giOiJBQUVDQXdRRkJnY0lDUW9MREEwT0R4QVJFaE1VRlJZWEdCa2FHeHdkSGg5Q3"
    "FuaVUzQUs2Y1o4cjJCQjRJYzU3SzJVTVhhd1BBVEtVdDE0OCt1SStQZz09In0=";

UserProfile profile(int version, std::string_view hash) {
  UserProfile user;
  user.username = "a@b";
  user.password_hash_version = version;
  user.password_hash = *base64_decode(hash);
  return user;
}

TEST(Users, PasswordHashesOfOthersAreUnderstood) {
  for (const UserProfile& user : {profile(1, kScryptHash), profile(0, kScryptHash), profile(2, kPbkdf2Hash)}) {
    EXPECT_TRUE(check_password(&user, "foo"));
    EXPECT_FALSE(check_password(&user, "fop"));
  }
}

TEST(Users, NoPasswordOpensAnUnknownOrEmptyProfile) {
  EXPECT_FALSE(check_password(nullptr, "foo"));
  UserProfile empty;
  EXPECT_FALSE(check_password(&empty, ""));
  UserProfile future = profile(3, kScryptHash);
  EXPECT_FALSE(check_password(&future, "foo"));
}

TEST(Users, HashTextIsPortable) {
  UserProfile user;
  ASSERT_TRUE(user.set_password_hash(kPortable).ok());
  EXPECT_EQ(base64_encode(user.password_hash), kScryptHash);
  EXPECT_EQ(user.hash_text(), kPortable);
  EXPECT_EQ(user.set_password_hash("rubbish").message(), "decoding password hash: illegal base64 data at input byte 4");
  EXPECT_EQ(user.set_password_hash("ab!d").message(), "decoding password hash: illegal base64 data at input byte 2");
  EXPECT_FALSE(user.set_password_hash(base64_encode(as_bytes(std::string_view("{}")))).ok());
}

TEST(Users, NewPasswordsGetFreshSalts) {
  UserProfile a, b;
  ASSERT_TRUE(a.set_password("secret").ok());
  ASSERT_TRUE(b.set_password("secret").ok());
  EXPECT_NE(a.password_hash, b.password_hash);
  EXPECT_TRUE(check_password(&a, "secret"));
  ASSERT_TRUE(b.set_password("secret", kPbkdf2Version).ok());
  EXPECT_TRUE(check_password(&b, "secret"));
  EXPECT_FALSE(b.set_password("secret", 9).ok());
}

TEST(Users, NamesAreLowerCaseWithOneAt) {
  EXPECT_TRUE(is_valid_username("a-b_c.0@host.example"));
  for (const char* name : {"", "a", "@", "a@", "@b", "A@b", "a@B", "a@b@c", "a b@c", "a@b/"}) {
    EXPECT_FALSE(is_valid_username(name)) << name;
  }
}

const Requester kBob{"bob", "home"};

TEST(Acl, HighestMatchingLevelWins) {
  const manifest::Labels snapshot = {{"type", "snapshot"}};
  const auto rule = [](std::string user, Access access, std::string type = "snapshot") {
    return AclEntry{"", std::move(user), {{"type", std::move(type)}}, access};
  };
  EXPECT_EQ(effective_access(
                {rule("bob@home", Access::append), rule("bob@home", Access::full), rule("bob@home", Access::read)},
                kBob, snapshot),
            Access::full);
  EXPECT_EQ(effective_access({rule("bob@home", Access::append), rule("bob@home", Access::read),
                              rule("bob@home", Access::full, "policy")},
                             kBob, snapshot),
            Access::append);
  EXPECT_EQ(
      effective_access({rule("bob@*", Access::append), rule("office", Access::full), rule("*@home", Access::read)},
                       kBob, snapshot),
      Access::append);
  EXPECT_EQ(effective_access({}, kBob, snapshot), Access::none);
  EXPECT_EQ(effective_access({rule("bob@home@x", Access::full)}, kBob, snapshot), Access::none);
}

TEST(Acl, OwnNamesAreReplacedInValues) {
  const AclEntry entry{"", "*@*", {{"u", "OWN_USER"}, {"h", "OWN_HOST"}, {"foo", "bar"}}, Access::read};
  EXPECT_EQ(effective_access({entry}, kBob, {{"u", "bob"}, {"h", "home"}, {"foo", "bar"}, {"extra", "aaa"}}),
            Access::read);
  EXPECT_EQ(effective_access({entry}, kBob, {{"u", "bob"}, {"h", "home"}}), Access::none);
  const manifest::Labels own_user = {{"type", "user"}, {"username", "bob@home"}};
  EXPECT_EQ(effective_access(default_acl(), kBob, own_user), Access::full);
  EXPECT_EQ(effective_access(default_acl(), Requester{"eve", "home"}, own_user), Access::none);
}

TEST(Acl, WithoutEntriesOwnManifestsAndContentsAreOpen) {
  EXPECT_EQ(access_without_entries(kBob, {{"type", "content"}}), Access::full);
  EXPECT_EQ(access_without_entries(kBob, {{"type", "policy"}, {"policyType", "global"}}), Access::read);
  EXPECT_EQ(access_without_entries(kBob, {{"type", "snapshot"}, {"username", "bob"}, {"hostname", "home"}}),
            Access::full);
  EXPECT_EQ(access_without_entries(kBob, {{"type", "snapshot"}, {"username", "eve"}, {"hostname", "home"}}),
            Access::none);
}

TEST(Acl, ValidatesUserTypeAndLabels) {
  const auto check = [](std::string user, std::map<std::string, std::string> target) {
    return AclEntry{"", std::move(user), std::move(target), Access::read}.validate().message();
  };
  EXPECT_EQ(check("*@*", {{"type", "policy"}, {"policyType", "path"}}), "");
  EXPECT_NE(check("*@*", {{"type", "policy"}, {"policyType", "x"}}), "");
  EXPECT_NE(check("*@*", {{"type", "user"}, {"username", ""}}), "");
  EXPECT_NE(check("*", {{"type", "user"}}), "");
  EXPECT_NE(check("a@b@c", {{"type", "user"}}), "");
  EXPECT_EQ(check("*@*", {}), "invalid 'type' label, must be one of: acl, content, policy, snapshot, user");
}

}  // namespace
}  // namespace cairn::auth
