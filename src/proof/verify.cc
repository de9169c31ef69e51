#include "proof/verify.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "base/task_group.h"
#include "content/recover.h"
#include "proof/checked_view.h"
#include "proof/tree_fold.h"
#include "snapshot/types.h"

namespace cairn::proof {
namespace {

constexpr std::int64_t kSaveIntervalNs = 15'000'000'000;
constexpr std::int64_t kLostMax = 1'000'000;
// A reading later than this by our clock is not believed.
constexpr std::int64_t kClockSkewSeconds = 300;

class Survey {
 public:
  Survey(repo::Repository& repository, std::shared_ptr<blob::Storage> storage, const VerifyOptions& options,
         const VerifyCallbacks& callbacks)
      : repository_(repository), storage_(std::move(storage)), options_(options), callbacks_(callbacks) {}

  Result<VerifyReport> run(std::stop_token stop) {
    report_.time = repository_.clock().now();
    TRY(check_indexes(stop));
    TRY(load_units(stop));
    TRY(read_packs(stop));
    TRY(blame_packs(stop));
    TRY(load_snapshots(stop));
    TRY(walk(stop));
    TRY(find_lost(stop));
    finish();
    return std::move(report_);
  }

 private:
  struct Tree {
    snapshot::SnapshotManifest manifest;
    std::size_t proof;  // in report_.snapshots
  };
  using DamageNumber = std::uint32_t;

  Status check_indexes(std::stop_token stop);
  Status load_units(std::stop_token stop);
  void apply_ledger();
  std::vector<std::uint32_t> choose_packs() const;
  Status read_packs(std::stop_token stop);
  Status on_read(std::uint32_t number, Verdict&& verdict);
  Status save_ledger();
  Status blame_packs(std::stop_token stop);
  Status load_snapshots(std::stop_token stop);
  Status check_manifest_contents(bool& all_good, std::stop_token stop);
  Status walk(std::stop_token stop);
  Status explain(const Tree& tree, TreeFold& fold, std::stop_token stop);
  Status explain_object(const object::ObjectId& id, std::vector<DamageNumber>& out, std::stop_token stop);
  void touch(DamageNumber damage, const snapshot::SnapshotManifest& m, const std::string& path);
  Status find_lost(std::stop_token stop);
  void finish();

  DamageNumber add(DamageKind kind, std::string subject, std::string detail);
  std::optional<DamageNumber> damage_of(const content::ContentInfo& info) const;
  Result<Fold> fold_content(const ContentId& id, std::stop_token stop);

  content::ContentManager& contents() { return *checked_.view.contents; }
  std::int64_t now_seconds() const { return repository_.clock().now().unix_seconds(); }

  repo::Repository& repository_;
  const std::shared_ptr<blob::Storage> storage_;
  const VerifyOptions& options_;
  const VerifyCallbacks& callbacks_;
  VerifyReport report_;
  CheckedView checked_;
  Units units_;
  std::vector<std::pair<std::uint32_t, Verdict>> failures_;
  std::int64_t last_saved_ns_ = 0;
  std::map<std::uint32_t, DamageNumber> bad_packs_;  // whole, or from a length on (short)
  std::unordered_map<ContentId, DamageNumber> bad_contents_;
  std::vector<Tree> trees_;
  Fold common_;  // what every snapshot needs
  bool any_manifests_ = false;
  std::mutex mutex_;  // lost contents and unreadable objects, while the trees are walked
  std::map<object::ObjectId, DamageNumber> unreadable_;
  std::optional<DamageNumber> missing_contents_;
};

Survey::DamageNumber Survey::add(DamageKind kind, std::string subject, std::string detail) {
  Damage d;
  d.kind = kind;
  if (kind == DamageKind::missing_pack || kind == DamageKind::corrupt_pack) {
    d.pack = BlobId(subject);
  }
  d.subject = std::move(subject);
  d.detail = std::move(detail);
  report_.damages.push_back(std::move(d));
  return static_cast<DamageNumber>(report_.damages.size() - 1);
}

Status Survey::check_indexes(std::stop_token stop) {
  TRY_ASSIGN(checked_, open_checked_view(repository_, storage_, options_.parallel, stop));
  for (const CheckedView::BadIndex& bad : checked_.bad) {
    add(DamageKind::index_blob, bad.id.text, bad.why);
  }
  return {};
}

Status Survey::load_units(std::stop_token stop) {
  // What seems lost may have been moved by another client between the two looks: then the next pair agrees.
  for (const bool again : {false, true}) {
    TRY_ASSIGN(units_, Units::load(contents(), checked_.index_blobs, stop));
    const bool doubt = std::ranges::any_of(
        units_.all(), [](const Unit& u) { return u.in_use() && !u.is_index && (u.missing() || u.short_of()); });
    if (!doubt || again) {
      break;
    }
    TRY(contents().refresh(stop));
  }
  for (Unit& u : units_.all()) {
    if (u.is_index) {
      u.last_read = report_.time.unix_seconds();
    }
  }
  report_.read = {std::ssize(checked_.index_blobs) + std::ssize(checked_.bad), checked_.bytes_read};
  return {};
}

void Survey::apply_ledger() {
  const std::int64_t latest = now_seconds() + kClockSkewSeconds;
  for (Unit& u : units_.all()) {
    const LedgerRow* row = options_.ledger->find(u.id.text);
    if (row == nullptr || u.is_index || row->length != u.length || row->timestamp_ns != u.timestamp.ns) {
      continue;
    }
    u.failed = row->failed;
    if (!row->failed && row->contents >= std::int64_t{u.contents} && row->read_at <= latest) {
      u.last_read = row->read_at;
    }
  }
}

// Failed ones first, then those never read, then by age.
std::vector<std::uint32_t> Survey::choose_packs() const {
  const std::vector<Unit>& all = units_.all();
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    if (!all[i].is_index && all[i].in_use() && !all[i].missing()) {
      order.push_back(i);
    }
  }
  std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
    return std::tuple(!all[a].failed, all[a].last_read, a) < std::tuple(!all[b].failed, all[b].last_read, b);
  });
  if (options_.byte_budget > 0) {
    std::int64_t sum = 0;
    std::size_t n = 0;
    while (n < order.size() && (n == 0 || sum + all[order[n]].length <= options_.byte_budget)) {
      sum += all[order[n++]].length;
    }
    order.resize(n);
  }
  return order;
}

Status Survey::save_ledger() {
  last_saved_ns_ = monotonic_ns();
  const std::int64_t started = report_.time.unix_seconds();
  const std::int64_t latest = now_seconds() + kClockSkewSeconds;
  return options_.ledger->save([&](const std::string& blob, const LedgerRow& row) {
    if (row.read_at > latest) {
      return false;
    }
    const std::int64_t n = units_.find(blob);
    // A pack that another process has found and read meanwhile is not known here.
    return n >= 0 ? units_.all()[static_cast<std::size_t>(n)].in_use() : row.read_at >= started;
  });
}

Status Survey::on_read(std::uint32_t number, Verdict&& verdict) {
  Unit& u = units_.all()[number];
  ++report_.read.blobs;
  report_.read.bytes += verdict.bytes;
  u.failed = !verdict.good();
  u.last_read = u.failed ? kNever : now_seconds();
  if (options_.ledger != nullptr && !verdict.gone) {
    options_.ledger->record(
        u.id.text, {u.length, u.timestamp.ns, verdict.contents, u.failed ? now_seconds() : u.last_read, u.failed});
    if (monotonic_ns() - last_saved_ns_ > kSaveIntervalNs) {
      TRY(save_ledger());
    }
  }
  if (u.failed) {
    failures_.emplace_back(number, std::move(verdict));
  }
  if (callbacks_.on_read) {
    callbacks_.on_read(report_.read);
  }
  return {};
}

Status Survey::read_packs(std::stop_token stop) {
  if (options_.read == ReadPacks::none) {
    return {};
  }
  if (options_.ledger != nullptr) {
    apply_ledger();
  }
  const std::vector<std::uint32_t> order = choose_packs();
  if (callbacks_.on_chosen) {
    ReadCount chosen;
    for (const std::uint32_t n : order) {
      ++chosen.blobs;
      chosen.bytes += units_.all()[n].length;
    }
    callbacks_.on_chosen(chosen);
  }
  const std::int64_t started = monotonic_ns();
  last_saved_ns_ = started;
  bool first = true;
  ReadOptions reading;
  reading.parallel = options_.parallel;
  reading.go_on = [&](const Unit&) {
    const bool over = options_.time_budget.ns > 0 && monotonic_ns() - started >= options_.time_budget.ns;
    return std::exchange(first, false) || !over;
  };
  const auto each = [&](std::uint32_t n, Verdict&& v, ByteView) { return on_read(n, std::move(v)); };
  const Status read = read_units(contents(), units_, order, reading, each, stop);
  if (options_.ledger != nullptr) {
    const Status saved = save_ledger();
    TRY(read);
    TRY(saved);
  }
  return read;
}

// Packs that are missing, short or not good, unless others have emptied them meanwhile.
Status Survey::blame_packs(std::stop_token stop) {
  if (!failures_.empty()) {
    TRY(contents().refresh(stop));
    TRY(units_.recount(contents(), stop));
  }
  for (auto& [number, verdict] : failures_) {
    Unit& u = units_.all()[number];
    if (verdict.gone) {
      u.length = -1;
      continue;
    }
    std::erase_if(verdict.bad, [&](const Verdict::Bad& b) {
      const auto info = contents().info(b.id, stop);
      return !info.ok() || info->pack != u.id;
    });
    if (verdict.good()) {
      continue;
    }
    std::string why = verdict.problem;
    if (!verdict.bad.empty()) {
      const Verdict::Bad& b = verdict.bad.front();
      why = fmt::format("{} contents are damaged, the first is {}: {}", verdict.bad.size(), b.id.text(), b.why);
    } else if (why.empty()) {
      why = fmt::format("{} contents that no index names any more are damaged", verdict.bad_other);
    }
    const DamageNumber d = add(DamageKind::corrupt_pack, u.id.text, std::move(why));
    report_.damages[d].contents = std::ssize(verdict.bad);
    for (const Verdict::Bad& b : verdict.bad) {
      bad_contents_.emplace(b.id, d);
    }
  }
  for (std::uint32_t i = 0; i < units_.all().size(); ++i) {
    const Unit& u = units_.all()[i];
    if (!u.in_use() || u.is_index) {
      continue;
    }
    if (u.missing()) {
      const DamageNumber d = add(DamageKind::missing_pack, u.id.text, "it is not in the storage");
      report_.damages[d].contents = u.contents;
      bad_packs_.emplace(i, d);
    } else if (u.short_of()) {
      bad_packs_.emplace(i, add(DamageKind::corrupt_pack, u.id.text,
                                fmt::format("it has {} bytes, its contents reach to {}", u.length, u.needed)));
    } else if (u.failed && std::ranges::find(failures_, i, [](const auto& f) { return f.first; }) == failures_.end()) {
      const DamageNumber d =
          add(DamageKind::corrupt_pack, u.id.text, "it was damaged when it was read last; this run has not read it");
      report_.damages[d].contents = u.contents;
      bad_packs_.emplace(i, d);
    }
  }
  return {};
}

std::optional<Survey::DamageNumber> Survey::damage_of(const content::ContentInfo& info) const {
  if (const auto it = bad_contents_.find(info.id); it != bad_contents_.end()) {
    return it->second;
  }
  const std::int64_t n = units_.find(info.pack.text);
  const auto it = n < 0 ? bad_packs_.end() : bad_packs_.find(static_cast<std::uint32_t>(n));
  if (it == bad_packs_.end()) {
    return std::nullopt;
  }
  const Unit& u = units_.all()[static_cast<std::size_t>(n)];
  const bool beyond = std::int64_t{info.pack_offset} + info.packed_length > u.length;
  return !u.short_of() || beyond ? std::optional(it->second) : std::nullopt;
}

Result<Fold> Survey::fold_content(const ContentId& id, std::stop_token stop) {
  const auto info = contents().info(id, std::move(stop));
  if (info.code() == Code::not_found) {
    const std::lock_guard lock(mutex_);
    if (std::ssize(report_.lost) < kLostMax) {
      report_.lost.insert(id);
    }
    return Fold{kNever, true};
  }
  TRY(info);
  if (damage_of(*info)) {
    return Fold{kNever, true};
  }
  const std::int64_t n = units_.find(info->pack.text);
  // A pack that was written since the listing has not been read.
  return Fold{n < 0 ? kNever : units_.all()[static_cast<std::size_t>(n)].last_read, false};
}

Status Survey::check_manifest_contents(bool& all_good, std::stop_token stop) {
  std::vector<content::ContentInfo> found;
  TRY(contents().iterate(
          {.first = "m", .last = "n"},
          [&](const content::ContentInfo& c) -> Status {
            found.push_back(c);
            return {};
          },
          stop),
      "error iterating contents");
  any_manifests_ = !found.empty();
  for (const content::ContentInfo& c : found) {
    TRY_ASSIGN(Fold value, fold_content(c.id, stop));
    std::optional<DamageNumber> d = damage_of(c);
    if (!d) {
      const auto bytes = contents().read(c.id, stop);
      if (bytes.code() == Code::corrupt || bytes.code() == Code::not_found) {
        d = add(DamageKind::manifest_content, c.id.text(), bytes.status().message());
        report_.damages[*d].pack = c.pack;
        value = {kNever, true};
      } else {
        TRY(bytes);
      }
    }
    if (d) {
      all_good = false;
      report_.damages[*d].touches_unknown = true;
    }
    common_.oldest = std::min(common_.oldest, value.oldest);
  }
  return {};
}

Status Survey::load_snapshots(std::stop_token stop) {
  bool all_good = true;
  TRY(check_manifest_contents(all_good, stop));
  manifest::ManifestManager* manifests = checked_.view.manifests.get();
  const auto tolerant = tolerant_manifests(checked_.view, repository_.clock());
  const manifest::Labels snapshots = {{"type", "snapshot"}};
  auto found = all_good ? manifests->find(snapshots, stop) : tolerant->find(snapshots, stop);
  if (found.code() == Code::corrupt) {
    const DamageNumber d = add(DamageKind::manifest_content, "", found.status().message());
    report_.damages[d].touches_unknown = true;
    all_good = false;
    found = tolerant->find(snapshots, stop);
  }
  TRY(found, "unable to list snapshots");
  manifests = all_good ? manifests : tolerant.get();
  for (const manifest::ManifestMetadata& m : *found) {
    auto document = manifests->get(m.id, stop);
    if (document.code() == Code::not_found) {
      continue;  // deleted meanwhile
    }
    if (!document.ok() && document.code() != Code::corrupt) {
      return std::move(document).status();
    }
    auto parsed = document.ok() ? snapshot::SnapshotManifest::from_manifest(*document)
                                : Result<snapshot::SnapshotManifest>(document.status());
    if (!parsed.ok()) {
      const DamageNumber d = add(DamageKind::snapshot_manifest, m.id, parsed.status().message());
      report_.damages[d].touched.push_back({m.id, "", m.modified, {"."}, 1});
    } else if (parsed->root) {
      report_.snapshots.push_back({parsed->id, parsed->source.text(), parsed->start_time, false, std::nullopt});
      trees_.push_back({std::move(*parsed), report_.snapshots.size() - 1});
    }
  }
  return {};
}

Status Survey::walk(std::stop_token stop) {
  if (callbacks_.on_walk) {
    callbacks_.on_walk();
  }
  for (const Unit& u : units_.all()) {
    if (u.is_index) {
      common_.oldest = std::min(common_.oldest, u.last_read);
    }
  }
  TreeFold fold(*checked_.view.objects,
                {[this](const ContentId& id, std::stop_token t) { return fold_content(id, std::move(t)); },
                 [this](const object::ObjectId& id, const Status& why) {
                   const std::lock_guard lock(mutex_);
                   if (!unreadable_.contains(id)) {
                     const DamageNumber d = add(DamageKind::unreadable_object, id.text(), why.message());
                     if (const auto info = contents().info(id.content, {}); info.ok()) {
                       report_.damages[d].pack = info->pack;
                     }
                     unreadable_.emplace(id, d);
                   }
                 }});
  std::vector<snapshot::DirEntry> roots;
  roots.reserve(trees_.size());
  for (const Tree& t : trees_) {
    roots.push_back(*t.manifest.root);
  }
  TRY(fold.run(roots, 2 * options_.parallel, stop));
  for (const Tree& t : trees_) {
    TRY_ASSIGN(Fold value, fold.of(snapshot::view_of(*t.manifest.root), stop));
    SnapshotProof& proof = report_.snapshots[t.proof];
    proof.damaged = value.damaged;
    value.oldest = std::min(value.oldest, common_.oldest);
    if (!value.damaged && value.oldest != kNever) {
      proof.oldest_read = Timestamp::from_seconds(value.oldest);
    }
    if (value.damaged) {
      TRY(explain(t, fold, stop));
    }
  }
  return {};
}

// Down through what is damaged only.
Status Survey::explain(const Tree& tree, TreeFold& fold, std::stop_token stop) {
  struct Place {
    std::string path;
    object::ObjectId id;
  };
  const snapshot::DirEntry& root = *tree.manifest.root;
  std::vector<Place> directories;
  const auto visit = [&](const snapshot::DirEntryView& e, const std::string& path) -> Status {
    std::vector<DamageNumber> damages;
    TRY(explain_object(e.obj, damages, stop));
    for (const DamageNumber d : damages) {
      touch(d, tree.manifest, path);
    }
    if (damages.empty() && e.type == snapshot::EntryType::directory) {
      directories.push_back({path, e.obj});
    }
    return {};
  };
  TRY(visit(snapshot::view_of(root), "."));
  while (!directories.empty()) {
    const Place at = std::move(directories.back());
    directories.pop_back();
    const auto child = [&](const snapshot::DirEntryView& e) -> Status {
      TRY_ASSIGN(const Fold value, fold.of(e, stop));
      const std::string path = (at.path == "." ? "" : at.path + "/") + std::string(e.name);
      return value.damaged ? visit(e, path) : Status();
    };
    TRY(snapshot::for_each_child(*checked_.view.objects, at.id, child, {}, stop));
  }
  return {};
}

Status Survey::explain_object(const object::ObjectId& id, std::vector<DamageNumber>& out, std::stop_token stop) {
  const auto note = [&](DamageNumber d) {
    if (std::ranges::find(out, d) == out.end()) {
      out.push_back(d);
    }
  };
  const auto explain_content = [&](const ContentId& content) -> Status {
    const auto info = contents().info(content, stop);
    if (info.code() == Code::not_found) {
      if (!missing_contents_) {
        missing_contents_ = add(DamageKind::missing_content, "", "");
      }
      note(*missing_contents_);
      return {};
    }
    TRY(info);
    if (const auto d = damage_of(*info)) {
      note(*d);
    }
    return {};
  };
  if (const auto it = unreadable_.find(id); it != unreadable_.end()) {
    note(it->second);
  }
  if (id.empty() || !out.empty()) {
    return {};
  }
  if (id.indirection == 0) {
    return explain_content(id.content);
  }
  object::ObjectId list = id;
  --list.indirection;
  TRY(explain_object(list, out, stop));
  if (!out.empty()) {
    return {};
  }
  return checked_.view.objects->for_each_chunk(
      id, [&](const object::IndirectEntry& e) { return explain_content(e.object.content); }, stop);
}

void Survey::touch(DamageNumber damage, const snapshot::SnapshotManifest& m, const std::string& path) {
  std::vector<TouchedSnapshot>& touched = report_.damages[damage].touched;
  if (touched.empty() || touched.back().id != m.id) {
    touched.push_back({m.id, m.source.text(), m.start_time, {}, 0});
  }
  ++touched.back().path_count;
  if (touched.back().paths.size() < kPathsMax) {
    touched.back().paths.push_back(path);
  }
}

// Do packs that no index names know the lost contents, or manifests that nobody can miss?
Status Survey::find_lost(std::stop_token stop) {
  std::vector<BlobId> found_in;
  if (!report_.lost.empty() || !checked_.bad.empty() || !any_manifests_) {
    for (const Unit& u : units_.all()) {
      if (u.in_use() || u.missing()) {
        continue;
      }
      index::IndexBuilder own;
      const auto count = content::recover_pack_index(contents().storage(), contents().crypto(),
                                                     {u.id, u.length, u.timestamp}, own, stop);
      if (count.code() != Code::corrupt && count.code() != Code::not_found) {
        TRY(count);
      }
      bool useful = false;
      TRY(own.for_each([&](const index::Entry& e) -> Status {
        useful = useful || report_.lost.contains(e.id) || e.id.prefix == 'm';
        return {};
      }));
      if (useful) {
        found_in.push_back(u.id);
      }
    }
  }
  if (!any_manifests_ && !found_in.empty() && !missing_contents_) {
    // Every repository has manifests from its first day on.
    const DamageNumber d = add(DamageKind::missing_content, "",
                               fmt::format("no index names a manifest, and {} packs hold some", found_in.size()));
    report_.damages[d].touches_unknown = true;
  }
  if (missing_contents_) {
    Damage& d = report_.damages[*missing_contents_];
    d.contents = std::ssize(report_.lost);
    d.detail = fmt::format("{} contents are referred to, and no index blob names them", d.contents);
    if (!found_in.empty()) {
      d.detail += fmt::format("; {} packs that no index names still hold some", found_in.size());
    }
  }
  for (Damage& d : report_.damages) {
    if (d.kind == DamageKind::index_blob) {
      d.touches_unknown = missing_contents_ || !found_in.empty();
      if (missing_contents_) {
        d.touched = report_.damages[*missing_contents_].touched;
      }
    }
    d.help = help_for(d, found_in);
  }
  return {};
}

void Survey::finish() {
  for (const Unit& u : units_.all()) {
    if (u.in_use() && !u.missing()) {
      ++report_.in_use.blobs;
      report_.in_use.bytes += u.length;
      if (u.last_read != kNever) {
        ++report_.read_back.blobs;
        report_.read_back.bytes += u.length;
      }
    }
  }
}

}  // namespace

Result<VerifyReport> verify_view(repo::Repository& repository, std::shared_ptr<blob::Storage> storage,
                                 const VerifyOptions& options, const VerifyCallbacks& callbacks, std::stop_token stop) {
  return Survey(repository, std::move(storage), options, callbacks).run(std::move(stop));
}

Result<VerifyReport> verify_repository(repo::Repository& repository, const VerifyOptions& options,
                                       const VerifyCallbacks& callbacks, std::stop_token stop) {
  return verify_view(repository, repository.storage_ptr(), options, callbacks, std::move(stop));
}

}  // namespace cairn::proof
