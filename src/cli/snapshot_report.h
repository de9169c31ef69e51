// What `snapshot create` tells the notification profiles (kopia-model §4.6).
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"
#include "notify/profile.h"
#include "snapshot/types.h"

namespace cairn::cli {

class SnapshotReport {
 public:
  void add_failed(const std::string& source, const std::string& problem);
  void add(const snapshot::SnapshotManifest& manifest, bool saved);
  // Errors when a source failed or some of its files did; a warning when errors were ignored.
  notify::Severity severity() const;
  // To every profile that wants this severity. A failure to send is a warning, never more.
  void send(Context& context, repo::Repository& repository) const;

 private:
  struct Row {
    std::string source, start_time{}, end_time{}, duration{}, size{}, error{}, result{};
    std::int64_t files = 0, ignored_errors = 0;
  };
  std::vector<Row> rows_;
};

}  // namespace cairn::cli
