#include "tests/simulation/clients.h"

#include "maintenance/run.h"
#include "snapshot/directory.h"
#include "snapshot/freshness.h"
#include "snapshot/store.h"

namespace cairn::simulation {
namespace {

constexpr Duration kCheckpointAfter = minutes(30);
// Rule 2 of kopia-model §11.6 and the margin of 4 h between collections leave a writer of Kopia's this much.
constexpr Duration kKopiaWriterBears = hours(3);
constexpr Duration kKopiaMaintenanceFreezes = hours(2);
// Between two looks at the lease, and how old an answer may be.
constexpr Duration kLeaseSlack = seconds(30 + 60);

Timestamp file_time(std::uint64_t version) {
  return Timestamp::from_seconds(1'600'000'000 + static_cast<std::int64_t>(version));
}

}  // namespace

struct Clients::Saving {
  std::shared_ptr<ProcessStorage> storage;
  std::optional<snapshot::Freshness> fresh;  // of ours
  Timestamp since;                           // of Kopia's: the last time that what it relies on was protected
  std::optional<Timestamp> saved;
  std::set<ContentId> marked;
  bool inherits_loss = false;
};

Clients::Clients(World& world, Oracle& oracle, Outcome& outcome, unsigned count, unsigned kopia, bool tell_marks)
    : world_(world), oracle_(oracle), outcome_(outcome), count_(count), kopia_(kopia), tell_marks_(tell_marks) {
  for (unsigned i = 0; i < count; ++i) {
    clocks_.push_back(std::make_unique<SkewedClock>(world));
    files_.emplace_back(kFiles, 0);
  }
}

Result<Process> Clients::start(unsigned client) {
  Process p;
  p.client = client;
  p.storage = std::make_shared<ProcessStorage>(world_, client, *clocks_[client]);
  const snapshot::SourceInfo source = source_of(client);
  if (client == kopia_) {
    TRY_ASSIGN(p.kopia, KopiaProcess::open(p.storage, kPassword, *clocks_[client], &kopia_cache_,
                                           {.username = source.user_name, .hostname = source.host}));
    return p;
  }
  repo::ClientOptions o;
  o.hostname = source.host;
  o.username = source.user_name;
  TRY_ASSIGN(p.ours, repo::Repository::open_direct(p.storage, kPassword, o, {},
                                                   {.clock = clocks_[client].get(), .upgrade_owner_id = {}}, {}));
  return p;
}

Result<object::ObjectId> Clients::store(Process& p, ByteView data, char prefix, std::set<ContentId>& marked) {
  if (tell_marks_) {
    if (const ContentId id = p.contents().id_of(data, prefix); oracle_.marked(id)) {
      marked.insert(id);
    }
  }
  object::WriterOptions options;
  options.prefix = prefix;
  set_writing(true);
  auto id = p.objects().write(data, options, {});
  set_writing(false);
  return id;
}

Status Clients::save(Process& p, snapshot::SnapshotManifest m, const std::vector<snapshot::DirEntry>& files,
                     const std::string& incomplete, Saving& saving) {
  snapshot::DirectoryBuilder builder;
  for (const snapshot::DirEntry& f : files) {
    builder.add(f);
  }
  std::string text;
  snapshot::DirEntry root;
  root.name = "data";
  root.type = snapshot::EntryType::directory;
  root.mode = 0755;
  root.mtime = file_time(0);
  root.summ = builder.encode(root.mtime, incomplete, text);
  TRY_ASSIGN(root.obj, store(p, as_bytes(text), 'k', saving.marked));
  m.root = root;
  m.end_time = clock(p.client).now();
  m.incomplete = incomplete;
  const auto retention = [&] { return expire(p, m.source); };
  if (p.ours) {
    TRY(saving.fresh->save(*p.ours, m, retention, {}));
    saving.fresh->renew();
    return {};
  }
  TRY(snapshot::save_snapshot(p.manifests(), m, {}));
  TRY(retention());
  return p.flush();
}

Status Clients::backup(Process& p, const std::function<Duration()>& pause) {
  const std::uint64_t number = p.client;
  const Clock& mine = clock(p.client);
  snapshot::SnapshotManifest m;
  m.source = source_of(number);
  m.start_time = mine.now();
  const auto saving = std::make_shared<Saving>();
  saving->storage = p.storage;
  saving->fresh.emplace(mine);
  saving->since = world_.now();
  TRY_ASSIGN(const auto previous, snapshot::previous_snapshots(p.manifests(), m.source, std::nullopt, {}));
  std::vector<snapshot::Directory> before;
  for (const snapshot::SnapshotManifest& s : previous) {
    TRY_ASSIGN(const Buffer text, p.objects().read_all(s.root->obj, 1 << 20, {}));
    TRY_ASSIGN(snapshot::Directory d, snapshot::parse_directory(text.text()));
    before.push_back(std::move(d));
  }
  const Versions saved = files_[number];
  std::vector<snapshot::DirEntry> files;
  Timestamp flushed = mine.now();
  for (std::size_t i = 0; i < saved.size(); ++i) {
    snapshot::DirEntry e;
    e.name = "file" + std::to_string(i);
    e.type = snapshot::EntryType::file;
    e.mode = 0644;
    e.size = kFileSize;
    e.mtime = file_time(saved[i]);
    for (const snapshot::Directory& d : before) {
      const snapshot::DirEntry* old = d.find(e.name);
      if (old == nullptr || old->mtime != e.mtime || !e.obj.empty()) {
        continue;
      }
      // Kopia does not ask whether it is there, so what a store lost is passed on.
      const bool there = p.contents().info(old->obj.content, {}).code() != Code::not_found;
      if (there || p.kopia) {
        e.obj = old->obj;
        saving->inherits_loss |= !there;
      }
    }
    if (e.obj.empty()) {
      TRY_ASSIGN(e.obj, store(p, file_content(number, i, saved[i]), 0, saving->marked));
    }
    files.push_back(std::move(e));
    world_.pause(p.client, pause());
    if (mine.now() - flushed > kCheckpointAfter && i + 1 < saved.size()) {
      TRY(save(p, m, files, "checkpoint", *saving));
      flushed = mine.now();
      // Late for Kopia's rules once is late for the whole snapshot: what it took over may be gone.
      if (world_.now() - saving->since <= kKopiaWriterBears) {
        saving->since = world_.now();
      }
    }
  }
  const std::string name = Oracle::identity(m);
  const bool kopia = p.kopia != nullptr;
  oracle_.begun(name, saved, saving->marked, [this, saving, kopia] {
    const Timestamp until = saving->saved.value_or(world_.now());
    return saving->storage->was_deceived() || saving->inherits_loss ||
           (kopia && until - saving->since > kKopiaWriterBears);
  });
  TRY(save(p, m, files, "", *saving));
  saving->saved = world_.now();
  oracle_.acknowledged(name);
  ++outcome_.backups;
  return {};
}

Status Clients::expire(Process& p, const snapshot::SourceInfo& source) {
  TRY_ASSIGN(const auto going, snapshot::apply_retention(p.manifests(), source, false, {}));
  for (const snapshot::SnapshotManifest& m : going) {
    oracle_.given_up(Oracle::identity(m));
  }
  return snapshot::apply_retention(p.manifests(), source, true, {}).status();
}

Status Clients::remove_one(Process& p, const std::optional<snapshot::SourceInfo>& source) {
  snapshot::SnapshotFilter filter;
  if (source) {
    filter.source = *source;
  }
  TRY_ASSIGN(const auto all, snapshot::list_snapshots(p.manifests(), filter, {}));
  if (all.empty()) {
    return {};
  }
  const snapshot::SnapshotManifest& m = all[source ? 0 : world_.random(all.size())];
  oracle_.given_up(Oracle::identity(m));
  TRY(snapshot::delete_snapshot(p.manifests(), m.id, {}));
  return p.flush();
}

// A maintainer of ours removes nothing after another one has written the schedule.
void Clients::watch_lease(Process& p) {
  p.storage->before_remove = [this, storage = p.storage.get(), client = p.client](const BlobId& id) {
    const auto last = world_.in_place.find(std::string(maintenance::kScheduleBlob));
    if (last != world_.in_place.end() && last->second.client != client && !storage->clock_jumped() &&
        world_.now() - last->second.time > kLeaseSlack && broken.cause == Cause::none) {
      broken = {Cause::removed_by_superseded,
                fmt::format("client {} removes {} {:.0f} s after client {} has become the maintainer", client, id.text,
                            (world_.now() - last->second.time).seconds(), last->second.client)};
    }
  };
}

Status Clients::maintain(Process& p, bool full, Duration standing) {
  if (p.kopia) {
    p.storage->set_freeze_max(kKopiaMaintenanceFreezes);
    TRY_ASSIGN(const bool ran, kopia_maintenance(*p.kopia, full, [&] { world_.pause(p.client, standing); }));
    outcome_.kopia_runs += ran ? 1 : 0;
    return {};
  }
  watch_lease(p);
  maintenance::RunOptions options;
  options.mode = full ? maintenance::Mode::full : maintenance::Mode::automatic;
  if (planted() == Mistake::rewrite_races_delete) {
    options.safety.rewrite_to_delete_delay = {};
  }
  TRY_ASSIGN(const auto result, maintenance::run_maintenance(*p.ours, options, {}, {}));
  outcome_.maintenance_runs += result.mode == maintenance::Mode::none ? 0 : 1;
  return {};
}

Status Clients::take_over(Process& p) {
  TRY_ASSIGN(maintenance::Parameters parameters, maintenance::load_parameters(p.manifests(), {}));
  if (p.ours) {
    parameters.change_owner(identity(p.client), clock(p.client).now());
  } else {  // Kopia knows nothing of the members that are ours
    maintenance::Parameters plain = parameters;
    plain.former_owner.clear();
    plain.owner_since = Timestamp::zero();
    plain.owner = identity(p.client);
    parameters = plain;
  }
  TRY(maintenance::save_parameters(p.manifests(), parameters, {}));
  return p.flush();
}

Status Clients::restore(Process& p, const std::function<Duration()>& pause) {
  TRY_ASSIGN(const auto found, snapshot::list_snapshots(p.manifests(), {.source = {}, .tags = {}, .strict = true}, {}));
  const auto read = [&](const snapshot::SnapshotManifest& m) -> Status {
    TRY_ASSIGN(const Buffer text, p.objects().read_all(m.root->obj, 1 << 20, {}));
    TRY_ASSIGN(const snapshot::Directory d, snapshot::parse_directory(text.text()));
    for (const snapshot::DirEntry& e : d.entries) {
      world_.pause(p.client, pause());
      TRY(p.objects().read_all(e.obj, 1 << 20, {}).status());
    }
    return {};
  };
  for (const snapshot::SnapshotManifest& m : found) {
    if (!m.incomplete.empty()) {
      continue;
    }
    const std::string name = Oracle::identity(m);
    Status s = read(m);
    const auto gone = world_.removed.find(p.storage->last_missing());
    const bool overtaken = s.is(Code::not_found) && gone != world_.removed.end() &&
                           s.message().find(gone->first) != std::string_view::npos;
    if (overtaken && !oracle_.is_given_up(name)) {
      broken = {Cause::reader_overtaken, fmt::format("restore of {}: {}", name, s.message())};
    }
    TRY(std::move(s), "snapshot {}", name);
  }
  return {};
}

}  // namespace cairn::simulation
