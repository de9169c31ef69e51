#include "notify/template_functions.h"

#include <cctype>
#include <map>
#include <optional>
#include <vector>

#include "base/units.h"
#include "net/xml.h"

namespace cairn::notify {
namespace {

constexpr int kDepthMax = 32;

Status problem(std::string_view what) { return error(Code::invalid_argument, "template: {}", what); }

using Arguments = std::vector<Json>;
using Function = Result<Json> (*)(const Arguments&);

// −1, 0, 1; nullopt when the two cannot be ordered.
std::optional<int> order(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) {
    return a.as_double() < b.as_double() ? -1 : a.as_double() > b.as_double() ? 1 : 0;
  }
  if (a.is_string() && b.is_string()) {
    return a.as_string() < b.as_string() ? -1 : a.as_string() > b.as_string() ? 1 : 0;
  }
  return std::nullopt;
}

bool equal(const Json& a, const Json& b) {
  const auto o = order(a, b);
  return o ? *o == 0 : a == b;
}

// True for the orders that are wanted: before, equal, after.
template <bool Before, bool Equal, bool After>
Result<Json> compare(const Arguments& a) {
  if (a.size() != 2) {
    return problem("a comparison needs two values");
  }
  const auto o = order(a[0], a[1]);
  if (!o) {
    return problem("values of different kinds are compared");
  }
  return Json(*o < 0 ? Before : *o == 0 ? Equal : After);
}

Result<Json> equals(const Arguments& a) {
  if (a.size() < 2) {
    return problem("eq needs two values");
  }
  for (std::size_t i = 1; i < a.size(); ++i) {
    if (equal(a[0], a[i])) {
      return Json(true);
    }
  }
  return Json(false);
}

Result<Json> differs(const Arguments& a) {
  if (a.size() != 2) {
    return problem("ne needs two values");
  }
  return Json(!equal(a[0], a[1]));
}

Result<Json> all_of(const Arguments& a) {
  for (const Json& value : a) {
    if (!is_true(value)) {
      return Json(value);
    }
  }
  return a.empty() ? Result<Json>(problem("and needs a value")) : Result<Json>(Json(a.back()));
}

Result<Json> any_of(const Arguments& a) {
  for (const Json& value : a) {
    if (is_true(value)) {
      return Json(value);
    }
  }
  return a.empty() ? Result<Json>(problem("or needs a value")) : Result<Json>(Json(a.back()));
}

Result<Json> negate(const Arguments& a) {
  if (a.size() != 1) {
    return problem("not needs one value");
  }
  return Json(!is_true(a[0]));
}

Result<Json> length(const Arguments& a) {
  if (a.size() != 1) {
    return problem("len needs one value");
  }
  return Json(static_cast<std::int64_t>(a[0].is_string() ? a[0].as_string().size() : a[0].size()));
}

Result<Json> index_of(const Arguments& a) {
  if (a.empty()) {
    return problem("index needs a value");
  }
  Json at = a[0];
  for (std::size_t i = 1; i < a.size(); ++i) {
    if (at.is_array()) {
      const std::int64_t n = a[i].as_int(-1);
      if (n < 0 || n >= static_cast<std::int64_t>(at.size())) {
        return problem("index out of range");
      }
      at = Json(at.items()[static_cast<std::size_t>(n)]);
    } else {
      at = Json(at[a[i].as_string()]);
    }
  }
  return at;
}

Result<Json> print(const Arguments& a) {
  std::string out;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool apart = i > 0 && !a[i].is_string() && !a[i - 1].is_string();
    out += (apart ? " " : "") + value_text(a[i]);
  }
  return Json(out);
}

Result<Json> print_line(const Arguments& a) {
  std::string out;
  for (std::size_t i = 0; i < a.size(); ++i) {
    out += (i > 0 ? " " : "") + value_text(a[i]);
  }
  return Json(out + "\n");
}

// %v %s %d %q %% with width, '-' and precision of numbers.
Result<Json> print_format(const Arguments& a) {
  if (a.empty() || !a[0].is_string()) {
    return problem("printf needs a format");
  }
  const std::string& f = a[0].as_string();
  std::string out;
  std::size_t next = 1;
  for (std::size_t i = 0; i < f.size(); ++i) {
    if (f[i] != '%') {
      out += f[i];
      continue;
    }
    bool left = false;
    std::size_t width = 0, precision = std::string::npos;
    for (++i; i < f.size() && f[i] == '-'; ++i) {
      left = true;
    }
    for (; i < f.size() && std::isdigit(static_cast<unsigned char>(f[i])) != 0 && width < 1000; ++i) {
      width = width * 10 + static_cast<std::size_t>(f[i] - '0');
    }
    if (i < f.size() && f[i] == '.') {
      precision = 0;
      for (++i; i < f.size() && std::isdigit(static_cast<unsigned char>(f[i])) != 0 && precision < 100; ++i) {
        precision = precision * 10 + static_cast<std::size_t>(f[i] - '0');
      }
    }
    if (i >= f.size()) {
      return problem("printf: the format ends in the middle");
    }
    if (f[i] == '%') {
      out += '%';
      continue;
    }
    if (next >= a.size()) {
      return problem("printf: a value is missing");
    }
    const Json& value = a[next++];
    std::string text;
    if (f[i] == 'f') {
      text = fmt::format("{:.{}f}", value.as_double(), precision == std::string::npos ? 6 : precision);
    } else if (f[i] == 'q') {
      append_json_string(text, value_text(value));
    } else if (f[i] == 'v' || f[i] == 's' || f[i] == 'd') {
      text = value_text(value);
    } else {
      return problem(fmt::format("printf: %{} is not supported", f[i]));
    }
    const std::string pad(width > text.size() ? width - text.size() : 0, ' ');
    out += left ? text + pad : pad + text;
  }
  return Json(out);
}

Result<Json> html(const Arguments& a) {
  TRY_ASSIGN(const Json text, print(a));
  return Json(net::xml_escape(text.as_string()));
}

Result<Json> url_query(const Arguments& a) {
  TRY_ASSIGN(const Json text, print(a));
  std::string out;
  for (const char c : text.as_string()) {
    const auto u = static_cast<unsigned char>(c);
    if (std::isalnum(u) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
      out += c;
    } else {
      out += c == ' ' ? "+" : fmt::format("%{:02X}", u);
    }
  }
  return Json(out);
}

const std::map<std::string, Function, std::less<>>& functions() {
  static const std::map<std::string, Function, std::less<>> kFunctions = {{"and", all_of},
                                                                          {"eq", equals},
                                                                          {"ge", compare<false, true, true>},
                                                                          {"gt", compare<false, false, true>},
                                                                          {"html", html},
                                                                          {"index", index_of},
                                                                          {"le", compare<true, true, false>},
                                                                          {"len", length},
                                                                          {"lt", compare<true, false, false>},
                                                                          {"ne", differs},
                                                                          {"not", negate},
                                                                          {"or", any_of},
                                                                          {"print", print},
                                                                          {"printf", print_format},
                                                                          {"println", print_line},
                                                                          {"urlquery", url_query}};
  return kFunctions;
}

class Parser {
 public:
  Parser(std::string_view text, const ExpressionScope& scope) : rest_(text), scope_(scope) {}

  Result<Json> pipeline(int depth) {
    if (depth > kDepthMax) {
      return problem("nested too deeply");
    }
    std::optional<Json> piped;
    while (true) {
      TRY_ASSIGN(Json value, command(piped, depth));
      piped = std::move(value);
      skip_blanks();
      if (!rest_.starts_with('|')) {
        return std::move(*piped);
      }
      rest_.remove_prefix(1);
    }
  }
  bool finished() {
    skip_blanks();
    return rest_.empty();
  }

 private:
  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size())); }

  Result<Json> command(const std::optional<Json>& piped, int depth) {
    skip_blanks();
    const bool name = !rest_.empty() && std::isalpha(static_cast<unsigned char>(rest_[0])) != 0;
    const std::string_view word = name ? rest_.substr(0, name_length(rest_)) : std::string_view();
    if (!name || word == "true" || word == "false" || word == "nil") {
      if (piped) {
        return problem("a value cannot take the result of the one before");
      }
      TRY_ASSIGN(Json value, operand(depth));
      if (!at_end_of_command()) {
        return problem("a value cannot be called");
      }
      return value;
    }
    rest_.remove_prefix(word.size());
    const auto found = functions().find(word);
    if (found == functions().end()) {
      return problem(fmt::format("function \"{}\" not defined", word));
    }
    Arguments arguments;
    while (!at_end_of_command()) {
      TRY_ASSIGN(Json value, operand(depth));
      arguments.push_back(std::move(value));
    }
    if (piped) {
      arguments.push_back(*piped);
    }
    return found->second(arguments);
  }

  bool at_end_of_command() {
    skip_blanks();
    return rest_.empty() || rest_[0] == '|' || rest_[0] == ')';
  }

  static std::size_t name_length(std::string_view text) {
    std::size_t n = 0;
    while (n < text.size() && (std::isalnum(static_cast<unsigned char>(text[n])) != 0 || text[n] == '_')) {
      ++n;
    }
    return n;
  }

  // ".a.b" after a value.
  Json fields(Json value) {
    while (rest_.size() > 1 && rest_[0] == '.' && name_length(rest_.substr(1)) > 0) {
      const std::size_t n = name_length(rest_.substr(1));
      value = Json(value[rest_.substr(1, n)]);
      rest_.remove_prefix(n + 1);
    }
    return value;
  }

  Result<Json> operand(int depth) {
    skip_blanks();
    if (rest_.empty()) {
      return problem("missing value");
    }
    const char c = rest_[0];
    if (c == '.') {
      if (name_length(rest_.substr(1)) == 0) {
        rest_.remove_prefix(1);
        return Json(scope_.dot);
      }
      return fields(scope_.dot);
    }
    if (c == '$') {
      const std::string_view name = rest_.substr(0, 1 + name_length(rest_.substr(1)));
      const Json* value = scope_.variable(name);
      if (value == nullptr) {
        return problem(fmt::format("undefined variable \"{}\"", name));
      }
      rest_.remove_prefix(name.size());
      return fields(*value);
    }
    if (c == '(') {
      rest_.remove_prefix(1);
      TRY_ASSIGN(Json value, pipeline(depth + 1));
      skip_blanks();
      if (!rest_.starts_with(')')) {
        return problem("unclosed left paren");
      }
      rest_.remove_prefix(1);
      return fields(std::move(value));
    }
    return literal();
  }

  Result<Json> literal() {
    if (rest_[0] == '`') {
      const std::size_t end = rest_.find('`', 1);
      if (end == std::string_view::npos) {
        return problem("unterminated raw quoted string");
      }
      Json value(rest_.substr(1, end - 1));
      rest_.remove_prefix(end + 1);
      return value;
    }
    std::size_t end = 1;
    if (rest_[0] == '"') {
      while (end < rest_.size() && rest_[end] != '"') {
        end += rest_[end] == '\\' ? 2 : 1;
      }
      end = std::min(end + 1, rest_.size());
    } else {
      end = std::min(rest_.find_first_of(" \t\r\n|)"), rest_.size());
    }
    const std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(end);
    if (word == "nil") {
      return Json();
    }
    auto value = Json::parse(word);
    if (!value.ok() || value->is_array() || value->is_object()) {
      return problem(fmt::format("unexpected \"{}\"", word));
    }
    return value;
  }

  std::string_view rest_;
  const ExpressionScope& scope_;
};

}  // namespace

bool is_true(const Json& value) { return !value.is_empty_value(); }

std::string value_text(const Json& value) {
  if (value.is_null()) {
    return "<no value>";
  }
  return value.is_string() ? value.as_string() : value.dump();
}

Result<Json> evaluate_pipeline(std::string_view text, const ExpressionScope& scope) {
  Parser parser(text, scope);
  TRY_ASSIGN(Json value, parser.pipeline(0));
  if (!parser.finished()) {
    return problem(fmt::format("unexpected text in \"{}\"", text));
  }
  return value;
}

}  // namespace cairn::notify
