#include "cli/command_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "cli/usage.h"

namespace cairn::cli {
namespace {

TEST(CommandTable, IsConsistent) { EXPECT_THAT(command_table().problems(), testing::ElementsAre()); }

TEST(CommandTable, HoldsTheCommandsOfThisVersion) {
  for (const char* path : {"repository create filesystem",
                           "repository connect from-config",
                           "repository status",
                           "repository set-client",
                           "repository disconnect",
                           "snapshot create",
                           "snapshot list",
                           "snapshot restore",
                           "snapshot verify",
                           "snapshot delete",
                           "snapshot expire",
                           "policy set",
                           "policy show",
                           "policy list",
                           "policy delete",
                           "restore",
                           "list",
                           "show",
                           "content list",
                           "blob list",
                           "index list",
                           "manifest list",
                           "cache info",
                           "cache set",
                           "cache clear"}) {
    const CommandSpec* command = command_table().find(path);
    ASSERT_NE(command, nullptr) << path;
    EXPECT_NE(command->run, nullptr) << path;
    EXPECT_FALSE(command->later) << path;
  }
}

TEST(CommandTable, FindsByAlias) {
  const CommandSpec* snapshot = command_table().child(nullptr, "snap");
  ASSERT_NE(snapshot, nullptr);
  EXPECT_EQ(command_table().child(snapshot, "ls")->path, "snapshot list");
  EXPECT_EQ(command_table().child(nullptr, "repo")->path, "repository");
  EXPECT_EQ(command_table().child(nullptr, "list")->path, "list");
}

TEST(CommandTable, ReportsWhatIsWrong) {
  CommandTable table;
  table.add_global_flags({{.name = "a", .help = "h"}});
  table.add({.path = "x", .help = "h", .flags = {{.name = "a", .help = "h"}}});
  EXPECT_THAT(table.problems(), testing::ElementsAre("x: flag --a twice", "x: does nothing"));
}

TEST(CommandTable, EverythingNeedsADescription) {
  CommandTable table;
  table.add_global_flags({{.name = "global"}});
  table.add({.path = "group", .help = "h", .flags = {{.name = "of-group"}}});
  table.add({.path = "group make", .arguments = {{.name = "what"}}, .flags = {{.name = "of-command"}}});
  EXPECT_THAT(table.problems(),
              testing::IsSupersetOf({"global: flag --global has no help", "group: flag --of-group has no help",
                                     "group make: no help", "group make: flag --of-command has no help",
                                     "group make: argument 'what' has no help"}));
}

TEST(Usage, ManualPageOfACommandHasTheFlagsOfItsGroups) {
  const CommandSpec* command = command_table().find("repository create filesystem");
  const std::string page = manual_page(command_table(), command, "cairn");
  EXPECT_THAT(page, testing::HasSubstr(".SH OPTIONS OF repository create\n"));
  EXPECT_THAT(page, testing::HasSubstr("\\-\\-object\\-splitter=ALGORITHM"));
  EXPECT_THAT(page, testing::HasSubstr("\\-\\-path=PATH"));
}

TEST(Usage, NamesCommandFlagsAndArguments) {
  const CommandSpec* topic = command_table().find("snapshot list");
  const std::string text = usage_text(command_table(), topic, {.program = "kopia"});
  EXPECT_THAT(text, testing::StartsWith("usage: kopia snapshot list [<flags>] [<source>]\n"));
  EXPECT_THAT(text, testing::HasSubstr("-n, --max-results=MAX-RESULTS"));
  EXPECT_THAT(text, testing::HasSubstr("--[no-]reverse"));
  EXPECT_THAT(text, testing::HasSubstr("($KOPIA_PASSWORD)"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("json-verbose")));
}

TEST(Usage, FullHelpShowsHiddenCommandsButNotLaterOnes) {
  const std::string brief = usage_text(command_table(), nullptr, {});
  const std::string full = usage_text(command_table(), nullptr, {.with_hidden = true, .all_commands = true});
  EXPECT_THAT(brief, testing::HasSubstr("repository status"));
  EXPECT_THAT(brief, testing::Not(testing::HasSubstr("blob list")));
  EXPECT_THAT(full, testing::HasSubstr("blob list"));
  EXPECT_THAT(full, testing::HasSubstr("--[no-]json-verbose"));
  for (const CommandSpec& command : command_table().commands()) {
    if (command.later) {
      EXPECT_THAT(full, testing::Not(testing::HasSubstr("\n  " + command.path)));
    }
  }
}

TEST(Usage, LinesStayWithinTheWidth) {
  const std::string full =
      usage_text(command_table(), nullptr, {.width = 100, .with_hidden = true, .all_commands = true});
  std::size_t start = 0;
  for (std::size_t end; (end = full.find('\n', start)) != std::string::npos; start = end + 1) {
    const std::string line = full.substr(start, end - start);
    const bool unbreakable = line.find(", DYNAMIC") != std::string::npos || line.starts_with("  repository c") ||
                             line.starts_with("  repository sync-to") || line.starts_with("  repository repair");
    EXPECT_TRUE(line.size() <= 100 || unbreakable) << line;
  }
}

TEST(Usage, ManualAndMarkdownCoverEveryVisibleFlag) {
  const CommandSpec* command = command_table().find("cache clear");
  EXPECT_THAT(manual_page(command_table(), command, "cairn"), testing::HasSubstr(".TH cairn-cache-clear 1"));
  EXPECT_THAT(manual_page(command_table(), nullptr, "cairn"), testing::HasSubstr("\\-\\-partial=PARTIAL"));
  EXPECT_THAT(markdown_page(command_table(), *command, "cairn"),
              testing::HasSubstr("One of `contents`, `indexes`, `metadata`, `own-writes`, `blob-list`."));
}

TEST(Usage, CompletesCommandsAndFlags) {
  EXPECT_THAT(completions(command_table(), {"pol"}), testing::ElementsAre("policy"));
  EXPECT_THAT(completions(command_table(), {"snap", "del"}), testing::ElementsAre("delete"));
  EXPECT_THAT(completions(command_table(), {"repository", "connect", "filesystem", "--path=/x", "--dir"}),
              testing::ElementsAre("--dir-mode"));
  EXPECT_THAT(completions(command_table(), {"policy", "set", "--keep-l"}), testing::ElementsAre("--keep-latest"));
  EXPECT_THAT(completions(command_table(), {"server", ""}), testing::Not(testing::Contains("start")));
}

}  // namespace
}  // namespace cairn::cli
