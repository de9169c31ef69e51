// Status and Result<T>: how every fallible function of the project reports. No exceptions of our own.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace cairn {

// Added only where a caller acts on the difference; one tested table (code_facts) maps each to its exit code, HTTP
// status, gRPC code and whether a retry may help.
enum class Code : std::uint8_t {
  ok,
  cancelled,
  deadline,
  not_found,
  already_exists,
  invalid_argument,
  unauthenticated,
  permission_denied,
  failed_precondition,
  conflict,
  unavailable,
  resource_exhausted,
  corrupt,
  unsupported,
  internal,
};

struct CodeFacts {
  Code code;
  std::string_view name;
  int exit_code;
  int http_status;
  int grpc_code;
  bool retryable;
};
const CodeFacts& code_facts(Code code);

// Null pointer = ok. Otherwise a code and a message whose frames read outermost first, joined by ": ".
class [[nodiscard]] Status {
 public:
  Status() noexcept = default;
  Status(Code code, std::string message);
  Status(const Status& other);
  Status& operator=(const Status& other);
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;

  bool ok() const noexcept { return rep_ == nullptr; }
  Code code() const noexcept { return rep_ ? rep_->code : Code::ok; }
  bool is(Code c) const noexcept { return code() == c; }
  // Full text, e.g. "open repository: reading footer of pack p4f…: no such file". Empty when ok.
  const std::string& message() const noexcept;
  // Seconds the other side asked us to wait before a retry; 0 if it did not say.
  double retry_after_seconds() const noexcept { return rep_ ? rep_->retry_after_seconds : 0; }

  // Prefixes "frame: ". A no-op on ok or an empty frame.
  Status with_frame(std::string_view frame) &&;
  Status with_frame(std::string_view frame) const&;
  Status with_retry_after(double seconds) &&;
  Status with_code(Code code) &&;

 private:
  struct Rep {
    Code code;
    double retry_after_seconds = 0;
    std::string message;
  };
  std::unique_ptr<Rep> rep_;
};

template <class... Args>
Status error(Code code, fmt::format_string<Args...> f, Args&&... args) {
  return Status(code, fmt::format(f, std::forward<Args>(args)...));
}
// Status from errno: ENOENT → not_found, EACCES/EPERM → permission_denied, ENOSPC/EDQUOT → resource_exhausted, EEXIST →
// already_exists, ESTALE/EIO/EAGAIN/ETIMEDOUT → unavailable, else internal. Text "<what>: <strerror in Go's lower
// case>".
Status errno_status(int err, std::string_view what);
// Go-style text of an errno ("no such file or directory").
std::string errno_text(int err);

template <class T>
class [[nodiscard]] Result {
 public:
  Result(Status status) : ok_(false) {  // NOLINT: implicit by intent, so that `return error(…)` works
    new (&status_) Status(std::move(status));
  }
  Result(T value) : ok_(true) { new (&value_) T(std::move(value)); }  // NOLINT: implicit by intent
  Result(Result&& o) noexcept : ok_(o.ok_) {
    if (ok_) {
      new (&value_) T(std::move(o.value_));
    } else {
      new (&status_) Status(std::move(o.status_));
    }
  }
  Result& operator=(Result&& o) noexcept {
    if (this != &o) {
      this->~Result();
      new (this) Result(std::move(o));
    }
    return *this;
  }
  ~Result() {
    if (ok_) {
      value_.~T();
    } else {
      status_.~Status();
    }
  }

  bool ok() const noexcept { return ok_; }
  Status status() const& { return ok_ ? Status() : status_; }
  Status status() && { return ok_ ? Status() : std::move(status_); }
  Code code() const noexcept { return ok_ ? Code::ok : status_.code(); }
  T& value() & { return value_; }
  const T& value() const& { return value_; }
  T&& value() && { return std::move(value_); }
  T& operator*() & { return value_; }
  const T& operator*() const& { return value_; }
  T* operator->() { return &value_; }
  const T* operator->() const { return &value_; }

 private:
  bool ok_;
  union {
    Status status_;
    T value_;
  };
};

namespace status_detail {
inline Status take(Status&& s) { return std::move(s); }
inline Status take(const Status& s) { return s; }
template <class T>
Status take(Result<T>&& r) {
  return std::move(r).status();
}
template <class T>
Status take(const Result<T>& r) {
  return r.status();
}
inline std::string frame() { return {}; }
template <class... Args>
std::string frame(fmt::format_string<Args...> f, Args&&... args) {
  return fmt::format(f, std::forward<Args>(args)...);
}
}  // namespace status_detail

[[noreturn]] void check_failed(const char* expr, const char* file, int line, std::string_view message);

}  // namespace cairn

#define CAIRN_CAT2(a, b) a##b
#define CAIRN_CAT(a, b) CAIRN_CAT2(a, b)

// TRY(expr [, format, args…]): returns from the function if expr (Status or Result) failed, with the frame in front.
#define TRY(expr, ...) TRY_IMPL(CAIRN_CAT(try_result_, __COUNTER__), expr, __VA_ARGS__)
#define TRY_IMPL(tmp, expr, ...)                                            \
  do {                                                                      \
    auto&& tmp = (expr);                                                    \
    if (!tmp.ok()) [[unlikely]] {                                           \
      return ::cairn::status_detail::take(std::forward<decltype(tmp)>(tmp)) \
          .with_frame(::cairn::status_detail::frame(__VA_ARGS__));          \
    }                                                                       \
  } while (false)

// TRY_ASSIGN(declaration, expr [, format, args…]): TRY, then the value is moved into the declaration.
#define TRY_ASSIGN(declaration, expr, ...) \
  TRY_ASSIGN_IMPL(CAIRN_CAT(try_value_, __COUNTER__), declaration, expr, __VA_ARGS__)
#define TRY_ASSIGN_IMPL(tmp, declaration, expr, ...)                                                            \
  auto tmp = (expr);                                                                                            \
  if (!tmp.ok()) [[unlikely]] {                                                                                 \
    return ::cairn::status_detail::take(std::move(tmp)).with_frame(::cairn::status_detail::frame(__VA_ARGS__)); \
  }                                                                                                             \
  declaration = std::move(tmp).value()

// CHECK(cond): our own invariants only, on in release. Never on stored or received bytes: those give Code::corrupt.
#define CHECK(cond, ...)                                                                            \
  do {                                                                                              \
    if (!(cond)) [[unlikely]] {                                                                     \
      ::cairn::check_failed(#cond, __FILE__, __LINE__, ::cairn::status_detail::frame(__VA_ARGS__)); \
    }                                                                                               \
  } while (false)
