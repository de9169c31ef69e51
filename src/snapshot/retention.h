// Which snapshots a retention policy keeps, and why. docs/design/retention.md (kopia-model §7.6)
#pragma once

#include <span>
#include <string>
#include <vector>

#include "snapshot/policy.h"
#include "snapshot/types.h"

namespace cairn::snapshot {

struct RetentionItem {
  Timestamp start{}, end{};
  bool incomplete = false;
};

// Reasons per item, in the items' order; empty = nothing keeps it. Weeks and cut-offs in the process's local zone.
std::vector<std::vector<std::string>> retention_reasons(const RetentionPolicy& policy,
                                                        std::span<const RetentionItem> items);
// Fills retention_reasons of all snapshots of one source.
void compute_retention_reasons(const RetentionPolicy& policy, std::span<SnapshotManifest> snapshots);
// No reason and no pin. Needs the reasons.
bool is_expired(const SnapshotManifest& snapshot);
// For display: latest-1, latest-2, latest-3 → latest-1..3. `reasons` in any order and from several snapshots.
std::vector<std::string> compact_retention_reasons(std::span<const std::string> reasons);
// Order of display: latest, hourly, daily, weekly, monthly, annual; unknown ones first; then by suffix text.
void sort_retention_reasons(std::vector<std::string>& reasons);

}  // namespace cairn::snapshot
