#include <unistd.h>

#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/editor.h"
#include "cli/policy_json.h"
#include "cli/targets.h"
#include "sys/file.h"
#include "sys/terminal.h"

namespace cairn::cli {
namespace {

constexpr std::size_t kEditedSizeMax = 16u << 20;
constexpr mode_t kFileMode = 0600;

constexpr std::string_view kHelp =
    "# Editing policy for '{}'\n"
    "#\n"
    "# Lines that start with '#' are left out. What is absent is inherited from the parent.\n"
    "# The result must be JSON. Sections and their fields:\n"
    "#\n"
    "#   retention            keepLatest, keepHourly, keepDaily, keepWeekly, keepMonthly, keepAnnual,\n"
    "#                        ignoreIdenticalSnapshots\n"
    "#   files                ignore, ignoreDotFiles, ignoreCacheDirs, maxFileSize, oneFileSystem,\n"
    "#                        noParentIgnore, noParentDotFiles\n"
    "#   errorHandling        ignoreFileErrors, ignoreDirectoryErrors, ignoreUnknownTypes\n"
    "#   scheduling           intervalSeconds, timeOfDay [{{\"hour\":H,\"min\":M}}], cron, manual, runMissed\n"
    "#   compression          compressorName, onlyCompress, neverCompress, minSize, maxSize\n"
    "#   metadataCompression  compressorName\n"
    "#   splitter             algorithm\n"
    "#   actions              beforeFolder, afterFolder, beforeSnapshotRoot, afterSnapshotRoot\n"
    "#   logging              directories, entries\n"
    "#   upload               maxParallelSnapshots, maxParallelFileReads, parallelUploadAboveSize\n"
    "#   noParent             true: inherit nothing\n"
    "\n";

std::string without_comments(std::string_view text) {
  std::string kept;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    if (!trim(text.substr(0, end)).starts_with('#')) {
      kept += text.substr(0, end);
    }
    text.remove_prefix(end);
  }
  return kept;
}

// The policy as the person leaves it. A text that is no policy is opened again, until it is left as it was.
Result<snapshot::Policy> edit_text(Context& context, const std::string& file) {
  std::string refused;
  for (;;) {
    TRY(run_editor(context, file));
    TRY_ASSIGN(const Buffer bytes, sys::read_file(file, kEditedSizeMax));
    std::string text = without_comments(bytes.text());
    const auto parse = [&]() -> Result<snapshot::Policy> {
      TRY_ASSIGN(const Json json, parse_document(text));
      return policy_of_document(json, true);
    };
    Result<snapshot::Policy> policy = parse();
    if (policy.ok() || text == refused) {
      return policy;
    }
    context.notice("{}", policy.status().message());
    refused = std::move(text);
  }
}

Result<bool> confirmed(Context& context) {
  const auto answer = sys::read_line("Save updated policy? (y/N) ", STDOUT_FILENO, context.stop());
  if (answer.code() == Code::failed_precondition) {  // no input: nobody said yes
    return false;
  }
  TRY(answer);
  return to_lower(trim(*answer)).starts_with('y');
}

Status edit_one(Context& context, repo::Repository& repository, const snapshot::SourceInfo& target) {
  auto defined = snapshot::defined_policy(repository.manifests(), target, context.stop());
  if (!defined.ok() && defined.code() != Code::not_found) {
    return std::move(defined).status().with_frame(
        fmt::format("could not get defined policy for \"{}\"", target.text()));
  }
  const snapshot::Policy original = defined.ok() ? std::move(defined->policy) : snapshot::Policy{};
  context.notice("Editing policy for {} using external editor...", target.text());
  TRY_ASSIGN(const sys::TempDir directory, sys::TempDir::make());
  const std::string file = sys::join_path(directory.path(), "policy.conf");
  const std::string text = fmt::format(kHelp, target.text()) + original.to_json().dump(2) + "\n";
  TRY(sys::write_file_atomic(file, as_bytes(text), kFileMode));
  TRY_ASSIGN(const snapshot::Policy edited, edit_text(context, file));
  if (edited == original) {
    context.notice("Policy for {} unchanged", target.text());
    return {};
  }
  context.notice("Updated policy for {}\n{}\n", target.text(), edited.to_json().dump(2));
  TRY_ASSIGN(const bool save, confirmed(context));
  if (!save) {
    return {};
  }
  return snapshot::set_policy(repository.manifests(), target, edited, context.stop())
      .status()
      .with_frame(fmt::format("can't save policy for {}", target.text()));
}

Status run_policy_edit(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  TRY_ASSIGN(const auto targets, policy_targets(context, *repository, command));
  for (const snapshot::SourceInfo& target : targets) {
    TRY(edit_one(context, *repository, target));
  }
  return flush_writer(context, *repository);
}

}  // namespace

void add_policy_edit(CommandTable& table) {
  table.add({.path = "policy edit",
             .help = "Change policies in $VISUAL or $EDITOR",
             .arguments = target_arguments(),
             .flags = target_flags(),
             .run = run_policy_edit});
}

}  // namespace cairn::cli
