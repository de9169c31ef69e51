#include "snapshot/resolve.h"

#include <algorithm>

#include "snapshot/store.h"
#include "snapshot/tree_walk.h"

namespace cairn::snapshot {
namespace {

constexpr std::uint32_t kGenericDirectoryMode = 0555;
constexpr std::uint32_t kGenericFileMode = 0644;

std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty()) {
      out.push_back(part);
    }
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return out;
}

std::string joined(const std::vector<std::string_view>& parts) {
  std::string out;
  for (const std::string_view p : parts) {
    if (!out.empty()) {
      out += '/';
    }
    out += p;
  }
  return out;
}

Result<DirEntry> descend(object::ObjectManager& objects, DirEntry entry, const std::vector<std::string_view>& path,
                         std::stop_token stop) {
  for (const std::string_view name : path) {
    if (entry.type != EntryType::directory) {
      return error(Code::not_found, "entry not found \"{}\": parent is not a directory", name);
    }
    TRY_ASSIGN(entry, find_child(objects, entry.obj, name, {}, stop), "error reading directory");
  }
  return entry;
}

bool same_attributes(const DirEntry& a, const DirEntry& b) {
  return a.mode == b.mode && a.uid == b.uid && a.gid == b.gid && a.mtime == b.mtime;
}

bool is_hex_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

void set_snapshot(ResolvedEntry& out, const SnapshotManifest& m) {
  out.source = m.source;
  out.snapshot_id = m.id;
  out.snapshot_time = m.start_time;
}

// The root with this object id: of the latest snapshot that has it, or a generic one.
Result<ResolvedEntry> root_by_object(repo::Repository& repository, const object::ObjectId& id,
                                     const ResolveOptions& options, std::stop_token stop) {
  ResolvedEntry out;
  TRY_ASSIGN(const auto snapshots, find_snapshots_by_root(repository.manifests(), id, stop));
  for (const SnapshotManifest& m : snapshots) {
    if (!m.root) {
      continue;
    }
    if (options.consistent_attributes && !out.snapshot_id.empty() && !same_attributes(out.entry, *m.root)) {
      return error(Code::failed_precondition, "found multiple snapshots matching {} with inconsistent root attributes",
                   id.text());
    }
    out.entry = *m.root;
    set_snapshot(out, m);
  }
  if (out.snapshot_id.empty()) {
    TRY_ASSIGN(out.entry, entry_of_object(repository.objects(), id, stop));
  }
  return out;
}

// One snapshot as a candidate: the entry below its root, if it is there.
Result<std::optional<DirEntry>> entry_in(repo::Repository& repository, const SnapshotManifest& m,
                                         const std::vector<std::string_view>& relative, std::stop_token stop) {
  auto entry = descend(repository.objects(), *m.root, relative, stop);
  if (entry.ok()) {
    return std::optional<DirEntry>(std::move(*entry));
  }
  // "Not there" is an answer; a directory that cannot be read is not.
  const std::string text = entry.status().message();
  if (entry.code() == Code::not_found && text.find("unable to open object") == std::string::npos) {
    return std::optional<DirEntry>();
  }
  return std::move(entry).status().with_frame("snapshot " + m.id);
}

std::string_view relative_to(std::string_view path, std::string_view parent) {
  if (path == parent) {
    return {};
  }
  return path.substr(parent == "/" ? 1 : parent.size() + 1);
}

}  // namespace

std::string object_id_problem(std::string_view text) {
  std::string_view id = text;
  if (id.starts_with('Z')) {
    id.remove_prefix(1);
  }
  while (id.starts_with('I')) {
    id.remove_prefix(1);
  }
  std::string_view hash = id;
  if (id.size() % 2 == 1) {
    if (id[0] < 'g' || id[0] > 'z') {
      return fmt::format("malformed content ID: \"{}\": invalid content prefix", id);
    }
    hash.remove_prefix(1);
  }
  for (const char c : hash) {
    if (!is_hex_digit(c)) {
      const unsigned code = static_cast<unsigned char>(c);
      std::string what = fmt::format("U+{:04X}", code);
      if ((code >= 0x20 && code < 0x7f) || code >= 0xa1) {
        what += " '";
        if (code < 0x80) {
          what += c;
        } else {
          what += static_cast<char>(0xc0 | code >> 6);
          what += static_cast<char>(0x80 | (code & 0x3f));
        }
        what += '\'';
      }
      return fmt::format("malformed content ID: \"{}\": invalid content hash: encoding/hex: invalid byte: {}", id,
                         what);
    }
  }
  return fmt::format("malformed content ID: \"{}\": invalid content hash", id);
}

bool looks_like_id(std::string_view text) {
  const std::string_view head = text.substr(0, text.find('/'));
  return !head.empty() && object::ObjectId::parse(head).ok();
}

Result<DirEntry> entry_of_object(object::ObjectManager& objects, const object::ObjectId& id, std::stop_token stop) {
  DirEntry e;
  e.obj = id;
  e.mtime = Timestamp{};
  if (id.is_directory()) {
    auto summary = for_each_child(
        objects, id, [](const DirEntryView&) { return Status(); }, {}, stop);
    if (summary.ok()) {
      e.type = EntryType::directory;
      e.mode = kGenericDirectoryMode;
      e.summ = std::move(*summary);
      return e;
    }
    const bool damaged = summary.status().message().starts_with("unable to open object");
    if (damaged && summary.code() != Code::not_found) {
      return std::move(summary).status().with_frame("error reading directory");
    }
  }
  e.type = EntryType::file;
  e.mode = kGenericFileMode;
  // A missing object is reported by whoever reads it.
  if (auto reader = objects.open(id, stop); reader.ok()) {
    e.size = (*reader)->length();
  } else if (reader.code() != Code::not_found) {
    return std::move(reader).status().with_frame("unable to open object " + id.text());
  }
  return e;
}

Result<ResolvedEntry> resolve_id(repo::Repository& repository, std::string_view text, const ResolveOptions& options,
                                 std::stop_token stop) {
  const std::size_t slash = text.find('/');
  const std::string_view head = text.substr(0, slash);
  const auto path = components(slash == std::string_view::npos ? std::string_view() : text.substr(slash));
  ResolvedEntry out;
  if (head.empty()) {
    out.entry.type = EntryType::file;
  } else {
    auto snapshot = load_snapshot(repository.manifests(), std::string(head), stop);
    if (snapshot.ok() && snapshot->root) {
      out.entry = *snapshot->root;
      set_snapshot(out, *snapshot);
    } else if (!snapshot.ok() && snapshot.code() != Code::not_found) {
      return std::move(snapshot).status();
    } else {
      const auto id = object::ObjectId::parse(head);
      if (!id.ok()) {
        return error(Code::invalid_argument, "error parsing root object ID: {}", object_id_problem(head));
      }
      TRY_ASSIGN(out, root_by_object(repository, *id, options, stop));
    }
  }
  TRY_ASSIGN(out.entry, descend(repository.objects(), std::move(out.entry), path, stop));
  out.relative_path = joined(path);
  return out;
}

Result<ResolvedEntry> resolve_path(repo::Repository& repository, std::string_view text,
                                   const std::string& working_directory, const SnapshotTimeFilter& filter,
                                   const ResolveOptions& options, std::stop_token stop) {
  const auto& client = repository.client();
  TRY_ASSIGN(const SourceInfo wanted, SourceInfo::parse(text, client.hostname, client.username, working_directory));
  std::vector<SnapshotManifest> candidates;
  for (const std::string& path : path_and_parents(wanted.path)) {
    const SourceInfo source{wanted.host, wanted.user_name, path};
    TRY_ASSIGN(auto found, snapshots_of(repository.manifests(), source, stop));
    for (SnapshotManifest& m : found) {
      if (m.root && m.incomplete.empty()) {
        candidates.push_back(std::move(m));
      }
    }
  }
  const bool oldest_first = filter.kind() == SnapshotTimeFilter::Kind::oldest;
  std::ranges::stable_sort(candidates, [&](const SnapshotManifest& a, const SnapshotManifest& b) {
    return oldest_first ? a.start_time < b.start_time : a.start_time > b.start_time;
  });
  for (const SnapshotManifest& m : candidates) {
    if (filter.kind() == SnapshotTimeFilter::Kind::before && m.start_time >= filter.limit()) {
      continue;
    }
    const std::string_view below = relative_to(wanted.path, m.source.path);
    const auto relative = components(below);
    TRY_ASSIGN(auto entry, entry_in(repository, m, relative, stop));
    if (!entry) {
      continue;
    }
    ResolvedEntry out;
    out.entry = std::move(*entry);
    if (options.generic_nested_attributes && !relative.empty()) {
      TRY_ASSIGN(ResolvedEntry again, root_by_object(repository, out.entry.obj, options, stop));
      again.entry.name = out.entry.name;
      out.entry = std::move(again.entry);
    }
    set_snapshot(out, m);
    out.relative_path = joined(relative);
    return out;
  }
  return error(Code::not_found, "no snapshots contain data for {}", text);
}

Result<object::ObjectId> resolve_object_id(object::ObjectManager& objects, std::string_view text,
                                           std::stop_token stop) {
  const std::size_t slash = text.find('/');
  const std::string_view head = text.substr(0, slash);
  const auto path = components(slash == std::string_view::npos ? std::string_view() : text.substr(slash));
  DirEntry entry;
  if (!head.empty()) {
    auto id = object::ObjectId::parse(head);
    if (!id.ok()) {
      return error(Code::invalid_argument, "can't parse object ID {}: {}", head, object_id_problem(head));
    }
    entry.obj = *id;
  }
  if (path.empty()) {
    return entry.obj;
  }
  entry.type = entry.obj.is_directory() ? EntryType::directory : EntryType::file;
  TRY_ASSIGN(entry, descend(objects, std::move(entry), path, stop));
  return entry.obj;
}

}  // namespace cairn::snapshot
