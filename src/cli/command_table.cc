#include "cli/command_table.h"

#include <algorithm>
#include <set>

namespace cairn::cli {
namespace {

std::string_view parent_path(std::string_view path) {
  const std::size_t at = path.rfind(' ');
  return at == std::string_view::npos ? std::string_view() : path.substr(0, at);
}

void check_flags(const std::string& where, const std::vector<FlagSpec>& flags, std::set<std::string>& names,
                 std::vector<std::string>& problems) {
  for (const FlagSpec& flag : flags) {
    if (!names.insert("--" + flag.name).second) {
      problems.push_back(where + ": flag --" + flag.name + " twice");
    }
    if (flag.short_name != 0 && !names.insert(std::string("-") + flag.short_name).second) {
      problems.push_back(where + ": short flag -" + flag.short_name + " twice");
    }
    if ((flag.type == ValueType::choice) != !flag.choices.empty()) {
      problems.push_back(where + ": flag --" + flag.name + " choices do not fit its type");
    }
    if (flag.help.empty()) {
      problems.push_back(where + ": flag --" + flag.name + " has no help");
    }
  }
}

}  // namespace

std::string_view last_word(std::string_view path) {
  const std::size_t at = path.rfind(' ');
  return at == std::string_view::npos ? path : path.substr(at + 1);
}

void CommandTable::add(CommandSpec command) {
  const std::string_view above = parent_path(command.path);
  CHECK(above.empty() || find(above) != nullptr, "parent of '{}'", command.path);
  commands_.push_back(std::move(command));
}

void CommandTable::add_global_flags(std::vector<FlagSpec> flags) {
  for (FlagSpec& flag : flags) {
    global_flags_.push_back(std::move(flag));
  }
}

const CommandSpec* CommandTable::find(std::string_view path) const {
  for (const CommandSpec& command : commands_) {
    if (command.path == path) {
      return &command;
    }
  }
  return nullptr;
}

const CommandSpec* CommandTable::child(const CommandSpec* parent, std::string_view word) const {
  const std::string_view above = parent == nullptr ? std::string_view() : std::string_view(parent->path);
  for (const CommandSpec& command : commands_) {
    if (parent_path(command.path) != above) {
      continue;
    }
    if (last_word(command.path) == word || std::ranges::find(command.aliases, word) != command.aliases.end()) {
      return &command;
    }
  }
  return nullptr;
}

std::vector<const CommandSpec*> CommandTable::children(const CommandSpec* parent) const {
  const std::string_view above = parent == nullptr ? std::string_view() : std::string_view(parent->path);
  std::vector<const CommandSpec*> found;
  for (const CommandSpec& command : commands_) {
    if (parent_path(command.path) == above) {
      found.push_back(&command);
    }
  }
  std::ranges::sort(found, {}, [](const CommandSpec* c) { return last_word(c->path); });
  return found;
}

const CommandSpec* CommandTable::parent(const CommandSpec& command) const {
  const std::string_view above = parent_path(command.path);
  return above.empty() ? nullptr : find(above);
}

std::vector<std::string> CommandTable::problems() const {
  std::vector<std::string> found;
  std::set<std::string> global;
  check_flags("global", global_flags_, global, found);
  std::set<std::string> paths;
  for (const CommandSpec& command : commands_) {
    std::vector<std::string> words = command.aliases;
    words.emplace_back(last_word(command.path));
    for (const std::string& word : words) {
      if (!paths.insert(std::string(parent_path(command.path)) + "/" + word).second) {
        found.push_back(command.path + ": word '" + word + "' twice");
      }
    }
    if (command.help.empty()) {
      found.push_back(command.path + ": no help");
    }
    std::set<std::string> names = global;
    for (const CommandSpec* at = &command; at != nullptr; at = parent(*at)) {
      check_flags(command.path, at->flags, names, found);
    }
    const bool group = is_group(command);
    if (group && (command.run != nullptr || !command.arguments.empty())) {
      found.push_back(command.path + ": a group that runs or has arguments");
    }
    if (!group && command.run == nullptr && !command.later) {
      found.push_back(command.path + ": does nothing");
    }
    for (const ArgumentSpec& argument : command.arguments) {
      if (argument.help.empty()) {
        found.push_back(command.path + ": argument '" + argument.name + "' has no help");
      }
    }
    for (std::size_t i = 0; i + 1 < command.arguments.size(); ++i) {
      if (command.arguments[i].repeatable || (!command.arguments[i].required && command.arguments[i + 1].required)) {
        found.push_back(command.path + ": argument after '" + command.arguments[i].name + "' is out of reach");
      }
    }
  }
  return found;
}

}  // namespace cairn::cli
