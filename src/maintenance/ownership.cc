#include "maintenance/ownership.h"

#include <algorithm>

#include <fmt/format.h>

namespace cairn::maintenance {
namespace {

// No task of a run that lives takes longer than this between two records in the schedule.
constexpr Duration kFormerOwnerQuietAfter = hours(4);
// A record is written when its task ends; a blob written later than this was written by the beginning of a run.
constexpr Duration kRecordDelay = minutes(1);
constexpr int kMissedIntervals = 3;

constexpr std::string_view kPodLetters = "bcdfghjklmnpqrstvwxz2456789";  // those Kubernetes draws names from
constexpr std::size_t kPodSuffix = 5;
constexpr std::size_t kContainerId = 12;

// Nobody has ended the latest full run: neither its last task nor an error.
bool full_run_unfinished(const Schedule& s) {
  const auto gc = s.runs.find(std::string(kSnapshotGc));
  if (gc == s.runs.end() || gc->second.empty()) {
    return false;
  }
  const Timestamp began = gc->second.front().start;
  for (const auto& [task, history] : s.runs) {
    for (const Run& r : history) {
      if (r.start >= began && (!r.success || task == kCleanupLogs)) {
        return false;
      }
    }
  }
  return true;
}

std::optional<Timestamp> last_record(const Schedule& s) {
  std::optional<Timestamp> last;
  for (const auto& [task, history] : s.runs) {
    for (const Run& r : history) {
      last = std::max(last.value_or(r.end), r.end);
    }
  }
  return last;
}

}  // namespace

bool looks_ephemeral(std::string_view host) {
  const bool hex = host.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (host.size() == kContainerId && hex) {
    return true;
  }
  const std::size_t dash = host.rfind('-');
  if (dash == std::string_view::npos || dash == 0) {
    return false;
  }
  const std::string_view suffix = host.substr(dash + 1);
  return suffix.size() == kPodSuffix && suffix.find_first_not_of(kPodLetters) == std::string_view::npos;
}

std::vector<std::string> owner_concerns(const Parameters& parameters, const Schedule& schedule, Timestamp now) {
  std::vector<std::string> out;
  if (parameters.owner.empty()) {
    out.emplace_back("nobody runs maintenance: set an owner with 'maintenance set --owner=USER@HOST'");
    return out;
  }
  if (looks_ephemeral(std::string_view(parameters.owner).substr(parameters.owner.find('@') + 1))) {
    out.push_back(fmt::format(
        "the owner {} is named like a pod or container that ends: set a lasting one with 'maintenance set --owner'",
        parameters.owner));
  }
  const auto overdue = [&](const char* name, const Cycle& cycle, Timestamp next) {
    // The schedule names the time of the run after the last one.
    if (!cycle.enabled) {
      return false;
    }
    if (next.is_zero() && schedule.runs.empty() && !parameters.written.is_zero() &&
        now - parameters.written > cycle.interval * kMissedIntervals) {
      out.push_back(fmt::format("no maintenance has ever run: {} does not run it", parameters.owner));
      return true;
    }
    if (next.is_zero() || now - next <= cycle.interval * (kMissedIntervals - 1)) {
      return false;
    }
    out.push_back(fmt::format("{} maintenance has been due since {}: {} does not run it", name, display_time(next),
                              parameters.owner));
    return true;
  };
  if (!overdue("full", parameters.full, schedule.next_full) && !parameters.full.enabled) {
    overdue("quick", parameters.quick, schedule.next_quick);
  }
  return out;
}

std::optional<Timestamp> wait_for_former_owner(const Parameters& parameters, const Schedule& schedule,
                                               Timestamp written, Timestamp now) {
  if (parameters.former_owner.empty()) {
    return std::nullopt;
  }
  const Timestamp quiet = parameters.owner_since + kFormerOwnerQuietAfter;
  const auto last = last_record(schedule);
  // Without history nothing can be deleted yet.
  if (now >= quiet || !last) {
    return std::nullopt;
  }
  const bool begun = written - *last > kRecordDelay;
  return begun || full_run_unfinished(schedule) ? std::optional(quiet) : std::nullopt;
}

}  // namespace cairn::maintenance
