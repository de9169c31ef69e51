// `status`: the copies of every source and how fresh they are.
#include <algorithm>
#include <map>

#include "cli/commands/copies.h"
#include "cli/format.h"
#include "cli/other_repository.h"
#include "snapshot/store.h"

namespace cairn::cli {
namespace {

using enum ValueType;

struct Copy {
  std::int64_t snapshots = 0;
  std::optional<Timestamp> latest;  // start of the newest complete snapshot
};
struct Copies {
  std::string config;
  std::string problem;  // could not be read
  std::map<std::string, Copy> by_source;
};
struct Row {
  std::string source, config;
  Copy copy;
  bool stale = false;
  std::string state;
};

Status read_copies(Context& context, Copies& copies) {
  TRY_ASSIGN(const auto repository, open_other_repository(context, {.config_path = copies.config,
                                                                    .role = "repository of " + copies.config,
                                                                    .password = context.given_password(),
                                                                    .read_only = true,
                                                                    .ask = false}));
  TRY_ASSIGN(const auto snapshots, snapshot::list_snapshots(repository->manifests(), {}, context.stop()));
  for (const snapshot::SnapshotManifest& s : snapshots) {
    if (s.incomplete.empty()) {
      Copy& copy = copies.by_source[s.source.text()];
      ++copy.snapshots;
      copy.latest = std::max(copy.latest.value_or(s.start_time), s.start_time);
    }
  }
  return {};
}

std::vector<Row> make_rows(const std::vector<Copies>& all, Timestamp now, const Duration* max_age) {
  std::map<std::string, bool> sources;
  for (const Copies& copies : all) {
    for (const auto& [source, copy] : copies.by_source) {
      sources[source] = true;
    }
  }
  std::vector<Row> rows;
  for (const auto& [source, unused] : sources) {
    for (const Copies& copies : all) {
      const auto it = copies.by_source.find(source);
      Row row;
      row.source = source;
      row.config = copies.config;
      row.copy = it == copies.by_source.end() ? Copy{} : it->second;
      row.stale = !copies.problem.empty() ||
                  (max_age != nullptr && (!row.copy.latest || now.ns - row.copy.latest->ns > max_age->ns));
      row.state = !copies.problem.empty() ? "unreadable" : !row.copy.latest ? "no copy" : row.stale ? "stale" : "fresh";
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::string age_text(const Row& row, Timestamp now) {
  if (!row.copy.latest) {
    return "-";
  }
  const std::int64_t minutes = std::max<std::int64_t>(0, now.ns - row.copy.latest->ns) / 60'000'000'000;
  return minutes >= 2 * 24 * 60 ? fmt::format("{}d", minutes / (24 * 60))
         : minutes >= 60        ? fmt::format("{}h{:02}m", minutes / 60, minutes % 60)
                                : fmt::format("{}m", minutes);
}

void print_table(Context& context, const std::vector<Row>& rows, Timestamp now) {
  std::size_t source_width = 6;
  std::size_t config_width = 4;
  for (const Row& row : rows) {
    source_width = std::max(source_width, row.source.size());
    config_width = std::max(config_width, row.config.size());
  }
  context.print("{:<{}}  {:<{}}  {:>9}  {:<26}  {:>8}  {}\n", "SOURCE", source_width, "COPY", config_width, "SNAPSHOTS",
                "LATEST", "AGE", "STATE");
  for (const Row& row : rows) {
    context.print("{:<{}}  {:<{}}  {:>9}  {:<26}  {:>8}  {}\n", row.source, source_width, row.config, config_width,
                  row.copy.snapshots, row.copy.latest ? display_time(*row.copy.latest) : "-", age_text(row, now),
                  row.state);
  }
}

void print_rows_json(Context& context, const ParsedCommand& command, const std::vector<Row>& rows, Timestamp now) {
  JsonList list(context, command);
  for (const Row& row : rows) {
    Json json = Json::object();
    json.set("source", row.source);
    json.set("config", row.config);
    json.set("snapshots", row.copy.snapshots);
    if (row.copy.latest) {
      json.set("latest", rfc3339(*row.copy.latest));
      json.set("ageSeconds", (now.ns - row.copy.latest->ns) / 1'000'000'000);
    }
    json.set("state", row.state);
    list.add(json);
  }
  list.end();
}

Status run_status(Context& context, const ParsedCommand& command) {
  std::vector<std::string> configs = command.arguments("config");
  if (command.boolean("all") != !configs.empty()) {
    return error(Code::invalid_argument, "pass --all with the configuration files of the copies, or neither");
  }
  if (configs.empty()) {
    configs.push_back(context.config_path());
  }
  std::vector<Copies> all;
  std::int64_t unreadable = 0;
  for (const std::string& config : configs) {
    Copies& copies = all.emplace_back(Copies{.config = config, .problem = "", .by_source = {}});
    if (Status status = read_copies(context, copies); !status.ok()) {
      if (status.is(Code::cancelled)) {
        return status;
      }
      copies.problem = status.message();
      copies.by_source.clear();
      ++unreadable;
      context.warn("{}", copies.problem);
    }
  }
  const Duration max_age = command.duration("max-age");
  const Timestamp now = system_clock().now();
  const std::vector<Row> rows = make_rows(all, now, command.given("max-age") ? &max_age : nullptr);
  if (command.boolean("json")) {
    print_rows_json(context, command, rows, now);
  } else {
    print_table(context, rows, now);
  }
  if (unreadable > 0) {
    return error(Code::unavailable, "{} of {} repositories cannot be read", unreadable, all.size());
  }
  if (const auto stale = std::ranges::count_if(rows, &Row::stale); stale > 0) {
    return error(Code::failed_precondition, "{} of {} copies are missing or older than {}", stale, rows.size(),
                 command.text("max-age"));
  }
  if (command.given("max-age") && rows.empty()) {
    return error(Code::failed_precondition, "no snapshots in any repository");
  }
  return {};
}

}  // namespace

void add_status(CommandTable& table) {
  std::vector<FlagSpec> flags = {
      {.name = "all", .help = "Compare the repositories of several configuration files"},
      {.name = "max-age", .type = duration, .help = "Fail where a copy is missing or its latest snapshot is older"}};
  append_flags(flags, json_flags());
  table.add({.path = "status",
             .help = "Show the copies of every source and how fresh they are",
             .arguments = {{.name = "config", .help = "Configuration files, with --all", .repeatable = true}},
             .flags = std::move(flags),
             .run = run_status});
}

}  // namespace cairn::cli
