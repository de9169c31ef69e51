#include "snapshot/types.h"

#include <algorithm>
#include <limits>

#include "snapshot/fields.h"

namespace cairn::snapshot {
namespace {

constexpr std::string_view kGlobalText = "(global)";

void append_errors(std::string& out, const std::vector<EntryError>& errors) {
  out += ",\"errors\":[";
  bool first = true;
  for (const EntryError& e : errors) {
    out += first ? "{\"path\":" : ",{\"path\":";
    first = false;
    append_json_string(out, e.path);
    out += ",\"error\":";
    append_json_string(out, e.error);
    out += '}';
  }
  out += ']';
}

Json summary_to_json(const Summary& s) {
  Json j = Json::object({{"size", s.size},
                         {"files", s.files},
                         {"symlinks", s.symlinks},
                         {"dirs", s.dirs},
                         {"maxTime", stored_time(s.max_time)}});
  j.set_omitempty("incomplete", s.incomplete);
  j.set("numFailed", s.num_failed);
  j.set_omitempty("numIgnoredErrors", s.num_ignored_errors);
  if (!s.errors.empty()) {
    Json list = Json::array();
    for (const EntryError& e : s.errors) {
      list.push_back(Json::object({{"path", e.path}, {"error", e.error}}));
    }
    j.set("errors", std::move(list));
  }
  return j;
}

Result<Summary> summary_from_json(const Json& j) {
  if (!j.is_object()) {
    return wrong_type("summ", "an object");
  }
  Summary s;
  TRY(read_field(j, "size", s.size));
  TRY(read_field(j, "files", s.files));
  TRY(read_field(j, "symlinks", s.symlinks));
  TRY(read_field(j, "dirs", s.dirs));
  TRY(read_field(j, "maxTime", s.max_time));
  TRY(read_field(j, "incomplete", s.incomplete));
  TRY(read_field(j, "numFailed", s.num_failed));
  TRY(read_field(j, "numIgnoredErrors", s.num_ignored_errors));
  for (const Json& item : j["errors"].items()) {
    EntryError e;
    TRY(read_field(item, "path", e.path));
    TRY(read_field(item, "error", e.error));
    s.errors.push_back(std::move(e));
  }
  return s;
}

// Counters that Kopia reads as 32 bits.
std::int64_t clamp32(std::int64_t v) {
  return std::clamp<std::int64_t>(v, 0, std::numeric_limits<std::int32_t>::max());
}

}  // namespace

std::string SourceInfo::text() const {
  if (host.empty() && user_name.empty() && path.empty()) {
    return std::string(kGlobalText);
  }
  std::string out = user_name + "@" + host;
  if (!path.empty()) {
    out += ":" + path;
  }
  return out;
}

Result<SourceInfo> SourceInfo::parse(std::string_view text, const std::string& default_host,
                                     const std::string& default_user, const std::string& working_directory) {
  if (text == kGlobalText) {
    return SourceInfo{};
  }
  const std::size_t at = text.find('@');
  const std::size_t colon = text.find(':');
  constexpr auto kNone = std::string_view::npos;
  if (at != kNone && colon != kNone && at > 0 && at < colon) {
    return SourceInfo{std::string(text.substr(at + 1, colon - at - 1)), std::string(text.substr(0, at)),
                      std::string(text.substr(colon + 1))};
  }
  if (at != kNone && colon == kNone) {
    if (at + 1 == text.size()) {
      return error(Code::invalid_argument, "invalid hostname in \"{}\"", text);
    }
    return SourceInfo{std::string(text.substr(at + 1)), std::string(text.substr(0, at)), ""};
  }
  return SourceInfo{default_host, default_user, clean_path(text, working_directory)};
}

std::string clean_path(std::string_view path, const std::string& working_directory) {
  const std::string joined = path.starts_with('/') ? std::string(path) : working_directory + "/" + std::string(path);
  std::vector<std::string_view> parts;
  const std::string_view all = joined;
  std::size_t i = 0;
  while (i < all.size()) {
    const std::size_t end = std::min(all.find('/', i), all.size());
    const std::string_view part = all.substr(i, end - i);
    if (part == "..") {
      if (!parts.empty()) {
        parts.pop_back();
      }
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
    i = end + 1;
  }
  std::string out;
  for (const std::string_view part : parts) {
    out += '/';
    out += part;
  }
  return out.empty() ? "/" : out;
}

std::string_view entry_type_text(const DirEntry& e) {
  switch (e.type) {
    case EntryType::none:
      return "";
    case EntryType::file:
      return "f";
    case EntryType::directory:
      return "d";
    case EntryType::symlink:
      return "s";
    case EntryType::unknown:
      return e.type_text;
  }
  return "";
}

EntryType entry_type_of(std::string_view text) {
  if (text.size() == 1) {
    switch (text[0]) {
      case 'f':
        return EntryType::file;
      case 'd':
        return EntryType::directory;
      case 's':
        return EntryType::symlink;
      default:
        break;
    }
  }
  return text.empty() ? EntryType::none : EntryType::unknown;
}

void append_summary_json(std::string& out, const Summary& s) {
  out += "{\"size\":";
  append_int(out, s.size);
  out += ",\"files\":";
  append_int(out, s.files);
  out += ",\"symlinks\":";
  append_int(out, s.symlinks);
  out += ",\"dirs\":";
  append_int(out, s.dirs);
  out += ",\"maxTime\":\"";
  append_stored_time(out, s.max_time);
  out += '"';
  if (!s.incomplete.empty()) {
    out += ",\"incomplete\":";
    append_json_string(out, s.incomplete);
  }
  out += ",\"numFailed\":";
  append_int(out, s.num_failed);
  if (s.num_ignored_errors != 0) {
    out += ",\"numIgnoredErrors\":";
    append_int(out, s.num_ignored_errors);
  }
  if (!s.errors.empty()) {
    append_errors(out, s.errors);
  }
  out += '}';
}

void DirEntry::append_json(std::string& out) const {
  out += '{';
  if (!name.empty()) {
    out += "\"name\":";
    append_json_string(out, name);
    out += ',';
  }
  if (const std::string_view t = entry_type_text(*this); !t.empty()) {
    out += "\"type\":";
    append_json_string(out, t);
    out += ',';
  }
  if ((mode & 07777) != 0) {
    out += "\"mode\":\"";
    append_stored_mode(out, mode);
    out += "\",";
  }
  if (size != 0) {
    out += "\"size\":";
    append_int(out, size);
    out += ',';
  }
  if (mtime.ns != 0) {
    out += "\"mtime\":\"";
    append_stored_time(out, mtime);
    out += "\",";
  }
  if (uid != 0) {
    out += "\"uid\":";
    append_int(out, uid);
    out += ',';
  }
  if (gid != 0) {
    out += "\"gid\":";
    append_int(out, gid);
    out += ',';
  }
  out += "\"obj\":\"";
  if (!obj.empty()) {
    obj.append_text(out);
  }
  out += '"';
  if (summ) {
    out += ",\"summ\":";
    append_summary_json(out, *summ);
  }
  out += '}';
}

Json DirEntry::to_json() const {
  Json j = Json::object();
  j.set_omitempty("name", name);
  j.set_omitempty("type", entry_type_text(*this));
  if ((mode & 07777) != 0) {
    std::string text;
    append_stored_mode(text, mode);
    j.set("mode", std::move(text));
  }
  j.set_omitempty("size", size);
  if (mtime.ns != 0) {
    j.set("mtime", stored_time(mtime));
  }
  j.set_omitempty("uid", static_cast<std::int64_t>(uid));
  j.set_omitempty("gid", static_cast<std::int64_t>(gid));
  j.set("obj", obj.empty() ? std::string() : obj.text());
  if (summ) {
    j.set("summ", summary_to_json(*summ));
  }
  return j;
}

Result<DirEntry> DirEntry::from_json(const Json& json) {
  if (!json.is_object()) {
    return error(Code::corrupt, "directory entry is not an object");
  }
  DirEntry e;
  TRY(read_field(json, "name", e.name));
  std::string text;
  TRY(read_field(json, "type", text));
  e.type = entry_type_of(text);
  if (e.type == EntryType::unknown) {
    e.type_text = text;
  }
  text.clear();
  TRY(read_field(json, "mode", text));
  if (!text.empty()) {
    TRY_ASSIGN(e.mode, parse_stored_mode(text));
  }
  TRY(read_field(json, "size", e.size));
  TRY(read_field(json, "mtime", e.mtime));
  TRY(read_field(json, "uid", e.uid));
  TRY(read_field(json, "gid", e.gid));
  if (!json["obj"].is_null()) {
    text.clear();
    TRY(read_field(json, "obj", text));
    auto id = object::ObjectId::parse(text);
    if (!id.ok()) {
      return std::move(id).status().with_code(Code::corrupt);
    }
    e.obj = *id;
  }
  if (const Json& s = json["summ"]; !s.is_null()) {
    TRY_ASSIGN(e.summ, summary_from_json(s));
  }
  return e;
}

Json Stats::to_json() const {
  return Json::object({{"totalSize", total_size},
                       {"excludedTotalSize", excluded_total_size},
                       {"fileCount", clamp32(file_count)},
                       {"cachedFiles", clamp32(cached_files)},
                       {"nonCachedFiles", clamp32(non_cached_files)},
                       {"dirCount", clamp32(dir_count)},
                       {"excludedFileCount", clamp32(excluded_file_count)},
                       {"excludedDirCount", clamp32(excluded_dir_count)},
                       {"ignoredErrorCount", clamp32(ignored_error_count)},
                       {"errorCount", clamp32(error_count)}});
}

Stats Stats::from_json(const Json& json) {
  Stats s;
  s.total_size = json["totalSize"].as_int();
  s.excluded_total_size = json["excludedTotalSize"].as_int();
  s.file_count = json["fileCount"].as_int();
  s.cached_files = json["cachedFiles"].as_int();
  s.non_cached_files = json["nonCachedFiles"].as_int();
  s.dir_count = json["dirCount"].as_int();
  s.excluded_file_count = json["excludedFileCount"].as_int();
  s.excluded_dir_count = json["excludedDirCount"].as_int();
  s.ignored_error_count = json["ignoredErrorCount"].as_int();
  s.error_count = json["errorCount"].as_int();
  return s;
}

Json SnapshotManifest::to_json(bool with_stats) const {
  Json j = Json::object({{"id", id},
                         {"source", source_to_json(source)},
                         {"description", description},
                         {"startTime", stored_time(start_time)},
                         {"endTime", stored_time(end_time)}});
  if (with_stats) {
    j.set("stats", stats.to_json());
  }
  j.set_omitempty("incomplete", incomplete);
  j.set("rootEntry", root ? root->to_json() : Json());
  if (!tags.empty()) {
    Json map = Json::object();
    for (const auto& [key, value] : tags) {
      map.members_mut().emplace_back(key, value);
    }
    j.set("tags", std::move(map));
  }
  const auto list = [](const std::vector<std::string>& items) {
    return Json::array(Json::Array(items.begin(), items.end()));
  };
  j.set_omitempty("pins", list(pins));
  j.set_omitempty("retentionReason", list(retention_reasons));
  return j;
}

Result<SnapshotManifest> SnapshotManifest::from_manifest(const manifest::Manifest& m) {
  const Json& j = m.payload;
  if (!j.is_object()) {
    return error(Code::corrupt, "snapshot {} is not an object", m.metadata.id);
  }
  const auto read = [&]() -> Result<SnapshotManifest> {
    SnapshotManifest s;
    s.id = m.metadata.id;
    TRY_ASSIGN(s.source, source_from_json(j["source"]));
    TRY(read_field(j, "description", s.description));
    TRY(read_field(j, "startTime", s.start_time));
    TRY(read_field(j, "endTime", s.end_time));
    s.stats = Stats::from_json(j["stats"]);
    TRY(read_field(j, "incomplete", s.incomplete));
    if (const Json& root = j["rootEntry"]; !root.is_null()) {
      TRY_ASSIGN(s.root, DirEntry::from_json(root), "root entry");
    }
    for (const auto& [key, value] : j["tags"].members()) {
      if (!value.is_string()) {
        return wrong_type("tags", "a map of texts");
      }
      s.tags[key] = value.as_string();
    }
    TRY(read_field(j, "pins", s.pins));
    return s;
  };
  auto result = read();
  if (!result.ok()) {
    return std::move(result).status().with_frame(fmt::format("snapshot {}", m.metadata.id));
  }
  return result;
}

Json source_to_json(const SourceInfo& s) {
  return Json::object({{"host", s.host}, {"userName", s.user_name}, {"path", s.path}});
}

Result<SourceInfo> source_from_json(const Json& json) {
  SourceInfo s;
  TRY(read_field(json, "host", s.host));
  TRY(read_field(json, "userName", s.user_name));
  TRY(read_field(json, "path", s.path));
  return s;
}

}  // namespace cairn::snapshot
