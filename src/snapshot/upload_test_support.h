// A source directory and a repository in memory, for the tests of uploads.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "blob/memory/memory_storage.h"
#include "repo/repository.h"
#include "snapshot/directory.h"
#include "snapshot/upload.h"
#include "sys/attributes.h"
#include "sys/directory.h"
#include "sys/file.h"

namespace cairn::snapshot::test {

inline constexpr std::string_view kPassword = "test-password";
inline constexpr Timestamp kFileTime{1'600'000'000'123'456'789};

struct ErrorLog final : UploadProgress {
  void on_entry_error(const std::string& path, const std::string& message, bool ignored) override {
    const std::scoped_lock lock(mutex);
    lines.push_back((ignored ? "ignored " : "fatal ") + path + ": " + message);
  }
  void on_checkpoint() override { ++checkpoints; }
  std::mutex mutex;
  std::vector<std::string> lines;
  std::atomic<int> checkpoints{0};
};

class UploadFixture : public testing::Test {
 protected:
  void SetUp() override {
    // Many small files: in memory where there is such a place.
    const std::string parent = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : sys::temp_directory();
    auto made = sys::TempDir::make("cairn-upload-test-", parent);
    ASSERT_TRUE(made.ok()) << made.status().message();
    temp_ = std::move(*made);
    root_ = temp_.path() + "/src";
    ASSERT_EQ(::mkdir(root_.c_str(), 0755), 0);
    storage_ = blob::make_memory_storage();
    const Status created = repo::create(*storage_, kPassword, {}, {});
    ASSERT_TRUE(created.ok()) << created.message();
    reopen();
    policy_ = default_policy();
    source_.info = {"lab", "alice", "/data/src"};
    source_.path = root_;
  }

  void reopen() {
    repository_.reset();
    repo::ClientOptions client;
    client.hostname = "lab";
    client.username = "alice";
    auto opened = repo::Repository::open_direct(storage_, kPassword, client, {}, {}, {});
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    repository_ = std::move(*opened);
  }

  std::string at(std::string_view name) const { return root_ + '/' + std::string(name); }
  void mkdir(std::string_view name, mode_t mode = 0755) { ASSERT_EQ(::mkdir(at(name).c_str(), mode), 0) << name; }
  void write(std::string_view name, std::string_view content, mode_t mode = 0644) {
    const auto fd = sys::open_file(at(name), O_WRONLY | O_CREAT | O_TRUNC, mode);
    ASSERT_TRUE(fd.ok()) << fd.status().message();
    ASSERT_TRUE(sys::write_all(fd->get(), as_bytes(content)).ok());
    ASSERT_EQ(::fchmod(fd->get(), mode), 0);
    ASSERT_TRUE(sys::set_times(fd->get(), kFileTime, kFileTime).ok());
  }

  Result<SnapshotManifest> try_run(std::stop_token stop = {}) {
    return upload(*repository_, source_, PolicyTree::of(policy_), previous_, options_, stop);
  }
  SnapshotManifest run(std::stop_token stop = {}) {
    auto result = try_run(stop);
    EXPECT_TRUE(result.ok()) << result.status().message();
    if (!result.ok() || !result->root) {
      return {};
    }
    EXPECT_TRUE(repository_->flush({}).ok());
    return *result;
  }

  Directory read(const object::ObjectId& id) {
    auto text = repository_->objects().read_all(id, 1u << 30, {});
    EXPECT_TRUE(text.ok()) << text.status().message();
    auto directory = parse_directory(text.ok() ? text->text() : std::string_view());
    EXPECT_TRUE(directory.ok()) << directory.status().message();
    return directory.ok() ? std::move(*directory) : Directory{};
  }
  std::string content(const object::ObjectId& id) {
    auto data = repository_->objects().read_all(id, 1u << 30, {});
    EXPECT_TRUE(data.ok()) << data.status().message();
    return data.ok() ? std::string(data->text()) : std::string();
  }
  // Names of a directory in stored order.
  static std::vector<std::string> names(const Directory& d) {
    std::vector<std::string> out;
    for (const DirEntry& e : d.entries) {
      out.push_back(e.name);
    }
    return out;
  }
  // By relative path; an entry without name when absent.
  DirEntry find(const SnapshotManifest& m, const std::string& path) {
    DirEntry at_hand = *m.root;
    std::size_t from = 0;
    while (from < path.size()) {
      const std::size_t slash = std::min(path.find('/', from), path.size());
      const Directory d = read(at_hand.obj);
      const DirEntry* e = d.find(path.substr(from, slash - from));
      if (e == nullptr) {
        return {};
      }
      at_hand = *e;
      from = slash + 1;
    }
    return at_hand;
  }

  sys::TempDir temp_;
  std::string root_;
  std::shared_ptr<blob::Storage> storage_;
  std::unique_ptr<repo::Repository> repository_;
  Policy policy_;
  UploadSource source_;
  UploadOptions options_;
  std::vector<SnapshotManifest> previous_;
};

}  // namespace cairn::snapshot::test
