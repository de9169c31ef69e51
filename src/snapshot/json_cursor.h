// A restartable pull reader over JSON text that may still be growing. Internal to the directory parser.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace cairn::snapshot {

// Every call either consumes its token, or leaves a reason: `starved` (the text ended inside the token; more may
// follow) or `bad`. After a failure the position is meaningless: go back to a mark.
class JsonCursor {
 public:
  enum class State : std::uint8_t { good, starved, bad };

  explicit JsonCursor(std::string_view text) : p_(text.data()), end_(text.data() + text.size()) {}
  const char* mark() const { return p_; }
  State state() const { return state_; }
  const char* reason() const { return reason_; }

  // The next character after white space, not consumed; 0 when starved.
  char peek() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) {
      ++p_;
    }
    if (p_ == end_) {
      return starve();
    }
    return *p_;
  }
  bool accept(char c) {
    if (peek() != c) {
      return false;
    }
    ++p_;
    return true;
  }
  bool expect(char c) { return accept(c) || fail("unexpected character"); }
  // A string; the view is into the text, or into `scratch` when it had to be decoded.
  bool string(std::string_view& out, std::string& scratch);
  bool integer(std::int64_t& out);
  // Consumes "null" if it is next.
  bool null() { return peek() == 'n' && literal("null"); }
  bool literal(std::string_view word);
  // Any value, checked for syntax.
  bool skip(int depth = 0);
  bool fail(const char* reason) {
    if (state_ == State::good) {
      state_ = State::bad;
      reason_ = reason;
    }
    return false;
  }
  bool good() const { return state_ == State::good; }

 private:
  char starve() {
    if (state_ == State::good) {
      state_ = State::starved;
    }
    return 0;
  }
  bool decode(std::string_view raw, std::string& out);
  const char* p_;
  const char* end_;
  State state_ = State::good;
  const char* reason_ = "";
};

}  // namespace cairn::snapshot
