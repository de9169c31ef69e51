#include <fcntl.h>

#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/format.h"
#include "cli/targets.h"
#include "snapshot/policy.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

constexpr mode_t kFileMode = 0600;

Result<std::vector<snapshot::PolicyRecord>> chosen_policies(Context& context, const ParsedCommand& command,
                                                            repo::Repository& repository) {
  TRY_ASSIGN(const auto targets, optional_policy_targets(context, repository, command));
  if (targets.empty()) {
    return snapshot::list_policies(repository.manifests(), context.stop());
  }
  std::vector<snapshot::PolicyRecord> chosen;
  for (const snapshot::SourceInfo& target : targets) {
    TRY_ASSIGN(chosen.emplace_back(), snapshot::defined_policy(repository.manifests(), target, context.stop()),
               "can't get defined policy for \"{}\"", target.text());
  }
  return chosen;
}

Status write_document(const std::string& path, const std::string& text, bool overwrite) {
  if (!overwrite) {
    // Claims the name, so that a file of somebody else is never replaced.
    const auto claimed = sys::open_file(path, O_WRONLY | O_CREAT | O_EXCL, kFileMode);
    if (claimed.code() == Code::already_exists) {
      return claimed.status().with_frame("file already exists and overwrite flag is not set");
    }
    TRY(claimed, "error opening file to write to");
  }
  Status written = sys::write_file_atomic(path, as_bytes(text), kFileMode);
  if (!written.ok() && !overwrite) {
    (void)sys::remove_file(path).ok();
  }
  return std::move(written).with_frame("error writing policies");
}

Status run_policy_export(Context& context, const ParsedCommand& command) {
  const std::string& path = command.text("to-file");
  if (path.empty() && command.boolean("overwrite")) {
    return error(Code::invalid_argument, "overwrite was passed but no file path was given");
  }
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(auto records, chosen_policies(context, command, *repository));
  std::ranges::sort(records, {}, [](const snapshot::PolicyRecord& r) { return r.target.text(); });
  Json document = Json::object();
  for (const snapshot::PolicyRecord& record : records) {
    document.set(record.target.text(), record.policy.to_json());
  }
  const std::string text = document.dump(command.boolean("json-indent") ? 2 : -1) + "\n";
  if (path.empty()) {
    context.write(text);
    return {};
  }
  return write_document(path, text, command.boolean("overwrite"));
}

}  // namespace

void add_policy_export(CommandTable& table) {
  std::vector<FlagSpec> flags = target_flags();
  append_flags(flags, {{.name = "to-file", .type = ValueType::text, .help = "File to write, instead of the output"},
                       {.name = "overwrite", .help = "Replace the file if it exists"},
                       {.name = "json-indent", .help = "Indent the JSON", .hidden = true}});
  table.add({.path = "policy export",
             .help = "Print policies as one JSON document",
             .arguments = target_arguments(),
             .flags = std::move(flags),
             .run = run_policy_export});
}

}  // namespace cairn::cli
