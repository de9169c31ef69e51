#include "snapshot/migrate.h"

#include <algorithm>

#include "base/task_group.h"
#include "snapshot/tree_walk.h"

namespace cairn::snapshot {
namespace {

constexpr std::size_t kRulesFileSizeMax = 16u << 20;

compress::HeaderId codec_id(std::string_view name) {
  const auto* codec = compress::find_by_name(name);
  return codec != nullptr ? codec->id : compress::kNone;
}

object::WriterOptions writer_options(const Policy& policy, const DirEntry& entry) {
  object::WriterOptions options;
  options.metadata_compressor = codec_id(metadata_compressor(policy));
  if (entry.type != EntryType::symlink) {
    options.compressor = codec_id(compressor_for_file(policy.compression, entry.name, entry.size));
    options.splitter = policy.splitter_algorithm;
  }
  return options;
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

// One snapshot's tree: the policy, and with them the ignore rules, of every directory on the way.
class Migration::Tree {
 public:
  Tree(Migration& migration, const PolicyTree& policies) : migration_(migration), root_policies_(policies) {}

  TreeRewriter::NewEntry decide(const DirEntry& entry, const std::string& path, std::stop_token stop) {
    if (entry.type == EntryType::directory) {
      return enter(entry, path, std::move(stop));
    }
    PolicyTree policies = root_policies_;
    if (!path.empty()) {
      const Level& parent = level(parent_of(path));
      if (excluded(parent, entry, path)) {
        return std::optional<DirEntry>();
      }
      policies = parent.policies.child(name_of(path));
    }
    DirEntry now = entry;
    TRY_ASSIGN(now.obj, migration_.copy(entry, policies.policy(), std::move(stop)), "unable to copy {}", path);
    return std::optional<DirEntry>(std::move(now));
  }

 private:
  struct Level {
    PolicyTree policies;
    std::shared_ptr<const IgnoreContext> rules;  // null when rules do not apply
  };

  // Directories are entered by one thread, before anything in them; files only look.
  const Level& level(const std::string& path) const { return levels_.at(path); }

  static bool excluded(const Level& parent, const DirEntry& entry, const std::string& path) {
    return parent.rules && parent.rules->check({.path = '/' + path,
                                                .is_directory = entry.type == EntryType::directory,
                                                .size = entry.size}) != Inclusion::included;
  }

  TreeRewriter::NewEntry enter(const DirEntry& entry, const std::string& path, std::stop_token stop) {
    Level here{root_policies_, nullptr};
    std::shared_ptr<const IgnoreContext> above;
    if (!path.empty()) {
      const Level& parent = level(parent_of(path));
      if (excluded(parent, entry, path)) {
        return std::optional<DirEntry>();
      }
      here.policies = parent.policies.child(name_of(path));
      above = parent.rules;
    }
    if (migration_.options_.apply_ignore_rules) {
      object::ObjectManager& objects = migration_.from_.objects();
      const auto read = [&](const std::string& name) -> Result<std::optional<std::string>> {
        const auto file = find_child(objects, entry.obj, name, {}, stop);
        if (file.code() == Code::not_found || (file.ok() && file->type != EntryType::file)) {
          return std::optional<std::string>();
        }
        TRY(file);
        TRY_ASSIGN(const Buffer text, objects.read_all(file->obj, kRulesFileSizeMax, stop));
        return std::optional<std::string>(text.text());
      };
      TRY_ASSIGN(here.rules,
                 IgnoreContext::enter(above, path.empty() ? path : '/' + path, here.policies.defined_policy(), read));
    }
    levels_.insert_or_assign(path, std::move(here));
    return std::optional<DirEntry>(entry);
  }

  Migration& migration_;
  const PolicyTree root_policies_;
  std::map<std::string, Level> levels_;
};

Migration::Migration(repo::Repository& from, repo::Repository& to, MigrateOptions options, Callbacks callbacks)
    : from_(from), to_(to), options_(options), callbacks_(std::move(callbacks)) {}

Result<object::ObjectId> Migration::copy(const DirEntry& entry, const Policy& policy, std::stop_token stop) {
  std::string key = entry.obj.text();
  {
    const std::scoped_lock lock(mutex_);
    if (const auto it = copied_.find(key); it != copied_.end()) {
      return it->second;
    }
  }
  const auto writer = to_.objects().new_writer(writer_options(policy, entry));
  Status read = from_.objects().read(
      entry.obj, [&](ByteView bytes) { return writer->write(bytes, stop); }, stop);
  if (!read.ok()) {
    return read.is(Code::cancelled) ? read : explain_object_error(from_.objects(), entry.obj, std::move(read), stop);
  }
  TRY_ASSIGN(object::ObjectId id, writer->result(stop));
  if (callbacks_.on_file) {
    callbacks_.on_file(entry.size);
  }
  const std::scoped_lock lock(mutex_);
  copied_.emplace(std::move(key), id);
  return id;
}

Status Migration::migrate_one(const SnapshotManifest& snapshot, const PolicyTree& policies, std::stop_token stop) {
  Tree tree(*this, policies);
  TreeRewriter rewriter(
      from_.objects(), to_.objects(),
      {.parallel = options_.parallel != 0 ? options_.parallel : cpu_count(),
       .metadata_compressor = codec_id(metadata_compressor(policies.policy())),
       .memoise = false},
      {.decide = [&](const DirEntry& e, const std::string& path,
                     std::stop_token t) { return tree.decide(e, path, std::move(t)); },
       .on_unreadable = [](const DirEntry&, const std::string& path, const Status& problem) -> TreeRewriter::NewEntry {
         return Status(problem).with_frame("unable to copy directory \"" + path + '"');
       }});
  TRY_ASSIGN(std::optional<DirEntry> root, rewriter.rewrite(*snapshot.root, stop));
  SnapshotManifest copy = snapshot;
  copy.id.clear();
  copy.root = std::move(*root);
  const std::stop_token never;
  TRY(save_snapshot(to_.manifests(), copy, never), "cannot save manifest");
  TRY(to_.flush(never), "error flushing writer");
  if (callbacks_.on_saved) {
    callbacks_.on_saved(copy);
  }
  return {};
}

Status Migration::learn(const DirEntry& from, const DirEntry& to, std::stop_token stop) {
  if (stop.stop_requested()) {
    return error(Code::cancelled, "cancelled");
  }
  if (from.type != EntryType::directory) {
    const std::scoped_lock lock(mutex_);
    copied_.emplace(from.obj.text(), to.obj);
    return {};
  }
  {
    const std::scoped_lock lock(mutex_);
    if (!copied_.emplace(from.obj.text(), to.obj).second) {
      return {};
    }
  }
  std::unordered_map<std::string, DirEntry> twins;
  const auto collect = [&](const DirEntryView& e) -> Status {
    twins.insert_or_assign(std::string(e.name), e.to_entry());
    return {};
  };
  if (!for_each_child(to_.objects(), to.obj, collect, {}, stop).ok()) {
    return {};
  }
  // Pairs first: no directory is held open while those below it are read.
  std::vector<std::pair<DirEntry, DirEntry>> below;
  const auto pair = [&](const DirEntryView& e) -> Status {
    const auto twin = twins.find(std::string(e.name));
    if (twin == twins.end()) {
      return {};
    }
    const DirEntry& there = twin->second;
    if (e.type == there.type && e.mtime == there.mtime && (e.type == EntryType::directory || e.size == there.size)) {
      below.emplace_back(e.to_entry(), there);
    }
    return {};
  };
  (void)for_each_child(from_.objects(), from.obj, pair, {}, stop).ok();
  twins.clear();
  for (const auto& [a, b] : below) {
    TRY(learn(a, b, stop));
  }
  return {};
}

Status Migration::migrate(const SourceInfo& source, std::stop_token stop) {
  TRY_ASSIGN(auto snapshots, snapshots_of(from_.manifests(), source, stop));
  std::erase_if(snapshots, [](const SnapshotManifest& s) { return !s.incomplete.empty() || !s.root; });
  if (options_.latest_only && snapshots.size() > 1) {
    snapshots.erase(snapshots.begin(), snapshots.end() - 1);
  }
  return migrate(source, snapshots, std::move(stop));
}

Status Migration::migrate(const SourceInfo& source, const std::vector<SnapshotManifest>& snapshots,
                          std::stop_token stop) {
  TRY_ASSIGN(const auto present, snapshots_of(to_.manifests(), source, stop));
  TRY_ASSIGN(const PolicyTree policies, PolicyTree::load(to_.manifests(), source, stop), "unable to get policy tree");
  Status first;
  for (const SnapshotManifest& snapshot : snapshots) {
    const bool already = std::ranges::any_of(present, [&](const SnapshotManifest& p) {
      return p.incomplete.empty() && p.start_time == snapshot.start_time;
    });
    callbacks_.on_snapshot(snapshot, already);
    if (already) {
      continue;
    }
    Status status = migrate_one(snapshot, policies, stop);
    if (status.is(Code::cancelled)) {
      return status;
    }
    if (!status.ok()) {
      callbacks_.on_error(snapshot, status);
      first = first.ok() ? std::move(status) : std::move(first);
    }
  }
  return first;
}

}  // namespace cairn::snapshot
