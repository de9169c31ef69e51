#include "snapshot/retention.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <numeric>
#include <set>

namespace cairn::snapshot {
namespace {

constexpr Duration kIncompleteKeepAge = hours(4);
constexpr std::size_t kIncompleteKeepCount = 3;

constexpr std::array<std::string_view, 6> kDisplayOrder = {"latest", "hourly", "daily", "weekly", "monthly", "annual"};

enum class Unit { none, year, month, week, day, hour };

// `t` minus n units by the local calendar; Timestamp::zero() when that is before the representable past.
Timestamp cut_off(Timestamp t, Unit unit, std::int64_t n) {
  constexpr std::int64_t kYearsMax = 250;
  const std::int64_t per_year = unit == Unit::year ? 1 : unit == Unit::month ? 12 : unit == Unit::week ? 52 : 365;
  if (unit == Unit::none || t.is_zero() || n > kYearsMax * per_year * (unit == Unit::hour ? 24 : 1)) {
    return Timestamp::zero();
  }
  n = std::max<std::int64_t>(n, 0);
  if (unit == Unit::hour) {
    return t - hours(n);
  }
  CivilTime c = civil_local(t);
  const int count = static_cast<int>(n);
  switch (unit) {
    case Unit::year:
      c.year -= count;
      break;
    case Unit::month:
      c.month -= count;
      break;
    case Unit::week:
      c.day -= 7 * count;
      break;
    default:
      c.day -= count;
  }
  return from_civil_local(c);
}

std::string period_id(Unit unit, Timestamp t, std::size_t index) {
  const CivilTime c = civil_utc(t);
  switch (unit) {
    case Unit::none:
      return std::to_string(index);
    case Unit::year:
      return fmt::format("{:04}", c.year);
    case Unit::month:
      return fmt::format("{:04}-{:02}", c.year, c.month);
    case Unit::week: {
      const IsoWeek w = iso_week(civil_local(t));
      return fmt::format("{:04}-{:02}", w.year, w.week);
    }
    case Unit::day:
      return fmt::format("{:04}-{:02}-{:02}", c.year, c.month, c.day);
    case Unit::hour:
      return fmt::format("{:04}-{:02}-{:02} {:02}", c.year, c.month, c.day, c.hour);
  }
  return {};
}

struct Case {
  std::string_view name;
  Unit unit;
  std::optional<std::int64_t> keep;
  Timestamp oldest{};
  std::int64_t kept = 0;
};

std::array<Case, 6> cases_of(const RetentionPolicy& p, Timestamp latest_complete) {
  std::array<Case, 6> cases{{{"latest", Unit::none, p.keep_latest},
                             {"annual", Unit::year, p.keep_annual},
                             {"monthly", Unit::month, p.keep_monthly},
                             {"weekly", Unit::week, p.keep_weekly},
                             {"daily", Unit::day, p.keep_daily},
                             {"hourly", Unit::hour, p.keep_hourly}}};
  // Unsigned: stored numbers may be anything, and wrap as in Go.
  std::uint64_t sum = 0;
  for (const Case& c : cases) {
    sum += static_cast<std::uint64_t>(c.keep.value_or(0));
  }
  if (sum == 0) {
    cases[0].keep = std::numeric_limits<std::int64_t>::max();
  }
  for (Case& c : cases) {
    c.oldest = cut_off(latest_complete, c.unit, c.keep.value_or(0));
  }
  return cases;
}

void keep_complete(const RetentionPolicy& policy, std::span<const RetentionItem> items,
                   const std::vector<std::size_t>& order, std::vector<std::vector<std::string>>& reasons) {
  Timestamp latest = Timestamp::zero();
  for (const RetentionItem& item : items) {
    if (!item.incomplete) {
      latest = std::max(latest, item.start);
    }
  }
  auto cases = cases_of(policy, latest);
  // One set for all cases: "2020-05" may be a month or an ISO week, and either hides the other. So Kopia keeps, so do
  // we.
  std::set<std::string> taken;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const RetentionItem& item = items[order[i]];
    if (item.incomplete) {
      continue;
    }
    for (Case& c : cases) {
      if (!c.keep || item.start < c.oldest) {
        continue;
      }
      std::string id = period_id(c.unit, item.start, i);
      if (c.kept < *c.keep && !taken.contains(id)) {
        taken.insert(std::move(id));
        ++c.kept;
        reasons[order[i]].push_back(fmt::format("{}-{}", c.name, c.kept));
      }
    }
  }
}

void keep_incomplete(std::span<const RetentionItem> items, const std::vector<std::size_t>& order,
                     std::vector<std::vector<std::string>>& reasons) {
  for (std::size_t i = 0; i < order.size(); ++i) {
    const RetentionItem& item = items[order[i]];
    const bool young = items[order[0]].start - item.start < kIncompleteKeepAge;
    if (!item.incomplete || (!young && i >= kIncompleteKeepCount)) {
      return;
    }
    reasons[order[i]].push_back("incomplete");
  }
}

struct SplitReason {
  std::string_view prefix, suffix;
};
SplitReason split_reason(std::string_view reason) {
  const std::size_t dash = reason.find('-');
  return dash == std::string_view::npos ? SplitReason{reason, {}}
                                        : SplitReason{reason.substr(0, dash), reason.substr(dash + 1)};
}

// Unknown ones first.
std::ptrdiff_t display_rank(std::string_view prefix) {
  const auto* it = std::find(kDisplayOrder.begin(), kDisplayOrder.end(), prefix);
  return it == kDisplayOrder.end() ? -1 : it - kDisplayOrder.begin();
}

}  // namespace

std::vector<std::vector<std::string>> retention_reasons(const RetentionPolicy& policy,
                                                        std::span<const RetentionItem> items) {
  std::vector<std::vector<std::string>> reasons(items.size());
  std::vector<std::size_t> order(items.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return items[a].start != items[b].start ? items[a].start > items[b].start : items[a].end > items[b].end;
  });
  keep_complete(policy, items, order, reasons);
  keep_incomplete(items, order, reasons);
  for (auto& r : reasons) {
    sort_retention_reasons(r);
  }
  return reasons;
}

void compute_retention_reasons(const RetentionPolicy& policy, std::span<SnapshotManifest> snapshots) {
  std::vector<RetentionItem> items;
  items.reserve(snapshots.size());
  for (const SnapshotManifest& s : snapshots) {
    items.push_back({s.start_time, s.end_time, !s.incomplete.empty()});
  }
  auto reasons = retention_reasons(policy, items);
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    snapshots[i].retention_reasons = std::move(reasons[i]);
  }
}

bool is_expired(const SnapshotManifest& s) { return s.retention_reasons.empty() && s.pins.empty(); }

void sort_retention_reasons(std::vector<std::string>& reasons) {
  std::sort(reasons.begin(), reasons.end(), [](const std::string& a, const std::string& b) {
    const SplitReason x = split_reason(a);
    const SplitReason y = split_reason(b);
    const auto rx = display_rank(x.prefix);
    const auto ry = display_rank(y.prefix);
    return rx != ry ? rx < ry : x.suffix < y.suffix;
  });
}

std::vector<std::string> compact_retention_reasons(std::span<const std::string> reasons) {
  std::vector<std::string> out;
  std::map<std::ptrdiff_t, std::set<std::int64_t>> numbers;
  for (const std::string& r : reasons) {
    const SplitReason s = split_reason(r);
    std::int64_t n = 0;
    const char* end = s.suffix.data() + s.suffix.size();
    const auto parsed = std::from_chars(s.suffix.data(), end, n);
    const auto rank = display_rank(s.prefix);
    if (s.suffix.empty() || parsed.ec != std::errc() || parsed.ptr != end || rank < 0) {
      out.push_back(r);
    } else {
      numbers[rank].insert(n);
    }
  }
  sort_retention_reasons(out);
  for (const auto& [rank, set] : numbers) {
    const std::string_view prefix = kDisplayOrder[static_cast<std::size_t>(rank)];
    for (auto it = set.begin(); it != set.end();) {
      const std::int64_t first = *it;
      std::int64_t last = first;
      while (++it != set.end() && *it == last + 1) {
        last = *it;
      }
      out.push_back(first == last ? fmt::format("{}-{}", prefix, first)
                                  : fmt::format("{0}-{1}..{2}", prefix, first, last));
    }
  }
  return out;
}

}  // namespace cairn::snapshot
