#include "cli/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "base/json.h"
#include "cli/values.h"

namespace cairn::cli {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

// Number of single-letter edits (transpositions count as one).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

std::string closest(std::string_view wanted, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, wanted.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(wanted, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace

const ParsedCommand::Value& ParsedCommand::value(std::string_view flag) const {
  const auto found = flags_.find(flag);
  CHECK(found != flags_.end(), "flag --{} is not in scope", flag);
  return found->second;
}
bool ParsedCommand::given(std::string_view flag) const { return value(flag).origin != ValueOrigin::builtin; }
bool ParsedCommand::on_command_line(std::string_view flag) const {
  return value(flag).origin == ValueOrigin::command_line;
}
const std::string& ParsedCommand::text(std::string_view flag) const {
  static const std::string empty;
  const Value& v = value(flag);
  return v.texts.empty() ? empty : v.texts.front();
}
bool ParsedCommand::boolean(std::string_view flag) const {
  const Value& v = value(flag);
  const Result<bool> parsed = parse_bool_text(v.texts.empty() ? "" : v.texts.back());
  return parsed.ok() && *parsed;
}
std::int64_t ParsedCommand::integer(std::string_view flag, std::int64_t fallback) const {
  const Value& v = value(flag);
  if (v.texts.empty()) {
    return fallback;
  }
  if (v.spec->type != ValueType::integer) {
    const bool bytes = v.spec->type == ValueType::byte_size;
    const Result<std::int64_t> parsed = bytes ? parse_byte_size(v.texts.back()) : parse_int_text(v.texts.back());
    return parsed.ok() ? *parsed : fallback;
  }
  const Result<double> parsed = parse_float_text(v.texts.back());
  constexpr double kLimit = 9.2e18;
  return parsed.ok() && *parsed > -kLimit && *parsed < kLimit ? static_cast<std::int64_t>(*parsed) : fallback;
}
double ParsedCommand::real(std::string_view flag, double fallback) const {
  const Value& v = value(flag);
  const Result<double> parsed = parse_float_text(v.texts.empty() ? "" : v.texts.back());
  return parsed.ok() ? *parsed : fallback;
}
Duration ParsedCommand::duration(std::string_view flag, Duration fallback) const {
  const Value& v = value(flag);
  const Result<Duration> parsed = parse_go_duration(v.texts.empty() ? "" : v.texts.back());
  return parsed.ok() ? *parsed : fallback;
}
const std::vector<std::string>& ParsedCommand::list(std::string_view flag) const { return value(flag).texts; }

const std::vector<std::string>& ParsedCommand::arguments(std::string_view name) const {
  static const std::vector<std::string> none;
  const auto found = arguments_.find(name);
  return found == arguments_.end() ? none : found->second;
}
const std::string& ParsedCommand::argument(std::string_view name) const {
  static const std::string empty;
  const std::vector<std::string>& all = arguments(name);
  return all.empty() ? empty : all.front();
}

// One pass over the words, as a stack of tokens to which the rest of a cut word is pushed back.
class Parser {
 public:
  Parser(const CommandTable& table, const std::vector<std::string>& words, const Environment& environment)
      : table_(table), words_(words.begin(), words.end()), environment_(environment) {}

  ParseResult run() {
    add_scope(table_.global_flags());
    result_.status = consume();
    if (given("version")) {
      result_.status = Status();
      result_.request = Request::version;
      return std::move(result_);
    }
    if (result_.status.ok() && !wants_help()) {
      result_.status = settle();
    }
    return std::move(result_);
  }

 private:
  enum class Kind : unsigned char { end, argument, long_flag, short_flag };
  struct Token {
    Kind kind = Kind::end;
    std::string text;  // argument, or the flag's name
  };
  struct Pending {
    std::string text;
    bool literal = false;  // part of a cut word: an argument whatever it looks like
    Pending(std::string t, bool l = false) : text(std::move(t)), literal(l) {}  // NOLINT
  };

  void add_scope(const std::vector<FlagSpec>& flags) {
    for (const FlagSpec& flag : flags) {
      scope_.push_back(&flag);
      result_.command.flags_[flag.name].spec = &flag;
    }
  }
  const FlagSpec* find_long(std::string_view name) const {
    for (const FlagSpec* flag : scope_) {
      if (flag->name == name) {
        return flag;
      }
    }
    return nullptr;
  }
  const FlagSpec* find_short(char name) const {
    for (const FlagSpec* flag : scope_) {
      if (flag->short_name == name && name != 0) {
        return flag;
      }
    }
    return nullptr;
  }
  bool given(std::string_view flag) const { return result_.command.on_command_line(flag); }

  Token next();
  Token next_short(const std::string& word);
  Status consume();
  Status take_flag(const Token& token);
  Status take_value(const FlagSpec& flag, const std::string& shown);
  Status unknown_flag(const Token& token);
  Status take_word(const std::string& word);
  Status take_help_topic();
  bool wants_help();
  Status settle();
  Status check_values();
  Status check_required();
  void store(const FlagSpec& flag, std::string text) {
    ParsedCommand::Value& value = result_.command.flags_[flag.name];
    value.origin = ValueOrigin::command_line;
    value.texts.push_back(std::move(text));
  }

  const CommandTable& table_;
  std::deque<Pending> words_;
  const Environment& environment_;
  std::vector<const FlagSpec*> scope_;
  bool arguments_only_ = false;
  std::size_t next_argument_ = 0;
  ParseResult result_;
};

Parser::Token Parser::next() {
  if (words_.empty()) {
    return {};
  }
  Pending word = std::move(words_.front());
  words_.pop_front();
  if (word.literal || arguments_only_ || word.text.empty() || word.text[0] != '-') {
    return {Kind::argument, std::move(word.text)};
  }
  if (word.text == "--") {
    arguments_only_ = true;
    return next();
  }
  if (!word.text.starts_with("--")) {
    return next_short(word.text);
  }
  std::string name = word.text.substr(2);
  if (const std::size_t at = name.find('='); at != std::string::npos) {
    words_.emplace_front(name.substr(at + 1), true);
    name.resize(at);
  }
  return {Kind::long_flag, std::move(name)};
}

Parser::Token Parser::next_short(const std::string& word) {
  if (word.size() == 1) {
    return {Kind::short_flag, ""};
  }
  const FlagSpec* flag = find_short(word[1]);
  if (word.size() > 2) {
    if (flag != nullptr && flag->type != ValueType::boolean) {
      words_.emplace_front(word.substr(2), true);
    } else {
      words_.emplace_front("-" + word.substr(2));
    }
  }
  return {Kind::short_flag, word.substr(1, 1)};
}

Status Parser::unknown_flag(const Token& token) {
  if (token.kind == Kind::short_flag) {
    return error(Code::invalid_argument, "unknown short flag '-{}'", token.text);
  }
  std::vector<std::string> names;
  for (const FlagSpec* flag : scope_) {
    names.push_back("--" + flag->name);
    if (flag->type == ValueType::boolean) {
      names.push_back("--no-" + flag->name);
    }
  }
  result_.suggestion = closest("--" + token.text, names);
  return error(Code::invalid_argument, "unknown long flag '--{}'", token.text);
}

Status Parser::take_flag(const Token& token) {
  const bool is_long = token.kind == Kind::long_flag;
  const FlagSpec* flag = is_long ? find_long(token.text) : token.text.empty() ? nullptr : find_short(token.text[0]);
  bool negated = false;
  if (flag == nullptr && is_long && token.text.starts_with("no-")) {
    flag = find_long(std::string_view(token.text).substr(3));
    negated = flag != nullptr;
    if (flag != nullptr && flag->type != ValueType::boolean && flag->bare_no_value.empty()) {
      flag = nullptr;
    }
  }
  if (flag == nullptr) {
    return unknown_flag(token);
  }
  if (flag->type != ValueType::boolean) {
    if (negated) {
      store(*flag, flag->bare_no_value);
      return {};
    }
    return take_value(*flag, (is_long ? "--" : "-") + token.text);
  }
  // "--x=true" is not Kopia's, but what it means is beyond doubt.
  if (!words_.empty() && words_.front().literal) {
    const std::string text = words_.front().text;
    if (text == "true" || text == "false") {
      words_.pop_front();
      store(*flag, (text == "true") != negated ? "true" : "false");
      return {};
    }
  }
  store(*flag, negated ? "false" : "true");
  return {};
}

Status Parser::take_value(const FlagSpec& flag, const std::string& shown) {
  if (!flag.bare_value.empty() && (words_.empty() || !words_.front().literal) &&
      (words_.empty() || std::ranges::find(flag.choices, words_.front().text) == flag.choices.end())) {
    store(flag, flag.bare_value);
    return {};
  }
  Token value = next();
  if (value.kind != Kind::argument) {
    return error(Code::invalid_argument, "expected argument for flag '{}'", shown);
  }
  store(flag, std::move(value.text));
  return {};
}

Status Parser::take_word(const std::string& word) {
  const CommandSpec* at = result_.command.command_;
  const bool wants_command = at == nullptr || table_.is_group(*at);
  if (wants_command) {
    const CommandSpec* chosen = table_.child(at, word);
    if (chosen == nullptr) {
      std::vector<std::string> names;
      for (const CommandSpec* each : table_.children(at)) {
        names.emplace_back(last_word(each->path));
        names.insert(names.end(), each->aliases.begin(), each->aliases.end());
      }
      result_.suggestion = closest(word, names);
      return error(Code::invalid_argument, "expected command but got {}", quoted(word));
    }
    result_.command.command_ = chosen;
    add_scope(chosen->flags);
    if (chosen->later) {
      return error(Code::unsupported, "command '{}' is not available in this version yet", chosen->path);
    }
    return {};
  }
  if (next_argument_ >= at->arguments.size()) {
    return error(Code::invalid_argument, "unexpected {}", word);
  }
  const ArgumentSpec& argument = at->arguments[next_argument_];
  if (!argument.repeatable) {
    ++next_argument_;
  }
  result_.command.arguments_[argument.name].push_back(word);
  return {};
}

Status Parser::take_help_topic() {
  result_.request = Request::usage;
  for (Token token = next(); token.kind != Kind::end; token = next()) {
    if (token.kind != Kind::argument) {
      TRY(take_flag(token));
      continue;
    }
    const CommandSpec* topic = table_.child(result_.help_topic, token.text);
    if (topic == nullptr) {
      result_.bare_message = true;
      return error(Code::invalid_argument, "expected command but got {}", quoted(token.text));
    }
    result_.help_topic = topic;
  }
  return {};
}

Status Parser::consume() {
  for (Token token = next(); token.kind != Kind::end; token = next()) {
    if (token.kind != Kind::argument) {
      TRY(take_flag(token));
      continue;
    }
    if (result_.command.command_ == nullptr && token.text == "help" && table_.child(nullptr, "help") == nullptr) {
      return take_help_topic();
    }
    TRY(take_word(token.text));
  }
  return {};
}

bool Parser::wants_help() {
  static constexpr std::pair<std::string_view, Request> kFlags[] = {
      {"help", Request::usage},
      {"help-long", Request::usage_long},
      {"help-full", Request::usage_full},
      {"help-man", Request::manual},
      {"help-markdown", Request::markdown},
      {"completion-script-bash", Request::script_bash},
      {"completion-script-zsh", Request::script_zsh},
      {"completion-script-fish", Request::script_fish},
  };
  if (result_.request == Request::usage) {
    return true;
  }
  for (const auto& [flag, request] : kFlags) {
    if (given(flag)) {
      result_.request = request;
      result_.help_topic = result_.command.command_;
      return true;
    }
  }
  if (result_.command.command_ == nullptr) {
    result_.request = Request::usage;
    return true;
  }
  return false;
}

Status Parser::check_values() {
  for (const FlagSpec* flag : scope_) {
    ParsedCommand::Value& value = result_.command.flags_[flag->name];
    if (value.origin == ValueOrigin::command_line && value.texts.size() > 1 && !flag->repeatable &&
        flag->type != ValueType::boolean_text) {
      return error(Code::invalid_argument, "flag '{}' cannot be repeated", flag->name);
    }
    if (value.origin == ValueOrigin::builtin && !flag->env.empty()) {
      const std::optional<std::string> text = environment_(flag->env);
      if (text && !text->empty()) {
        value.origin = ValueOrigin::environment;
        std::size_t start = 0;
        for (std::size_t end = 0; flag->repeatable && (end = text->find('\n', start)) != std::string::npos;
             start = end + 1) {
          value.texts.push_back(text->substr(start, end - start));
        }
        value.texts.push_back(text->substr(start));
      }
    }
    if (value.origin == ValueOrigin::builtin && !flag->default_value.empty()) {
      value.texts = {flag->default_value};
    }
    for (const std::string& text : value.texts) {
      TRY(check_value(*flag, text));
    }
  }
  return {};
}

Status Parser::check_required() {
  std::string missing;
  for (const FlagSpec* flag : scope_) {
    if (flag->required && result_.command.flags_[flag->name].texts.empty()) {
      missing += fmt::format("{}'--{}'", missing.empty() ? "" : ", ", flag->name);
    }
  }
  if (!missing.empty()) {
    return error(Code::invalid_argument, "required flag(s) {} not provided", missing);
  }
  for (const ArgumentSpec& argument : result_.command.command_->arguments) {
    std::vector<std::string>& values = result_.command.arguments_[argument.name];
    if (!values.empty()) {
      for (const std::string& value : values) {
        TRY(argument.existing_path ? check_existing_path(value) : Status());
      }
      continue;
    }
    if (argument.required) {
      return error(Code::invalid_argument, "required argument '{}' not provided", argument.name);
    }
    if (!argument.default_value.empty()) {
      values.push_back(argument.default_value);
    }
  }
  return {};
}

Status Parser::settle() {
  TRY(check_values());
  if (table_.is_group(*result_.command.command_)) {
    return error(Code::invalid_argument, "must select a subcommand of '{}'", result_.command.command_->path);
  }
  return check_required();
}

ParseResult parse_command_line(const CommandTable& table, const std::vector<std::string>& words,
                               const Environment& environment) {
  return Parser(table, words, environment).run();
}

}  // namespace cairn::cli
