#include "base/status.h"

#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace cairn {
namespace {

constexpr CodeFacts kFacts[] = {
    {Code::ok, "ok", 0, 200, 0, false},
    {Code::cancelled, "cancelled", 1, 499, 1, false},
    {Code::deadline, "deadline", 1, 504, 4, true},
    {Code::not_found, "not_found", 1, 404, 5, false},
    {Code::already_exists, "already_exists", 1, 409, 6, false},
    {Code::invalid_argument, "invalid_argument", 1, 400, 3, false},
    {Code::unauthenticated, "unauthenticated", 1, 401, 16, false},
    {Code::permission_denied, "permission_denied", 1, 403, 7, false},
    {Code::failed_precondition, "failed_precondition", 1, 412, 9, false},
    {Code::conflict, "conflict", 1, 409, 10, false},
    {Code::unavailable, "unavailable", 1, 503, 14, true},
    {Code::resource_exhausted, "resource_exhausted", 1, 507, 8, false},
    {Code::corrupt, "corrupt", 1, 500, 15, false},
    {Code::unsupported, "unsupported", 1, 501, 12, false},
    {Code::internal, "internal", 1, 500, 13, false},
};

}  // namespace

const CodeFacts& code_facts(Code code) {
  const auto i = static_cast<std::size_t>(code);
  CHECK(i < std::size(kFacts) && kFacts[i].code == code, "code table out of order at {}", i);
  return kFacts[i];
}

Status::Status(Code code, std::string message) {
  CHECK(code != Code::ok, "an error status needs an error code: {}", message);
  rep_ = std::make_unique<Rep>(Rep{code, 0, std::move(message)});
}

Status::Status(const Status& other) : rep_(other.rep_ ? std::make_unique<Rep>(*other.rep_) : nullptr) {}

Status& Status::operator=(const Status& other) {
  if (this != &other) {
    rep_ = other.rep_ ? std::make_unique<Rep>(*other.rep_) : nullptr;
  }
  return *this;
}

const std::string& Status::message() const noexcept {
  static const std::string kEmpty;
  return rep_ ? rep_->message : kEmpty;
}

Status Status::with_frame(std::string_view frame) && {
  if (rep_ && !frame.empty()) {
    rep_->message.insert(0, ": ");
    rep_->message.insert(0, frame);
  }
  return std::move(*this);
}

Status Status::with_frame(std::string_view frame) const& { return Status(*this).with_frame(frame); }

Status Status::with_retry_after(double seconds) && {
  if (rep_) {
    rep_->retry_after_seconds = seconds;
  }
  return std::move(*this);
}

Status Status::with_code(Code code) && {
  if (rep_) {
    rep_->code = code;
  }
  return std::move(*this);
}

std::string errno_text(int err) {
  char buffer[256];
  std::string text = strerror_r(err, buffer, sizeof buffer);
  // Go prints errno texts in lower case, except where the first word is an acronym.
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  if (err == EIO) {
    text = "input/output error";
  }
  return text;
}

Status errno_status(int err, std::string_view what) {
  Code code = Code::internal;
  switch (err) {
    case ENOENT:
    case ENOTDIR:
      code = Code::not_found;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = Code::permission_denied;
      break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      code = Code::resource_exhausted;
      break;
    case EEXIST:
    case ENOTEMPTY:
      code = Code::already_exists;
      break;
    case EIO:
    case ESTALE:
    case EAGAIN:
    case EBUSY:
    case ETIMEDOUT:
      code = Code::unavailable;
      break;
    case EINVAL:
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
      code = Code::invalid_argument;
      break;
    case EOPNOTSUPP:
    case ENOSYS:
      code = Code::unsupported;
      break;
    default:
      break;
  }
  return error(code, "{}: {}", what, errno_text(err));
}

void check_failed(const char* expr, const char* file, int line, std::string_view message) {
  std::fprintf(stderr, "internal error at %s:%d: %s %.*s\n", file, line, expr, static_cast<int>(message.size()),
               message.data());
  std::abort();
}

}  // namespace cairn
