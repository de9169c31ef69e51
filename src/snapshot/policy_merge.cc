// Effective policies and their definitions (kopia-model §7.2, 7.3), policy trees (§7.5), policies in a repository.
#include <algorithm>
#include <set>

#include "base/log.h"
#include "snapshot/policy.h"
#include "snapshot/policy_fields.h"

namespace cairn::snapshot {
namespace {

constexpr bool is_unset(bool v) { return !v; }
constexpr bool is_unset(std::int64_t v) { return v == 0; }
template <class T>
bool is_unset(const std::optional<T>& v) {
  return !v.has_value();
}
template <class T>
bool is_unset(const T& v) {
  return v.empty();
}

std::string definition_key(std::string_view section, std::string_view key) {
  return std::string(section) + "." + std::string(key);
}

// Joins `from` (more general) into `into`; `source` is null for the built-in default.
void merge_one(Policy& into, const Policy& from, PolicyDefinition& definition, const SourceInfo* source) {
  const auto define = [&](std::string_view section, std::string_view key) {
    const std::string name = definition_key(section, key);
    if (source != nullptr && definition.find(name) == nullptr) {
      definition.set(name, *source);
    }
  };
  for_each_policy_field([&](std::string_view section, std::string_view key, auto access, Merge how) {
    auto& mine = access(into);
    const auto& other = access(from);
    if (how == Merge::by_type && is_unset(mine) && !is_unset(other)) {
      mine = other;
      define(section, key);
    }
  });
  const auto unite = [&](std::string_view section, std::string_view key, auto& mine, const auto& other, bool& stopped,
                         bool stop) {
    if (stopped) {
      return;
    }
    if (!other.empty()) {
      std::set all(mine.begin(), mine.end());
      all.insert(other.begin(), other.end());
      mine.assign(all.begin(), all.end());
      define(section, key);
    }
    stopped = stop;
  };
  CompressionPolicy& c = into.compression;
  SchedulingPolicy& s = into.scheduling;
  unite("scheduling", "timeOfDay", s.times_of_day, from.scheduling.times_of_day, s.no_parent_times_of_day,
        from.scheduling.no_parent_times_of_day);
  unite("compression", "onlyCompress", c.only_compress, from.compression.only_compress, c.no_parent_only_compress,
        from.compression.no_parent_only_compress);
  unite("compression", "neverCompress", c.never_compress, from.compression.never_compress, c.no_parent_never_compress,
        from.compression.no_parent_never_compress);
}

bool same_target(const PolicyRecord& r, const SourceInfo& target) { return r.target == target; }

void append_matching(std::vector<PolicyRecord>& chain, std::span<const PolicyRecord> all, const SourceInfo& target) {
  for (const PolicyRecord& r : all) {
    if (same_target(r, target)) {
      chain.push_back(r);
    }
  }
}

std::vector<PolicyRecord> chain_of(std::span<const PolicyRecord> all, const SourceInfo& source) {
  std::vector<PolicyRecord> chain;
  if (!source.path.empty()) {
    SourceInfo at = source;
    while (true) {
      append_matching(chain, all, at);
      std::string parent = parent_path(at.path);
      if (parent.empty() || parent.size() >= at.path.size()) {
        break;
      }
      at.path = std::move(parent);
    }
  }
  if (!source.user_name.empty()) {
    append_matching(chain, all, {source.host, source.user_name, ""});
  }
  if (!source.host.empty()) {
    append_matching(chain, all, {source.host, "", ""});
  }
  append_matching(chain, all, {});
  return chain;
}

Result<PolicyRecord> to_record(const manifest::Manifest& m) {
  PolicyRecord r;
  r.id = m.metadata.id;
  r.modified = m.metadata.modified;
  TRY_ASSIGN(r.target, policy_target(m.metadata.labels), "policy {}", m.metadata.id);
  auto policy = Policy::from_json(m.payload);
  if (!policy.ok()) {
    return std::move(policy).status().with_code(Code::corrupt).with_frame(fmt::format("policy {}", m.metadata.id));
  }
  r.policy = std::move(policy).value();
  return r;
}

// The path of `path` relative to `root`, nullopt unless strictly below it.
std::optional<std::string> below(const std::string& root, const std::string& path) {
  const bool windows = root.size() >= 2 && root[1] == ':';
  std::string prefix = root;
  if (!prefix.ends_with('/') && !prefix.ends_with('\\')) {
    if (path.size() <= root.size() || (path[root.size()] != '/' && path[root.size()] != '\\')) {
      return std::nullopt;
    }
    prefix += path[root.size()];
  }
  if (path.size() <= prefix.size() || !path.starts_with(prefix)) {
    return std::nullopt;
  }
  std::string rest = path.substr(prefix.size());
  if (windows) {
    std::replace(rest.begin(), rest.end(), '\\', '/');
  }
  return rest;
}

}  // namespace

const SourceInfo* PolicyDefinition::find(std::string_view key) const {
  const auto it = entries_.find(key);
  return it == entries_.end() ? nullptr : &it->second;
}

void PolicyDefinition::set(std::string_view key, const SourceInfo& target) {
  entries_.insert_or_assign(std::string(key), target);
}

Json PolicyDefinition::to_json() const {
  Json j = Json::object();
  const auto put = [&](std::string_view section, std::string_view key) {
    const SourceInfo* source = find(definition_key(section, key));
    policy_section(j, section).set(key, source_to_json(source != nullptr ? *source : SourceInfo{}));
  };
  for_each_policy_field([&](std::string_view section, std::string_view key, auto, Merge how) {
    if (how == Merge::stop_flag || how == Merge::not_merged) {
      return;
    }
    // Kopia has `cron` in front of `manual` here, unlike in the policy.
    if (key == "manual") {
      put(section, "cron");
    }
    put(section, key);
  });
  return j;
}

EffectivePolicy merge_policies(std::vector<PolicyRecord> chain, const SourceInfo& source) {
  EffectivePolicy out;
  if (chain.empty() || !same_target(chain.front(), source)) {
    PolicyRecord own;
    own.target = source;
    chain.insert(chain.begin(), std::move(own));
  }
  out.chain = std::move(chain);
  for (const PolicyRecord& r : out.chain) {
    merge_one(out.policy, r.policy, out.definition, &r.target);
    if (r.policy.no_parent) {
      return out;
    }
  }
  merge_one(out.policy, default_policy(), out.definition, nullptr);
  out.policy.actions.before_folder = out.chain.front().policy.actions.before_folder;
  out.policy.actions.after_folder = out.chain.front().policy.actions.after_folder;
  return out;
}

EffectivePolicy effective_policy(std::span<const PolicyRecord> all, const SourceInfo& source) {
  return merge_policies(chain_of(all, source), source);
}

Result<std::vector<PolicyRecord>> list_policies(manifest::ManifestManager& manifests, std::stop_token stop) {
  TRY_ASSIGN(const auto found, manifests.find_with_payload({{"type", "policy"}}, stop), "listing policies");
  std::vector<PolicyRecord> out;
  out.reserve(found.size());
  for (const auto& m : found) {
    TRY_ASSIGN(PolicyRecord r, to_record(m));
    out.push_back(std::move(r));
  }
  return out;
}

Result<EffectivePolicy> effective_policy(manifest::ManifestManager& manifests, const SourceInfo& source,
                                         std::stop_token stop) {
  TRY_ASSIGN(const auto all, list_policies(manifests, stop));
  return effective_policy(all, source);
}

Result<PolicyRecord> defined_policy(manifest::ManifestManager& manifests, const SourceInfo& target,
                                    std::stop_token stop) {
  TRY_ASSIGN(const auto found, manifests.find_with_payload(policy_labels(target), stop), "finding policy");
  if (found.empty()) {
    return error(Code::not_found, "policy not found");
  }
  return to_record(found.back());
}

Result<PolicyRecord> policy_by_id(manifest::ManifestManager& manifests, const std::string& id, std::stop_token stop) {
  TRY_ASSIGN(const auto m, manifests.get(id, stop));
  const auto type = m.metadata.labels.find("type");
  if (type == m.metadata.labels.end() || type->second != "policy") {
    return error(Code::not_found, "policy not found");
  }
  return to_record(m);
}

Result<std::string> set_policy(manifest::ManifestManager& manifests, const SourceInfo& target, const Policy& policy,
                               std::stop_token stop) {
  TRY(validate_policy(target, policy));
  TRY_ASSIGN(std::string id, manifests.replace(policy_labels(target), policy.to_json(), stop),
             "error writing policy manifest");
  return id;
}

Status remove_policy(manifest::ManifestManager& manifests, const SourceInfo& target, std::stop_token stop) {
  TRY_ASSIGN(const auto found, manifests.find(policy_labels(target), stop), "unable to load manifests");
  for (const auto& m : found) {
    TRY(manifests.remove(m.id, stop), "error deleting policy manifest");
  }
  return {};
}

// --- trees

struct PolicyTree::Node {
  std::shared_ptr<const Policy> policy;  // null: inherited
  std::map<std::string, std::shared_ptr<Node>, std::less<>> children;
};

PolicyTree PolicyTree::of(const Policy& effective) {
  PolicyTree t;
  t.policy_ = std::make_shared<const Policy>(effective);
  return t;
}

PolicyTree PolicyTree::build(std::span<const PolicyRecord> all, const SourceInfo& source) {
  PolicyTree tree = of(effective_policy(all, source).policy);
  auto root = std::make_shared<Node>();
  for (const PolicyRecord& r : all) {
    if (r.target.host != source.host || r.target.user_name != source.user_name || r.target.path.empty()) {
      continue;
    }
    const auto relative = below(source.path, r.target.path);
    if (!relative) {
      continue;
    }
    Node* at = root.get();
    std::string_view rest = *relative;
    while (!rest.empty()) {
      const std::size_t cut = std::min(rest.find('/'), rest.size());
      if (const std::string_view part = rest.substr(0, cut); !part.empty() && part != ".") {
        auto& child = at->children[std::string(part)];
        if (!child) {
          child = std::make_shared<Node>();
        }
        at = child.get();
      }
      rest.remove_prefix(std::min(cut + 1, rest.size()));
    }
    if (at != root.get()) {
      at->policy = std::make_shared<const Policy>(r.policy);
    }
  }
  tree.node_ = std::move(root);
  return tree;
}

Result<PolicyTree> PolicyTree::load(manifest::ManifestManager& manifests, const SourceInfo& source,
                                    std::stop_token stop) {
  TRY_ASSIGN(const auto all, list_policies(manifests, stop));
  return build(all, source);
}

PolicyTree PolicyTree::child(std::string_view name) const {
  if (name.empty() || name == ".") {
    return *this;
  }
  PolicyTree t;
  t.policy_ = policy_;
  t.inherited_ = true;
  if (node_) {
    if (const auto it = node_->children.find(name); it != node_->children.end()) {
      t.node_ = it->second;
      if (it->second->policy) {
        t.policy_ = it->second->policy;
        t.inherited_ = false;
      }
    }
  }
  return t;
}

}  // namespace cairn::snapshot
