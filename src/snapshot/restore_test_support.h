// A repository in memory with hand-made trees, for the tests of restore and verification.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <string>

#include "blob/memory/memory_storage.h"
#include "repo/repository.h"
#include "snapshot/directory.h"
#include "snapshot/restore.h"
#include "snapshot/restore_local.h"
#include "snapshot/store.h"
#include "sys/file.h"

namespace cairn::snapshot::test {

inline constexpr std::string_view kRestorePassword = "test-password";
inline constexpr Timestamp kEntryTime{1'500'000'000'123'456'789};

class RestoreFixture : public testing::Test {
 protected:
  void SetUp() override {
    auto made = sys::TempDir::make("cairn-restore-test-");
    ASSERT_TRUE(made.ok()) << made.status().message();
    temp_ = std::move(*made);
    target_ = temp_.path() + "/target";
    storage_ = blob::make_memory_storage();
    const Status created = repo::create(*storage_, kRestorePassword, {}, {});
    ASSERT_TRUE(created.ok()) << created.message();
    reopen();
  }

  void reopen() {
    repository_.reset();
    repo::ClientOptions client;
    client.hostname = "lab";
    client.username = "alice";
    auto opened = repo::Repository::open_direct(storage_, kRestorePassword, client, {}, {}, {});
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    repository_ = std::move(*opened);
  }
  object::ObjectManager& objects() { return repository_->objects(); }

  // Entries as they stand in a directory object; owner is who runs the test.
  DirEntry entry(std::string name, EntryType type, std::uint32_t mode, std::int64_t size, object::ObjectId id) {
    DirEntry e;
    e.name = std::move(name);
    e.type = type;
    e.mode = mode;
    e.size = size;
    e.mtime = kEntryTime;
    e.uid = ::geteuid();
    e.gid = ::getegid();
    e.obj = id;
    return e;
  }
  DirEntry file(std::string name, std::string_view content, std::uint32_t mode = 0644, std::string splitter = "") {
    object::WriterOptions options;
    options.splitter = std::move(splitter);
    auto writer = objects().new_writer(options);
    EXPECT_TRUE(writer->write(as_bytes(content), {}).ok());
    auto id = writer->result({});
    EXPECT_TRUE(id.ok()) << id.status().message();
    return entry(std::move(name), EntryType::file, mode, static_cast<std::int64_t>(content.size()), *id);
  }
  DirEntry link(std::string name, std::string_view target) {
    auto id = objects().write(as_bytes(target), {}, {});
    EXPECT_TRUE(id.ok());
    return entry(std::move(name), EntryType::symlink, 0777, static_cast<std::int64_t>(target.size()), *id);
  }
  DirEntry directory(std::string name, const std::vector<DirEntry>& entries, std::uint32_t mode = 0755) {
    DirectoryBuilder builder;
    for (const DirEntry& e : entries) {
      builder.add(e);
    }
    std::string text;
    const Summary summary = builder.encode(kEntryTime, "", text);
    object::WriterOptions options;
    options.prefix = 'k';
    auto id = objects().write(as_bytes(text), options, {});
    EXPECT_TRUE(id.ok());
    DirEntry e = entry(std::move(name), EntryType::directory, mode, 0, *id);
    e.summ = summary;
    return e;
  }
  void flush() {
    const Status s = repository_->flush({});
    ASSERT_TRUE(s.ok()) << s.message();
  }
  std::string save(const DirEntry& root, std::string path = "/data", Timestamp start = kEntryTime) {
    SnapshotManifest m;
    m.source = {"lab", "alice", std::move(path)};
    m.start_time = m.end_time = start;
    m.root = root;
    auto id = save_snapshot(repository_->manifests(), m, {});
    EXPECT_TRUE(id.ok()) << id.status().message();
    flush();
    return id.ok() ? *id : "";
  }
  // The pack that holds an object's (first) content.
  BlobId pack_of(const object::ObjectId& id) {
    auto info = repository_->contents().info(id.content, {});
    EXPECT_TRUE(info.ok());
    return info.ok() ? info->pack : BlobId();
  }
  // One bit of the stored form of an object's content.
  void damage(const object::ObjectId& id) {
    auto info = repository_->contents().info(id.content, {});
    ASSERT_TRUE(info.ok());
    auto bytes = storage_->get(info->pack, {}, {});
    ASSERT_TRUE(bytes.ok());
    (*bytes)[info->pack_offset + info->packed_length / 2] ^= 1;
    ASSERT_TRUE(storage_->put(info->pack, bytes->view(), {}).ok());
  }

  Status restore(const DirEntry& root, LocalOutputOptions local = {}, RestoreOptions options = {}) {
    flush();
    const auto output = LocalOutput::create(target_, local);
    progress_ = std::make_unique<RestoreProgress>();
    ignored_.clear();
    RestoreCallbacks callbacks;
    std::mutex mutex;
    callbacks.on_ignored_error = [&](const std::string& path, const Status& s) {
      const std::lock_guard lock(mutex);
      ignored_[path] = s.message();
    };
    Status s = restore_tree(objects(), root, *output, options, *progress_, callbacks, {});
    problems_ = output->attribute_problems();
    return s;
  }

  std::string at(std::string_view name) const { return sys::join_path(target_, name); }
  std::string content(std::string_view name) const {
    auto data = sys::read_file(at(name), 1u << 30);
    EXPECT_TRUE(data.ok()) << data.status().message();
    return data.ok() ? std::string(data->text()) : "";
  }
  sys::FileInfo info(std::string_view name) const {
    auto i = sys::lstat_path(at(name));
    EXPECT_TRUE(i.ok()) << i.status().message();
    return i.ok() ? *i : sys::FileInfo{};
  }
  bool exists(std::string_view name) const { return sys::lstat_path(at(name)).ok(); }
  void put(std::string_view name, std::string_view text) const {
    ASSERT_TRUE(sys::make_directories(sys::parent_path(at(name)), 0755).ok());
    ASSERT_TRUE(sys::write_file_atomic(at(name), as_bytes(text), 0644).ok());
  }

  sys::TempDir temp_;
  std::string target_;
  std::shared_ptr<blob::Storage> storage_;
  std::unique_ptr<repo::Repository> repository_;
  std::unique_ptr<RestoreProgress> progress_;
  std::map<std::string, std::string> ignored_;
  AttributeProblems problems_;
};

}  // namespace cairn::snapshot::test
