// Makes a repository with millions of contents in seconds: index blobs that name packs nobody wrote, some of their
// contents used by one snapshot, and a few real ones. Only maintenance and listings can work on it, restores cannot.
//
//   make_big_repository DIRECTORY PASSWORD CONTENTS INDEX_BLOBS EPOCHS USED_PERCENT
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "blob/filesystem/filesystem_storage.h"
#include "index/index_blob.h"
#include "repo/repository.h"
#include "snapshot/directory.h"
#include "snapshot/store.h"

namespace cairn {
namespace {

constexpr std::uint32_t kContentLength = 40'000;
constexpr std::int64_t kContentsPerPack = 500;       // 20 MB: no short packs
constexpr std::int64_t kContentsPerObject = 50'000;  // of one large file
constexpr std::int64_t kFilesPerDirectory = 1'000;   // of one content each
constexpr std::int64_t kDirectoryShare = 10;         // percent of the used contents that are small files
constexpr int kShortPacks = 4, kContentsPerShortPack = 200, kOrphans = 50;
constexpr std::uint32_t kZstdFastest = 0x1101;
constexpr Duration kAge = hours(24 * 30);

// Everything was written a month ago.
class PastClock final : public Clock {
 public:
  Timestamp now() const override { return system_clock().now() - kAge; }
};

std::uint64_t scramble(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
  return x ^ x >> 31;
}

ContentId content_id(std::int64_t number) {
  ContentId id;
  id.size = 16;
  store_be64(id.hash.data(), scramble(2 * static_cast<std::uint64_t>(number)));
  store_be64(id.hash.data() + 8, scramble(2 * static_cast<std::uint64_t>(number) + 1));
  return id;
}

std::string pack_name(std::int64_t number) {
  const auto n = static_cast<std::uint64_t>(number);
  return fmt::format("p{:016x}{:016x}-s0011223344556677100", scramble(~n), scramble(n ^ 0x5555));
}

struct Plan {
  std::string directory, password;
  std::int64_t contents = 0, blobs = 1, epochs = 1, used_percent = 0;
  std::int64_t used() const { return contents * used_percent / 100; }
};

class Maker {
 public:
  explicit Maker(const Plan& plan) : plan_(plan) {}
  Status run();

 private:
  Status open();
  Status write_indexes();
  Status write_orphans();
  Result<object::ObjectId> large_file(std::int64_t first, std::int64_t count);
  Result<snapshot::DirEntry> directory_of_small_files(const std::string& name, std::int64_t first, std::int64_t count);
  Result<snapshot::DirEntry> write_directory(const std::string& name, const snapshot::DirectoryBuilder& entries);
  Status write_short_packs(snapshot::DirectoryBuilder& root);
  Status write_snapshot();
  static snapshot::DirEntry file(std::string name, std::int64_t size, const object::ObjectId& id);
  blob::PutOptions old() const {
    blob::PutOptions o;
    o.set_mtime = clock_.now();
    return o;
  }

  const Plan plan_;
  const PastClock clock_;
  std::shared_ptr<blob::Storage> storage_;
  std::unique_ptr<repo::Repository> repository_;
};

Status Maker::open() {
  blob::FilesystemOptions options;
  options.path = plan_.directory;
  TRY_ASSIGN(storage_, blob::open_filesystem(options, {.create = true}, {}));
  TRY(repo::create(*storage_, plan_.password, {}, {}));
  repo::ClientOptions client;
  client.username = "maker";
  client.hostname = "scale";
  repo::OpenOptions open;
  open.clock = &clock_;
  TRY_ASSIGN(repository_, repo::Repository::open_direct(storage_, plan_.password, client, {}, open, {}));
  return {};
}

Status Maker::write_indexes() {
  const format::UnitCrypto& crypto = repository_->contents().crypto();
  std::int64_t next = 0;
  for (std::int64_t b = 0; b < plan_.blobs; ++b) {
    index::IndexBuilder builder;
    for (const std::int64_t end = plan_.contents * (b + 1) / plan_.blobs; next < end; ++next) {
      index::Entry e;
      e.id = content_id(next);
      const std::string pack = pack_name(next / kContentsPerPack);
      e.pack = pack;
      e.pack_offset = static_cast<std::uint32_t>(next % kContentsPerPack) * kContentLength;
      e.packed_length = kContentLength;
      e.original_length = kContentLength - 28;
      e.timestamp_seconds = clock_.now().unix_seconds();
      e.format_version = 3;
      builder.add(e);
    }
    TRY_ASSIGN(const auto shards, builder.build(2));
    for (const Buffer& shard : shards) {
      TRY_ASSIGN(const auto sealed, crypto.seal_blob("", "s0011223344556677100-c1", shard.view()));
      const BlobId id(fmt::format("xn{}_{}", b * plan_.epochs / plan_.blobs, sealed.id.text));
      const ByteView parts[] = {sealed.data.view()};
      TRY(storage_->put(id, parts, old(), {}));
    }
  }
  const ByteView marker[] = {as_bytes("epoch-marker")};
  for (std::int64_t e = 1; e <= plan_.epochs + 1; ++e) {
    TRY(storage_->put(BlobId(fmt::format("xe{}", e)), marker, old(), {}));
  }
  repository_->contents().indexes().invalidate();
  return repository_->contents().refresh({});
}

Status Maker::write_orphans() {
  const std::string bytes(1000, 'o');
  const ByteView parts[] = {as_bytes(bytes)};
  for (int i = 0; i < kOrphans; ++i) {
    TRY(storage_->put(BlobId(pack_name(-1 - i)), parts, old(), {}));
  }
  return {};
}

snapshot::DirEntry Maker::file(std::string name, std::int64_t size, const object::ObjectId& id) {
  snapshot::DirEntry e;
  e.name = std::move(name);
  e.type = snapshot::EntryType::file;
  e.mode = 0644;
  e.size = size;
  e.obj = id;
  return e;
}

Result<object::ObjectId> Maker::large_file(std::int64_t first, std::int64_t count) {
  std::string json = R"({"stream":"kopia:indirect","entries":[)";
  constexpr std::int64_t kLength = kContentLength - 28;
  for (std::int64_t i = 0; i < count; ++i) {
    json += i == 0 ? "{" : fmt::format(",{{\"s\":{},", i * kLength);
    json += fmt::format("\"l\":{},\"o\":\"{}\"}}", kLength, content_id(first + i).text());
  }
  json += "]}\n";
  TRY_ASSIGN(const ContentId id, repository_->contents().write(as_bytes(json), 'x', kZstdFastest, {}));
  return object::ObjectId{id, 1, false};
}

Result<snapshot::DirEntry> Maker::write_directory(const std::string& name, const snapshot::DirectoryBuilder& entries) {
  std::string text;
  snapshot::DirEntry e;
  e.name = name;
  e.type = snapshot::EntryType::directory;
  e.mode = 0755;
  e.summ = entries.encode(clock_.now(), {}, text);
  object::WriterOptions options;
  options.prefix = 'k';
  options.compressor = kZstdFastest;
  TRY_ASSIGN(e.obj, repository_->objects().write(as_bytes(text), options, {}));
  return e;
}

Result<snapshot::DirEntry> Maker::directory_of_small_files(const std::string& name, std::int64_t first,
                                                           std::int64_t count) {
  snapshot::DirectoryBuilder entries;
  for (std::int64_t i = 0; i < count; ++i) {
    entries.add(file(fmt::format("file-{}", i), kContentLength - 28, object::ObjectId::direct(content_id(first + i))));
  }
  return write_directory(name, entries);
}

Status Maker::write_short_packs(snapshot::DirectoryBuilder& root) {
  for (int pack = 0; pack < kShortPacks; ++pack) {
    for (int i = 0; i < kContentsPerShortPack; ++i) {
      const std::string text = fmt::format("small content {} of pack {}", i, pack);
      TRY_ASSIGN(const object::ObjectId id, repository_->objects().write(as_bytes(text), {}, {}));
      root.add(file(fmt::format("small-{}-{}", pack, i), static_cast<std::int64_t>(text.size()), id));
    }
    TRY(repository_->contents().flush({}));
  }
  return {};
}

Status Maker::write_snapshot() {
  snapshot::DirectoryBuilder root;
  const std::int64_t in_files = plan_.used() * (100 - kDirectoryShare) / 100;
  std::int64_t next = 0;
  while (next < in_files) {
    const std::int64_t count = std::min(kContentsPerObject, in_files - next);
    TRY_ASSIGN(const object::ObjectId id, large_file(next, count));
    root.add(file(fmt::format("large-{}", next), count * (kContentLength - 28), id));
    next += count;
  }
  while (next < plan_.used()) {
    const std::int64_t count = std::min(kFilesPerDirectory, plan_.used() - next);
    TRY_ASSIGN(const snapshot::DirEntry e, directory_of_small_files(fmt::format("dir-{}", next), next, count));
    root.add(e);
    next += count;
  }
  TRY(write_short_packs(root));
  snapshot::SnapshotManifest m;
  m.source = {"scale", "maker", "/big"};
  m.start_time = m.end_time = clock_.now();
  TRY_ASSIGN(m.root, write_directory("big", root));
  TRY(snapshot::save_snapshot(repository_->manifests(), m, {}));
  return repository_->flush({});
}

Status Maker::run() {
  TRY(open(), "making the repository");
  TRY(write_indexes(), "writing indexes");
  TRY(write_orphans(), "writing orphans");
  return write_snapshot().with_frame("writing the snapshot");
}

}  // namespace
}  // namespace cairn

int main(int argc, char** argv) {
  if (argc != 7) {
    fmt::print(stderr, "usage: {} DIRECTORY PASSWORD CONTENTS INDEX_BLOBS EPOCHS USED_PERCENT\n", argv[0]);
    return 2;
  }
  cairn::Plan plan{
      argv[1], argv[2], std::atoll(argv[3]), std::atoll(argv[4]), std::atoll(argv[5]), std::atoll(argv[6])};
  const cairn::Status s = cairn::Maker(plan).run();
  if (!s.ok()) {
    fmt::print(stderr, "{}\n", s.message());
    return 1;
  }
  return 0;
}
