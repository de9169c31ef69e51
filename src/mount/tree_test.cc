#include "mount/tree.h"

#include <gtest/gtest.h>

#include <thread>

#include "blob/memory/memory_storage.h"
#include "mount/chunk_cache.h"
#include "snapshot/directory.h"
#include "snapshot/store.h"

namespace cairn::mount {
namespace {

using snapshot::DirEntry;
using snapshot::EntryType;

class MountTree : public testing::Test {
 protected:
  void SetUp() override {
    storage_ = blob::make_memory_storage();
    ASSERT_TRUE(repo::create(*storage_, "password", {}, {}).ok());
    auto opened = repo::Repository::open_direct(storage_, "password", {}, {}, {}, {});
    ASSERT_TRUE(opened.ok());
    repository_ = std::move(*opened);
  }
  DirEntry file(std::string name, std::string_view content, std::string splitter = "") {
    object::WriterOptions options;
    options.splitter = std::move(splitter);
    const auto writer = repository_->objects().new_writer(options);
    EXPECT_TRUE(writer->write(as_bytes(content), {}).ok());
    DirEntry e;
    e.name = std::move(name);
    e.type = EntryType::file;
    e.mode = 0644;
    e.size = static_cast<std::int64_t>(content.size());
    e.obj = writer->result({}).value();
    return e;
  }
  DirEntry directory(std::string name, const std::vector<DirEntry>& entries) {
    snapshot::DirectoryBuilder builder;
    for (const DirEntry& e : entries) {
      builder.add(e);
    }
    std::string text;
    DirEntry d;
    d.name = std::move(name);
    d.type = EntryType::directory;
    d.summ = builder.encode({}, "", text);
    d.obj = repository_->objects().write(as_bytes(text), {.prefix = 'k'}, {}).value();
    return d;
  }
  void save(std::string path, const DirEntry& root, Timestamp time) {
    snapshot::SnapshotManifest m;
    m.source = {"lab", "alice", std::move(path)};
    m.start_time = m.end_time = time;
    m.root = root;
    ASSERT_TRUE(snapshot::save_snapshot(repository_->manifests(), m, {}).ok());
  }
  static std::vector<std::string> names(Tree& tree, Inode inode) {
    std::vector<std::string> out;
    const auto listing = tree.list(inode, {});
    EXPECT_TRUE(listing.ok()) << listing.status().message();
    if (listing.ok()) {
      for (const Item& i : (*listing)->items()) {
        out.push_back(i.entry.name);
      }
    }
    return out;
  }
  std::shared_ptr<blob::Storage> storage_;
  std::unique_ptr<repo::Repository> repository_;
};

using Names = std::vector<std::string>;

TEST_F(MountTree, LooksUpAndForgets) {
  Tree tree(*repository_, directory("", {directory("d", {file("x", "1")}), file("a", "22")}), {});
  EXPECT_EQ(names(tree, kRootInode), (Names{"a", "d"}));
  const Inode d = tree.look_up(kRootInode, "d", {}).value();
  EXPECT_EQ(tree.look_up(kRootInode, "d", {}).value(), d) << "one name, one number";
  const Inode x = tree.look_up(d, "x", {}).value();
  EXPECT_EQ(tree.item(x)->entry.size, 1);
  EXPECT_EQ(tree.look_up(d, "none", {}).code(), Code::not_found);
  EXPECT_EQ(tree.look_up(x, "none", {}).code(), Code::not_found);
  EXPECT_EQ(tree.inode_count(), 3U);
  tree.forget(d, 1);
  EXPECT_NE(tree.item(d), nullptr);
  tree.forget(d, 1);
  EXPECT_EQ(tree.item(d), nullptr);
  tree.forget(x, 5);
  tree.forget(kRootInode, 5);
  EXPECT_EQ(tree.inode_count(), 1U);
}

TEST_F(MountTree, AllSnapshotsByUserPathAndTime) {
  const DirEntry root = directory("x", {file("a", "1")});
  const Timestamp time = parse_rfc3339("2024-03-01T10:00:00Z").value();
  save("/data/x", root, time);
  save("/data/x", root, time + milliseconds(5));
  save("/data_x", root, time);
  save("/", root, time);
  Tree tree(*repository_, {});
  EXPECT_EQ(names(tree, kRootInode), (Names{"alice@lab"}));
  const Inode user = tree.look_up(kRootInode, "alice@lab", {}).value();
  EXPECT_EQ(names(tree, user), (Names{"data_x", "data_x (2)", "root"}));
  const Inode x = tree.look_up(user, "data_x", {}).value();
  ASSERT_EQ(names(tree, x).size(), 2U);
  const Inode snapshot = tree.look_up(x, names(tree, x)[0], {}).value();
  EXPECT_EQ(names(tree, snapshot), (Names{"a"}));
  save("/data/x", root, time + hours(1));
  EXPECT_EQ(names(tree, x).size(), 3U) << "a new snapshot appears";
}

TEST_F(MountTree, LargeDirectoriesAndTheLimitOfTheCache) {
  std::vector<DirEntry> many;
  const DirEntry one = file("f", "1");
  for (int i = 0; i < 100'000; ++i) {
    many.push_back(one);
    many.back().name = fmt::format("file-{:06}", i);
  }
  Tree tree(*repository_, directory("", many), {.directories_max = 2, .entries_max = 10});
  EXPECT_EQ(names(tree, kRootInode).size(), 100'000U);
  EXPECT_TRUE(tree.look_up(kRootInode, "file-099999", {}).ok());
}

TEST_F(MountTree, FilesByPieces) {
  std::string content;
  for (int i = 0; content.size() < (5u << 20); ++i) {
    content += std::to_string(i) + ' ';
  }
  const DirEntry e = file("big", content, "FIXED-128K");
  ASSERT_GT(e.obj.indirection, 0);
  ChunkCache cache(repository_->objects(), 1 << 20);
  auto opened = OpenFile::open(cache, e.obj, {});
  ASSERT_TRUE(opened.ok());
  OpenFile& big = **opened;
  EXPECT_EQ(big.length(), e.size);
  std::vector<std::jthread> threads;
  std::atomic<int> wrong{0};
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Buffer out(100'001);
      for (std::size_t at = t * 1000; at < content.size(); at += out.size()) {
        const auto n = big.read(static_cast<std::int64_t>(at), out.mut(), {});
        if (!n.ok() || as_text(out.view().first(*n)) != std::string_view(content).substr(at, out.size())) {
          ++wrong;
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
  Buffer out(10);
  EXPECT_EQ(big.read(e.size, out.mut(), {}).value(), 0U);
  EXPECT_EQ(big.read(e.size - 3, out.mut(), {}).value(), 3U);
  EXPECT_EQ(big.read(-1, out.mut(), {}).value(), 0U);
  auto empty = OpenFile::open(cache, file("empty", "").obj, {});
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ((*empty)->read(0, out.mut(), {}).value(), 0U);
}

}  // namespace
}  // namespace cairn::mount
