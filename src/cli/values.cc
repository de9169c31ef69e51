#include "cli/values.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

#include "base/json.h"
#include "base/time.h"

namespace cairn::cli {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

Status syntax_error(std::string_view function, std::string_view text) {
  return error(Code::invalid_argument, "strconv.{}: parsing {}: invalid syntax", function, quoted(text));
}

Status range_error(std::string_view function, std::string_view text) {
  return error(Code::invalid_argument, "strconv.{}: parsing {}: value out of range", function, quoted(text));
}

// An underscore may only stand between digits (or after a base prefix).
bool drop_underscores(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out.push_back(text[i]);
      continue;
    }
    const auto digit = [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; };
    const bool before =
        i > 0 && (digit(text[i - 1]) || std::string_view("xXoO").find(text[i - 1]) != std::string_view::npos);
    if (!before || i + 1 >= text.size() || !digit(text[i + 1])) {
      return false;
    }
  }
  return true;
}

Status check_path(std::string_view text, bool want_directory) {
  TRY(check_existing_path(text));
  struct stat st {};
  (void)::stat(std::string(text).c_str(), &st);
  if (S_ISDIR(st.st_mode) != want_directory) {
    const std::string_view name = text.substr(text.rfind('/') + 1);
    return error(Code::invalid_argument, "'{}' is a {}", name.empty() ? text : name,
                 want_directory ? "file" : "directory");
  }
  return {};
}

Status check_choice(const FlagSpec& flag, std::string_view text) {
  if (std::ranges::find(flag.choices, text) != flag.choices.end() ||
      std::ranges::find(flag.silent_choices, text) != flag.silent_choices.end()) {
    return {};
  }
  if (!flag.refusal.empty()) {
    return error(Code::invalid_argument, "{}", flag.refusal);
  }
  return error(Code::invalid_argument, "enum value must be one of {}, got '{}'", fmt::join(flag.choices, ","), text);
}

}  // namespace

Result<std::int64_t> parse_int_text(std::string_view text, int bits) {
  const std::string_view function = "ParseInt";
  std::string digits;
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) {
    rest.remove_prefix(1);
  }
  int base = 10;
  if (rest.size() > 1 && rest[0] == '0') {
    const char c = static_cast<char>(rest[1] | 0x20);
    base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
    if (c == 'x' || c == 'b' || c == 'o') {
      rest.remove_prefix(2);
      if (rest.starts_with('_')) {
        rest.remove_prefix(1);
      }
    }
  }
  if (rest.empty() || !drop_underscores(rest, digits)) {
    return syntax_error(function, text);
  }
  std::uint64_t magnitude = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  if (code == std::errc::result_out_of_range) {
    return range_error(function, text);
  }
  if (code != std::errc() || end != digits.data() + digits.size()) {
    return syntax_error(function, text);
  }
  const std::uint64_t limit = (std::uint64_t{1} << (bits - 1)) - (negative ? 0 : 1);
  if (magnitude > limit) {
    return range_error(function, text);
  }
  return static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
}

Result<double> parse_float_text(std::string_view text) {
  const std::string_view function = "ParseFloat";
  std::string digits;
  if (text.empty() || !drop_underscores(text, digits)) {
    return syntax_error(function, text);
  }
  std::string_view rest = digits;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) {
    rest.remove_prefix(1);
  }
  const bool hex = rest.starts_with("0x") || rest.starts_with("0X");
  if (hex) {
    rest.remove_prefix(2);
    if (rest.find_first_of("pP") == std::string_view::npos) {  // Go: a hexadecimal float needs an exponent
      return syntax_error(function, text);
    }
  }
  if (rest.starts_with('-') || rest.starts_with('+')) {
    return syntax_error(function, text);
  }
  double value = 0;
  const auto [end, code] = std::from_chars(rest.data(), rest.data() + rest.size(), value,
                                           hex ? std::chars_format::hex : std::chars_format::general);
  if (code == std::errc::result_out_of_range) {
    return range_error(function, text);
  }
  if (code != std::errc() || end != rest.data() + rest.size()) {
    return syntax_error(function, text);
  }
  return negative ? -value : value;
}

Result<bool> parse_bool_text(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) {
      return true;
    }
  }
  for (const std::string_view no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) {
      return false;
    }
  }
  return syntax_error("ParseBool", text);
}

Status check_existing_path(std::string_view text) {
  struct stat st {};
  if (::stat(std::string(text).c_str(), &st) != 0) {
    return error(Code::invalid_argument, "path '{}' does not exist", text);
  }
  return {};
}

Result<std::int64_t> parse_byte_size(std::string_view text) {
  const auto invalid = [&] { return error(Code::invalid_argument, "units: invalid {}", text); };
  const std::size_t unit_at = std::min(text.find_first_not_of("0123456789."), text.size());
  const auto number = parse_float_text(text.substr(0, unit_at));
  if (!number.ok()) {
    return invalid();
  }
  std::string_view unit = text.substr(unit_at);
  constexpr std::string_view kUnits = "KMGT";
  double factor = 1;
  if (const std::size_t power = unit.empty() ? std::string_view::npos : kUnits.find(unit.front());
      power != std::string_view::npos) {
    factor = std::pow(1024.0, static_cast<double>(power + 1));
    unit.remove_prefix(1);
    if (unit.starts_with('i')) {
      unit.remove_prefix(1);
    }
  }
  constexpr double kMax = 1e18;
  if ((!unit.empty() && unit != "B") || *number * factor > kMax) {
    return invalid();
  }
  return static_cast<std::int64_t>(*number * factor);
}

Status check_value(const FlagSpec& flag, std::string_view text) {
  switch (flag.type) {
    case ValueType::boolean:
    case ValueType::boolean_text:
      return parse_bool_text(text).status();
    case ValueType::text:
      return {};
    case ValueType::integer:
    case ValueType::real:
      return parse_float_text(text).status();
    case ValueType::int64:
      return parse_int_text(text).status();
    case ValueType::int32:
      return parse_int_text(text, 32).status();
    case ValueType::duration:
      return parse_go_duration(text).status();
    case ValueType::key_value:
      return text.find(':') != std::string_view::npos
                 ? Status()
                 : error(Code::invalid_argument, "invalid --{} \"{}\", must be key:value", flag.name, text);
    case ValueType::byte_size:
      return parse_byte_size(text).status();
    case ValueType::choice:
      return check_choice(flag, text);
    case ValueType::existing_file:
      return check_path(text, false);
    case ValueType::existing_directory:
      return check_path(text, true);
  }
  return {};
}

}  // namespace cairn::cli
