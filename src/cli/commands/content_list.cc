#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/content_view.h"
#include "cli/format.h"

namespace cairn::cli {
namespace {

using enum ValueType;

// "zstd 99.6%", the part that compression saved, or "-".
std::string compression_text(const content::ContentInfo& info) {
  if (info.compression == 0) {
    return "-";
  }
  return compression_name(info.compression) + " " +
         fmt::format("{:.1f}%", saved_percent(info.original_length, info.packed_length));
}

Json content_json(const content::ContentInfo& info) {
  Json json = Json::object();
  json.set_omitempty("packFile", info.pack.text);
  json.set("time", info.timestamp_seconds);
  json.set("originalLength", static_cast<std::int64_t>(info.original_length));
  json.set("length", static_cast<std::int64_t>(info.packed_length));
  json.set_omitempty("packOffset", static_cast<std::int64_t>(info.pack_offset));
  json.set_omitempty("compression", static_cast<std::int64_t>(info.compression));
  json.set("contentID", info.id.text());
  json.set("deleted", info.deleted);
  json.set("formatVersion", static_cast<std::int64_t>(info.format_version));
  json.set_omitempty("encryptionKeyID", static_cast<std::int64_t>(info.encryption_key_id));
  return json;
}

std::string content_line(const content::ContentInfo& info, const ParsedCommand& command) {
  const bool human = command.boolean("human");
  const auto size = [&](std::uint32_t n) { return human ? bytes_text(n) : std::to_string(n); };
  const std::string_view deleted = info.deleted ? " (deleted)" : "";
  if (command.boolean("long")) {
    return fmt::format("{} {} {} {} {}+{}{} {}\n", info.id.text(), size(info.original_length),
                       display_time(Timestamp::from_seconds(info.timestamp_seconds)), info.pack.text, info.pack_offset,
                       size(info.packed_length), deleted, compression_text(info));
  }
  if (command.boolean("compression")) {
    return fmt::format("{} length {} packed {} {} {}\n", info.id.text(), size(info.original_length),
                       size(info.packed_length), compression_text(info), deleted.empty() ? "" : deleted.substr(1));
  }
  return info.id.text() + "\n";
}

bool is_wanted(const content::ContentInfo& info, const ParsedCommand& command) {
  return !command.boolean("deleted-only") || info.deleted;
}

Status run_content_list(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  std::optional<JsonList> json;
  if (command.boolean("json")) {
    json.emplace(context, command);
  }
  content::IterateOptions range = content_range(command);
  range.include_deleted = command.boolean("deleted") || command.boolean("deleted-only");
  std::int64_t count = 0, bytes = 0;
  const auto show = [&](const content::ContentInfo& info) -> Status {
    if (!is_wanted(info, command)) {
      return {};
    }
    ++count;
    bytes += info.packed_length;
    if (json) {
      json->add(content_json(info));
    } else {
      context.write(content_line(info, command));
    }
    return {};
  };
  TRY(repository->contents().iterate(range, show, context.stop()), "error iterating");
  if (json) {
    json->end();
  }
  if (command.boolean("summary")) {
    const bool human = command.boolean("human");
    context.print("Total: {} contents, {} total size\n", human ? count_text(count) : std::to_string(count),
                  human ? bytes_text(bytes) : std::to_string(bytes));
  }
  return {};
}

}  // namespace

void add_content_list(CommandTable& table) {
  std::vector<FlagSpec> flags = {
      {.name = "long", .short_name = 'l', .help = "Show all fields"},
      {.name = "compression", .short_name = 'c', .help = "Show sizes and compression"},
      {.name = "deleted", .help = "Show deleted contents too"},
      {.name = "deleted-only", .help = "Show only deleted contents"},
      {.name = "summary", .short_name = 's', .help = "Show number and total size at the end"},
      {.name = "human", .short_name = 'h', .help = "Sizes with units"}};
  append_flags(flags, content_range_flags());
  append_flags(flags, json_flags());
  table.add({.path = "content list",
             .help = "List the contents of the repository",
             .aliases = {"ls"},
             .flags = std::move(flags),
             .run = run_content_list});
}

}  // namespace cairn::cli
