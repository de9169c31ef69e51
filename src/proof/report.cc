// The report of a verification as numbers for programs.
#include <algorithm>

#include "proof/verify.h"

namespace cairn::proof {
namespace {

double percent(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? 100 * static_cast<double>(part) / static_cast<double>(whole) : 0;
}

double days(Duration d) { return static_cast<double>(std::max<std::int64_t>(d.ns, 0)) / (86400 * 1e9); }

}  // namespace

Coverage coverage_of(const VerifyReport& report, std::optional<Duration> max_age) {
  Coverage out;
  for (const SnapshotProof& s : report.snapshots) {
    ++out.snapshots;
    if (s.oldest_read && (!max_age || report.time - *s.oldest_read <= *max_age)) {
      ++out.read_back;
      out.oldest = std::min(out.oldest.value_or(*s.oldest_read), *s.oldest_read);
    }
  }
  return out;
}

Json report_json(const VerifyReport& r, const Coverage& c) {
  Json damages = Json::array();
  for (const Damage& d : r.damages) {
    damages.push_back(damage_json(d));
  }
  Json snapshots = Json::array();
  for (const SnapshotProof& s : r.snapshots) {
    snapshots.push_back(Json::object({{"id", s.id},
                                      {"source", s.source},
                                      {"startTime", rfc3339(s.start)},
                                      {"damaged", s.damaged},
                                      {"oldestRead", s.oldest_read ? Json(rfc3339(*s.oldest_read)) : Json()}}));
  }
  Json coverage = Json::object({{"snapshots", c.snapshots},
                                {"snapshotsReadBack", c.read_back},
                                {"oldestRead", c.oldest ? Json(rfc3339(*c.oldest)) : Json()},
                                {"withinDays", c.oldest ? Json(days(r.time - *c.oldest)) : Json()},
                                {"blobs", r.in_use.blobs},
                                {"bytes", r.in_use.bytes},
                                {"blobsReadBack", r.read_back.blobs},
                                {"bytesReadBack", r.read_back.bytes},
                                {"percentReadBack", percent(r.read_back.bytes, r.in_use.bytes)}});
  return Json::object({{"time", rfc3339(r.time)},
                       {"damageCount", std::ssize(r.damages)},
                       {"damages", std::move(damages)},
                       {"coverage", std::move(coverage)},
                       {"run", Json::object({{"blobsRead", r.read.blobs}, {"bytesRead", r.read.bytes}})},
                       {"snapshots", std::move(snapshots)}});
}

std::string report_metrics(const VerifyReport& r, const Coverage& c, std::string_view repository_id) {
  std::string out;
  const auto gauge = [&](std::string_view name, std::string_view help, std::int64_t value) {
    fmt::format_to(std::back_inserter(out), "# HELP cairn_verify_{0} {1}\n# TYPE cairn_verify_{0} gauge\n", name, help);
    fmt::format_to(std::back_inserter(out), "cairn_verify_{}{{repository=\"{}\"}} {}\n", name, repository_id, value);
  };
  gauge("damages", "Damages found by the last run.", std::ssize(r.damages));
  gauge("snapshots", "Snapshots in the repository.", c.snapshots);
  gauge("snapshots_read_back", "Snapshots of which every byte was good when it was last read back.", c.read_back);
  if (c.oldest) {
    gauge("oldest_read_timestamp_seconds", "When the byte of these snapshots read longest ago was read.",
          c.oldest->unix_seconds());
    gauge("oldest_read_age_seconds", "How long ago that was at the last run.",
          std::max<std::int64_t>((r.time - *c.oldest).ns, 0) / 1'000'000'000);
  }
  gauge("bytes", "Bytes of the packs and index blobs in use.", r.in_use.bytes);
  gauge("bytes_read_back", "Bytes of those that were good when they were last read back.", r.read_back.bytes);
  gauge("run_bytes", "Bytes read by the last run.", r.read.bytes);
  gauge("last_run_timestamp_seconds", "When the last run began.", r.time.unix_seconds());
  return out;
}

}  // namespace cairn::proof
