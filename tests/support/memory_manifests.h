// A manifest manager that keeps everything in memory, for tests of what is built on manifests.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "manifest/manifest_manager.h"

namespace cairn::testing {

class MemoryManifests : public manifest::ManifestManager {
 public:
  void insert(manifest::Manifest m) { all_.push_back(std::move(m)); }

  Result<std::string> put(const manifest::Labels& labels, const Json& payload, std::stop_token) override {
    manifest::Manifest m;
    m.metadata.id = fmt::format("{:032x}", ++last_id_);
    m.metadata.labels = labels;
    m.metadata.modified = Timestamp{1'700'000'000'000'000'000 + static_cast<std::int64_t>(last_id_)};
    m.metadata.length = static_cast<std::int64_t>(payload.dump().size());
    m.payload = payload;
    all_.push_back(m);
    return m.metadata.id;
  }
  Result<manifest::Manifest> get(const std::string& id, std::stop_token) override {
    for (const auto& m : all_) {
      if (m.metadata.id == id) {
        return m;
      }
    }
    return error(Code::not_found, "manifest not found");
  }
  Result<std::vector<manifest::ManifestMetadata>> find(const manifest::Labels& labels, std::stop_token stop) override {
    TRY_ASSIGN(const auto found, find_with_payload(labels, stop));
    std::vector<manifest::ManifestMetadata> out;
    for (const auto& m : found) {
      out.push_back(m.metadata);
    }
    return out;
  }
  Result<std::vector<manifest::Manifest>> find_with_payload(const manifest::Labels& labels, std::stop_token) override {
    std::vector<manifest::Manifest> out;
    for (const auto& m : all_) {
      const bool match = std::all_of(labels.begin(), labels.end(), [&](const auto& wanted) {
        const auto it = m.metadata.labels.find(wanted.first);
        return it != m.metadata.labels.end() && it->second == wanted.second;
      });
      if (match) {
        out.push_back(m);
      }
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const auto& a, const auto& b) { return a.metadata.modified < b.metadata.modified; });
    return out;
  }
  Status remove(const std::string& id, std::stop_token) override {
    std::erase_if(all_, [&](const auto& m) { return m.metadata.id == id; });
    return {};
  }
  Result<std::string> replace(const manifest::Labels& labels, const Json& payload, std::stop_token stop) override {
    TRY_ASSIGN(const auto old, find(labels, stop));
    for (const auto& m : old) {
      TRY(remove(m.id, stop));
    }
    return put(labels, payload, stop);
  }
  Status flush(std::stop_token) override { return {}; }
  Status compact(std::stop_token) override { return {}; }
  void invalidate() override {}

 private:
  std::vector<manifest::Manifest> all_;
  std::uint64_t last_id_ = 0;
};

}  // namespace cairn::testing
