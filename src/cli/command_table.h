// The commands and flags of the program as data. Parser, help, manual pages and shell completion are derived from this
// one table and from nothing else.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace cairn::cli {

class Context;
class ParsedCommand;

// How the text of a value is checked; the words of the errors are those of Go's parsers (kopia-interfaces §1.1).
enum class ValueType : unsigned char {
  boolean,       // --x / --no-x, takes no value
  boolean_text,  // needs a value: true, false, 1, t, …
  text,
  integer,  // a floating-point text whose fraction is cut
  int64,    // base prefixes and underscores allowed
  int32,
  real,
  duration,
  byte_size,  // 64KB, 1MiB; all units are powers of 1024
  key_value,  // key:value
  choice,     // one of FlagSpec::choices
  existing_file,
  existing_directory,
};

struct FlagSpec {
  std::string name;
  char short_name = 0;
  ValueType type = ValueType::boolean;
  std::string default_value{};  // text form; "" = unset
  std::string env{};            // used when the flag is not on the command line; an empty value counts as unset
  std::string help{};
  std::vector<std::string> choices{};
  std::vector<std::string> silent_choices{};  // accepted, but neither listed nor in Kopia
  std::string refusal{};                      // of anything else, where the usual words are not Kopia's
  bool repeatable = false;
  bool required = false;
  bool hidden = false;
  std::string placeholder{};  // in help; "" = the default value or the name in capitals
  // A valued flag that also has the bare forms: --x gives `bare_value`, --no-x gives `bare_no_value`.
  std::string bare_value{};
  std::string bare_no_value{};
};

struct ArgumentSpec {
  std::string name;
  std::string help{};
  bool required = false;
  bool repeatable = false;  // takes the rest
  std::string default_value{};
  bool existing_path = false;  // must name a file or directory that is there
};

using RunFunction = Status (*)(Context&, const ParsedCommand&);

struct CommandSpec {
  std::string path;  // words joined by blanks, e.g. "repository connect filesystem"
  std::string help{};
  std::vector<std::string> aliases{};  // of the last word
  bool hidden = false;
  bool dangerous = false;  // refused unless --dangerous-commands=enabled
  bool later = false;      // known, but not part of this version
  std::vector<ArgumentSpec> arguments{};
  std::vector<FlagSpec> flags{};
  RunFunction run = nullptr;  // null for groups
};

class CommandTable {
 public:
  // A parent must have been added before its children.
  void add(CommandSpec command);
  void add_global_flags(std::vector<FlagSpec> flags);

  const std::vector<FlagSpec>& global_flags() const { return global_flags_; }
  const std::deque<CommandSpec>& commands() const { return commands_; }
  // By full path, without aliases; null when unknown.
  const CommandSpec* find(std::string_view path) const;
  // Subcommand of `parent` (null = top level) by name or alias.
  const CommandSpec* child(const CommandSpec* parent, std::string_view word) const;
  // Sorted by name.
  std::vector<const CommandSpec*> children(const CommandSpec* parent) const;
  const CommandSpec* parent(const CommandSpec& command) const;
  bool is_group(const CommandSpec& command) const { return !children(&command).empty(); }
  // What is wrong with the table: duplicate names, a group with arguments, a leaf that cannot run.
  std::vector<std::string> problems() const;

 private:
  std::vector<FlagSpec> global_flags_;
  std::deque<CommandSpec> commands_;  // stable addresses
};

// The last word of a path.
std::string_view last_word(std::string_view path);

// The table of this program.
const CommandTable& command_table();

}  // namespace cairn::cli
