#include "snapshot/directory.h"

#include <algorithm>
#include <unordered_map>

#include "base/units.h"
#include "snapshot/fields.h"
#include "snapshot/json_cursor.h"

namespace cairn::snapshot {
namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;

bool matches(std::string_view key, std::string_view wanted) {
  return key == wanted || (key.size() == wanted.size() && equals_ignore_case(key, wanted));
}

}  // namespace

// --- encoding

DirectoryEncoder::DirectoryEncoder(std::string& out) : out_(out) {
  out_ += "{\"stream\":\"kopia:directory\",\"entries\":";
}

void DirectoryEncoder::separator() {
  out_ += any_ ? ',' : '[';
  any_ = true;
}

void DirectoryEncoder::append(const DirEntry& entry) {
  separator();
  entry.append_json(out_);
}

void DirectoryEncoder::append_encoded(std::string_view entry_json) {
  separator();
  out_ += entry_json;
}

void DirectoryEncoder::finish(const Summary& summary) {
  out_ += any_ ? "],\"summary\":" : "null,\"summary\":";
  append_summary_json(out_, summary);
  out_ += "}\n";
}

void SummaryBuilder::add(const DirEntry& entry) {
  ++entries_;
  sum_.max_time = std::max(sum_.max_time, entry.mtime);
  switch (entry.type) {
    case EntryType::file:
      ++sum_.files;
      sum_.size += entry.size;
      break;
    case EntryType::symlink:
      ++sum_.symlinks;
      break;
    case EntryType::directory:
      if (entry.summ) {
        const Summary& s = *entry.summ;
        sum_.size += s.size;
        sum_.files += s.files;
        sum_.symlinks += s.symlinks;
        sum_.dirs += s.dirs;
        sum_.num_failed += s.num_failed;
        sum_.num_ignored_errors += s.num_ignored_errors;
        sum_.errors.insert(sum_.errors.end(), s.errors.begin(), s.errors.end());
        sum_.max_time = std::max(sum_.max_time, s.max_time);
      }
      break;
    default:
      break;
  }
}

void SummaryBuilder::add_error(EntryError error, bool ignored) {
  ++(ignored ? sum_.num_ignored_errors : sum_.num_failed);
  sum_.errors.push_back(std::move(error));
}

Summary SummaryBuilder::finish(Timestamp own_mtime, std::string incomplete, std::size_t max_errors) const {
  Summary s = sum_;
  ++s.dirs;
  if (entries_ == 0) {
    s.max_time = own_mtime;
  }
  s.incomplete = std::move(incomplete);
  std::stable_sort(s.errors.begin(), s.errors.end(),
                   [](const EntryError& a, const EntryError& b) { return a.path < b.path; });
  if (s.errors.size() > max_errors) {
    s.errors.resize(max_errors);
  }
  return s;
}

void DirectoryBuilder::add(const DirEntry& entry) {
  summary_.add(entry);
  Ref ref{arena_.size(), static_cast<std::uint32_t>(entry.name.size()), 0, entry.type == EntryType::directory};
  arena_ += entry.name;
  const std::size_t json_start = arena_.size();
  entry.append_json(arena_);
  ref.json_size = static_cast<std::uint32_t>(arena_.size() - json_start);
  refs_.push_back(ref);
}

std::vector<DirectoryBuilder::Ref> DirectoryBuilder::sorted() const {
  std::vector<Ref> order = refs_;
  const std::string_view arena = arena_;
  std::sort(order.begin(), order.end(), [arena](const Ref& a, const Ref& b) {
    if (a.directory != b.directory) {
      return a.directory;
    }
    const int c = arena.substr(a.offset, a.name_size).compare(arena.substr(b.offset, b.name_size));
    return c != 0 ? c < 0 : a.offset < b.offset;
  });
  return order;
}

Result<Summary> DirectoryBuilder::encode(Timestamp own_mtime, const std::string& incomplete,
                                         const ByteSink& sink) const {
  Summary summary = summary_.finish(own_mtime, incomplete);
  std::string piece;
  DirectoryEncoder encoder(piece);
  const std::string_view arena = arena_;
  for (const Ref& ref : sorted()) {
    encoder.append_encoded(arena.substr(ref.offset + ref.name_size, ref.json_size));
    if (piece.size() >= kPieceBytes) {
      TRY(sink(piece));
      piece.clear();
    }
  }
  encoder.finish(summary);
  TRY(sink(piece));
  return summary;
}

Summary DirectoryBuilder::encode(Timestamp own_mtime, const std::string& incomplete, std::string& out) const {
  Summary summary = summary_.finish(own_mtime, incomplete);
  const std::string_view arena = arena_;
  DirectoryEncoder encoder(out);
  for (const Ref& ref : sorted()) {
    encoder.append_encoded(arena.substr(ref.offset + ref.name_size, ref.json_size));
  }
  encoder.finish(summary);
  return summary;
}

// --- parsing

DirEntry DirEntryView::to_entry() const {
  DirEntry e;
  e.name = name;
  e.type = type;
  e.type_text = type_text;
  e.mode = mode;
  e.size = size;
  e.mtime = mtime;
  e.uid = uid;
  e.gid = gid;
  e.obj = obj;
  if (summ != nullptr) {
    e.summ = *summ;
  }
  return e;
}

// The parser stands between two members of the top object or between two entries (`stage`), and takes one of them at a
// time. What is cut off at the end of the known text is kept in `tail` and read again when more has come.
struct DirectoryParser::Impl {
  enum class Stage : std::uint8_t { open, member, after_member, entry, after_entry, done };

  OnEntry on_entry;
  DirectoryReadOptions options;
  Stage stage = Stage::open;
  bool first = true;  // in front of the first member or entry
  std::string tail;
  std::size_t retry_size = 0;  // tail is not read again before it has grown to this: keeps the work linear
  std::string stream;
  Summary total;
  Status failure;
  Summary summ;  // of the entry in hand
  std::string key_scratch, name_scratch, type_scratch, scratch;

  Status step(JsonCursor& c);
  void open(JsonCursor& c);
  void member(JsonCursor& c);
  Status entry(JsonCursor& c);
  bool read_entry(JsonCursor& c, DirEntryView& e);
  bool read_member(JsonCursor& c, std::string_view key, DirEntryView& e);
  bool read_summary(JsonCursor& c, Summary& s);
  bool read_errors(JsonCursor& c, std::vector<EntryError>& errors);
  bool read_time(JsonCursor& c, Timestamp& t);
  bool read_u32(JsonCursor& c, std::uint32_t& v);
  bool read_mode(JsonCursor& c, std::uint32_t& mode);
  bool read_object_id(JsonCursor& c, object::ObjectId& id);
  // Runs on_member(key) for each member of an object.
  template <class F>
  bool read_object(JsonCursor& c, F&& on_member);
  Result<std::size_t> consume(std::string_view text);
};

template <class F>
bool DirectoryParser::Impl::read_object(JsonCursor& c, F&& on_member) {
  if (!c.expect('{')) {
    return false;
  }
  if (c.accept('}')) {
    return true;
  }
  do {
    std::string_view key;
    if (!c.string(key, key_scratch) || !c.expect(':')) {
      return false;
    }
    if (c.null()) {
      continue;
    }
    if (!c.good() || !on_member(key)) {
      return false;
    }
  } while (c.accept(','));
  return c.expect('}');
}

bool DirectoryParser::Impl::read_time(JsonCursor& c, Timestamp& t) {
  std::string_view text;
  if (!c.string(text, scratch)) {
    return false;
  }
  auto parsed = parse_stored_time(text);
  if (!parsed.ok()) {
    return c.fail("invalid time");
  }
  t = *parsed;
  return true;
}

bool DirectoryParser::Impl::read_u32(JsonCursor& c, std::uint32_t& v) {
  std::int64_t wide = 0;
  if (!c.integer(wide)) {
    return false;
  }
  v = static_cast<std::uint32_t>(wide);
  return wide == static_cast<std::int64_t>(v) || c.fail("number out of range");
}

bool DirectoryParser::Impl::read_mode(JsonCursor& c, std::uint32_t& mode) {
  std::string_view text;
  if (!c.string(text, scratch)) {
    return false;
  }
  auto parsed = parse_stored_mode(text);
  if (!parsed.ok()) {
    return c.fail("invalid mode");
  }
  mode = *parsed;
  return true;
}

bool DirectoryParser::Impl::read_object_id(JsonCursor& c, object::ObjectId& id) {
  std::string_view text;
  if (!c.string(text, scratch)) {
    return false;
  }
  auto parsed = object::ObjectId::parse(text);
  if (!parsed.ok()) {
    return c.fail("invalid object id");
  }
  id = *parsed;
  return true;
}

bool DirectoryParser::Impl::read_errors(JsonCursor& c, std::vector<EntryError>& errors) {
  if (!c.expect('[')) {
    return false;
  }
  if (c.accept(']')) {
    return true;
  }
  do {
    EntryError e;
    const bool ok = read_object(c, [&](std::string_view key) {
      std::string_view text;
      if (matches(key, "path")) {
        return c.string(text, scratch) && (e.path = text, true);
      }
      if (matches(key, "error")) {
        return c.string(text, scratch) && (e.error = text, true);
      }
      return c.skip();
    });
    if (!ok) {
      return false;
    }
    errors.push_back(std::move(e));
  } while (c.accept(','));
  return c.expect(']');
}

bool DirectoryParser::Impl::read_summary(JsonCursor& c, Summary& s) {
  s = Summary();
  return read_object(c, [&](std::string_view key) {
    if (matches(key, "size")) {
      return c.integer(s.size);
    }
    if (matches(key, "files")) {
      return c.integer(s.files);
    }
    if (matches(key, "symlinks")) {
      return c.integer(s.symlinks);
    }
    if (matches(key, "dirs")) {
      return c.integer(s.dirs);
    }
    if (matches(key, "maxTime")) {
      return read_time(c, s.max_time);
    }
    if (matches(key, "incomplete")) {
      std::string_view text;
      return c.string(text, scratch) && (s.incomplete = text, true);
    }
    if (matches(key, "numFailed")) {
      return c.integer(s.num_failed);
    }
    if (matches(key, "numIgnoredErrors")) {
      return c.integer(s.num_ignored_errors);
    }
    if (matches(key, "errors")) {
      return read_errors(c, s.errors);
    }
    return c.skip();
  });
}

bool DirectoryParser::Impl::read_member(JsonCursor& c, std::string_view key, DirEntryView& e) {
  if (matches(key, "name")) {
    return c.string(e.name, name_scratch);
  }
  if (matches(key, "type")) {
    if (!c.string(e.type_text, type_scratch)) {
      return false;
    }
    e.type = entry_type_of(e.type_text);
    return true;
  }
  if (matches(key, "mode")) {
    return read_mode(c, e.mode);
  }
  if (matches(key, "size")) {
    return c.integer(e.size);
  }
  if (matches(key, "mtime")) {
    return read_time(c, e.mtime);
  }
  if (matches(key, "uid")) {
    return read_u32(c, e.uid);
  }
  if (matches(key, "gid")) {
    return read_u32(c, e.gid);
  }
  if (matches(key, "obj")) {
    return read_object_id(c, e.obj);
  }
  if (matches(key, "summ")) {
    e.summ = &summ;
    return read_summary(c, summ);
  }
  return c.skip();
}

bool DirectoryParser::Impl::read_entry(JsonCursor& c, DirEntryView& e) {
  return read_object(c, [&](std::string_view key) { return read_member(c, key, e); });
}

Status DirectoryParser::Impl::entry(JsonCursor& c) {
  DirEntryView e;
  if (!read_entry(c, e)) {
    return {};
  }
  if (e.type != EntryType::unknown) {
    e.type_text = {};
  }
  if (options.child_directory_times_from_summary && e.type == EntryType::directory && e.summ != nullptr) {
    e.mtime = e.summ->max_time;
    e.size = e.summ->size;
  }
  TRY(on_entry(e));
  stage = Stage::after_entry;
  first = false;
  return {};
}

void DirectoryParser::Impl::open(JsonCursor& c) {
  if (c.expect('{')) {
    stage = Stage::member;
    first = true;
  }
}

void DirectoryParser::Impl::member(JsonCursor& c) {
  if (first && c.accept('}')) {
    stage = Stage::done;
    return;
  }
  std::string_view key;
  if (!c.string(key, key_scratch) || !c.expect(':')) {
    return;
  }
  const bool is_null = c.null();
  bool ok = c.good();
  if (ok && !is_null) {
    if (matches(key, "entries")) {
      if (c.expect('[')) {
        stage = Stage::entry;
        first = true;
      }
      return;
    }
    if (matches(key, "stream")) {
      std::string_view text;
      ok = c.string(text, scratch);
      if (ok) {
        stream = text;
      }
    } else if (matches(key, "summary")) {
      ok = read_summary(c, total);
    } else {
      ok = c.skip();
    }
  }
  if (ok) {
    stage = Stage::after_member;
    first = false;
  }
}

Status DirectoryParser::Impl::step(JsonCursor& c) {
  switch (stage) {
    case Stage::open:
      open(c);
      break;
    case Stage::member:
      member(c);
      break;
    case Stage::after_member:
      if (c.accept(',')) {
        stage = Stage::member;
      } else if (c.expect('}')) {
        stage = Stage::done;
      }
      break;
    case Stage::entry:
      if (first && c.accept(']')) {
        stage = Stage::after_member;
        first = false;
        break;
      }
      return entry(c);
    case Stage::after_entry:
      if (c.accept(',')) {
        stage = Stage::entry;
      } else if (c.expect(']')) {
        stage = Stage::after_member;
        first = false;
      }
      break;
    case Stage::done:
      break;
  }
  return {};
}

// Takes as many whole steps as the text holds; returns the bytes used.
Result<std::size_t> DirectoryParser::Impl::consume(std::string_view text) {
  JsonCursor c(text);
  const char* mark = c.mark();
  while (stage != Stage::done) {
    const Stage before = stage;
    const bool first_before = first;
    mark = c.mark();
    TRY(step(c));
    if (c.state() == JsonCursor::State::bad) {
      return error(Code::corrupt, "malformed directory object: {}", c.reason());
    }
    if (c.state() == JsonCursor::State::starved) {
      stage = before;
      first = first_before;
      return static_cast<std::size_t>(mark - text.data());
    }
  }
  return text.size();
}

DirectoryParser::DirectoryParser(OnEntry on_entry, DirectoryReadOptions options) : impl_(std::make_unique<Impl>()) {
  impl_->on_entry = std::move(on_entry);
  impl_->options = options;
}
DirectoryParser::~DirectoryParser() = default;
DirectoryParser::DirectoryParser(DirectoryParser&&) noexcept = default;

Status DirectoryParser::feed(std::string_view piece) {
  Impl& p = *impl_;
  TRY(p.failure);
  if (p.stage == Impl::Stage::done) {
    return {};
  }
  std::string_view text = piece;
  if (!p.tail.empty()) {
    p.tail += piece;
    if (p.tail.size() < p.retry_size) {
      return {};
    }
    text = p.tail;
  }
  auto used = p.consume(text);
  if (!used.ok()) {
    p.failure = std::move(used).status();
    return p.failure;
  }
  if (p.tail.empty()) {
    p.tail = piece.substr(*used);
  } else {
    p.tail.erase(0, *used);
  }
  p.retry_size = p.tail.size() * 2;
  return {};
}

Result<Summary> DirectoryParser::finish() {
  Impl& p = *impl_;
  p.retry_size = 0;
  TRY(feed({}));
  if (p.stage != Impl::Stage::done) {
    return error(Code::corrupt, "malformed directory object: it ends too early");
  }
  if (p.stream != kDirectoryStream) {
    return error(Code::corrupt, "not a directory object: stream is \"{}\"", p.stream.substr(0, 64));
  }
  return std::move(p.total);
}

Result<Summary> for_each_entry(std::string_view text, const DirectoryParser::OnEntry& on_entry,
                               DirectoryReadOptions options) {
  DirectoryParser parser(on_entry, options);
  TRY(parser.feed(text));
  return parser.finish();
}

Result<Directory> parse_directory(std::string_view text, DirectoryReadOptions options) {
  Directory dir;
  std::unordered_map<std::string, std::size_t> places;
  const auto on_entry = [&](const DirEntryView& e) -> Status {
    const auto [it, fresh] = places.try_emplace(std::string(e.name), dir.entries.size());
    if (fresh) {
      dir.entries.push_back(e.to_entry());
    } else {
      dir.entries[it->second] = e.to_entry();
    }
    return {};
  };
  TRY_ASSIGN(dir.summary, for_each_entry(text, on_entry, options));
  return dir;
}

const DirEntry* Directory::find(std::string_view name) const {
  const auto it = std::find_if(entries.begin(), entries.end(), [&](const DirEntry& e) { return e.name == name; });
  return it == entries.end() ? nullptr : &*it;
}

bool safe_entry_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

}  // namespace cairn::snapshot
