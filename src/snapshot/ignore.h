// Ignore rules: patterns, dot-ignore files, and the chain of contexts down a tree. docs/design/ignore.md
// (kopia-model §7.8)
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "snapshot/policy.h"

namespace cairn::snapshot {

// One compiled pattern, case-sensitive. Immutable.
class WildcardMatcher {
 public:
  // `base_directory`: "" for the root, else "/a/b" (a trailing '/' is dropped). Errors: invalid_argument.
  static Result<WildcardMatcher> compile(std::string_view pattern, std::string_view base_directory = {});
  // `path`: "/" + path relative to the snapshot's root. A negated pattern returns the inverted result.
  bool match(std::string_view path, bool is_directory) const;
  // The same on decoded text, for callers that try many patterns on one path.
  bool match(std::u32string_view path, bool is_directory) const;
  bool negated() const { return negated_; }
  const std::string& pattern() const { return pattern_; }

  struct CharSet {
    struct Range {
      char32_t low, high;
    };
    bool negated = false;
    std::vector<Range> ranges;
    std::uint16_t classes = 0;  // bits by PatternCompiler's numbering
    bool contains(char32_t c) const;
  };
  enum class TokenKind : std::uint8_t { literal, any_char, star, double_star, set };
  struct Token {
    TokenKind kind;
    char32_t value;  // the character ('/' for separators), or the index of the set or star
  };

 private:
  friend class PatternCompiler;
  friend class PatternMatch;
  std::string pattern_;
  std::vector<Token> tokens_;
  std::vector<CharSet> sets_;
  std::uint32_t stars_ = 0;
  bool negated_ = false;
  bool directory_only_ = false;
};

// Errors: invalid_argument, naming the pattern.
Result<std::vector<WildcardMatcher>> parse_dot_ignore_file(std::string_view text, std::string_view base_directory);

enum class Inclusion : std::uint8_t {
  included,
  ignored,       // by a rule: counted and reported
  too_large,     // silently left out
  other_device,  // silently left out
};

struct IgnoreEntry {
  std::string_view path;  // "/a/b"
  bool is_directory = false;
  std::int64_t size = 0;
  std::uint64_t device = 0;
  std::uint64_t directory_device = 0;  // of the directory that holds it
};

// The rules in force in one directory. Immutable and shared by all directories below that add none.
class IgnoreContext {
 public:
  // The text of a regular file (after symbolic links) called `name` in the directory; nullopt when there is none.
  // Unfiltered by ignore rules.
  using ReadFile = std::function<Result<std::optional<std::string>>(const std::string& name)>;

  // The context of `directory` ("" = root, else "/a/b") below `parent` (null at the root). `defined` is the directory's
  // own policy, null when inherited. Errors: a malformed pattern, an unreadable file: errors of the directory.
  static Result<std::shared_ptr<const IgnoreContext>> enter(std::shared_ptr<const IgnoreContext> parent,
                                                            std::string_view directory, const Policy* defined,
                                                            const ReadFile& read_file);
  Inclusion check(const IgnoreEntry& entry) const;
  // By rules only.
  bool ignored(std::string_view path, bool is_directory) const;
  bool has_rules() const { return rule_count_ > 0; }
  const std::vector<std::string>& dot_ignore_files() const { return dot_ignore_files_; }

 private:
  bool ignored(std::u32string_view path, bool is_directory) const;
  std::shared_ptr<const IgnoreContext> parent_;
  std::size_t rule_count_ = 0;  // with the parents'
  std::vector<WildcardMatcher> matchers_;
  std::vector<std::string> dot_ignore_files_;
  std::int64_t max_file_size_ = 0;
  bool one_file_system_ = false;
};

inline constexpr std::string_view kCacheDirTagName = "CACHEDIR.TAG";
inline constexpr std::size_t kCacheDirTagSize = 43;
// `head`: the first kCacheDirTagSize bytes of a regular file of that name.
bool is_cache_dir_tag(std::string_view head);

}  // namespace cairn::snapshot
