#include "snapshot/store.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "snapshot/retention.h"

namespace cairn::snapshot {
namespace {

constexpr std::string_view kModule = "snapshot";
constexpr const char* kType = "snapshot";

std::string label(const manifest::Labels& labels, const char* key) {
  const auto it = labels.find(key);
  return it == labels.end() ? std::string() : it->second;
}

manifest::Labels filter_labels(const SnapshotFilter& filter) {
  manifest::Labels labels{{"type", kType}};
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) {
      labels[key] = value;
    }
  };
  add("hostname", filter.source.host);
  add("username", filter.source.user_name);
  add("path", filter.source.path);
  for (const auto& [key, value] : filter.tags) {
    labels[key] = value;
  }
  return labels;
}

void sort_by_start(std::vector<SnapshotManifest>& all) {
  std::stable_sort(all.begin(), all.end(),
                   [](const SnapshotManifest& a, const SnapshotManifest& b) { return a.start_time < b.start_time; });
}

}  // namespace

Result<std::vector<SourceInfo>> list_sources(manifest::ManifestManager& manifests, std::stop_token stop) {
  TRY_ASSIGN(const auto found, manifests.find({{"type", kType}}, stop), "listing sources");
  std::set<SourceInfo> sources;
  for (const auto& m : found) {
    sources.insert({label(m.labels, "hostname"), label(m.labels, "username"), label(m.labels, "path")});
  }
  std::vector<SourceInfo> out(sources.begin(), sources.end());
  std::sort(out.begin(), out.end(), [](const SourceInfo& a, const SourceInfo& b) { return a.text() < b.text(); });
  return out;
}

Result<std::vector<SnapshotManifest>> list_snapshots(manifest::ManifestManager& manifests, const SnapshotFilter& filter,
                                                     std::stop_token stop) {
  TRY_ASSIGN(const auto found, manifests.find_with_payload(filter_labels(filter), stop), "listing snapshots");
  std::vector<SnapshotManifest> out;
  out.reserve(found.size());
  for (const auto& m : found) {
    auto s = SnapshotManifest::from_manifest(m);
    if (!s.ok() && filter.strict) {
      return std::move(s).status();
    }
    if (!s.ok()) {
      log::warning(kModule, "leaving out an unreadable manifest: {}", std::move(s).status().message());
      continue;
    }
    out.push_back(std::move(s).value());
  }
  sort_by_start(out);
  return out;
}

Result<std::vector<SnapshotManifest>> snapshots_of(manifest::ManifestManager& manifests, const SourceInfo& source,
                                                   std::stop_token stop) {
  TRY_ASSIGN(auto all, list_snapshots(manifests, {source, {}, false}, stop));
  std::erase_if(all, [&](const SnapshotManifest& s) { return s.source != source; });
  return all;
}

Result<SnapshotManifest> load_snapshot(manifest::ManifestManager& manifests, const std::string& id,
                                       std::stop_token stop) {
  auto m = manifests.get(id, stop);
  if (!m.ok()) {
    return m.code() == Code::not_found ? error(Code::not_found, "snapshot not found") : std::move(m).status();
  }
  if (label(m->metadata.labels, "type") != kType) {
    return error(Code::not_found, "snapshot not found");
  }
  return SnapshotManifest::from_manifest(*m);
}

Result<std::vector<SnapshotManifest>> load_snapshots(manifest::ManifestManager& manifests,
                                                     const std::vector<std::string>& ids, std::stop_token stop) {
  std::vector<SnapshotManifest> out;
  for (const std::string& id : ids) {
    auto s = load_snapshot(manifests, id, stop);
    if (s.ok()) {
      out.push_back(std::move(s).value());
    } else if (s.code() != Code::not_found) {
      return std::move(s).status();
    }
  }
  return out;
}

Result<std::vector<SnapshotManifest>> find_snapshots_by_root(manifest::ManifestManager& manifests,
                                                             const object::ObjectId& root, std::stop_token stop) {
  TRY_ASSIGN(auto all, list_snapshots(manifests, {}, stop));
  std::erase_if(all, [&](const SnapshotManifest& s) { return !s.root || s.root->obj != root; });
  return all;
}

Result<std::string> save_snapshot(manifest::ManifestManager& manifests, SnapshotManifest& s, std::stop_token stop) {
  const std::pair<const std::string*, std::string_view> required[] = {
      {&s.source.host, "host"}, {&s.source.user_name, "username"}, {&s.source.path, "path"}};
  for (const auto& [value, name] : required) {
    if (value->empty()) {
      return error(Code::invalid_argument, "missing {}", name);
    }
  }
  if (!s.root) {
    return error(Code::invalid_argument, "missing root entry");
  }
  manifest::Labels labels{
      {"type", kType}, {"hostname", s.source.host}, {"username", s.source.user_name}, {"path", s.source.path}};
  for (const auto& [key, value] : s.tags) {
    if (!labels.emplace(key, value).second) {
      return error(Code::invalid_argument, "invalid or duplicate tag <key> found in snapshot. ({})", key);
    }
  }
  SnapshotManifest stored = s;
  stored.id.clear();
  stored.retention_reasons.clear();
  std::sort(stored.pins.begin(), stored.pins.end());
  stored.pins.erase(std::unique(stored.pins.begin(), stored.pins.end()), stored.pins.end());
  TRY_ASSIGN(s.id, manifests.put(labels, stored.to_json(), stop), "error putting manifest");
  return s.id;
}

Status update_snapshot(manifest::ManifestManager& manifests, SnapshotManifest& s, std::stop_token stop) {
  const std::string old_id = s.id;
  TRY(save_snapshot(manifests, s, stop), "error saving snapshot");
  if (!old_id.empty()) {
    TRY(manifests.remove(old_id, stop), "error deleting old manifest");
  }
  return {};
}

Status delete_snapshot(manifest::ManifestManager& manifests, const std::string& id, std::stop_token stop) {
  return manifests.remove(id, stop);
}

std::vector<SnapshotManifest> select_previous(std::vector<SnapshotManifest> all,
                                              std::optional<Timestamp> no_later_than) {
  if (no_later_than) {
    std::erase_if(all, [&](const SnapshotManifest& s) { return s.start_time > *no_later_than; });
  }
  const SnapshotManifest* latest = nullptr;
  for (const SnapshotManifest& s : all) {
    if (s.incomplete.empty() && (latest == nullptr || s.start_time > latest->start_time)) {
      latest = &s;
    }
  }
  std::vector<SnapshotManifest> out;
  if (latest != nullptr) {
    out.push_back(*latest);
  }
  for (const SnapshotManifest& s : all) {
    if (!s.incomplete.empty() && (latest == nullptr || s.start_time > latest->start_time)) {
      out.push_back(s);
    }
  }
  return out;
}

Result<std::vector<SnapshotManifest>> previous_snapshots(manifest::ManifestManager& manifests, const SourceInfo& source,
                                                         std::optional<Timestamp> no_later_than, std::stop_token stop) {
  TRY_ASSIGN(auto all, snapshots_of(manifests, source, stop));
  return select_previous(std::move(all), no_later_than);
}

Result<std::vector<SnapshotManifest>> apply_retention(manifest::ManifestManager& manifests, const SourceInfo& source,
                                                      bool remove, std::stop_token stop) {
  TRY_ASSIGN(auto all, snapshots_of(manifests, source, stop));
  TRY_ASSIGN(const EffectivePolicy effective, effective_policy(manifests, source, stop), "error getting policy of {}",
             source.text());
  compute_retention_reasons(effective.policy.retention, all);
  std::erase_if(all, [](const SnapshotManifest& s) { return !is_expired(s); });
  if (remove) {
    for (const SnapshotManifest& s : all) {
      TRY(delete_snapshot(manifests, s.id, stop), "error deleting manifest {}", s.id);
    }
  }
  return all;
}

bool update_pins(SnapshotManifest& s, const std::vector<std::string>& add, const std::vector<std::string>& remove) {
  std::set<std::string> pins(s.pins.begin(), s.pins.end());
  bool changed = false;
  for (const std::string& pin : add) {
    changed |= pins.insert(pin).second;
  }
  for (const std::string& pin : remove) {
    changed |= pins.erase(pin) > 0;
  }
  s.pins.assign(pins.begin(), pins.end());
  return changed;
}

std::vector<std::string> path_and_parents(const std::string& path) {
  std::vector<std::string> out{path};
  while (true) {
    std::string parent = parent_path(out.back());
    if (parent.empty() || parent.size() >= out.back().size()) {
      return out;
    }
    out.push_back(std::move(parent));
  }
}

}  // namespace cairn::snapshot
