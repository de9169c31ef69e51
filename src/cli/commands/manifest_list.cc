#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/format.h"

namespace cairn::cli {
namespace {

using enum ValueType;

Json manifest_json(const manifest::ManifestMetadata& item) {
  Json labels = Json::object();
  for (const auto& [key, value] : item.labels) {
    labels.set(key, value);
  }
  return Json::object(
      {{"id", item.id}, {"length", item.length}, {"labels", std::move(labels)}, {"mtime", rfc3339(item.modified)}});
}

std::string manifest_line(const manifest::ManifestMetadata& item) {
  const auto type = item.labels.find("type");
  std::string more;
  for (const auto& [key, value] : item.labels) {
    if (key != "type") {
      more += fmt::format("{}{}:{}", more.empty() ? "" : " ", key, value);
    }
  }
  return fmt::format("{} {:>10} {} type:{} {}\n", item.id, item.length, display_time(item.modified),
                     type == item.labels.end() ? "" : type->second, more);
}

void sort_by(std::vector<manifest::ManifestMetadata>& items, const std::vector<std::string>& keys) {
  const auto label = [](const manifest::ManifestMetadata& item, const std::string& key) {
    const auto found = item.labels.find(key);
    return found == item.labels.end() ? std::string() : found->second;
  };
  std::ranges::stable_sort(items, [&](const auto& a, const auto& b) {
    for (const std::string& key : keys) {
      const std::string left = label(a, key), right = label(b, key);
      if (left != right) {
        return left < right;
      }
    }
    return a.modified < b.modified;
  });
}

Status run_manifest_list(Context& context, const ParsedCommand& command) {
  manifest::Labels filter;
  for (const std::string& text : command.list("filter")) {
    TRY_ASSIGN(auto pair, split_pair(text, "invalid list filter \"" + text + "\", missing ':'"));
    filter[pair.first] = pair.second;
  }
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(auto items, repository->manifests().find(filter, context.stop()), "unable to find manifests");
  sort_by(items, command.list("sort"));
  if (command.boolean("json")) {
    JsonList list(context, command);
    for (const auto& item : items) {
      list.add(manifest_json(item));
    }
    list.end();
    return {};
  }
  for (const auto& item : items) {
    context.write(manifest_line(item));
  }
  return {};
}

}  // namespace

void add_manifest_list(CommandTable& table) {
  std::vector<FlagSpec> flags = {
      {.name = "filter", .type = text, .help = "Only manifests with this label, as key:value", .repeatable = true},
      {.name = "sort",
       .type = text,
       .default_value = "type",
       .help = "Sort by the values of these labels",
       .repeatable = true}};
  append_flags(flags, json_flags());
  table.add({.path = "manifest list",
             .help = "List manifests",
             .aliases = {"ls"},
             .flags = std::move(flags),
             .run = run_manifest_list});
}

}  // namespace cairn::cli
