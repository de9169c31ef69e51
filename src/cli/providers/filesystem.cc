#include <charconv>
#include <cstdlib>
#include <optional>

#include "cli/providers/provider_table.h"

namespace cairn::cli {
namespace {

// Decimal; anything else counts as not given, as users of the original know it.
std::optional<std::int64_t> decimal(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size() && value >= 0 ? std::optional(value) : std::nullopt;
}

std::int64_t octal_or(const std::string& text, std::int64_t fallback) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  return code == std::errc() && end == text.data() + text.size() && value >= 0 ? value : fallback;
}

std::string expand_home(const std::string& path) {
  const char* home = std::getenv("HOME");
  return path.starts_with("~/") && home != nullptr ? home + path.substr(1) : path;
}

Result<Json> path(const ParsedCommand& command, bool) { return Json(expand_home(command.text("path"))); }
Result<Json> file_mode(const ParsedCommand& command, bool) { return Json(octal_or(command.text("file-mode"), 0600)); }
Result<Json> dir_mode(const ParsedCommand& command, bool) { return Json(octal_or(command.text("dir-mode"), 0700)); }
// Null is left out; 0 is a user and is not.
template <const char* kFlag>
Result<Json> id(const ParsedCommand& command, bool) {
  const auto number = decimal(command.text(kFlag));
  return number ? Json(*number) : Json();
}
constexpr char kUidFlag[] = "owner-uid", kGidFlag[] = "owner-gid";

}  // namespace

Provider filesystem_provider() {
  using enum ValueType;
  return {
      .word = "filesystem",
      .type = "filesystem",
      .help = "a directory",
      .flags = {{.name = "path", .type = text, .help = "Directory of the repository", .required = true},
                {.name = "owner-uid", .type = text, .help = "User id that owns new files"},
                {.name = "owner-gid", .type = text, .help = "Group id that owns new files"},
                {.name = "file-mode", .type = text, .default_value = "0600", .help = "Mode of new files, octal"},
                {.name = "dir-mode", .type = text, .default_value = "0700", .help = "Mode of new directories, octal"},
                kFlat,
                kListParallelism},
      .keys = {{"path", "", kAlways, path},
               {"fileMode", "", kAlways, file_mode},
               {"dirMode", "", kAlways, dir_mode},
               {"uid", "", kOmitNull, id<kUidFlag>},
               {"gid", "", kOmitNull, id<kGidFlag>},
               {"dirShards", "", kAlways, dir_shards},
               {"listParallelism", "list-parallelism"}},
      .supported = true,
  };
}

}  // namespace cairn::cli
