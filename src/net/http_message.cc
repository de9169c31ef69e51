// What requests and responses mean, apart from how they travel.
#include <algorithm>
#include <array>
#include <charconv>

#include "base/units.h"
#include "net/http.h"

namespace cairn::net {
namespace {

struct StatusMeaning {
  int status;
  Code code;
  const char* reason;
};
// Any other 5xx is unavailable, any other status internal.
constexpr StatusMeaning kMeanings[] = {
    {400, Code::invalid_argument, "Bad Request"},
    {401, Code::permission_denied, "Unauthorized"},
    {403, Code::permission_denied, "Forbidden"},
    {404, Code::not_found, "Not Found"},
    {405, Code::unsupported, "Method Not Allowed"},
    {408, Code::unavailable, "Request Timeout"},
    {409, Code::conflict, "Conflict"},
    {410, Code::not_found, "Gone"},
    {412, Code::failed_precondition, "Precondition Failed"},
    {413, Code::invalid_argument, "Content Too Large"},
    {416, Code::invalid_argument, "Range Not Satisfiable"},
    {423, Code::unavailable, "Locked"},
    {429, Code::unavailable, "Too Many Requests"},
    {500, Code::unavailable, "Internal Server Error"},
    {501, Code::unsupported, "Not Implemented"},
    {502, Code::unavailable, "Bad Gateway"},
    {503, Code::unavailable, "Service Unavailable"},
    {504, Code::unavailable, "Gateway Timeout"},
    {507, Code::resource_exhausted, "Insufficient Storage"},
};

const StatusMeaning* meaning_of(int status) {
  const auto* found =
      std::find_if(std::begin(kMeanings), std::end(kMeanings), [&](const auto& m) { return m.status == status; });
  return found == std::end(kMeanings) ? nullptr : found;
}

}  // namespace

void HttpRequest::set_range(std::int64_t offset, std::int64_t length) {
  set("Range", length < 0 ? fmt::format("bytes={}-", offset) : fmt::format("bytes={}-{}", offset, offset + length - 1));
}

const std::string* HttpResponse::header(std::string_view name) const {
  const auto found = std::find_if(headers.rbegin(), headers.rend(),
                                  [&](const Header& each) { return equals_ignore_case(each.name, name); });
  return found == headers.rend() ? nullptr : &found->value;
}

std::string_view HttpResponse::header_or_empty(std::string_view name) const {
  const std::string* value = header(name);
  return value != nullptr ? std::string_view(*value) : std::string_view();
}

std::optional<Timestamp> HttpResponse::date() const { return parse_http_date(header_or_empty("Date")); }

double HttpResponse::retry_after_seconds() const {
  const std::string_view text = header_or_empty("Retry-After");
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed == std::errc() && end == text.data() + text.size()) {
    return static_cast<double>(std::max<std::int64_t>(number, 0));
  }
  const auto when = parse_http_date(text);
  const auto now = date();
  return when && now ? std::max(0.0, (*when - *now).seconds()) : 0;
}

Code code_of_http_status(int status) {
  if (const StatusMeaning* meaning = meaning_of(status)) {
    return meaning->code;
  }
  return status >= 500 ? Code::unavailable : Code::internal;
}

Status http_error(const HttpResponse& response, std::string_view what) {
  const StatusMeaning* meaning = meaning_of(response.status);
  return error(code_of_http_status(response.status), "{}: HTTP {}{}{}", what, response.status,
               meaning != nullptr ? " " : "", meaning != nullptr ? meaning->reason : "")
      .with_retry_after(response.retry_after_seconds());
}

std::string format_http_date(Timestamp t) {
  constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const CivilTime c = civil_utc(t);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[static_cast<std::size_t>(c.weekday)], c.day,
                     kMonths[static_cast<std::size_t>(c.month - 1)], c.year, c.hour, c.minute, c.second);
}

}  // namespace cairn::net
