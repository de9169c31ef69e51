#include "tests/simulation/history.h"

#include <set>

#include "maintenance/run.h"
#include "repo/repository.h"
#include "snapshot/directory.h"
#include "snapshot/freshness.h"
#include "snapshot/store.h"
#include "tests/simulation/replacements.h"

namespace cairn::simulation {
namespace {

constexpr std::string_view kPassword = "test-password";
constexpr int kFiles = 5;
constexpr std::uint64_t kVersions = 4;  // few, so that contents long unused come back
constexpr std::size_t kFileSize = 200;
constexpr Duration kCheckpointAfter = minutes(30);
constexpr Duration kOwnerWait = hours(26);

using Versions = std::vector<std::uint64_t>;

Bytes file_content(std::uint64_t source, std::size_t file, std::uint64_t version) {
  return test::gen_text(source * 1000 + file * 10 + version + 1, kFileSize);
}
Timestamp file_time(std::uint64_t version) {
  return Timestamp::from_seconds(1'600'000'000 + static_cast<std::int64_t>(version));
}
std::string identity(const snapshot::SnapshotManifest& m) { return m.source.text() + '@' + rfc3339(m.start_time); }

class History {
 public:
  explicit History(const HistoryOptions& options) : options_(options), world_(options.seed, options.faults) {}
  Outcome run();

 private:
  struct Process {
    std::shared_ptr<ProcessStorage> storage;
    std::unique_ptr<repo::Repository> repository;
  };
  Result<Process> start(unsigned client);
  void live(unsigned client);
  Status step(unsigned client, repo::Repository& r);

  Status backup(unsigned client, repo::Repository& r);
  Result<snapshot::DirEntry> store_directory(repo::Repository& r, const std::vector<snapshot::DirEntry>& files,
                                             const std::string& incomplete);
  Result<object::ObjectId> store(repo::Repository& r, ByteView data, char prefix);
  Status save(unsigned client, repo::Repository& r, snapshot::SnapshotManifest m,
              const std::vector<snapshot::DirEntry>& files, const std::string& incomplete, snapshot::Freshness& fresh);
  Status expire(repo::Repository& r, const snapshot::SourceInfo& source);
  Status remove_one(repo::Repository& r);
  Status maintain(unsigned client, repo::Repository& r);
  Status take_over(unsigned client, repo::Repository& r);
  Status restore(repo::Repository& r, bool complete_only);
  Status read_back(repo::Repository& r, const snapshot::SnapshotManifest& m);
  void check(const std::string& after);
  void give_up(const snapshot::SnapshotManifest& m) {
    given_up_.insert(identity(m));
    must_.erase(identity(m));
  }
  snapshot::SourceInfo source_of(std::uint64_t n) const { return {"host" + std::to_string(n), "user", "/data"}; }

  const HistoryOptions options_;
  World world_;
  Outcome outcome_;
  Timestamp end_;
  std::map<unsigned, std::unique_ptr<SkewedClock>> clocks_;
  std::map<std::uint64_t, Versions> files_;   // by source: what is on the machine
  std::map<std::string, Versions> contents_;  // of every complete snapshot whose saving was begun
  std::set<std::string> must_, given_up_;     // acknowledged; deleted by somebody, or about to be
  std::map<unsigned, Timestamp> owner_since_;
};

Outcome History::run() {
  seed_random(options_.seed * 2 + 1);
  format::CreateOptions create;
  create.unique_id = test::gen_rand(1, 32);  // one key derivation a process
  Status made = repo::create(world_.storage(), kPassword, create, {});
  if (made.ok()) {
    auto opened = repo::Repository::open_direct(world_.storage_ptr(), kPassword, {}, {},
                                                {.clock = &world_, .upgrade_owner_id = {}}, {});
    made = opened.status();
    if (made.ok()) {
      maintenance::Parameters p;
      p.owner = "user@host0";
      made = maintenance::save_parameters((*opened)->manifests(), p, {});
      snapshot::Policy policy = snapshot::default_policy();
      policy.retention = {};
      policy.retention.keep_latest = 3;
      if (made.ok()) {
        made = snapshot::set_policy((*opened)->manifests(), {}, policy, {}).status();
      }
      if (made.ok()) {
        made = (*opened)->flush({});
      }
    }
  }
  if (!made.ok()) {
    outcome_.failure = "create: " + std::string(made.message());
    return outcome_;
  }
  const Timestamp begin = world_.now();
  end_ = begin + hours(24 * options_.days);
  for (unsigned i = 0; i < options_.clients; ++i) {
    clocks_[i] = std::make_unique<SkewedClock>(world_);
    files_[i] = Versions(kFiles, 0);
  }
  world_.run(options_.clients, [this](unsigned client) { live(client); });
  check("the end");
  outcome_.simulated = world_.now() - begin;
  outcome_.trace = world_.trace_hash();
  return outcome_;
}

Result<History::Process> History::start(unsigned client) {
  Process p;
  p.storage = std::make_shared<ProcessStorage>(world_, client);
  repo::ClientOptions o;
  o.hostname = source_of(client).host;
  o.username = source_of(client).user_name;
  TRY_ASSIGN(p.repository, repo::Repository::open_direct(p.storage, kPassword, o, {},
                                                         {.clock = clocks_[client].get(), .upgrade_owner_id = {}}, {}));
  return p;
}

void History::live(unsigned client) {
  while (world_.now() < end_ && outcome_.failure.empty()) {
    world_.pause(client, minutes(static_cast<std::int64_t>(world_.random(24 * 60))));
    if (world_.chance(12)) {  // mostly small; sometimes more than maintenance accepts
      const auto range = static_cast<std::uint64_t>(minutes(world_.chance(6) ? 60 : 4).ns);
      clocks_[client]->skew =
          Duration{static_cast<std::int64_t>(world_.random(2 * range))} - Duration{static_cast<std::int64_t>(range)};
    }
    auto process = start(client);
    Status done = process.ok() ? step(client, *process->repository) : process.status();
    if (process.ok() && process->storage->dead()) {
      ++outcome_.killed;
    } else if (!done.ok()) {
      ++outcome_.failed;
    }
    check(fmt::format("a step of client {} ({})", client, done.ok() ? "done" : done.message()));
  }
}

Status History::step(unsigned client, repo::Repository& r) {
  const std::uint64_t what = world_.random(100);
  if (what < 50) {
    return backup(client, r);
  }
  if (what < 60) {
    return remove_one(r);
  }
  if (what < 64) {
    TRY(expire(r, source_of(world_.random(options_.clients))));
    return r.flush({});
  }
  if (what < 92) {
    return maintain(client, r);
  }
  return what < 94 ? take_over(client, r) : restore(r, true);
}

Result<object::ObjectId> History::store(repo::Repository& r, ByteView data, char prefix) {
  if (planted() == Mistake::reuse_of_marked) {
    const ContentId id = r.contents().id_of(data, prefix);
    if (r.contents().info(id, {}).ok()) {
      return object::ObjectId::direct(id);
    }
  }
  object::WriterOptions options;
  options.prefix = prefix;
  return r.objects().write(data, options, {});
}

Result<snapshot::DirEntry> History::store_directory(repo::Repository& r, const std::vector<snapshot::DirEntry>& files,
                                                    const std::string& incomplete) {
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
  TRY_ASSIGN(root.obj, store(r, as_bytes(text), 'k'));
  return root;
}

Status History::save(unsigned client, repo::Repository& r, snapshot::SnapshotManifest m,
                     const std::vector<snapshot::DirEntry>& files, const std::string& incomplete,
                     snapshot::Freshness& fresh) {
  TRY_ASSIGN(m.root, store_directory(r, files, incomplete));
  m.end_time = clocks_[client]->now();
  m.incomplete = incomplete;
  TRY(fresh.save(r, m, [&] { return expire(r, m.source); }, {}));
  fresh.renew();
  return {};
}

// As upload does: files that did not change are taken over from the previous snapshot unread; whatever takes long is
// saved as a checkpoint.
Status History::backup(unsigned client, repo::Repository& r) {
  const std::uint64_t number = client;
  snapshot::SnapshotManifest m;
  m.source = source_of(number);
  m.start_time = clocks_[client]->now();
  snapshot::Freshness fresh(*clocks_[client]);
  TRY_ASSIGN(const auto previous, snapshot::previous_snapshots(r.manifests(), m.source, std::nullopt, {}));
  std::vector<snapshot::Directory> before;
  for (const snapshot::SnapshotManifest& p : previous) {
    TRY_ASSIGN(const Buffer text, r.objects().read_all(p.root->obj, 1 << 20, {}));
    TRY_ASSIGN(snapshot::Directory d, snapshot::parse_directory(text.text()));
    before.push_back(std::move(d));
  }
  Versions& on_disk = files_[number];
  for (std::uint64_t& version : on_disk) {
    version = world_.chance(3) ? world_.random(kVersions) : version;
  }
  const Versions saved = on_disk;
  std::vector<snapshot::DirEntry> files;
  Timestamp flushed = clocks_[client]->now();
  for (std::size_t i = 0; i < saved.size(); ++i) {
    snapshot::DirEntry e;
    e.name = "file" + std::to_string(i);
    e.type = snapshot::EntryType::file;
    e.mode = 0644;
    e.size = kFileSize;
    e.mtime = file_time(saved[i]);
    for (const snapshot::Directory& d : before) {
      const snapshot::DirEntry* p = d.find(e.name);
      if (p != nullptr && p->mtime == e.mtime && e.obj.empty()) {
        e.obj = p->obj;
      }
    }
    if (e.obj.empty()) {
      TRY_ASSIGN(e.obj, store(r, file_content(number, i, saved[i]), 0));
    }
    files.push_back(std::move(e));
    world_.pause(client, minutes(static_cast<std::int64_t>(world_.chance(4) ? world_.random(25) : 0)));
    if (clocks_[client]->now() - flushed > kCheckpointAfter && i + 1 < saved.size()) {
      TRY(save(client, r, m, files, "checkpoint", fresh));
      flushed = clocks_[client]->now();
    }
  }
  contents_[identity(m)] = saved;
  TRY(save(client, r, m, files, "", fresh));
  // Somebody may have seen and deleted it before this client heard of its success; old by its clock, retention may
  // have.
  if (!given_up_.contains(identity(m))) {
    must_.insert(identity(m));
  }
  ++outcome_.backups;
  return {};
}

Status History::expire(repo::Repository& r, const snapshot::SourceInfo& source) {
  TRY_ASSIGN(const auto going, snapshot::apply_retention(r.manifests(), source, false, {}));
  for (const snapshot::SnapshotManifest& m : going) {
    give_up(m);
  }
  return snapshot::apply_retention(r.manifests(), source, true, {}).status();
}

Status History::remove_one(repo::Repository& r) {
  TRY_ASSIGN(const auto all, snapshot::list_snapshots(r.manifests(), {}, {}));
  if (all.empty()) {
    return {};
  }
  const snapshot::SnapshotManifest& m = all[world_.random(all.size())];
  give_up(m);
  TRY(snapshot::delete_snapshot(r.manifests(), m.id, {}));
  return r.flush({});
}

Status History::maintain(unsigned client, repo::Repository& r) {
  maintenance::RunOptions options;
  options.mode = world_.chance(3) ? maintenance::Mode::automatic : maintenance::Mode::full;
  if (planted() == Mistake::rewrite_races_delete) {
    options.safety.pack_delete_min_age = {};
    options.safety.rewrite_min_age = {};
    options.safety.rewrite_to_delete_delay = {};
  }
  options.force = planted() == Mistake::owner_change;
  const auto since = owner_since_.find(client);
  if (!options.force && since != owner_since_.end() && world_.now() - since->second < kOwnerWait) {
    return {};  // the former owner may still be at it
  }
  TRY_ASSIGN(const auto result, maintenance::run_maintenance(r, options, {}, {}));
  outcome_.maintenance_runs += result.mode == maintenance::Mode::none ? 0 : 1;
  return {};
}

Status History::take_over(unsigned client, repo::Repository& r) {
  TRY_ASSIGN(maintenance::Parameters p, maintenance::load_parameters(r.manifests(), {}));
  p.owner = maintenance::client_identity(r);
  owner_since_[client] = world_.now();
  TRY(maintenance::save_parameters(r.manifests(), p, {}));
  return r.flush({});
}

Status History::restore(repo::Repository& r, bool complete_only) {
  snapshot::SnapshotFilter all;
  all.strict = true;
  TRY_ASSIGN(const auto found, snapshot::list_snapshots(r.manifests(), all, {}));
  for (const snapshot::SnapshotManifest& m : found) {
    if (!complete_only || m.incomplete.empty()) {
      TRY(read_back(r, m), "snapshot {}", identity(m));
    }
  }
  return {};
}

Status History::read_back(repo::Repository& r, const snapshot::SnapshotManifest& m) {
  const auto known = contents_.find(identity(m));
  if (known == contents_.end() || !m.root) {
    return error(Code::corrupt, "nobody saved this snapshot");
  }
  const std::uint64_t source = static_cast<std::uint64_t>(m.source.host.back() - '0');
  TRY_ASSIGN(const Buffer text, r.objects().read_all(m.root->obj, 1 << 20, {}));
  TRY_ASSIGN(const snapshot::Directory d, snapshot::parse_directory(text.text()));
  if (d.entries.size() != known->second.size()) {
    return error(Code::corrupt, "{} files", d.entries.size());
  }
  for (std::size_t i = 0; i < d.entries.size(); ++i) {
    TRY_ASSIGN(const Buffer data, r.objects().read_all(d.entries[i].obj, 1 << 20, {}), "{}", d.entries[i].name);
    if (!std::ranges::equal(data.view(), file_content(source, i, known->second[i]))) {
      return error(Code::corrupt, "{} has other bytes", d.entries[i].name);
    }
  }
  return {};
}

// A new reader without faults sees every acknowledged snapshot, and every complete one reads back.
void History::check(const std::string& after) {
  if (!outcome_.failure.empty()) {
    return;
  }
  world_.quiet = true;
  ++outcome_.checks;
  const auto look = [&]() -> Status {
    TRY_ASSIGN(const auto r,
               repo::Repository::open_direct(world_.storage_ptr(), kPassword, {}, {},
                                             {.read_only = true, .clock = &world_, .upgrade_owner_id = {}}, {}));
    TRY_ASSIGN(const auto found,
               snapshot::list_snapshots(r->manifests(), {.source = {}, .tags = {}, .strict = true}, {}));
    std::map<std::string, bool> there;
    for (const snapshot::SnapshotManifest& m : found) {
      there[identity(m)] |= m.incomplete.empty();
    }
    for (const std::string& name : must_) {
      if (!there[name]) {
        return error(Code::not_found, "snapshot {} is not listed", name);
      }
    }
    return restore(*r, true);
  };
  const Status s = look();
  if (!s.ok()) {
    outcome_.failure = fmt::format("at {}, after {}: {}", rfc3339(world_.now()), after, s.message());
  }
  world_.quiet = false;
}

}  // namespace

Outcome run_history(const HistoryOptions& options) { return History(options).run(); }

}  // namespace cairn::simulation
