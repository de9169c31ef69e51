#include "cli/content_view.h"

#include <algorithm>

#include "compress/codec.h"
#include "snapshot/resolve.h"

namespace cairn::cli {

std::vector<FlagSpec> content_range_flags() {
  return {{.name = "prefix", .type = ValueType::text, .help = "Only contents whose id starts with this"},
          {.name = "prefixed", .help = "Only contents with a one-letter prefix"},
          {.name = "non-prefixed", .help = "Only contents without a one-letter prefix"}};
}

content::IterateOptions content_range(const ParsedCommand& command) {
  content::IterateOptions range;
  if (const std::string& prefix = command.text("prefix"); !prefix.empty()) {
    range.first = prefix;
    range.last = prefix + "~";  // after every id that starts with the prefix
  } else if (command.boolean("prefixed")) {
    range.first = "g";  // ids are hex digits, after a letter from g on where there is a prefix
  } else if (command.boolean("non-prefixed")) {
    range.last = "g";
  }
  return range;
}

std::string compression_name(std::uint32_t id) {
  if (id == compress::kNone) {
    return "";
  }
  const compress::Algorithm* algorithm = compress::find_by_id(id);
  return algorithm == nullptr ? fmt::format("{:x}", id) : std::string(algorithm->name);
}

double saved_percent(std::int64_t original, std::int64_t packed) {
  return original <= 0 ? 0 : std::max(0.0, 100 - 100.0 * static_cast<double>(packed) / static_cast<double>(original));
}

Result<ContentId> parse_content_id(const std::string& text) {
  auto id = ContentId::parse(text);
  if (id.ok() && !id->empty()) {
    return id;
  }
  std::string problem = snapshot::object_id_problem(text);
  if (const std::size_t at = problem.find("\": "); at != std::string::npos) {
    problem.erase(0, at + 3);  // without the words that name the id as part of an object id
  }
  return error(Code::invalid_argument, "error parsing content ID: {}", problem);
}

}  // namespace cairn::cli
