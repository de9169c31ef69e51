// Compilation and matching of ignore patterns (kopia-model §7.8).
#include <algorithm>
#include <array>

#include "base/units.h"
#include "snapshot/ignore.h"
#include "snapshot/unicode.h"

namespace cairn::snapshot {
namespace {

constexpr char32_t kSeparator = U'/';

enum CharClass : unsigned {
  alnum,
  alpha,
  ascii,
  blank,
  cntrl,
  digit,
  graph,
  lower,
  print,
  punct,
  space,
  upper,
  xdigit
};
constexpr std::array<std::string_view, 13> kClassNames = {"alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
                                                          "lower", "print", "punct", "space", "upper", "xdigit"};

bool in_class(unsigned cls, char32_t c) {
  const CharKind k = char_kind(c);
  const bool letter = k == CharKind::upper || k == CharKind::lower || k == CharKind::letter;
  switch (cls) {
    case alnum:
      return letter || k == CharKind::digit;
    case alpha:
      return letter;
    case ascii:
      return c < 0x80;
    case blank:
      return k == CharKind::space || c == U'\t';
    case cntrl:
      return k == CharKind::control;
    case digit:
      return k == CharKind::digit;
    case graph:
      return k != CharKind::other && k != CharKind::control;
    case lower:
      return k == CharKind::lower;
    case print:
      return c == U' ' || (k != CharKind::other && k != CharKind::control && k != CharKind::space);
    case punct:
      return k == CharKind::punct_or_symbol;
    case space:
      return is_unicode_space(c);
    case upper:
      return k == CharKind::upper;
    case xdigit:
      return k == CharKind::digit || (c >= U'a' && c <= U'f') || (c >= U'A' && c <= U'F');
    default:
      return false;
  }
}

std::u32string_view trim_both(std::u32string_view s) {
  while (!s.empty() && is_unicode_space(s.back())) {
    s.remove_suffix(1);
  }
  return s;
}

std::u32string_view trim_front(std::u32string_view s) {
  while (!s.empty() && is_unicode_space(s.front())) {
    s.remove_prefix(1);
  }
  return s;
}

}  // namespace

bool WildcardMatcher::CharSet::contains(char32_t c) const {
  bool in = std::any_of(ranges.begin(), ranges.end(), [c](const Range& r) { return c >= r.low && c <= r.high; });
  for (unsigned k = 0; !in && k < kClassNames.size(); ++k) {
    in = (classes >> k & 1U) != 0 && in_class(k, c);
  }
  return in != negated;
}

class PatternCompiler {
 public:
  PatternCompiler(std::string_view pattern, std::string_view base) : base_(base) {
    out_.pattern_ = pattern;
    decode_utf8(pattern, text_);
  }

  Result<WildcardMatcher> run() {
    const std::string& raw = out_.pattern_;
    all_ = text_;
    if (raw.size() > 2 && raw[raw.size() - 2] != '\\') {
      all_ = trim_both(all_);
    }
    all_ = trim_front(all_);
    std::u32string_view body = all_;
    if (body.starts_with(U'!')) {
      out_.negated_ = true;
      body.remove_prefix(1);
    }
    emit_prefix(body);
    if (body.ends_with(kSeparator)) {
      out_.directory_only_ = true;
      body.remove_suffix(1);
    }
    at_ = static_cast<std::size_t>(body.data() - all_.data());
    end_ = at_ + body.size();
    while (at_ < end_) {
      TRY(token(), "malformed pattern \"{}\"", raw);
    }
    return std::move(out_);
  }

 private:
  using Kind = WildcardMatcher::TokenKind;

  void emit(Kind kind, char32_t value) { out_.tokens_.push_back({kind, value}); }
  void emit_star(Kind kind) { emit(kind, out_.stars_++); }

  // The base directory, and what an unanchored pattern means.
  void emit_prefix(std::u32string_view body) {
    const bool rooted = body.starts_with(kSeparator);
    if (!base_.empty() && !body.empty()) {
      std::u32string base;
      decode_utf8(base_, base);
      for (const char32_t c : base) {
        emit(Kind::literal, c);
      }
      if (!rooted) {
        emit(Kind::literal, kSeparator);
      }
    }
    if (rooted || body.empty() || body == U"**") {
      return;
    }
    if (body.find(kSeparator) >= body.size() - 1) {  // none, or only the last character
      emit_star(Kind::double_star);
      emit(Kind::literal, kSeparator);
    } else if (base_.empty()) {
      emit(Kind::literal, kSeparator);
    }
  }

  Status token() {
    const char32_t c = all_[at_++];
    switch (c) {
      case U'\\':
        if (at_ >= end_) {
          return error(Code::invalid_argument, "nothing follows the last backslash");
        }
        emit(Kind::literal, all_[at_++]);
        return {};
      case U'?':
        emit(Kind::any_char, 0);
        return {};
      case U'*':
        stars();
        return {};
      case U'[':
        return set();
      default:
        emit(Kind::literal, c);
        return {};
    }
  }

  void stars() {
    const std::size_t start = at_ - 1;
    while (at_ < end_ && all_[at_] == U'*') {
      ++at_;
    }
    // What was cut off as the directory mark still counts as "followed by /": it is followed by the end.
    const bool alone = start > 0 && all_[start - 1] == kSeparator && (at_ == end_ || all_[at_] == kSeparator);
    emit_star(at_ - start > 1 && (start == 0 || alone) ? Kind::double_star : Kind::star);
  }

  // A POSIX class whose inner '[' was just read; false when it is not one. See the QUIRK in §7.8.
  Result<bool> posix_class(WildcardMatcher::CharSet& set) {
    if (at_ >= end_ || all_[at_] != U':') {
      return false;
    }
    const std::size_t colon = at_;
    const std::size_t close = all_.substr(0, end_).find(U']', colon);
    if (close == std::u32string_view::npos || close - colon - 1 <= colon || all_[close - 1] != U':') {
      return false;
    }
    std::string name;
    for (const char32_t c : all_.substr(colon + 1, close - colon - 2)) {
      name.push_back(c < 0x80 ? static_cast<char>(c) : '?');
    }
    const auto* it = std::find_if(kClassNames.begin(), kClassNames.end(),
                                  [&](std::string_view known) { return equals_ignore_case(known, name); });
    if (it == kClassNames.end()) {
      return error(Code::invalid_argument, "unknown character class \"{}\"", name);
    }
    set.classes = static_cast<std::uint16_t>(set.classes | 1U << (it - kClassNames.begin()));
    at_ = close + 1;
    return true;
  }

  // One character of a set, escapes resolved.
  Result<char32_t> set_char() {
    if (at_ < end_ && all_[at_] == U'\\') {
      ++at_;
    }
    if (at_ >= end_) {
      return error(Code::invalid_argument, "unterminated character set");
    }
    return all_[at_++];
  }

  Status set() {
    WildcardMatcher::CharSet set;
    if (at_ < end_ && all_[at_] == U'!') {
      set.negated = true;
      ++at_;
    }
    while (true) {
      if (at_ >= end_) {
        return error(Code::invalid_argument, "unterminated character set");
      }
      if (all_[at_] == U']') {
        ++at_;
        break;
      }
      if (all_[at_] == U'[') {
        ++at_;
        TRY_ASSIGN(const bool is_class, posix_class(set));
        if (is_class) {
          continue;
        }
        --at_;
      }
      TRY_ASSIGN(const char32_t low, set_char());
      char32_t high = low;
      if (at_ + 1 < end_ && all_[at_] == U'-' && all_[at_ + 1] != U']') {
        ++at_;
        TRY_ASSIGN(high, set_char());
      }
      set.ranges.push_back({low, high});
    }
    emit(Kind::set, static_cast<char32_t>(out_.sets_.size()));
    out_.sets_.push_back(std::move(set));
    return {};
  }

  std::string_view base_;
  std::u32string text_;
  std::u32string_view all_;  // trimmed, with a leading '!'
  std::size_t at_ = 0, end_ = 0;
  WildcardMatcher out_;
};

Result<WildcardMatcher> WildcardMatcher::compile(std::string_view pattern, std::string_view base_directory) {
  if (base_directory.ends_with('/')) {
    base_directory.remove_suffix(1);
  }
  return PatternCompiler(pattern, base_directory).run();
}

// Backtracking with a memory of failed (star, position) pairs, so that the time stays within tokens × path².
class PatternMatch {
 public:
  PatternMatch(const WildcardMatcher& m, std::u32string_view text) : m_(m), text_(text) {
    if (m.stars_ > 2) {
      failed_.resize(m.stars_ * (text.size() + 1));
    }
  }

  bool run(std::size_t token, std::size_t pos) {
    const auto& tokens = m_.tokens_;
    for (; token < tokens.size(); ++token) {
      const auto& t = tokens[token];
      if (t.kind == Kind::star || t.kind == Kind::double_star) {
        return star(token, pos);
      }
      if (pos >= text_.size() || !one(t, text_[pos])) {
        return false;
      }
      ++pos;
    }
    return pos == text_.size();
  }

 private:
  using Kind = WildcardMatcher::TokenKind;

  bool one(const WildcardMatcher::Token& t, char32_t c) const {
    switch (t.kind) {
      case Kind::literal:
        return c == t.value;
      case Kind::any_char:
        return c != kSeparator;
      default:
        return m_.sets_[t.value].contains(c);
    }
  }

  bool star(std::size_t token, std::size_t pos) {
    const auto& t = m_.tokens_[token];
    const std::size_t slot = t.value * (text_.size() + 1) + pos;
    if (!failed_.empty() && failed_[slot]) {
      return false;
    }
    const bool ok = t.kind == Kind::star ? single_star(token, pos) : double_star(token, pos);
    if (!ok && !failed_.empty()) {
      failed_[slot] = true;
    }
    return ok;
  }

  bool next_is_separator(std::size_t token) const {
    const auto& next = m_.tokens_[token + 1];
    return next.kind == Kind::literal && next.value == kSeparator;
  }

  bool single_star(std::size_t token, std::size_t pos) {
    if (token + 1 == m_.tokens_.size()) {
      return text_.find(kSeparator, pos) == std::u32string_view::npos;
    }
    if (next_is_separator(token)) {
      const std::size_t slash = text_.find(kSeparator, pos);
      return slash != std::u32string_view::npos && run(token + 1, slash);
    }
    std::size_t i = pos;
    for (; i < text_.size(); ++i) {
      if (run(token + 1, i)) {
        return true;
      }
      if (text_[i] == kSeparator) {
        break;
      }
    }
    // A run that is not empty may take one separator besides (the QUIRK of §7.8).
    return i < text_.size() && i > pos && i + 1 < text_.size() && run(token + 1, i + 1);
  }

  bool double_star(std::size_t token, std::size_t pos) {
    if (token + 1 == m_.tokens_.size()) {
      return true;
    }
    if (next_is_separator(token) && run(token + 2, pos)) {
      return true;
    }
    for (std::size_t i = pos; i < text_.size(); ++i) {
      if (run(token + 1, i)) {
        return true;
      }
    }
    return false;
  }

  const WildcardMatcher& m_;
  std::u32string_view text_;
  std::vector<bool> failed_;
};

bool WildcardMatcher::match(std::u32string_view path, bool is_directory) const {
  if (directory_only_ && !is_directory) {
    return negated_;
  }
  return PatternMatch(*this, path).run(0, 0) != negated_;
}

bool WildcardMatcher::match(std::string_view path, bool is_directory) const {
  std::u32string decoded;
  decode_utf8(path, decoded);
  return match(decoded, is_directory);
}

}  // namespace cairn::snapshot
