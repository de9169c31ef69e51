#include "base/json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>
#include <cmath>

#include "base/units.h"

namespace cairn {
namespace {

const Json kNull;
const std::string kEmptyString;
const Json::Array kEmptyArray;
const Json::Object kEmptyObject;

constexpr int kDepthMax = 512;

// Into `out`, so that no value is moved on its way up.
Status convert(const simdjson::dom::element& e, int depth, Json& out) {
  if (depth > kDepthMax) {
    return error(Code::corrupt, "JSON is nested too deeply");
  }
  using simdjson::dom::element_type;
  switch (e.type()) {
    case element_type::NULL_VALUE:
      out = Json();
      return {};
    case element_type::BOOL:
      out = Json(bool(e));
      return {};
    case element_type::INT64:
      out = Json(std::int64_t(e));
      return {};
    case element_type::UINT64:
      out = Json(static_cast<double>(std::uint64_t(e)));
      return {};
    case element_type::DOUBLE:
      out = Json(double(e));
      return {};
    case element_type::STRING:
      out = Json(std::string_view(e));
      return {};
    case element_type::ARRAY: {
      const simdjson::dom::array from(e);
      Json::Array& items = out.items_mut();
      items.reserve(from.size());
      for (const auto item : from) {
        TRY(convert(item, depth + 1, items.emplace_back()));
      }
      return {};
    }
    case element_type::OBJECT: {
      const simdjson::dom::object from(e);
      Json::Object& members = out.members_mut();
      members.reserve(from.size());
      for (const auto field : from) {
        TRY(convert(field.value, depth + 1, members.emplace_back(field.key, Json()).second));
      }
      return {};
    }
  }
  return error(Code::corrupt, "unknown JSON type");
}

// End of the first JSON value in text, or npos. Only for documents that may carry trailing bytes.
std::size_t first_value_end(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  bool seen = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
        if (depth == 0) {
          return i + 1;
        }
      }
      continue;
    }
    if (c == '"') {
      in_string = true;
      seen = true;
    } else if (c == '{' || c == '[') {
      ++depth;
      seen = true;
    } else if (c == '}' || c == ']') {
      if (--depth == 0) {
        return i + 1;
      }
    } else if (depth == 0) {
      const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
      if (space && seen) {
        return i;
      }
      seen = seen || !space;
    }
  }
  return text.size();
}

void newline(std::string& out, int indent, int level, std::string_view prefix) {
  out.push_back('\n');
  out.append(prefix);
  out.append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(level), ' ');
}

}  // namespace

Result<Json> Json::parse(std::string_view text, bool allow_trailing) {
  if (allow_trailing) {
    text = text.substr(0, first_value_end(text));
  }
  if (text.empty()) {  // the library would copy from a null pointer
    return error(Code::corrupt, "invalid JSON: {}", simdjson::error_message(simdjson::EMPTY));
  }
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  const auto err = parser.parse(text.data(), text.size(), true).get(root);
  if (err != simdjson::SUCCESS) {
    return error(Code::corrupt, "invalid JSON: {}", simdjson::error_message(err));
  }
  Json out;
  TRY(convert(root, 0, out));
  return out;
}

void append_json_number(std::string& out, double v) {
  if (std::isnan(v) || std::isinf(v)) {
    out += "null";
    return;
  }
  const double a = std::abs(v);
  const bool fixed = a == 0 || (a >= 1e-6 && a < 1e21);
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, v,
                                 fixed ? std::chars_format::fixed : std::chars_format::scientific);
  std::string_view text(digits, static_cast<std::size_t>(end.ptr - digits));
  // Go writes e-07 as e-7.
  const std::size_t e = text.find("e-0");
  out += text.substr(0, e);
  if (e != std::string_view::npos) {
    out += "e-";
    out += text.substr(e + 3);
  }
}

namespace {

void append_escaped_ascii(std::string& out, unsigned char c) {
  static constexpr char kHex[] = "0123456789abcdef";
  static constexpr std::string_view kPlain = "\"\\\n\r\t\b\f";
  static constexpr std::string_view kEscaped = "\"\\nrtbf";
  if (const std::size_t at = kPlain.find(static_cast<char>(c)); at != std::string_view::npos) {
    out.push_back('\\');
    out.push_back(kEscaped[at]);
    return;
  }
  out += "\\u00";
  out.push_back(kHex[c >> 4]);
  out.push_back(kHex[c & 15]);
}

// Bytes of the UTF-8 sequence at the front of `text`, 0 if there is none. As strict as Go: no overlong forms, no
// surrogates, nothing above U+10FFFF.
std::size_t utf8_sequence_size(std::string_view text) {
  const auto c = static_cast<unsigned char>(text[0]);
  std::size_t need = 0;
  std::uint32_t lo = 0x80;
  std::uint32_t hi = 0xBF;
  if (c >= 0xC2 && c <= 0xDF) {
    need = 1;
  } else if (c >= 0xE0 && c <= 0xEF) {
    need = 2;
    lo = c == 0xE0 ? 0xA0 : 0x80;
    hi = c == 0xED ? 0x9F : 0xBF;
  } else if (c >= 0xF0 && c <= 0xF4) {
    need = 3;
    lo = c == 0xF0 ? 0x90 : 0x80;
    hi = c == 0xF4 ? 0x8F : 0xBF;
  }
  if (need == 0 || need >= text.size()) {
    return 0;
  }
  for (std::size_t k = 1; k <= need; ++k) {
    const auto b = static_cast<unsigned char>(text[k]);
    if (k == 1 ? (b < lo || b > hi) : (b < 0x80 || b > 0xBF)) {
      return 0;
    }
  }
  return need + 1;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  std::size_t start = 0;
  std::size_t i = 0;
  const auto flush = [&](std::size_t end) { out.append(text.substr(start, end - start)); };
  while (i < text.size()) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&') {
      ++i;
      continue;
    }
    if (c < 0x80) {
      flush(i);
      append_escaped_ascii(out, c);
      start = ++i;
      continue;
    }
    const std::size_t size = utf8_sequence_size(text.substr(i));
    if (size == 0) {
      flush(i);
      out += "\\ufffd";
      start = ++i;
      continue;
    }
    // U+2028 and U+2029 end a line in JavaScript; Go escapes them.
    if (text.substr(i, size) == "\u2028" || text.substr(i, size) == "\u2029") {
      flush(i);
      out += text[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
      start = i + size;
    }
    i += size;
  }
  flush(text.size());
  out.push_back('"');
}

namespace {

void append_value(std::string& out, const Json& j, int indent, int level, std::string_view prefix) {
  if (j.is_null()) {
    out += "null";
  } else if (j.is_bool()) {
    out += j.as_bool() ? "true" : "false";
  } else if (j.is_int()) {
    fmt::format_to(std::back_inserter(out), "{}", j.as_int());
  } else if (j.is_double()) {
    append_json_number(out, j.as_double());
  } else if (j.is_string()) {
    append_json_string(out, j.as_string());
  } else if (j.is_array()) {
    out.push_back('[');
    bool first = true;
    for (const Json& item : j.items()) {
      if (!first) {
        out.push_back(',');
      }
      first = false;
      if (indent >= 0) {
        newline(out, indent, level + 1, prefix);
      }
      append_value(out, item, indent, level + 1, prefix);
    }
    if (!first && indent >= 0) {
      newline(out, indent, level, prefix);
    }
    out.push_back(']');
  } else {
    out.push_back('{');
    bool first = true;
    for (const auto& [key, value] : j.members()) {
      if (!first) {
        out.push_back(',');
      }
      first = false;
      if (indent >= 0) {
        newline(out, indent, level + 1, prefix);
      }
      append_json_string(out, key);
      out.push_back(':');
      if (indent >= 0) {
        out.push_back(' ');
      }
      append_value(out, value, indent, level + 1, prefix);
    }
    if (!first && indent >= 0) {
      newline(out, indent, level, prefix);
    }
    out.push_back('}');
  }
}

}  // namespace

void Json::append_to(std::string& out, int indent, std::string_view prefix) const {
  append_value(out, *this, indent, 0, prefix);
}

std::string Json::dump(int indent, std::string_view prefix) const {
  std::string out;
  append_to(out, indent, prefix);
  return out;
}

bool Json::as_bool(bool fallback) const { return is_bool() ? std::get<bool>(value_) : fallback; }

std::int64_t Json::as_int(std::int64_t fallback) const {
  if (is_int()) {
    return std::get<std::int64_t>(value_);
  }
  if (is_double() && std::abs(std::get<double>(value_)) < 9.2e18) {
    return static_cast<std::int64_t>(std::get<double>(value_));
  }
  return fallback;
}

double Json::as_double(double fallback) const {
  if (is_int()) {
    return static_cast<double>(std::get<std::int64_t>(value_));
  }
  return is_double() ? std::get<double>(value_) : fallback;
}

const std::string& Json::as_string() const { return is_string() ? std::get<std::string>(value_) : kEmptyString; }
const Json::Array& Json::items() const { return is_array() ? std::get<Array>(value_) : kEmptyArray; }
const Json::Object& Json::members() const { return is_object() ? std::get<Object>(value_) : kEmptyObject; }

Json::Array& Json::items_mut() {
  if (!is_array()) {
    value_.emplace<Array>();
  }
  return std::get<Array>(value_);
}

Json::Object& Json::members_mut() {
  if (!is_object()) {
    value_.emplace<Object>();
  }
  return std::get<Object>(value_);
}

const Json* Json::find(std::string_view key) const {
  const Object& all = members();
  for (const auto& [k, v] : all) {
    if (k == key) {
      return &v;
    }
  }
  for (const auto& [k, v] : all) {
    if (equals_ignore_case(k, key)) {
      return &v;
    }
  }
  return nullptr;
}

Json* Json::find(std::string_view key) { return const_cast<Json*>(std::as_const(*this).find(key)); }

const Json& Json::operator[](std::string_view key) const {
  const Json* v = find(key);
  return v != nullptr ? *v : kNull;
}

Json& Json::set(std::string_view key, Json value) {
  if (Json* old = find(key)) {
    *old = std::move(value);
    return *old;
  }
  Object& all = members_mut();
  all.emplace_back(std::string(key), std::move(value));
  return all.back().second;
}

void Json::set_omitempty(std::string_view key, Json value) {
  if (!value.is_empty_value()) {
    set(key, std::move(value));
  }
}

bool Json::erase(std::string_view key) {
  if (!is_object()) {
    return false;
  }
  return std::erase_if(members_mut(), [&](const Member& m) { return equals_ignore_case(m.first, key); }) > 0;
}

std::size_t Json::size() const { return is_array() ? items().size() : members().size(); }

bool Json::is_empty_value() const {
  return is_null() || (is_bool() && !as_bool()) || (is_number() && as_double() == 0) ||
         (is_string() && as_string().empty()) || ((is_array() || is_object()) && size() == 0);
}

}  // namespace cairn
