#include "base/units.h"

#include <atomic>
#include <cctype>
#include <charconv>
#include <cmath>

namespace cairn {
namespace {

std::atomic<bool> bytes_base2{false};

std::string one_decimal(double v) {
  std::string s = fmt::format("{:.1f}", v);
  if (s.ends_with(".0")) {
    s.resize(s.size() - 2);
  }
  return s;
}

std::string scaled(double v, double step, const char* const* units) {
  // A value moves to the next unit from 0.9 of that unit on.
  int i = 0;
  while (units[i + 1] != nullptr && std::abs(v) >= 0.9 * step) {
    v /= step;
    ++i;
  }
  return i == 0 ? fmt::format("{}{}", one_decimal(v), units[0]) : one_decimal(v) + units[i];
}

}  // namespace

void set_bytes_base2(bool on) { bytes_base2 = on; }

std::string bytes_text(std::int64_t bytes) {
  static constexpr const char* kBase10[] = {" B", " KB", " MB", " GB", " TB", " PB", " EB", nullptr};
  static constexpr const char* kBase2[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB", nullptr};
  return bytes_base2 ? scaled(static_cast<double>(bytes), 1024, kBase2)
                     : scaled(static_cast<double>(bytes), 1000, kBase10);
}

std::string speed_text(double v) {
  static constexpr const char* kUnits[] = {" B/s", " KB/s", " MB/s", " GB/s", " TB/s", " PB/s", " EB/s", nullptr};
  return scaled(v, 1000, kUnits);
}

std::string count_text(std::int64_t n) {
  static constexpr const char* kUnits[] = {"", " K", " M", " G", " T", " P", " E", nullptr};
  return scaled(static_cast<double>(n), 1000, kUnits);
}

std::string float_text(double v) {
  if (std::isnan(v)) {
    return "NaN";
  }
  if (std::isinf(v)) {
    return v > 0 ? "+Inf" : "-Inf";
  }
  const double a = std::abs(v);
  const bool fixed = a == 0 || (a >= 1e-4 && a < 1e21);
  char text[64];
  const auto end =
      std::to_chars(text, text + sizeof text, v, fixed ? std::chars_format::fixed : std::chars_format::scientific);
  return std::string(text, end.ptr);
}

std::string_view trim(std::string_view s) {
  const auto space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!s.empty() && space(s.front())) {
    s.remove_prefix(1);
  }
  while (!s.empty() && space(s.back())) {
    s.remove_suffix(1);
  }
  return s;
}

bool equals_ignore_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) != std::tolower(static_cast<unsigned char>(b[i]))) {
      return false;
    }
  }
  return true;
}

std::string to_lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

}  // namespace cairn
