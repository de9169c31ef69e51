// Texts for people derived from the table: help, manual pages, Markdown pages, shell completion.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/command_table.h"

namespace cairn::cli {

struct UsageOptions {
  std::string program = "cairn";
  std::size_t width = 100;    // columns
  bool with_hidden = false;   // hidden flags and commands too
  bool all_commands = false;  // every command with its flags below the topic
};

// Help of a command or group; null = the program.
std::string usage_text(const CommandTable& table, const CommandSpec* topic, const UsageOptions& options);

// roff of the whole program (section 1), or of one command.
std::string manual_page(const CommandTable& table, const CommandSpec* topic, const std::string& program);

// Markdown of one command, for the documentation.
std::string markdown_page(const CommandTable& table, const CommandSpec& command, const std::string& program);

// Candidates for the last word (which may be empty) after the words before it, as `--completion-bash` prints them.
std::vector<std::string> completions(const CommandTable& table, const std::vector<std::string>& words);

enum class Shell : unsigned char { bash, zsh, fish };
std::string completion_script(Shell shell, const std::string& program);

}  // namespace cairn::cli
