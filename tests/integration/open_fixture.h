// A golden repository, unpacked and opened read-only.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>

#include "crypto/hash.h"
#include "repo/repository.h"
#include "tests/support/fixture_repo.h"

namespace cairn::testing {

inline std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) {
      c = '_';
    }
  }
  return name;
}

inline std::vector<std::string> names_where(bool damaged) {
  std::vector<std::string> out;
  for (const std::string& name : fixture_names()) {
    const bool is_damaged = name.starts_with("damage-") || name.starts_with("ecc-damage-");
    const bool is_base = name.find("damage-base") != std::string::npos;
    if ((is_damaged && !is_base) == damaged) {
      out.push_back(name);
    }
  }
  return out;
}

inline Result<std::unique_ptr<repo::Repository>> open_fixture(const FixtureRepo& fixture, std::string_view password) {
  blob::ConnectionInfo info;
  info.type = "filesystem";
  info.config = Json::object({{"path", fixture.path()}});
  TRY_ASSIGN(auto storage, blob::open_storage(info, {.read_only = true}, {}));
  repo::ClientOptions client;
  client.hostname = "lab";
  client.username = "alice";
  repo::OpenOptions options;
  options.read_only = true;
  return repo::Repository::open_direct(storage, password, client, {}, options, {});
}

inline std::string sha256_text(ByteView data) {
  const auto h = crypto::sha256(data);
  return hex_encode({h.data(), h.size()});
}

// Relative paths of all files below a directory.
inline std::set<std::string> files_below(const std::string& directory) {
  std::set<std::string> out;
  for (const auto& e : std::filesystem::recursive_directory_iterator(directory)) {
    out.insert(e.path().lexically_relative(directory).string());
  }
  return out;
}

}  // namespace cairn::testing
