#include "snapshot/actions.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "sys/file.h"

namespace cairn::snapshot {
namespace {

bool appears(const std::string& path, bool there) {
  for (int i = 0; i < 500; ++i) {
    if (sys::file_exists(path) == there) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

ActionRun with_script(const std::string& directory, std::string script, std::string mode) {
  ActionCommand command;
  command.script = std::move(script);
  command.mode = std::move(mode);
  return ActionRun("folder", directory, command, std::nullopt, true);
}

TEST(Actions, AnEssentialScriptThatFailsStopsTheFolder) {
  auto dir = sys::TempDir::make();
  ASSERT_TRUE(dir.ok());
  EXPECT_EQ(with_script(dir->path(), "exit 3", "essential").before({}).message(), "exit status 3");
  EXPECT_TRUE(with_script(dir->path(), "exit 3", "optional").before({}).ok());
}

TEST(Actions, AScriptMayNameAnotherDirectory) {
  auto dir = sys::TempDir::make();
  ASSERT_TRUE(dir.ok());
  ActionRun run = with_script(dir->path(), "echo KOPIA_SNAPSHOT_PATH=/elsewhere", "essential");
  ASSERT_TRUE(run.before({}).ok());
  EXPECT_EQ(run.path(), "/elsewhere");
}

TEST(Actions, AnAsynchronousScriptRunsOnAndLeavesNothing) {
  auto dir = sys::TempDir::make();
  ASSERT_TRUE(dir.ok());
  const std::string said = dir->path() + "/said";
  const std::string go = dir->path() + "/go";
  const std::string script = fmt::format(
      "while [ ! -e {0} ]; do sleep 0.02; done\ndirname \"$0\" > {1}.new\necho \"$KOPIA_ACTION\" >> {1}.new\nmv "
      "{1}.new {1}\n",
      go, said);
  ASSERT_TRUE(with_script(dir->path(), script, "async").before({}).ok());
  EXPECT_FALSE(sys::file_exists(said));  // it was not waited for
  ASSERT_TRUE(sys::write_file_atomic(go, {}, 0600).ok());
  ASSERT_TRUE(appears(said, true));
  const auto text = sys::read_file(said, 1000);
  ASSERT_TRUE(text.ok());
  const std::string lines(text->text());
  const std::string work_dir = lines.substr(0, lines.find('\n'));
  EXPECT_NE(work_dir.find("cairn-action-"), std::string::npos) << lines;
  EXPECT_TRUE(lines.ends_with("before-folder\n")) << lines;
  EXPECT_TRUE(appears(work_dir, false)) << work_dir;
}

}  // namespace
}  // namespace cairn::snapshot
