#include "cli/log_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <utime.h>

#include <filesystem>
#include <fstream>

#include "base/status.h"
#include "cli/format.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

void make_log(const std::string& path, std::size_t size, std::time_t modified) {
  std::ofstream(path) << std::string(size, 'x');
  const utimbuf times{modified, modified};
  ASSERT_EQ(::utime(path.c_str(), &times), 0);
}

class LogFile : public testing::Test {
 protected:
  void SetUp() override {
    auto made = sys::TempDir::make();
    ASSERT_TRUE(made.ok());
    temp_ = std::move(made).value();
  }
  std::string path(const std::string& name) const { return temp_.path() + "/" + name; }
  sys::TempDir temp_;
};

TEST_F(LogFile, HasNameLinkAndLines) {
  auto sink = make_log_file_sink({.directory = path("logs"), .command = "snapshot-create"});
  ASSERT_NE(sink, nullptr);
  sink->write(log::Level::info, "cli", "hello", R"({"a":1})");
  const auto names = names_in(path("logs/cli-logs"));
  EXPECT_THAT(names,
              testing::ElementsAre("CACHEDIR.TAG",
                                   testing::MatchesRegex("kopia-[0-9]{8}-[0-9]{6}-[0-9]+-snapshot-create\\.0\\.log"),
                                   "latest.log"));
  const auto text = sys::read_file(path("logs/cli-logs/latest.log"), 10'000);
  ASSERT_TRUE(text.ok());
  EXPECT_THAT(std::string(text->text()),
              testing::MatchesRegex("....-..-..T..:..:..\\.......Z INFO kopia/cli hello\t\\{\"a\":1\\}\n"));
}

TEST_F(LogFile, BeginsANewSegmentWhenOneIsFull) {
  auto sink = make_log_file_sink({.directory = path("logs"), .command = "x", .segment_bytes_max = 100});
  ASSERT_NE(sink, nullptr);
  for (int i = 0; i < 5; ++i) {
    sink->write(log::Level::info, "cli", std::string(60, 'm'), "");
  }
  EXPECT_EQ(names_in(path("logs/cli-logs")).size(), 2 + 6u);  // tag, link, five full segments and the next one
}

TEST_F(LogFile, UnwritableDirectoryGivesNoSink) {
  EXPECT_EQ(make_log_file_sink({.directory = "/proc/none", .command = "x"}), nullptr);
}

TEST_F(LogFile, SweepKeepsTheNewestAndForeignFiles) {
  const Timestamp now = Timestamp::from_seconds(1'700'000'000);
  for (int i = 0; i < 5; ++i) {
    make_log(path("kopia-" + std::to_string(i) + ".log"), 10, 1'700'000'000 - i * 60);
  }
  make_log(path("other.log"), 10, 1);
  sweep_logs(temp_.path(), {.files_max = 3}, now);
  EXPECT_THAT(names_in(temp_.path()), testing::ElementsAre("kopia-0.log", "kopia-1.log", "kopia-2.log", "other.log"));
  sweep_logs(temp_.path(), {.age_max = seconds(90)}, now);
  EXPECT_THAT(names_in(temp_.path()), testing::ElementsAre("kopia-0.log", "kopia-1.log", "other.log"));
  sweep_logs(temp_.path(), {.bytes_max = 15}, now);
  EXPECT_THAT(names_in(temp_.path()), testing::ElementsAre("kopia-0.log", "other.log"));
}

TEST(Format, ModesHaveGosLetters) {
  EXPECT_EQ(mode_text('d', 0755), "drwxr-xr-x");
  EXPECT_EQ(mode_text('d', 01777), "dtrwxrwxrwx");
  EXPECT_EQ(mode_text('f', 0644), "-rw-r--r--");
  EXPECT_EQ(mode_text('f', 04755), "urwxr-xr-x");
  EXPECT_EQ(mode_text('s', 0777), "Lrwxrwxrwx");
}

}  // namespace
}  // namespace cairn::cli
