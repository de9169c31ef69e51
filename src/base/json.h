// JSON values for documents of modest size (format blob, configuration, policies, manifests, API bodies). Directory
// objects have their own streaming reader and writer (snapshot/directory.h).
//
// Objects keep the order of their keys, so unknown keys survive a rewrite in place. Output follows Go's encoding/json:
// <, >, & and U+2028/9 escaped, no insignificant white space unless an indent is asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"

namespace cairn {

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() = default;                                                // null
  Json(std::nullptr_t) {}                                          // NOLINT: literals convert
  Json(bool v) : value_(v) {}                                      // NOLINT
  Json(int v) : value_(static_cast<std::int64_t>(v)) {}            // NOLINT
  Json(std::int64_t v) : value_(v) {}                              // NOLINT
  Json(std::uint64_t v) : value_(static_cast<std::int64_t>(v)) {}  // NOLINT: stored bits; sizes stay below 2^63
  Json(double v) : value_(v) {}                                    // NOLINT
  Json(std::string v) : value_(std::move(v)) {}                    // NOLINT
  Json(std::string_view v) : value_(std::string(v)) {}             // NOLINT
  Json(const char* v) : value_(std::string(v)) {}                  // NOLINT
  static Json array() { return Json(std::in_place_type<Array>); }
  static Json array(Array items) {
    Json j(std::in_place_type<Array>);
    std::get<Array>(j.value_) = std::move(items);
    return j;
  }
  static Json object() { return Json(std::in_place_type<Object>); }
  static Json object(std::initializer_list<Member> members) {
    Json j(std::in_place_type<Object>);
    std::get<Object>(j.value_) = members;
    return j;
  }

  // One value; trailing bytes are an error unless `allow_trailing`. Errors: corrupt (with offset-free reason).
  static Result<Json> parse(std::string_view text, bool allow_trailing = false);
  // indent < 0: compact. Otherwise Go's MarshalIndent with that many spaces per level, `prefix` before each line but
  // the first.
  std::string dump(int indent = -1, std::string_view prefix = {}) const;
  void append_to(std::string& out, int indent = -1, std::string_view prefix = {}) const;

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_int() const { return std::holds_alternative<std::int64_t>(value_); }
  bool is_double() const { return std::holds_alternative<double>(value_); }
  bool is_number() const { return is_int() || is_double(); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // Lenient accessors: the default when the type differs.
  bool as_bool(bool fallback = false) const;
  std::int64_t as_int(std::int64_t fallback = 0) const;
  double as_double(double fallback = 0) const;
  const std::string& as_string() const;  // "" when not a string
  const Array& items() const;            // empty when not an array
  const Object& members() const;         // empty when not an object
  Array& items_mut();                    // becomes an array
  Object& members_mut();                 // becomes an object

  // Exact match first, then case-insensitive; null when absent or not an object.
  const Json* find(std::string_view key) const;
  Json* find(std::string_view key);
  const Json& operator[](std::string_view key) const;  // a null value when absent
  // Replaces in place or appends; becomes an object.
  Json& set(std::string_view key, Json value);
  // set() unless the value is empty in Go's sense (false, 0, "", null, empty array or object).
  void set_omitempty(std::string_view key, Json value);
  bool erase(std::string_view key);
  void push_back(Json value) { items_mut().push_back(std::move(value)); }
  std::size_t size() const;
  bool is_empty_value() const;

  bool operator==(const Json& other) const = default;

 private:
  template <class T>
  explicit Json(std::in_place_type_t<T> t) : value_(t) {}
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

// Appends text as a JSON string with Go's escapes; bytes that are not valid UTF-8 become \ufffd one by one.
void append_json_string(std::string& out, std::string_view text);
// Shortest text of a number as Go's encoding/json prints it.
void append_json_number(std::string& out, double v);

}  // namespace cairn
