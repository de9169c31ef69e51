// Repositories written by the real program (tests/golden/repos), unpacked for a test. Header only; links base and sys.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "sys/file.h"
#include "sys/process.h"

namespace cairn::testing {

inline constexpr std::string_view kFixturePassword = "fixture-password";

inline std::string fixture_directory() { return std::string(CAIRN_TESTS_DIR) + "/golden/repos"; }

// Names of all repositories, sorted.
inline std::vector<std::string> fixture_names() {
  constexpr std::string_view kSuffix = ".expected.json";
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(fixture_directory())) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(kSuffix)) {
      names.push_back(name.substr(0, name.size() - kSuffix.size()));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

// What the real program said about the repository: see the README beside the golden data.
inline Result<Json> fixture_expectation(const std::string& name) {
  TRY_ASSIGN(const Buffer text, sys::read_file(fixture_directory() + "/" + name + ".expected.json", 1 << 28));
  return Json::parse(text.text());
}

// Unpacks an archive of the golden data with its file times.
inline Status unpack_fixture(const std::string& archive, const std::string& into) {
  sys::ProcessOptions options;
  options.argv = {"tar", "--extract", "--gzip", "--file", fixture_directory() + "/" + archive, "--directory", into};
  TRY_ASSIGN(const sys::ProcessResult result, sys::run_process(options, {}));
  return result.ok() ? Status() : error(Code::internal, "unpacking {}: {}", archive, result.text());
}

// A private copy of one repository, gone with the object.
class FixtureRepo {
 public:
  static Result<FixtureRepo> open(const std::string& name) {
    FixtureRepo repo;
    TRY_ASSIGN(repo.directory_, sys::TempDir::make("cairn-fixture-"));
    TRY(unpack_fixture(name + ".tar.gz", repo.directory_.path()));
    TRY_ASSIGN(repo.expected_, fixture_expectation(name));
    repo.path_ = repo.directory_.path() + "/" + name;
    return repo;
  }
  const std::string& path() const { return path_; }  // root of the filesystem storage
  const Json& expected() const { return expected_; }
  const std::string& password() const { return expected_["password"].as_string(); }

 private:
  sys::TempDir directory_;
  std::string path_;
  Json expected_;
};

}  // namespace cairn::testing
