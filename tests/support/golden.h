// Access to the golden data below tests/golden.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/json.h"

namespace cairn::testing {

inline std::string golden_path(const std::string& name) { return std::string(CAIRN_TESTS_DIR) + "/golden/" + name; }

inline std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline Json golden_json(const std::string& name) {
  auto parsed = Json::parse(read_text(golden_path(name)));
  EXPECT_TRUE(parsed.ok()) << name << ": " << parsed.status().message();
  return parsed.ok() ? std::move(parsed).value() : Json();
}

// An archive unpacked into a directory that goes away with the object.
class UnpackedArchive {
 public:
  explicit UnpackedArchive(const std::string& golden_name) {
    std::string name = (std::filesystem::temp_directory_path() / "cairn-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    const std::string command = "tar -xzf '" + golden_path(golden_name) + "' -C '" + dir_.string() + "'";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  }
  ~UnpackedArchive() {
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }
  UnpackedArchive(const UnpackedArchive&) = delete;
  UnpackedArchive& operator=(const UnpackedArchive&) = delete;
  const std::filesystem::path& dir() const { return dir_; }

 private:
  std::filesystem::path dir_;
};

// Sets TZ for the life of the object.
class ScopedTimeZone {
 public:
  explicit ScopedTimeZone(const char* zone) {
    if (const char* old = std::getenv("TZ")) {
      old_ = old;
      had_ = true;
    }
    ::setenv("TZ", zone, 1);
    ::tzset();
  }
  ~ScopedTimeZone() {
    if (had_) {
      ::setenv("TZ", old_.c_str(), 1);
    } else {
      ::unsetenv("TZ");
    }
    ::tzset();
  }
  ScopedTimeZone(const ScopedTimeZone&) = delete;
  ScopedTimeZone& operator=(const ScopedTimeZone&) = delete;

 private:
  std::string old_;
  bool had_ = false;
};

}  // namespace cairn::testing
