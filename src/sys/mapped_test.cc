#include "sys/mapped.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "sys/lost_pages.h"

namespace cairn::sys {
namespace {

TEST(ScratchFile, WhatWasAppendedIsMapped) {
  auto file = ScratchFile::make("");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->append(as_bytes("0123")).ok());
  ASSERT_TRUE(file->append(as_bytes("4567")).ok());
  const auto mapped = file->map(2, 4);
  ASSERT_TRUE(mapped.ok());
  EXPECT_EQ(as_text(mapped->view()), "2345");
}

// All files without a name that this process has open are cut to nothing, as a failing disk would.
void cut_nameless_files() {
  DIR* d = ::opendir("/proc/self/fd");
  while (const dirent* e = d == nullptr ? nullptr : ::readdir(d)) {
    const std::string path = std::string("/proc/self/fd/") + e->d_name;
    char target[512] = {};
    if (::readlink(path.c_str(), target, sizeof target - 1) > 0 && std::string_view(target).ends_with(" (deleted)")) {
      const int fd = ::open(path.c_str(), O_RDWR);
      if (fd >= 0 && ::ftruncate(fd, 0) == 0) {
        ::close(fd);
      }
    }
  }
}

void read_what_was_cut() {
  explain_lost_pages("program");
  auto file = ScratchFile::make("");
  const Bytes bytes(1 << 16, 7);
  if (!file.ok() || !file->append(bytes).ok()) {
    std::_Exit(3);
  }
  const auto mapped = file->map(0, bytes.size());
  cut_nameless_files();
  const volatile Byte* at = mapped->view().data();
  std::_Exit(at[5000] == 7 ? 4 : 5);
}

TEST(LostPagesDeathTest, EndWithALineAndExitCodeOne) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(read_what_was_cut(), testing::ExitedWithCode(1),
              "^program: error: temporary data in .* can no longer be read: .*run the command again\n$");
}

void bus_error_without_mapping() {
  explain_lost_pages("program");
  ::raise(SIGBUS);
  std::_Exit(4);
}

// Of another kind: a defect of the program, which must not be explained away.
TEST(LostPagesDeathTest, OtherBusErrorsStaySignals) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(bus_error_without_mapping(), testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace cairn::sys
