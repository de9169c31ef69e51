#include "snapshot/ignore.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/golden.h"

namespace cairn::snapshot {
namespace {

// A path with a trailing '/' stands for a directory.
bool match(std::string_view pattern, std::string_view path, std::string_view base = {}) {
  const bool directory = path.size() > 1 && path.ends_with('/');
  if (directory) {
    path.remove_suffix(1);
  }
  auto m = WildcardMatcher::compile(pattern, base);
  EXPECT_TRUE(m.ok()) << pattern << ": " << m.status().message();
  return m.ok() && m->match(path, directory);
}

TEST(Wildcard, Vectors) {
  const Json vectors = testing::golden_json("ignore/patterns.json");
  ASSERT_GT(vectors.size(), 150U);
  for (const Json& v : vectors.items()) {
    EXPECT_EQ(match(v["pattern"].as_string(), v["path"].as_string(), v["base"].as_string()), v["match"].as_bool())
        << v.dump();
  }
}

TEST(Wildcard, MalformedPatternsAreRefused) {
  for (const char* bad : {"[a", "[a-", "\\", "[\\", "[a-\\", "[[:alnum", "[[:alnum:]", "[[:foobar:]]"}) {
    EXPECT_EQ(WildcardMatcher::compile(bad).code(), Code::invalid_argument) << bad;
  }
}

TEST(Wildcard, PosixClasses) {
  const struct {
    const char* name;
    std::vector<std::string> in, out;
  } cases[] = {
      {"alnum", {"c", "3", "Q", "Б"}, {".", " ", "\n"}},
      {"alpha", {"c", "Q", "Б"}, {"3", ".", " ", "\n"}},
      {"ascii", {"c", "3", "Q", ".", " ", "\n"}, {"Б"}},
      {"blank", {" ", "\t"}, {"c", "3", "Q", "Б", ".", "\n"}},
      {"cntrl", {"\t", "\n"}, {"c", "3", "Q", "Б", ".", " "}},
      {"digit", {"3", "۳"}, {"c", "Q", "Б", ".", " ", "\n"}},
      {"graph", {"c", "3", "Q", "Б", ".", " ", "۳"}, {"\n"}},
      {"lower", {"c", "ε"}, {"3", ".", " ", "\n", "C", "Б"}},
      {"print", {"c", "C", "3", "Б", ".", " ", "ε"}, {"\n"}},
      {"punct", {".", "!", "$"}, {"c", "3", "Q", "Б", " ", "\n"}},
      {"space", {" ", "\t", "\n"}, {"c", "3", "Q", "Б", "."}},
      {"upper", {"C", "Б"}, {"3", ".", " ", "\n", "c", "ε"}},
      {"xdigit", {"a", "A", "f", "F", "3"}, {"Б", ".", " ", "G", "\n"}},
  };
  for (const auto& c : cases) {
    const std::string pattern = std::string("[[:") + c.name + ":]]";
    for (const std::string& text : c.in) {
      EXPECT_TRUE(match(pattern, text)) << pattern << text;
    }
    for (const std::string& text : c.out) {
      EXPECT_FALSE(match(pattern, text)) << pattern << text;
    }
  }
}

TEST(Wildcard, HostilePatternsEndInTime) {
  std::string pattern;
  for (int i = 0; i < 40; ++i) {
    pattern += "*a";
  }
  EXPECT_FALSE(match("/" + pattern + "b", "/" + std::string(255, 'a')));
  pattern.clear();
  for (int i = 0; i < 20; ++i) {
    pattern += "**/a/";
  }
  std::string path;
  for (int i = 0; i < 200; ++i) {
    path += "/a";
  }
  EXPECT_FALSE(match(pattern + "b", path));
}

TEST(DotIgnoreFile, SkipsCommentsBlankLinesAndCarriageReturns) {
  auto m = parse_dot_ignore_file("# comment\n\n*.tmp\r\n  \n\\#literal\n!keep.tmp", "");
  ASSERT_TRUE(m.ok());
  ASSERT_EQ(m->size(), 4U);
  EXPECT_EQ((*m)[0].pattern(), "*.tmp");
  EXPECT_FALSE((*m)[1].match("/x", false));
  EXPECT_TRUE((*m)[2].match("/#literal", false));
  EXPECT_TRUE((*m)[3].negated());
  EXPECT_EQ(parse_dot_ignore_file("ok\n[bad\n", "").code(), Code::invalid_argument);
}

TEST(DotIgnoreFile, EndsAtAnOverlongLine) {
  const std::string text = "first\n" + std::string(65536, 'x') + "\nlast\n";
  EXPECT_EQ(parse_dot_ignore_file(text, "")->size(), 1U);
  const std::string fits = "first\n" + std::string(65535, 'x') + "\nlast\n";
  EXPECT_EQ(parse_dot_ignore_file(fits, "")->size(), 3U);
}

using Files = std::map<std::string, std::string>;
using Context = std::shared_ptr<const IgnoreContext>;

Context enter(const Context& parent, std::string_view directory, const Policy* policy, const Files& files = {}) {
  auto c = IgnoreContext::enter(parent, directory, policy,
                                [&](const std::string& name) -> Result<std::optional<std::string>> {
                                  const auto it = files.find(name);
                                  return it == files.end() ? std::nullopt : std::optional<std::string>(it->second);
                                });
  EXPECT_TRUE(c.ok()) << c.status().message();
  return c.ok() ? *c : nullptr;
}

TEST(IgnoreContext, LastRuleWinsAndDeeperFilesOverride) {
  Policy policy;
  policy.files.ignore = {"*.tmp", "!keep.tmp"};
  policy.files.ignore_dot_files = {".kopiaignore"};
  const Context root = enter(nullptr, "", &policy);
  EXPECT_TRUE(root->ignored("/a.tmp", false));
  EXPECT_TRUE(root->ignored("/x/a.tmp", false));
  EXPECT_FALSE(root->ignored("/x/keep.tmp", false));
  const Context plain = enter(root, "/plain", nullptr);
  EXPECT_EQ(plain, root);
  const Context sub = enter(root, "/sub", nullptr, {{".kopiaignore", "!a.tmp\nkeep.tmp\n/only-here\n"}});
  ASSERT_NE(sub, root);
  EXPECT_FALSE(sub->ignored("/sub/a.tmp", false));
  EXPECT_TRUE(sub->ignored("/sub/keep.tmp", false));
  EXPECT_TRUE(sub->ignored("/sub/only-here", true));
  EXPECT_FALSE(sub->ignored("/sub/deep/only-here", true));
}

TEST(IgnoreContext, OrderOfRulesMatters) {
  // As `policy set` sorts them: the negated rule comes first and has no effect.
  Policy policy;
  policy.files.ignore = {"!keep.tmp", "*.tmp"};
  EXPECT_TRUE(enter(nullptr, "", &policy)->ignored("/keep.tmp", false));
}

TEST(IgnoreContext, LimitsComeFromTheNearestPolicy) {
  Policy top;
  top.files.max_file_size = 100;
  top.files.one_file_system = true;
  const Context root = enter(nullptr, "", &top);
  EXPECT_EQ(root->check({"/big", false, 101, 1, 1}), Inclusion::too_large);
  EXPECT_EQ(root->check({"/fits", false, 100, 1, 1}), Inclusion::included);
  EXPECT_EQ(root->check({"/dir", true, 4096, 1, 1}), Inclusion::included);
  EXPECT_EQ(root->check({"/mount", true, 0, 2, 1}), Inclusion::other_device);
  // A policy below that says nothing of them keeps the size and drops the file system rule.
  const Policy own;
  const Context sub = enter(root, "/sub", &own);
  EXPECT_EQ(sub->check({"/sub/big", false, 101, 1, 1}), Inclusion::too_large);
  EXPECT_EQ(sub->check({"/sub/mount", true, 0, 2, 1}), Inclusion::included);
  EXPECT_TRUE(sub->dot_ignore_files().empty());
}

TEST(IgnoreContext, BadRulesFailTheDirectory) {
  Policy policy;
  policy.files.ignore = {"[bad"};
  auto r = IgnoreContext::enter(nullptr, "", &policy, [](const std::string&) -> Result<std::optional<std::string>> {
    return std::optional<std::string>();
  });
  EXPECT_EQ(r.code(), Code::invalid_argument);
}

TEST(CacheDirTag, NeedsTheSignature) {
  EXPECT_TRUE(is_cache_dir_tag("Signature: 8a477f597d28d172789f06886806bc55\n# more"));
  EXPECT_TRUE(is_cache_dir_tag("Signature: 8a477f597d28d172789f06886806bc55"));
  EXPECT_FALSE(is_cache_dir_tag("Signature: 8a477f597d28d172789f06886806bc5"));
  EXPECT_FALSE(is_cache_dir_tag(""));
}

}  // namespace
}  // namespace cairn::snapshot
