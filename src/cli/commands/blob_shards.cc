// blob shards modify: another directory layout for a file-system repository that nobody uses meanwhile.
#include "blob/filesystem/reshard.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/values.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

using enum ValueType;
constexpr std::size_t kShardsFileMax = 1 << 20;

// "1,3"; "" = no directories.
Result<std::vector<int>> parse_shards(std::string_view text) {
  std::vector<int> shards;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    TRY_ASSIGN(const std::int64_t size, parse_int_text(text.substr(0, comma), 32), "invalid shard specification");
    if (size < 0) {
      return error(Code::invalid_argument, "invalid shard specification: {} is negative", size);
    }
    shards.push_back(static_cast<int>(size));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return shards;
}

void remove_override(blob::ShardLayout& layout, std::string_view prefix) {
  std::erase_if(layout.overrides, [&](const auto& o) { return o.prefix == prefix; });
}

Status change_layout(blob::ShardLayout& layout, const ParsedCommand& command) {
  if (command.given("default-shards")) {
    TRY_ASSIGN(layout.default_shards, parse_shards(command.text("default-shards")));
  }
  if (command.given("unsharded-length")) {
    layout.max_non_sharded_length =
        static_cast<std::size_t>(std::max<std::int64_t>(0, command.integer("unsharded-length")));
  }
  for (const std::string& prefix : command.list("remove-override")) {
    remove_override(layout, prefix);
  }
  for (const std::string& text : command.list("override")) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return error(Code::invalid_argument, "invalid override \"{}\", must be prefix=n1,n2", text);
    }
    const std::string prefix = text.substr(0, equals);
    TRY_ASSIGN(auto shards, parse_shards(std::string_view(text).substr(equals + 1)));
    remove_override(layout, prefix);
    layout.overrides.push_back({prefix, std::move(shards)});
  }
  return {};
}

Status run_modify(Context& context, const ParsedCommand& command) {
  if (!command.boolean("i-am-sure-kopia-is-not-running")) {
    return error(Code::failed_precondition, "must pass --i-am-sure-kopia-is-not-running");
  }
  const std::string& root = command.text("path");
  TRY_ASSIGN(const Buffer stored, sys::read_file(sys::join_path(root, blob::kShardsFileName), kShardsFileMax),
             "error reading shards file");
  TRY_ASSIGN(blob::ShardLayout layout, blob::ShardLayout::parse(stored.text()), "error reading shards file");
  TRY(change_layout(layout, command));
  const bool dry_run = command.boolean("dry-run");
  const auto show = [&](const std::string& from, const std::string& to) {
    if (dry_run) {
      context.notice("Would move {} to {}", from, to);
    }
  };
  TRY_ASSIGN(const blob::ReshardResult result, blob::reshard_tree(root, layout, dry_run, show, context.stop()));
  context.notice("{} {} files, {} are where they should be, removed {} empty directories.",
                 dry_run ? "Would move" : "Moved", result.moved, result.unchanged, result.removed_directories);
  return {};
}

}  // namespace

void add_blob_shards(CommandTable& table) {
  table.add({.path = "blob shards", .help = "Commands on the directory layout of a repository", .hidden = true});
  table.add(
      {.path = "blob shards modify",
       .help = "Move the blobs of a file-system repository to another directory layout",
       .aliases = {"reshard"},
       .hidden = true,
       .flags =
           {{.name = "i-am-sure-kopia-is-not-running", .help = "Nobody uses the repository until this is done"},
            {.name = "path", .type = existing_directory, .help = "Directory of the repository", .required = true},
            {.name = "default-shards", .type = text, .help = "Lengths of directory names, as n1,n2"},
            {.name = "override",
             .type = text,
             .help = "Lengths for blobs with a prefix, as prefix=n1,n2",
             .repeatable = true},
            {.name = "remove-override", .type = text, .help = "Prefix that loses its own lengths", .repeatable = true},
            {.name = "unsharded-length", .type = integer, .help = "Shorter ids stay in the root directory"},
            {.name = "dry-run", .help = "Only say what would be moved"}},
       .run = run_modify});
}

}  // namespace cairn::cli
