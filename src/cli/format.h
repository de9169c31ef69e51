// Shapes of results on standard output (kopia-interfaces §1.5, 0.4).
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "cli/context.h"

namespace cairn::cli {

// --json, --json-indent, --json-verbose.
std::vector<FlagSpec> json_flags();
void append_flags(std::vector<FlagSpec>& to, std::vector<FlagSpec> more);

// A list of objects: compact "[\n {…},\n {…}\n]", or "[{…},{…}]" with every object indented. Call end() once.
class JsonList {
 public:
  JsonList(Context& context, const ParsedCommand& command);
  void add(const Json& item);
  void end();

 private:
  Context& context_;
  bool indent_, first_ = true;
};

// One object and a newline; `deep` is the odd layout of `snapshot create` and `snapshot verify` with --json-indent.
void print_json(Context& context, const ParsedCommand& command, const Json& object, bool deep = false);

// Go's text of a file mode: "drwxr-xr-x", "dtrwxrwxrwx", "Lrwxrwxrwx". `type` 'd', 'f' or 's'; POSIX mode bits.
std::string mode_text(char type, unsigned mode);

// "k:v" → key and value. Errors: invalid_argument with the given words in front.
Result<std::pair<std::string, std::string>> split_pair(const std::string& text, const std::string& complaint);

}  // namespace cairn::cli
