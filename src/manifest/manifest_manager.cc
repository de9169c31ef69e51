#include "manifest/manifest_manager.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <unordered_map>

#include "base/log.h"
#include "base/random.h"
#include "base/task_group.h"
#include "base/units.h"
#include "compress/codec.h"

namespace cairn::manifest {
namespace {

constexpr std::size_t kLoadThreads = 8;
constexpr std::size_t kAutoCompactContents = 16;
constexpr Duration kTombstonesKept = hours(24);  // longer than any client takes from reading manifests to merging them
constexpr std::size_t kManifestContentSizeMax = std::size_t{512} << 20;

// One manifest or tombstone. The payload stays as text: thousands of documents as trees would cost ten times as much.
struct Entry {
  std::string id;
  Labels labels;
  Timestamp modified;
  bool deleted = false;
  std::string payload;
};

bool has_all(const Labels& labels, const Labels& wanted) {
  return std::ranges::all_of(wanted, [&](const auto& pair) {
    const auto it = labels.find(pair.first);
    return it != labels.end() && it->second == pair.second;
  });
}

ManifestMetadata metadata_of(const Entry& e) {
  return {e.id, static_cast<std::int64_t>(e.payload.size()), e.labels, e.modified};
}

Result<Entry> parse_entry(const Json& json) {
  if (!json.is_object()) {
    return error(Code::corrupt, "manifest entry is not an object");
  }
  Entry e;
  e.id = json["id"].as_string();
  if (e.id.empty()) {
    return error(Code::corrupt, "manifest entry has no id");
  }
  for (const auto& [key, value] : json["labels"].members()) {
    e.labels[key] = value.as_string();
  }
  TRY_ASSIGN(e.modified, parse_rfc3339(json["modified"].as_string()), "manifest {}", e.id);
  e.deleted = json["deleted"].as_bool();
  if (!e.deleted) {
    e.payload = json["data"].dump();
  }
  return e;
}

// kopia-model §4.2: the top value is an object; keys other than "entries" are tolerated only with string values.
Result<std::vector<Entry>> parse_content(ByteView gzipped) {
  Buffer text;
  TRY(compress::gunzip(gzipped, text, kManifestContentSizeMax));
  TRY_ASSIGN(const Json doc, Json::parse(text.text(), true));
  if (!doc.is_object()) {
    return error(Code::corrupt, "manifest content is not an object");
  }
  int lists = 0;
  std::vector<Entry> out;
  for (const auto& [key, value] : doc.members()) {
    if (value.is_string()) {
      continue;
    }
    if (!value.is_array() || to_lower(key) != "entries" || ++lists > 1) {
      return error(Code::corrupt, "manifest content has unexpected key \"{}\"", key);
    }
    for (const Json& item : value.items()) {
      TRY_ASSIGN(Entry e, parse_entry(item));
      out.push_back(std::move(e));
    }
  }
  return out;
}

Result<Buffer> encode_content(const std::vector<const Entry*>& entries) {
  std::string json = "{\"entries\":[";
  bool first = true;
  for (const Entry* e : entries) {
    json += first ? "{\"id\":" : ",{\"id\":";
    first = false;
    append_json_string(json, e->id);
    json += ",\"labels\":";
    if (e->deleted) {
      json += "null";
    } else {
      Json labels = Json::object();
      for (const auto& [key, value] : e->labels) {
        labels.members_mut().emplace_back(key, Json(value));
      }
      labels.append_to(json);
    }
    json += ",\"modified\":\"";
    append_rfc3339(json, e->modified);
    json += e->deleted ? "\",\"deleted\":true,\"data\":null}" : "\",\"data\":" + e->payload + "}";
  }
  json += "]}\n";
  Buffer out;
  TRY(compress::gzip(as_bytes(json), out));
  return out;
}

class Manager final : public ManifestManager {
 public:
  Manager(content::ContentManager& contents, const Clock& clock, Options options)
      : contents_(contents), clock_(clock), options_(options) {}

  Result<std::string> put(const Labels& labels, const Json& payload, std::stop_token) override {
    const auto type = labels.find("type");
    if (type == labels.end() || type->second.empty()) {
      return error(Code::invalid_argument, "'type' label is required");
    }
    Entry e;
    e.id = random_hex(16);
    e.labels = labels;
    e.payload = payload.dump();
    const std::lock_guard lock(mutex_);
    e.modified = next_time(Timestamp{0});
    const std::string id = e.id;
    pending_[id] = std::move(e);
    return id;
  }

  Result<Manifest> get(const std::string& id, std::stop_token stop) override {
    TRY(load_if_needed(stop));
    const std::lock_guard lock(mutex_);
    const Entry* e = lookup(id);
    if (e == nullptr) {
      return error(Code::not_found, "manifest not found");
    }
    return with_payload(*e);
  }

  Result<std::vector<ManifestMetadata>> find(const Labels& labels, std::stop_token stop) override {
    TRY(load_if_needed(stop));
    const std::lock_guard lock(mutex_);
    std::vector<ManifestMetadata> out;
    for (const Entry* e : matching(labels)) {
      out.push_back(metadata_of(*e));
    }
    return out;
  }

  Result<std::vector<Manifest>> find_with_payload(const Labels& labels, std::stop_token stop) override {
    TRY(load_if_needed(stop));
    const std::lock_guard lock(mutex_);
    std::vector<Manifest> out;
    for (const Entry* e : matching(labels)) {
      TRY_ASSIGN(Manifest m, with_payload(*e));
      out.push_back(std::move(m));
    }
    return out;
  }

  Status remove(const std::string& id, std::stop_token stop) override {
    TRY(load_if_needed(stop));
    const std::lock_guard lock(mutex_);
    if (const Entry* e = lookup(id)) {
      Entry tombstone;
      tombstone.id = id;
      tombstone.deleted = true;
      tombstone.modified = next_time(e->modified);
      pending_[id] = std::move(tombstone);
    }
    return {};
  }

  Result<std::string> replace(const Labels& labels, const Json& payload, std::stop_token stop) override {
    TRY_ASSIGN(const auto old, find(labels, stop));
    for (const ManifestMetadata& m : old) {
      TRY(remove(m.id, stop));
    }
    return put(labels, payload, stop);
  }

  Status flush(std::stop_token stop) override {
    std::vector<Entry> batch;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [id, e] : pending_) {
        batch.push_back(e);
      }
    }
    if (batch.empty()) {
      return {};
    }
    std::vector<const Entry*> refs;
    for (const Entry& e : batch) {
      refs.push_back(&e);
    }
    TRY(write_content(refs, stop));
    std::size_t content_count = 0;
    {
      const std::lock_guard lock(mutex_);
      for (Entry& e : batch) {
        const auto it = pending_.find(e.id);
        if (it != pending_.end() && it->second.modified == e.modified) {
          pending_.erase(it);
        }
        merge(std::move(e));
      }
      content_count = loaded_contents_.size();
    }
    return content_count >= kAutoCompactContents ? compact(stop) : Status();
  }

  Status compact(std::stop_token stop) override {
    // Refresh first: a tombstone that others wrote must not be lost by merging a stale view.
    TRY(contents_.refresh(stop));
    invalidate();
    TRY(load_if_needed(stop));
    // Nor may one that is merged away be missing where another client, who has not seen it yet, merges at the same
    // time: his content would bring the manifest back.
    const Timestamp tombstones_since = clock_.now() - kTombstonesKept;
    std::vector<Entry> kept;
    std::set<ContentId> old;
    {
      const std::lock_guard lock(mutex_);
      old = loaded_contents_;
      for (const auto& [id, e] : committed_) {
        if (!e.deleted || e.modified > tombstones_since) {
          kept.push_back(e);
        }
      }
    }
    if (old.size() <= 1) {
      return {};
    }
    std::vector<const Entry*> refs;
    for (const Entry& e : kept) {
      refs.push_back(&e);
    }
    // One index flush: the new content and the removals of the old ones become visible together.
    contents_.hold_index_flush(true);
    const Status done = [&]() -> Status {
      TRY_ASSIGN(const ContentId fresh, write_content(refs, stop));
      for (const ContentId& id : old) {
        if (!(id == fresh)) {
          TRY(contents_.remove(id, stop));
        }
      }
      return {};
    }();
    contents_.hold_index_flush(false);
    TRY(done);
    return contents_.flush(stop);
  }

  void invalidate() override {
    const std::lock_guard lock(mutex_);
    loaded_revision_ = 0;
  }

 private:
  // Later than `previous` and than everything this client stamped before.
  Timestamp next_time(Timestamp previous) {
    Timestamp t = clock_.now();
    t = std::max(t, previous + Duration{1});
    t = std::max(t, last_time_ + Duration{1});
    last_time_ = t;
    return t;
  }

  const Entry* lookup(const std::string& id) const {
    if (const auto it = pending_.find(id); it != pending_.end()) {
      return it->second.deleted ? nullptr : &it->second;
    }
    const auto it = committed_.find(id);
    return it == committed_.end() || it->second.deleted ? nullptr : &it->second;
  }

  std::vector<const Entry*> matching(const Labels& labels) const {
    std::vector<const Entry*> out;
    for (const auto& [id, e] : committed_) {
      if (!pending_.contains(id) && !e.deleted && has_all(e.labels, labels)) {
        out.push_back(&e);
      }
    }
    for (const auto& [id, e] : pending_) {
      if (!e.deleted && has_all(e.labels, labels)) {
        out.push_back(&e);
      }
    }
    std::ranges::sort(out, [](const Entry* a, const Entry* b) {
      return a->modified != b->modified ? a->modified < b->modified : a->id < b->id;
    });
    return out;
  }

  static Result<Manifest> with_payload(const Entry& e) {
    Manifest m;
    m.metadata = metadata_of(e);
    TRY_ASSIGN(m.payload, Json::parse(e.payload), "manifest {}", e.id);
    return m;
  }

  void merge(Entry e) {
    auto [it, added] = committed_.try_emplace(e.id, e);
    if (!added && it->second.modified < e.modified) {
      it->second = std::move(e);
    }
  }

  Result<ContentId> write_content(const std::vector<const Entry*>& entries, std::stop_token stop) {
    TRY_ASSIGN(const Buffer data, encode_content(entries));
    TRY_ASSIGN(const ContentId id, contents_.write(data.view(), 'm', compress::kZstdFastest, stop));
    const std::lock_guard lock(mutex_);
    loaded_contents_.insert(id);
    return id;
  }

  Status load_if_needed(std::stop_token stop) {
    const std::lock_guard once(load_mutex_);
    for (int attempt = 0;; ++attempt) {
      const std::uint64_t revision = contents_.revision();
      {
        const std::lock_guard lock(mutex_);
        if (loaded_revision_ == revision) {
          return {};
        }
      }
      Status s = load(revision, stop);
      // Another client compacted while we were loading: start over.
      if (s.is(Code::not_found) && attempt < 3) {
        TRY(contents_.refresh(stop));
        continue;
      }
      return s.ok() ? s : std::move(s).with_frame("unable to load manifest contents");
    }
  }

  Status load(std::uint64_t revision, std::stop_token stop) {
    std::vector<ContentId> ids;
    TRY(contents_.iterate(
        {.first = "m", .last = "n"},
        [&](const content::ContentInfo& i) -> Status {
          ids.push_back(i.id);
          return {};
        },
        stop));
    const std::set<ContentId> wanted(ids.begin(), ids.end());
    {
      const std::lock_guard lock(mutex_);
      if (loaded_revision_ != 0 && wanted == loaded_contents_) {
        loaded_revision_ = revision;
        return {};
      }
    }
    std::vector<std::vector<Entry>> parts(ids.size());
    TRY(parallel_for(ids.size(), kLoadThreads, stop, [&](std::size_t i, std::stop_token s) -> Status {
      const auto data = contents_.read(ids[i], s);
      const bool unreadable = data.code() == Code::corrupt || data.code() == Code::not_found;
      // Never where something may be written: compaction would forget what the content holds.
      if (unreadable && options_.ignore_malformed_contents && contents_.read_only()) {
        log::warning("manifest", "ignoring manifest content {}: {}", ids[i].text(), data.status().message());
        return {};
      }
      TRY(data, "manifest content {}", ids[i].text());
      auto entries = parse_content(data->view());
      if (!entries.ok() && options_.ignore_malformed_contents) {
        log::warning("manifest", "ignoring malformed manifest content {}: {}", ids[i].text(),
                     entries.status().message());
        return {};
      }
      TRY_ASSIGN(parts[i], std::move(entries), "malformed manifest content {}", ids[i].text());
      return {};
    }));
    const std::lock_guard lock(mutex_);
    committed_.clear();
    for (auto& part : parts) {
      for (Entry& e : part) {
        merge(std::move(e));
      }
    }
    loaded_contents_ = wanted;
    loaded_revision_ = revision;
    return {};
  }

  content::ContentManager& contents_;
  const Clock& clock_;
  const Options options_;
  std::mutex load_mutex_;
  std::mutex mutex_;
  std::map<std::string, Entry> pending_;
  std::unordered_map<std::string, Entry> committed_;
  std::set<ContentId> loaded_contents_;
  std::uint64_t loaded_revision_ = 0;
  Timestamp last_time_{0};
};

}  // namespace

std::unique_ptr<ManifestManager> ManifestManager::create(content::ContentManager& contents, const Clock& clock,
                                                         Options options) {
  return std::make_unique<Manager>(contents, clock, options);
}

}  // namespace cairn::manifest
