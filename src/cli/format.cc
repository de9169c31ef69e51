#include "cli/format.h"

namespace cairn::cli {

std::vector<FlagSpec> json_flags() {
  return {{.name = "json", .help = "Print the result as JSON"},
          {.name = "json-indent", .help = "Print JSON on several indented lines", .hidden = true},
          {.name = "json-verbose", .help = "Print JSON with less common fields", .hidden = true}};
}

void append_flags(std::vector<FlagSpec>& to, std::vector<FlagSpec> more) {
  for (FlagSpec& flag : more) {
    to.push_back(std::move(flag));
  }
}

JsonList::JsonList(Context& context, const ParsedCommand& command)
    : context_(context), indent_(command.boolean("json-indent")) {
  context_.write("[");
}

void JsonList::add(const Json& item) {
  std::string text;
  if (indent_) {
    text = first_ ? "" : ",";
    item.append_to(text, 2);
  } else {
    text = first_ ? "\n " : ",\n ";
    item.append_to(text);
  }
  first_ = false;
  context_.write(text);
}

void JsonList::end() { context_.write(indent_ ? "]" : "\n]"); }

void print_json(Context& context, const ParsedCommand& command, const Json& object, bool deep) {
  const bool indent = command.boolean("json-indent");
  std::string text = !indent ? object.dump() : deep ? object.dump(4, "  ") : object.dump(2);
  text += '\n';
  context.write(text);
}

std::string mode_text(char type, unsigned mode) {
  std::string out;
  if (type == 'd') {
    out += 'd';
  }
  if (type == 's') {
    out += 'L';
  }
  if ((mode & 04000) != 0) {
    out += 'u';
  }
  if ((mode & 02000) != 0) {
    out += 'g';
  }
  if ((mode & 01000) != 0) {
    out += 't';
  }
  if (out.empty()) {
    out = "-";
  }
  static constexpr char kBits[] = "rwxrwxrwx";
  for (int i = 0; i < 9; ++i) {
    out += (mode & (0400u >> i)) != 0 ? kBits[i] : '-';
  }
  return out;
}

Result<std::pair<std::string, std::string>> split_pair(const std::string& text, const std::string& complaint) {
  const std::size_t at = text.find(':');
  if (at == std::string::npos) {
    return error(Code::invalid_argument, "{}", complaint);
  }
  return std::pair(text.substr(0, at), text.substr(at + 1));
}

}  // namespace cairn::cli
