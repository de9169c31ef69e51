#include "blob/recent_changes.h"

#include "base/sleep.h"

namespace cairn::blob {
namespace {

constexpr std::size_t kEntriesMax = 10'000;
constexpr std::int64_t kAgeMaxNs = minutes(10).ns;

}  // namespace

bool RecentChanges::wait_to_write(const BlobId& id, std::stop_token stop) {
  const std::int64_t now = monotonic_ns();
  std::int64_t start = now;
  {
    auto entries = entries_.lock();
    prune(*entries);
    Entry& entry = (*entries)[id.text];
    if (entry.write_started_ns != 0) {
      start = std::max(now, entry.write_started_ns + rewrite_distance_.ns);
    }
    entry.write_started_ns = start;
    entry.at_ns = start;
  }
  return start == now ? !stop.stop_requested() : sleep_for({start - now}, std::move(stop));
}

void RecentChanges::note(const BlobId& id, bool present) {
  auto entries = entries_.lock();
  Entry& entry = (*entries)[id.text];
  entry.at_ns = monotonic_ns();
  entry.known = true;
  entry.present = present;
}

std::vector<RecentChanges::Change> RecentChanges::changes(std::string_view prefix) {
  auto entries = entries_.lock();
  prune(*entries);
  std::vector<Change> found;
  for (auto it = entries->lower_bound(prefix); it != entries->end() && it->first.starts_with(prefix); ++it) {
    if (it->second.known) {
      found.push_back({BlobId(it->first), it->second.present});
    }
  }
  return found;
}

void RecentChanges::prune(std::map<std::string, Entry, std::less<>>& entries) {
  if (entries.size() < kEntriesMax && !entries.empty() && entries.size() % 64 != 0) {
    return;
  }
  const std::int64_t now = monotonic_ns();
  // Half of the age when there are too many, and so on.
  for (std::int64_t age = kAgeMaxNs;; age /= 2) {
    std::erase_if(entries, [&](const auto& each) { return each.second.at_ns < now - age; });
    if (entries.size() < kEntriesMax || age == 0) {
      return;
    }
  }
}

}  // namespace cairn::blob
