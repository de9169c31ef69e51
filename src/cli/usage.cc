#include "cli/usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "base/units.h"

namespace cairn::cli {
namespace {

using Row = std::pair<std::string, std::string>;

constexpr const char* kSummary = "Encrypted, deduplicated backups in Kopia's repository format.";

std::vector<std::string> wrap(const std::string& text, std::size_t width) {
  std::vector<std::string> lines;
  std::string line;
  std::size_t start = 0;
  while (start < text.size()) {
    std::size_t end = text.find(' ', start);
    end = end == std::string::npos ? text.size() : end;
    const std::string_view word = std::string_view(text).substr(start, end - start);
    if (!line.empty() && line.size() + 1 + word.size() > width) {
      lines.push_back(std::move(line));
      line.clear();
    }
    if (!line.empty()) {
      line += ' ';
    }
    line += word;
    start = end + 1;
  }
  if (!line.empty() || lines.empty()) {
    lines.push_back(std::move(line));
  }
  return lines;
}

// Two columns; a left part that is too long gets a line of its own.
void append_rows(std::string& out, const std::vector<Row>& rows, std::size_t indent, std::size_t width) {
  constexpr std::size_t kLeftMax = 30;
  std::size_t left = 0;
  for (const auto& [name, help] : rows) {
    if (name.size() <= kLeftMax) {
      left = std::max(left, name.size());
    }
  }
  const std::size_t column = indent + left + 2;
  for (const auto& [name, help] : rows) {
    out += std::string(indent, ' ') + name;
    std::size_t at = indent + name.size();
    for (const std::string& line : wrap(help, width > column + 20 ? width - column : 40)) {
      if (at > column - 2) {
        out += '\n';
        at = 0;
      }
      out += std::string(column - at, ' ') + line;
      at = column + line.size();
    }
    out += '\n';
  }
}

std::string flag_value_name(const FlagSpec& flag) {
  if (!flag.placeholder.empty()) {
    return flag.placeholder;
  }
  if (!flag.default_value.empty()) {
    return flag.type == ValueType::text || flag.type == ValueType::choice ? "\"" + flag.default_value + "\""
                                                                          : flag.default_value;
  }
  std::string name = flag.name;
  std::ranges::transform(name, name.begin(), [](char c) { return static_cast<char>(std::toupper(c)); });
  return name;
}

// "-j, --json", "--[no-]json", "--path=PATH".
std::string flag_title(const FlagSpec& flag) {
  std::string title;
  if (flag.short_name != 0) {
    title = fmt::format("-{}, ", flag.short_name);
  }
  const bool builtin = flag.name.starts_with("help") || flag.name.starts_with("completion") || flag.name == "version";
  title += flag.type == ValueType::boolean && !builtin ? "--[no-]" + flag.name : "--" + flag.name;
  if (flag.type != ValueType::boolean) {
    title += "=" + flag_value_name(flag);
  }
  if (flag.repeatable) {
    title += " ...";
  }
  return title;
}

std::string flag_help(const FlagSpec& flag) {
  std::string help = flag.help;
  if (!flag.env.empty()) {
    help += " ($" + flag.env + ")";
  }
  if (!flag.choices.empty()) {
    help += fmt::format(" (one of: {})", fmt::join(flag.choices, ", "));
  }
  return help;
}

std::string argument_title(const ArgumentSpec& argument) {
  std::string title = "<" + argument.name + ">";
  if (argument.repeatable) {
    title += "...";
  }
  return argument.required ? title : "[" + title + "]";
}

std::string command_synopsis(const CommandTable& table, const CommandSpec& command) {
  std::string text = std::string(command.path);
  for (const FlagSpec& flag : command.flags) {
    if (flag.required) {
      text += " --" + flag.name + "=" + flag_value_name(flag);
    }
  }
  const bool has_flags = std::ranges::any_of(command.flags, [](const FlagSpec& f) { return !f.required && !f.hidden; });
  if (has_flags) {
    text += " [<flags>]";
  }
  if (table.is_group(command)) {
    text += " <command> [<args> ...]";
  }
  for (const ArgumentSpec& argument : command.arguments) {
    text += " " + argument_title(argument);
  }
  return text;
}

std::vector<Row> flag_rows(const std::vector<FlagSpec>& flags, bool with_hidden) {
  std::vector<Row> rows;
  for (const FlagSpec& flag : flags) {
    if (with_hidden || !flag.hidden) {
      rows.emplace_back(flag_title(flag), flag_help(flag));
    }
  }
  return rows;
}

bool shown(const CommandSpec& command, bool with_hidden) { return !command.later && (with_hidden || !command.hidden); }

void append_command(std::string& out, const CommandTable& table, const CommandSpec& command,
                    const UsageOptions& options) {
  if (table.is_group(command)) {
    for (const CommandSpec* child : table.children(&command)) {
      if (shown(*child, options.with_hidden)) {
        append_command(out, table, *child, options);
      }
    }
    return;
  }
  out += "  " + command_synopsis(table, command) + "\n";
  for (const std::string& line : wrap(command.help, options.width - 4)) {
    out += "    " + line + "\n";
  }
  out += '\n';
  const std::vector<Row> rows = flag_rows(command.flags, options.with_hidden);
  if (options.all_commands && !rows.empty()) {
    append_rows(out, rows, 4, options.width);
    out += '\n';
  }
}

// Flags that the command inherits from its groups, nearest first.
std::vector<const CommandSpec*> groups_above(const CommandTable& table, const CommandSpec* command) {
  std::vector<const CommandSpec*> found;
  for (const CommandSpec* at = command == nullptr ? nullptr : table.parent(*command); at != nullptr;
       at = table.parent(*at)) {
    found.push_back(at);
  }
  return found;
}

std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

void roff_flags(std::string& out, const std::vector<FlagSpec>& flags) {
  for (const FlagSpec& flag : flags) {
    if (!flag.hidden) {
      out += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(flag_title(flag)), roff(flag_help(flag)));
    }
  }
}

void roff_command(std::string& out, const CommandTable& table, const CommandSpec& command) {
  if (command.later) {
    return;
  }
  out += fmt::format(".SS\n\\fB{}\\fR\n.PP\n{}\n", roff(command_synopsis(table, command)), roff(command.help));
  for (const ArgumentSpec& argument : command.arguments) {
    out += fmt::format(".TP\n\\fI{}\\fR\n{}\n", roff(argument_title(argument)), roff(argument.help));
  }
  roff_flags(out, command.flags);
  for (const CommandSpec* child : table.children(&command)) {
    roff_command(out, table, *child);
  }
}

void markdown_flags(std::string& out, std::string_view title, const std::vector<FlagSpec>& flags) {
  const bool any = std::ranges::any_of(flags, [](const FlagSpec& f) { return !f.hidden; });
  if (!any) {
    return;
  }
  out += fmt::format("\n## {}\n\n| Flag | Default | Environment | Meaning |\n|---|---|---|---|\n", title);
  for (const FlagSpec& flag : flags) {
    if (flag.hidden) {
      continue;
    }
    const std::string choices =
        flag.choices.empty() ? "" : fmt::format(" One of `{}`.", fmt::join(flag.choices, "`, `"));
    out += fmt::format("| `{}`{} | {} | {} | {}.{}{} |\n", flag_title(flag), flag.required ? " (required)" : "",
                       flag.default_value.empty() ? "" : "`" + flag.default_value + "`",
                       flag.env.empty() ? "" : "`" + flag.env + "`", flag.help, choices,
                       flag.repeatable ? " May be repeated." : "");
  }
}

}  // namespace

std::string usage_text(const CommandTable& table, const CommandSpec* topic, const UsageOptions& options) {
  std::string out = "usage: " + options.program;
  out += topic == nullptr ? " [<flags>] <command> [<args> ...]" : " " + command_synopsis(table, *topic);
  out += "\n\n";
  for (const std::string& line : wrap(topic == nullptr ? std::string(kSummary) : topic->help, options.width)) {
    out += line + "\n";
  }
  out += "\nFlags:\n";
  std::vector<Row> rows;
  if (topic != nullptr) {
    rows = flag_rows(topic->flags, options.with_hidden);
    for (const CommandSpec* group : groups_above(table, topic)) {
      for (Row& row : flag_rows(group->flags, options.with_hidden)) {
        rows.push_back(std::move(row));
      }
    }
  }
  for (Row& row : flag_rows(table.global_flags(), options.with_hidden)) {
    rows.push_back(std::move(row));
  }
  append_rows(out, rows, 2, options.width);
  if (topic != nullptr && !topic->arguments.empty()) {
    out += "\nArgs:\n";
    std::vector<Row> arguments;
    for (const ArgumentSpec& argument : topic->arguments) {
      arguments.emplace_back(argument_title(argument), argument.help);
    }
    append_rows(out, arguments, 2, options.width);
  }
  if (topic != nullptr && !table.is_group(*topic)) {
    return out;
  }
  out += topic == nullptr
             ? (options.with_hidden ? "\nCommands:\n" : "\nCommands (use --help-full to list all commands):\n")
             : "\nSubcommands:\n";
  for (const CommandSpec* child : table.children(topic)) {
    if (shown(*child, options.with_hidden)) {
      append_command(out, table, *child, options);
    }
  }
  return out;
}

std::string manual_page(const CommandTable& table, const CommandSpec* topic, const std::string& program) {
  std::string title = program;
  if (topic != nullptr) {
    title += "-" + topic->path;
    std::ranges::replace(title, ' ', '-');
  }
  const std::string summary = topic == nullptr ? std::string(kSummary) : topic->help;
  std::string out = fmt::format(
      ".TH {} 1\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n.B {}\n{}\n", title, roff(title), roff(summary), program,
      topic == nullptr ? "[<flags>] <command> [<args> ...]" : roff(command_synopsis(table, *topic)));
  out += ".SH DESCRIPTION\n";
  out += roff(summary) + "\n";
  if (topic != nullptr) {
    out += ".SH COMMAND\n";
    roff_command(out, table, *topic);
    for (const CommandSpec* group : groups_above(table, topic)) {
      if (std::ranges::any_of(group->flags, [](const FlagSpec& f) { return !f.hidden; })) {
        out += fmt::format(".SH OPTIONS OF {}\n", roff(group->path));
        roff_flags(out, group->flags);
      }
    }
  }
  out += ".SH GLOBAL OPTIONS\n";
  roff_flags(out, table.global_flags());
  if (topic == nullptr) {
    out += ".SH COMMANDS\n";
    for (const CommandSpec* child : table.children(nullptr)) {
      roff_command(out, table, *child);
    }
  }
  return out;
}

std::string markdown_page(const CommandTable& table, const CommandSpec& command, const std::string& program) {
  std::string out = fmt::format("# {} {}\n\n{}\n\n    {} {}\n", program, command.path, command.help, program,
                                command_synopsis(table, command));
  if (!command.aliases.empty()) {
    out += fmt::format("\nAlso: `{}`.\n", fmt::join(command.aliases, "`, `"));
  }
  if (!command.arguments.empty()) {
    out += "\n## Arguments\n\n| Argument | Meaning |\n|---|---|\n";
    for (const ArgumentSpec& argument : command.arguments) {
      out += fmt::format("| `{}` | {} |\n", argument_title(argument), argument.help);
    }
  }
  markdown_flags(out, "Flags", command.flags);
  for (const CommandSpec* group : groups_above(table, &command)) {
    markdown_flags(out, fmt::format("Flags of `{}`", group->path), group->flags);
  }
  if (table.is_group(command)) {
    out += "\n## Commands\n\n";
    for (const CommandSpec* child : table.children(&command)) {
      if (!child->later && !child->hidden) {
        out += fmt::format("* `{} {}`: {}\n", program, child->path, child->help);
      }
    }
  }
  return out;
}

std::string markdown_manual(const CommandTable& table, const std::string& program) {
  std::string out;
  for (const CommandSpec& command : table.commands()) {
    if (!command.later && !table.is_group(command)) {
      out += (out.empty() ? "" : "\n") + markdown_page(table, command, program);
    }
  }
  return out;
}

std::vector<std::string> completions(const CommandTable& table, const std::vector<std::string>& words) {
  const CommandSpec* at = nullptr;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i].starts_with('-')) {
      continue;
    }
    if (at != nullptr && !table.is_group(*at)) {
      break;
    }
    const CommandSpec* next = table.child(at, words[i]);
    at = next != nullptr ? next : at;
  }
  const std::string last = words.empty() ? "" : words.back();
  std::vector<std::string> found;
  const auto offer = [&](const std::string& text) {
    if (text.starts_with(last)) {
      found.push_back(text);
    }
  };
  if (last.starts_with('-')) {
    for (const CommandSpec* scope = at; scope != nullptr; scope = table.parent(*scope)) {
      for (const FlagSpec& flag : scope->flags) {
        if (!flag.hidden) {
          offer("--" + flag.name);
        }
      }
    }
    for (const FlagSpec& flag : table.global_flags()) {
      if (!flag.hidden) {
        offer("--" + flag.name);
      }
    }
    return found;
  }
  for (const CommandSpec* child : table.children(at)) {
    if (shown(*child, false)) {
      offer(std::string(last_word(child->path)));
    }
  }
  return found;
}

std::string completion_script(Shell shell, const std::string& program) {
  switch (shell) {
    case Shell::bash:
      return fmt::format(
          "_{0}_complete() {{\n"
          "  local current candidates\n"
          "  current=\"${{COMP_WORDS[COMP_CWORD]}}\"\n"
          "  candidates=$(\"${{COMP_WORDS[0]}}\" --completion-bash \"${{COMP_WORDS[@]:1:$COMP_CWORD}}\" 2>/dev/null)\n"
          "  COMPREPLY=($(compgen -W \"$candidates\" -- \"$current\"))\n"
          "}}\n"
          "complete -o default -F _{0}_complete {0}\n",
          program);
    case Shell::zsh:
      return fmt::format(
          "#compdef {0}\n"
          "_{0}() {{\n"
          "  local -a candidates\n"
          "  candidates=(\"${{(@f)$(\"${{words[1]}}\" --completion-bash \"${{words[@]:1:$((CURRENT - 1))}}\" "
          "2>/dev/null)}}\")\n"
          "  if [[ -n \"${{candidates[1]}}\" ]]; then\n"
          "    compadd -- \"${{candidates[@]}}\"\n"
          "  else\n"
          "    _files\n"
          "  fi\n"
          "}}\n"
          "if [[ \"${{funcstack[1]}}\" == \"_{0}\" ]]; then\n"
          "  _{0} \"$@\"\n"
          "else\n"
          "  compdef _{0} {0}\n"
          "fi\n",
          program);
    case Shell::fish:
      return fmt::format(
          "function __{0}_complete\n"
          "  set -l words (commandline -opc) (commandline -ct)\n"
          "  {0} --completion-bash $words[2..-1] 2>/dev/null\n"
          "end\n"
          "complete -c {0} -a '(__{0}_complete)'\n",
          program);
  }
  return {};
}

}  // namespace cairn::cli
