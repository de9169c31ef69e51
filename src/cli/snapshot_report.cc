#include "cli/snapshot_report.h"

#include <algorithm>

#include "base/units.h"
#include "cli/error_notification.h"
#include "notify/sender.h"

namespace cairn::cli {

void SnapshotReport::add_failed(const std::string& source, const std::string& problem) {
  rows_.push_back({.source = source, .error = problem, .result = problem});
}

void SnapshotReport::add(const snapshot::SnapshotManifest& manifest, bool saved) {
  Row row{.source = manifest.source.text(),
          .start_time = display_time(manifest.start_time),
          .end_time = display_time(manifest.end_time),
          .duration = go_duration(seconds((manifest.end_time - manifest.start_time).ns / 1'000'000'000)),
          .result = "success",
          .ignored_errors = manifest.stats.ignored_error_count};
  if (manifest.root && manifest.root->summ) {
    row.files = manifest.root->summ->files;
    row.size = bytes_text(manifest.root->summ->size);
  }
  if (manifest.stats.error_count > 0) {
    row.error = fmt::format("{} fatal error(s)", manifest.stats.error_count);
    row.result = row.error;
  } else if (row.ignored_errors > 0) {
    row.result = fmt::format("{} error(s) ignored", row.ignored_errors);
  } else if (!manifest.incomplete.empty()) {
    row.result = "incomplete: " + manifest.incomplete;
  } else if (!saved) {
    row.result = "not saved, nothing has changed";
  }
  rows_.push_back(std::move(row));
}

notify::Severity SnapshotReport::severity() const {
  if (std::ranges::any_of(rows_, [](const Row& r) { return !r.error.empty(); })) {
    return notify::Severity::error;
  }
  const bool ignored = std::ranges::any_of(rows_, [](const Row& r) { return r.ignored_errors > 0; });
  return ignored ? notify::Severity::warning : notify::Severity::report;
}

void SnapshotReport::send(Context& context, repo::Repository& repository) const {
  if (rows_.empty() || context.stop().stop_requested()) {
    return;
  }
  Json snapshots = Json::array();
  for (const Row& r : rows_) {
    snapshots.push_back(Json::object({{"Source", r.source},
                                      {"StartTime", r.start_time},
                                      {"EndTime", r.end_time},
                                      {"Duration", r.duration},
                                      {"Files", r.files},
                                      {"Size", r.size},
                                      {"IgnoredErrors", r.ignored_errors},
                                      {"Error", r.error},
                                      {"Result", r.result}}));
  }
  notify::Event event = new_event(context, repository, "snapshot-report");
  const notify::Severity level = severity();
  event.arguments = Json::object({{"Status", level == notify::Severity::report    ? "success"
                                             : level == notify::Severity::warning ? "warning"
                                                                                  : "error"},
                                  {"Snapshots", std::move(snapshots)}});
  const Status sent = notify::notify_all(repository.manifests(), event, level, context.stop());
  if (!sent.ok()) {
    log::write(log::Level::warning, kLogModule, "unable to send notification",
               Json::object({{"err", sent.message()}}).dump());
  }
}

}  // namespace cairn::cli
