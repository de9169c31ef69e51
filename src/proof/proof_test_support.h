// Repositories in memory with snapshots whose packs are known, and ways to damage them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "blob/memory/memory_storage.h"
#include "proof/verify.h"
#include "snapshot/directory.h"
#include "snapshot/store.h"
#include "tests/support/test_repository.h"

namespace cairn::proof::testing {

inline constexpr std::string_view kPassword = cairn::test::kTestPassword;
using Files = std::map<std::string, std::string>;

class ProofTest : public ::testing::Test {
 protected:
  void SetUp() override { create(*storage_); }

  static void create(blob::Storage& storage, int version = 0) {
    format::CreateOptions options;
    options.version = version;
    const Status created = repo::create(storage, kPassword, options, {});
    ASSERT_TRUE(created.ok()) << created.message();
  }

  Result<std::unique_ptr<repo::Repository>> open(std::shared_ptr<blob::Storage> storage, bool read_only = false) {
    repo::ClientOptions client;
    client.hostname = "lab";
    client.username = "alice";
    repo::OpenOptions options;
    options.clock = &clock_;
    options.read_only = read_only;
    options.defer_indexes = true;
    return repo::Repository::open_direct(std::move(storage), kPassword, client, {}, options, {});
  }

  // A snapshot of /data/NAME with the files in the folder "sub", in packs and an index blob of its own.
  void snapshot(const std::string& name, const Files& files) {
    auto opened = open(storage_);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    repo::Repository& r = **opened;
    snapshot::DirectoryBuilder sub;
    for (const auto& [file, content] : files) {
      auto id = r.objects().write(as_bytes(content), {}, {});
      ASSERT_TRUE(id.ok()) << id.status().message();
      sub.add(entry(file, snapshot::EntryType::file, *id));
    }
    snapshot::DirectoryBuilder root;
    root.add(entry("sub", snapshot::EntryType::directory, store(r, sub)));
    snapshot::SnapshotManifest m;
    m.source = {"lab", "alice", "/data/" + name};
    m.start_time = m.end_time = clock_.now();
    m.root = entry(name, snapshot::EntryType::directory, store(r, root));
    ASSERT_TRUE(snapshot::save_snapshot(r.manifests(), m, {}).ok());
    const Status flushed = r.flush({});
    ASSERT_TRUE(flushed.ok()) << flushed.message();
    clock_.advance(minutes(1));
  }

  VerifyReport verify(ReadPacks read = ReadPacks::all, Ledger* ledger = nullptr, std::int64_t byte_budget = 0,
                      Duration time_budget = {}) {
    VerifyOptions options;
    options.read = read;
    options.ledger = ledger;
    options.byte_budget = byte_budget;
    options.time_budget = time_budget;
    options.parallel = 1;
    auto opened = open(storage_, true);
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    auto report = verify_repository(**opened, options, {}, {});
    EXPECT_TRUE(report.ok()) << report.status().message();
    return report.ok() ? std::move(*report) : VerifyReport();
  }

  // Ascending by time.
  std::vector<BlobId> blobs(std::string_view prefix) { return blobs_of(*storage_, prefix); }
  static std::vector<BlobId> blobs_of(blob::Storage& storage, std::string_view prefix) {
    auto all = storage.list_all(prefix, {});
    EXPECT_TRUE(all.ok());
    std::ranges::sort(*all, {}, [](const blob::BlobMetadata& b) { return std::tuple(b.timestamp, b.id); });
    std::vector<BlobId> ids;
    for (const auto& b : *all) {
      ids.push_back(b.id);
    }
    return ids;
  }
  // One bit of a blob, whose time stays as it was.
  void flip(const BlobId& id, std::size_t at) {
    const auto before = storage_->metadata(id, {});
    auto bytes = storage_->get(id, {}, {});
    ASSERT_TRUE(bytes.ok() && before.ok() && at < bytes->size()) << id.text;
    (*bytes)[at] ^= 1;
    store_again(id, bytes->view(), before->timestamp);
  }
  void cut(const BlobId& id, std::size_t size) {
    const auto before = storage_->metadata(id, {});
    const auto bytes = storage_->get(id, {}, {});
    ASSERT_TRUE(bytes.ok() && before.ok() && size < bytes->size()) << id.text;
    store_again(id, bytes->view().first(size), before->timestamp);
  }
  void lose(const BlobId& id) { ASSERT_TRUE(storage_->remove(id, {}).ok()); }
  // Where the contents of a pack begin.
  std::size_t first_content(const BlobId& pack) {
    auto opened = open(storage_, true);
    EXPECT_TRUE(opened.ok());
    std::size_t first = SIZE_MAX;
    EXPECT_TRUE((*opened)
                    ->contents()
                    .iterate({},
                             [&](const content::ContentInfo& c) -> Status {
                               if (c.pack == pack) {
                                 first = std::min<std::size_t>(first, c.pack_offset);
                               }
                               return {};
                             },
                             {})
                    .ok());
    return first;
  }
  static std::map<std::string, std::string> bytes_of(blob::Storage& storage) {
    std::map<std::string, std::string> out;
    for (const BlobId& id : blobs_of(storage, "")) {
      const auto bytes = storage.get(id, {}, {});
      out[id.text] = bytes.ok() ? std::string(bytes->text()) : "?";
    }
    return out;
  }
  static std::shared_ptr<blob::Storage> copy_of(blob::Storage& storage, const Clock& clock) {
    auto copy = blob::make_memory_storage(clock);
    for (const auto& [name, bytes] : bytes_of(storage)) {
      EXPECT_TRUE(copy->put(BlobId(name), as_bytes(bytes), {}).ok());
    }
    return copy;
  }

  cairn::test::FakeClock clock_;
  std::shared_ptr<blob::Storage> storage_ = blob::make_memory_storage(clock_);

 private:
  static snapshot::DirEntry entry(const std::string& name, snapshot::EntryType type, const object::ObjectId& id) {
    snapshot::DirEntry e;
    e.name = name;
    e.type = type;
    e.mode = 0755;
    e.obj = id;
    if (type == snapshot::EntryType::directory) {
      e.summ = snapshot::Summary{};
    }
    return e;
  }
  object::ObjectId store(repo::Repository& r, const snapshot::DirectoryBuilder& directory) {
    std::string text;
    directory.encode(clock_.now(), "", text);
    object::WriterOptions options;
    options.prefix = 'k';
    auto id = r.objects().write(as_bytes(text), options, {});
    EXPECT_TRUE(id.ok()) << id.status().message();
    return *id;
  }
  void store_again(const BlobId& id, ByteView bytes, Timestamp timestamp) {
    const ByteView parts[] = {bytes};
    blob::PutOptions put;
    put.set_mtime = timestamp;
    ASSERT_TRUE(storage_->put(id, parts, put, {}).ok());
  }
};

}  // namespace cairn::proof::testing
