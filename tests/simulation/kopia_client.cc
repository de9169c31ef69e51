#include "tests/simulation/kopia_client.h"

#include <algorithm>
#include <set>

#include "base/random.h"
#include "content/session.h"
#include "index/epoch_sets.h"
#include "maintenance/parameters.h"
#include "maintenance/schedule.h"
#include "snapshot/directory.h"
#include "snapshot/store.h"

namespace cairn::simulation {
namespace {

using maintenance::Run;
using maintenance::Schedule;

// §11.4, "full".
constexpr Duration kRewriteMinAge = hours(2);
constexpr Duration kMinContentAge = hours(24);
constexpr Duration kMarginBetweenGc = hours(4);
constexpr Duration kDropExtraMargin = hours(1);
constexpr Duration kPackDeleteMinAge = hours(24);
constexpr Duration kSessionExpiration = hours(96);
constexpr Duration kRewriteToDelete = hours(1);
constexpr Duration kSkewMax = minutes(5);
constexpr std::int64_t kShortPackPercent = 60;

class MaintenanceRun {
 public:
  MaintenanceRun(KopiaProcess& p, const maintenance::Parameters& parameters, const std::function<void()>& before_marks)
      : p_(p), parameters_(parameters), before_marks_(before_marks) {}
  Status claim(bool full);
  Status full();
  Status quick();

 private:
  Status task(std::string_view name, const std::function<Status()>& work);
  std::optional<Timestamp> last(std::initializer_list<std::string_view> tasks) const {
    return schedule_.last_success(tasks);
  }
  std::optional<Timestamp> safe_drop_time() const;
  Timestamp now() const { return p_.clock().now(); }
  KopiaContents& contents() { return p_.contents(); }
  KopiaIndex& index() { return p_.contents().index(); }
  Status all_entries(const std::function<Status(const content::ContentInfo&)>& fn) {
    return contents().iterate({.first = {}, .last = {}, .include_deleted = true}, fn, {});
  }

  Status snapshot_gc();
  Status rewrite();
  Status delete_blobs();
  Status compact_single();
  Status advance();
  Status compact_range();
  Status clean_markers();
  Status delete_superseded();
  Status publish(const KopiaIndex::Blobs& inputs, const std::string& prefix);
  std::optional<Timestamp> cleanup_limit(const KopiaIndex::State& s);

  KopiaProcess& p_;
  const maintenance::Parameters& parameters_;
  const std::function<void()>& before_marks_;
  Schedule schedule_;
  Timestamp start_;  // by the storage's clock
};

Status MaintenanceRun::claim(bool full) {
  TRY_ASSIGN(schedule_, maintenance::load_schedule(p_.storage(), p_.format(), {}));
  if (full) {
    schedule_.next_full = now() + parameters_.full.interval;
  }
  schedule_.next_quick = now() + parameters_.quick.interval;
  TRY_ASSIGN(start_, maintenance::save_schedule(p_.storage(), p_.format(), schedule_, {}));
  if (std::abs((start_ - now()).ns) > kSkewMax.ns) {
    return error(Code::failed_precondition, "clock skew");
  }
  return contents().refresh({});
}

// The record is written over what is there; a failure to write it is nothing.
Status MaintenanceRun::task(std::string_view name, const std::function<Status()>& work) {
  Run run;
  run.start = now();
  Status done = work();
  run.end = now();
  run.success = done.ok();
  run.error = done.ok() ? "" : done.message();
  if (auto fresh = maintenance::load_schedule(p_.storage(), p_.format(), {}); fresh.ok()) {
    schedule_ = std::move(*fresh);
    schedule_.add(name, std::move(run));
    (void)maintenance::save_schedule(p_.storage(), p_.format(), schedule_, {});
  }
  return done;
}

std::optional<Timestamp> MaintenanceRun::safe_drop_time() const {
  const auto runs = schedule_.runs.find(std::string(maintenance::kSnapshotGc));
  const Run* newest = nullptr;
  for (const Run& r : runs == schedule_.runs.end() ? std::vector<Run>() : runs->second) {
    if (r.success && newest != nullptr && newest->start - r.end > kMarginBetweenGc) {
      return r.start - kDropExtraMargin;
    }
    newest = r.success && newest == nullptr ? &r : newest;
  }
  return std::nullopt;
}

// §11.5. Manifests that cannot be parsed are skipped; marks go to the places this process knows.
Status MaintenanceRun::snapshot_gc() {
  std::set<ContentId> used;
  TRY_ASSIGN(const auto snapshots, snapshot::list_snapshots(p_.manifests(), {}, {}));
  const std::function<Status(const object::ObjectId&)> walk = [&](const object::ObjectId& id) -> Status {
    TRY(p_.objects().verify(id,
                            [&](const ContentId& c) {
                              used.insert(c);
                              return Status();
                            },
                            {}));
    if (!id.is_directory()) {
      return {};
    }
    TRY_ASSIGN(const Buffer text, p_.objects().read_all(id, 1 << 20, {}));
    TRY_ASSIGN(const snapshot::Directory d, snapshot::parse_directory(text.text()));
    for (const snapshot::DirEntry& e : d.entries) {
      TRY(walk(e.obj));
    }
    return {};
  };
  for (const snapshot::SnapshotManifest& m : snapshots) {
    TRY(walk(m.root->obj));
  }
  std::vector<content::ContentInfo> all;
  TRY(all_entries([&](const content::ContentInfo& i) {
    all.push_back(i);
    return Status();
  }));
  before_marks_();
  for (const content::ContentInfo& i : all) {
    if (i.id.prefix == 'm') {
      continue;
    }
    if (used.contains(i.id)) {
      if (i.deleted) {
        TRY_ASSIGN(const Buffer plain, contents().read(i.id, {}));
        TRY(contents().write(plain.view(), static_cast<char>(i.id.prefix), 0, {}));
      }
    } else if (!i.deleted && start_ - Timestamp::from_seconds(i.timestamp_seconds) >= kMinContentAge) {
      TRY(contents().remove(i.id, {}));
    }
  }
  return p_.flush();
}

Status MaintenanceRun::rewrite() {
  const std::int64_t limit = p_.format().current()->max_pack_size * kShortPackPercent / 100;
  std::map<std::string, std::int64_t> size;
  std::vector<content::ContentInfo> all;
  TRY(all_entries([&](const content::ContentInfo& i) {
    size[i.pack.text] += i.packed_length;
    all.push_back(i);
    return Status();
  }));
  std::map<char, int> short_packs;
  for (const auto& [pack, bytes] : size) {
    short_packs[pack.front()] += bytes < limit ? 1 : 0;
  }
  for (const content::ContentInfo& i : all) {
    const bool moves = size[i.pack.text] < limit && short_packs[i.pack.text.front()] > 1;
    if (moves && start_ - Timestamp::from_seconds(i.timestamp_seconds) >= kRewriteMinAge) {
      TRY(contents().rewrite(i.id, {}));
    }
  }
  return contents().flush({});
}

Status MaintenanceRun::delete_blobs() {
  std::set<std::string> referenced;
  TRY(all_entries([&](const content::ContentInfo& i) {
    referenced.insert(i.pack.text);
    return Status();
  }));
  const Timestamp cut_off = start_ + seconds(1);
  TRY_ASSIGN(const auto sessions, content::list_sessions(p_.storage(), contents().crypto(), {}));
  for (const char* prefix : {"p", "q", "s"}) {
    TRY_ASSIGN(const auto blobs, p_.storage().list_all(prefix, {}));
    for (const blob::BlobMetadata& b : blobs) {
      const bool live = std::ranges::any_of(sessions, [&](const content::SessionInfo& s) {
        return b.id.text.find("-" + s.id) != std::string::npos && cut_off - s.checkpoint_time < kSessionExpiration;
      });
      const bool young = b.timestamp > cut_off || cut_off - b.timestamp < kPackDeleteMinAge;
      if (!referenced.contains(b.id.text) && !young && !live) {
        TRY(p_.storage().remove(b.id, {}));
      }
    }
  }
  return {};
}

Status MaintenanceRun::publish(const KopiaIndex::Blobs& inputs, const std::string& prefix) {
  index::IndexBuilder merged;
  for (const blob::BlobMetadata& b : inputs) {
    TRY_ASSIGN(const auto reader, index().load(b.id));
    for (std::size_t i = 0; i < reader->size(); ++i) {
      TRY_ASSIGN(const index::Entry e, reader->at(i));
      merged.add(e);
    }
  }
  TRY_ASSIGN(const std::vector<Buffer> shards, merged.build(index().version()));
  const std::string suffix = fmt::format("s{}-c{}", random_hex(8), shards.size());
  for (const Buffer& shard : shards) {
    TRY_ASSIGN(const auto sealed, index().crypto().seal_blob(prefix, suffix, shard.view()));
    TRY(index().put(sealed.id, sealed.data.view()));
  }
  index().invalidate();
  return {};
}

// §9.8: one epoch a run, the lowest that neither the chain nor the run of sets above it covers.
Status MaintenanceRun::compact_single() {
  TRY_ASSIGN(const KopiaIndex::State s, index().state());
  std::int64_t e = s.ranges.empty() ? 0 : s.ranges.back().max + 1;
  while (s.singles.contains(e)) {
    ++e;
  }
  if (!index::is_settled(e, s.write_epoch)) {
    return {};
  }
  TRY_ASSIGN(const KopiaIndex::Blobs inputs, index().list("xn" + std::to_string(e) + "_"));
  return inputs.empty() ? Status() : publish(inputs, "xs" + std::to_string(e) + "_");
}

Status MaintenanceRun::advance() {
  TRY_ASSIGN(const KopiaIndex::State s, index().state());
  const auto blobs = s.uncompacted.find(s.write_epoch);
  if (blobs != s.uncompacted.end() && index::should_advance(blobs->second, index().parameters())) {
    TRY(index().put(BlobId("xe" + std::to_string(s.write_epoch + 1)), as_bytes(std::string_view("epoch-marker"))));
    index().invalidate();
  }
  return {};
}

Status MaintenanceRun::compact_range() {
  TRY_ASSIGN(const KopiaIndex::State s, index().state());
  const std::int64_t first = s.ranges.empty() ? 0 : s.ranges.back().max + 1;
  const std::int64_t last = s.write_epoch - 2;
  if (last - first < index().parameters().full_checkpoint_frequency) {
    return {};
  }
  TRY_ASSIGN(const KopiaIndex::Blobs inputs, index().of_epochs(s, first, last));
  if (now() >= s.valid_until) {
    return error(Code::unavailable, "the state of the epochs ran out");
  }
  return publish(inputs, fmt::format("xr{}_{}_", first, last));
}

std::optional<Timestamp> MaintenanceRun::cleanup_limit(const KopiaIndex::State& s) {
  std::optional<Timestamp> newest;
  for (const auto& [epoch, blobs] : s.uncompacted) {
    for (const blob::BlobMetadata& b : blobs) {
      newest = std::max(newest.value_or(b.timestamp), b.timestamp);
    }
  }
  return newest ? std::optional(*newest - index().parameters().cleanup_safety_margin) : std::nullopt;
}

Status MaintenanceRun::clean_markers() {
  TRY_ASSIGN(const KopiaIndex::State s, index().state());
  const auto limit = cleanup_limit(s);
  for (const blob::BlobMetadata& b : s.markers) {
    const auto epoch = index::epoch_of(b.id.text);
    if (epoch && *epoch < s.write_epoch - 1) {
      TRY(index().remove(b.id));
    }
  }
  for (const blob::BlobMetadata& b : s.watermarks) {
    const auto time = index::watermark_of(b.id.text);
    if (limit && time && time->unix_seconds() != s.watermark && b.timestamp < *limit) {
      TRY(index().remove(b.id));
    }
  }
  return {};
}

Status MaintenanceRun::delete_superseded() {
  TRY_ASSIGN(const KopiaIndex::State s, index().state());
  const auto limit = cleanup_limit(s);
  if (!limit) {
    return {};
  }
  TRY_ASSIGN(const KopiaIndex::Blobs all, index().list("xn"));
  for (const blob::BlobMetadata& b : all) {
    const auto epoch = index::epoch_of(b.id.text);
    const auto single = epoch ? s.singles.find(*epoch) : s.singles.end();
    if (single == s.singles.end() || !index::is_settled(*epoch, s.write_epoch)) {
      continue;
    }
    const auto newest = std::ranges::max_element(single->second, {}, &blob::BlobMetadata::timestamp);
    if (newest->timestamp < *limit) {
      TRY(index().remove(b.id));
    }
  }
  return {};
}

Status MaintenanceRun::full() {
  TRY(task(maintenance::kSnapshotGc, [&] { return snapshot_gc(); }));
  const auto rewritten = last({maintenance::kFullRewrite});
  const auto deleted = last({maintenance::kQuickDeleteBlobs, maintenance::kFullDeleteBlobs});
  if (!rewritten || (deleted && *deleted >= *rewritten)) {
    TRY(task(maintenance::kFullRewrite, [&] { return rewrite(); }));
  }
  if (const auto drop = safe_drop_time()) {
    TRY(task(maintenance::kDropDeleted, [&]() -> Status {
      TRY_ASSIGN(const KopiaIndex::State s, index().state());
      if (drop->unix_seconds() > s.watermark) {
        TRY(index().put(BlobId("xw" + std::to_string(drop->unix_seconds())),
                        as_bytes(std::string_view("deletion-watermark"))));
      }
      return contents().refresh({});
    }));
  }
  const auto moved = last({maintenance::kQuickRewrite, maintenance::kFullRewrite});
  if (!moved || now() >= *moved + kRewriteToDelete) {
    TRY(task(maintenance::kFullDeleteBlobs, [&] { return delete_blobs(); }));
  }
  TRY(task(maintenance::kCompactSingle, [&] { return compact_single(); }));
  TRY(task(maintenance::kAdvanceEpoch, [&] { return advance(); }));
  TRY(task(maintenance::kCompactRange, [&] { return compact_range(); }));
  TRY(task(maintenance::kCleanupMarkers, [&] { return clean_markers(); }));
  TRY(task(maintenance::kDeleteSuperseded, [&] { return delete_superseded(); }));
  return task(maintenance::kCleanupLogs, [] { return Status(); });
}

Status MaintenanceRun::quick() {
  TRY(task(maintenance::kCompactSingle, [&] { return compact_single(); }));
  return task(maintenance::kAdvanceEpoch, [&] { return advance(); });
}

}  // namespace

Result<std::unique_ptr<KopiaProcess>> KopiaProcess::open(std::shared_ptr<blob::Storage> storage,
                                                         std::string_view password, const Clock& clock,
                                                         KopiaCache* cache, KopiaContents::Options options) {
  std::unique_ptr<KopiaProcess> p(new KopiaProcess(clock));
  p->identity_ = options.username + '@' + options.hostname;
  format::FormatManager::Options format_options;
  format_options.clock = &clock;
  TRY_ASSIGN(p->format_, format::FormatManager::open(storage, password, format_options, {}));
  TRY_ASSIGN(p->contents_, KopiaContents::open(std::move(storage), *p->format_, clock, cache, std::move(options)));
  p->objects_ = std::make_unique<object::ObjectManager>(*p->contents_, p->format_->current()->splitter);
  p->manifests_ = manifest::ManifestManager::create(*p->contents_, clock, {});
  return p;
}

Status KopiaProcess::flush() {
  TRY(manifests_->flush({}));
  return contents_->flush({});
}

Result<bool> kopia_maintenance(KopiaProcess& process, bool full, const std::function<void()>& before_marks) {
  TRY_ASSIGN(const maintenance::Parameters parameters, maintenance::load_parameters(process.manifests(), {}));
  if (parameters.owner != process.identity()) {
    return error(Code::permission_denied, "owned by another user");
  }
  TRY_ASSIGN(const Schedule due, maintenance::load_schedule(process.storage(), process.format(), {}));
  const Timestamp now = process.clock().now();
  full = full || now >= due.next_full;
  if (!full && now < due.next_quick) {
    return false;
  }
  process.contents().set_periodic_refresh(false);
  MaintenanceRun run(process, parameters, before_marks);
  TRY(run.claim(full));
  TRY(full ? run.full() : run.quick());
  return true;
}

}  // namespace cairn::simulation
