// Words of the command line → a command of the table with its values. Rules and error texts: kopia-interfaces §1.1.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "cli/command_table.h"

namespace cairn::cli {

enum class ValueOrigin : unsigned char { builtin, environment, command_line };

// A chosen command and the values of every flag in its scope (its own, its parents', the global ones). Names that are
// not in the table are a programming error (CHECK).
class ParsedCommand {
 public:
  // Null when no command was given.
  const CommandSpec* command() const { return command_; }
  // By flag or by environment.
  bool given(std::string_view flag) const;
  bool on_command_line(std::string_view flag) const;
  // "" when unset; of a repeatable flag the first value.
  const std::string& text(std::string_view flag) const;
  bool boolean(std::string_view flag) const;
  std::int64_t integer(std::string_view flag, std::int64_t fallback = 0) const;
  double real(std::string_view flag, double fallback = 0) const;
  Duration duration(std::string_view flag, Duration fallback = {}) const;
  const std::vector<std::string>& list(std::string_view flag) const;

  // Positional arguments; "" or empty when absent.
  const std::string& argument(std::string_view name) const;
  const std::vector<std::string>& arguments(std::string_view name) const;

 private:
  friend class Parser;
  struct Value {
    const FlagSpec* spec = nullptr;
    ValueOrigin origin = ValueOrigin::builtin;
    std::vector<std::string> texts;
  };
  const Value& value(std::string_view flag) const;
  const CommandSpec* command_ = nullptr;
  std::map<std::string, Value, std::less<>> flags_;
  std::map<std::string, std::vector<std::string>, std::less<>> arguments_;
};

// What the words ask for besides running a command.
enum class Request : unsigned char {
  run,
  usage,  // no command, --help or `help …`
  usage_long,
  usage_full,
  manual,
  markdown,
  version,
  script_bash,
  script_zsh,
  script_fish,
};

struct ParseResult {
  ParsedCommand command;
  Request request = Request::run;
  const CommandSpec* help_topic = nullptr;  // for usage; null = the program
  Status status;                            // invalid_argument; the text without program name and ", try --help"
  bool bare_message = false;                // `help <nonsense>`: no ", try --help"
  std::string suggestion;                   // a command or flag that may have been meant
};

using Environment = std::function<std::optional<std::string>(const std::string& name)>;

ParseResult parse_command_line(const CommandTable& table, const std::vector<std::string>& words,
                               const Environment& environment);

}  // namespace cairn::cli
