#include "tests/simulation/oracle.h"

#include <algorithm>

#include "snapshot/directory.h"
#include "snapshot/store.h"

namespace cairn::simulation {
namespace {

constexpr Duration kMarginBetweenGc = hours(4);
constexpr Duration kDropExtraMargin = hours(1);

class Quiet {
 public:
  explicit Quiet(World& world) : world_(world) { world_.quiet = true; }
  ~Quiet() { world_.quiet = false; }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  World& world_;
};

}  // namespace

Bytes file_content(std::uint64_t source, std::size_t file, std::uint64_t version) {
  return test::gen_text(source * 1000 + file * 10 + version + 1, kFileSize);
}

std::string_view name_of(Cause cause) {
  static constexpr std::string_view kNames[] = {"none",           "not-listed",       "made-final-early",
                                                "relied-on-mark", "made-final",       "pack-before-index",
                                                "mark-of-moved",  "pack-removed",     "never-indexed",
                                                "damaged",        "reader-overtaken", "removed-by-superseded",
                                                "program"};
  return kNames[static_cast<std::size_t>(cause)];
}

std::string Oracle::identity(const snapshot::SnapshotManifest& m) {
  return m.source.text() + '@' + rfc3339(m.start_time);
}

Status Oracle::open() {
  TRY_ASSIGN(kopia_, KopiaProcess::open(world_.storage_ptr(), kPassword, world_, nullptr,
                                        {.username = "oracle", .hostname = "oracle", .read_only = true}));
  TRY_ASSIGN(ours_, repo::Repository::open_direct(world_.storage_ptr(), kPassword, {}, {},
                                                  {.read_only = true, .clock = &world_, .upgrade_owner_id = {}}, {}));
  return {};
}

void Oracle::begun(const std::string& snapshot, const Versions& files, std::set<ContentId> marked_when_used,
                   std::function<bool()> excused) {
  files_[snapshot] = files;
  excused_[snapshot] = std::move(excused);
  marked_when_used_[snapshot] = std::move(marked_when_used);
}

// Somebody may have seen and deleted it before its client heard of its success.
void Oracle::acknowledged(const std::string& snapshot) {
  if (!given_up_.contains(snapshot)) {
    must_.insert(snapshot);
  }
}

void Oracle::given_up(const std::string& snapshot) {
  given_up_.insert(snapshot);
  must_.erase(snapshot);
}

const Versions* Oracle::files_of(const std::string& snapshot) const {
  const auto it = files_.find(snapshot);
  return it == files_.end() ? nullptr : &it->second;
}

bool Oracle::marked(const ContentId& id) {
  const Quiet quiet(world_);
  if (!kopia_->contents().refresh({}).ok()) {
    return false;
  }
  const content::ContentInfo* i = kopia_->contents().raw(id);
  return i != nullptr && i->deleted;
}

std::optional<Oracle::Place> Oracle::place_of(content::ContentManager& contents, const ContentId& id) {
  auto info = contents.info(id, {});
  if (!info.ok()) {
    return std::nullopt;
  }
  const auto pack = world_.storage().metadata(info->pack, {});
  if (!pack.ok()) {
    return std::nullopt;
  }
  return Place{std::move(*info), pack->length};
}

// Empty unless all have one.
Oracle::Places Oracle::places_of(content::ContentManager& contents, const std::vector<ContentId>& ids) {
  Places out;
  for (const ContentId& id : ids) {
    auto place = place_of(contents, id);
    if (!place) {
      return {};
    }
    out.push_back(std::move(*place));
  }
  return out;
}

bool Oracle::still_there(content::ContentManager& contents, const snapshot::SnapshotManifest& m, const Places& places) {
  return !places.empty() && m.root && m.root->obj.content == places[0].info.id &&
         std::ranges::all_of(places, [&](const Place& then) {
           const auto now = place_of(contents, then.info.id);
           return now && now->pack_length == then.pack_length && now->info.pack == then.info.pack &&
                  now->info.pack_offset == then.info.pack_offset &&
                  now->info.packed_length == then.info.packed_length &&
                  now->info.original_length == then.info.original_length &&
                  now->info.compression == then.info.compression;
         });
}

Status Oracle::read_back(object::ObjectManager& objects, const snapshot::SnapshotManifest& m,
                         std::vector<ContentId>& read, std::optional<ContentId>& bad) {
  const Versions* versions = files_of(identity(m));
  if (versions == nullptr || !m.root) {
    return error(Code::corrupt, "nobody saved this snapshot");
  }
  const auto source = static_cast<std::uint64_t>(m.source.host.back() - '0');
  bad = m.root->obj.content;
  TRY_ASSIGN(const Buffer text, objects.read_all(m.root->obj, 1 << 20, {}));
  TRY_ASSIGN(const snapshot::Directory d, snapshot::parse_directory(text.text()));
  read.push_back(*bad);
  if (d.entries.size() != versions->size()) {
    return error(Code::corrupt, "{} files", d.entries.size());
  }
  for (std::size_t i = 0; i < d.entries.size(); ++i) {
    bad = d.entries[i].obj.content;
    TRY_ASSIGN(const Buffer data, objects.read_all(d.entries[i].obj, 1 << 20, {}), "{}", d.entries[i].name);
    if (!std::ranges::equal(data.view(), file_content(source, i, (*versions)[i]))) {
      return error(Code::corrupt, "{} has other bytes", d.entries[i].name);
    }
    read.push_back(*bad);
  }
  bad.reset();
  return {};
}

// Storage time of the first index blob in force that names the pack.
std::optional<Timestamp> Oracle::first_named(const std::string& pack) {
  std::optional<Timestamp> first;
  const auto blobs = world_.storage().list_all("x", {});
  for (const blob::BlobMetadata& b : blobs.ok() ? *blobs : std::vector<blob::BlobMetadata>()) {
    if (!b.id.starts_with("xn") && !b.id.starts_with("xs") && !b.id.starts_with("xr")) {
      continue;
    }
    const auto reader = kopia_->contents().index().load(b.id);
    for (std::size_t i = 0; reader.ok() && i < (*reader)->size(); ++i) {
      const auto e = (*reader)->at(i);
      if (e.ok() && e->pack == pack && (!first || b.timestamp < *first)) {
        first = b.timestamp;
      }
    }
  }
  return first;
}

Cause Oracle::cause_of(const ContentId& id, const std::string& snapshot) {
  const content::ContentInfo* i = kopia_->contents().raw(id);
  if (i == nullptr) {
    return Cause::never_indexed;
  }
  if (kopia_->contents().hidden(*i)) {
    if (marked_when_used_[snapshot].contains(id)) {
      return Cause::relied_on_mark;
    }
    const Timestamp mark = Timestamp::from_seconds(i->timestamp_seconds);
    const auto s = maintenance::load_schedule(world_.storage(), kopia_->format(), {});
    if (!s.ok()) {
      return Cause::program;
    }
    const auto runs = s->runs.find(std::string(maintenance::kSnapshotGc));
    for (const maintenance::Run& older : runs == s->runs.end() ? std::vector<maintenance::Run>() : runs->second) {
      for (const maintenance::Run& newer : runs->second) {
        if (older.success && newer.success && older.start - kDropExtraMargin >= mark &&
            newer.start - older.end > kMarginBetweenGc) {
          return Cause::made_final;
        }
      }
    }
    return Cause::made_final_early;
  }
  const auto removed = world_.removed.find(i->pack.text);
  if (world_.storage().metadata(i->pack, {}).ok() || removed == world_.removed.end()) {
    return Cause::damaged;
  }
  const auto named = first_named(i->pack.text);
  if (named && removed->second.time < *named && !i->deleted) {
    return Cause::pack_before_index;
  }
  return i->deleted ? Cause::mark_of_moved : Cause::pack_removed;
}

// Of the first content of manifests that cannot be read.
Cause Oracle::cause_of_manifests() {
  std::optional<ContentId> bad;
  (void)kopia_->contents().iterate({.first = "m", .last = "n"},
                                   [&](const content::ContentInfo& i) -> Status {
                                     bad = !bad && !kopia_->contents().read(i.id, {}).ok() ? i.id : bad;
                                     return {};
                                   },
                                   {});
  return bad ? cause_of(*bad, "") : Cause::program;
}

std::optional<Violation> Oracle::read_all(object::ObjectManager& objects, content::ContentManager& contents,
                                          manifest::ManifestManager& manifests, const char* reader) {
  if (Status s = contents.refresh({}); !s.ok()) {
    return Violation{Cause::program, fmt::format("{}: {}", reader, s.message())};
  }
  const auto found = snapshot::list_snapshots(manifests, {.source = {}, .tags = {}, .strict = true}, {});
  if (!found.ok()) {
    return Violation{cause_of_manifests(), fmt::format("{} cannot list: {}", reader, found.status().message())};
  }
  std::set<std::string> there;
  for (const snapshot::SnapshotManifest& m : *found) {
    if (!m.incomplete.empty()) {
      continue;
    }
    const std::string name = identity(m);
    there.insert(name);
    Places& right = right_[reader][name];
    if (still_there(contents, m, right)) {
      continue;
    }
    std::vector<ContentId> read;
    std::optional<ContentId> bad;
    const Status s = read_back(objects, m, read, bad);
    if (s.ok()) {
      right = places_of(contents, read);
      continue;
    }
    const auto at = bad ? contents.info(*bad, {}) : Result<content::ContentInfo>(error(Code::not_found, "none"));
    if (is_excused(name) || gone_.contains(name) || (at.ok() && world_.lost.contains(at->pack.text))) {
      excused_losses += counted_.insert(name).second ? 1 : 0;
      continue;
    }
    const Cause cause = bad ? cause_of(*bad, name) : Cause::damaged;
    return Violation{cause, fmt::format("{} cannot read snapshot {}: {}", reader, name, s.message())};
  }
  for (const std::string& name : must_) {
    if (!there.contains(name) && !is_excused(name)) {
      return Violation{Cause::not_listed, fmt::format("{} does not list snapshot {}", reader, name)};
    }
  }
  // A deleted manifest may come back when its deletion met a compaction that had begun before; what it refers to may
  // not.
  for (const auto& [name, files] : files_) {
    if (given_up_.contains(name) && !there.contains(name)) {
      gone_.insert(name);
    }
  }
  return std::nullopt;
}

std::optional<Violation> Oracle::look() {
  if (seen_ == world_.changes) {
    return std::nullopt;
  }
  const Quiet quiet(world_);
  ++checks;
  seen_ = world_.changes;
  auto bad = read_all(kopia_->objects(), kopia_->contents(), kopia_->manifests(), "a reader by Kopia's rules");
  if (!bad) {
    bad = read_all(ours_->objects(), ours_->contents(), ours_->manifests(), "our reader");
  }
  return bad;
}

}  // namespace cairn::simulation
