#include "blob/filesystem/reshard.h"

#include <gtest/gtest.h>

#include "blob/filesystem/filesystem_storage.h"
#include "sys/file.h"

namespace cairn::blob {
namespace {

class Reshard : public ::testing::Test {
 protected:
  void SetUp() override {
    auto dir = sys::TempDir::make("cairn-reshard-");
    ASSERT_TRUE(dir.ok());
    dir_ = std::move(*dir);
    auto storage = open(true);
    ASSERT_NE(storage, nullptr);
    for (int i = 0; i < 30; ++i) {
      ids_.emplace_back(fmt::format("{}{:032x}-s0123456789abcdef124", i % 2 == 0 ? "p" : "q", i * 7919));
      ASSERT_TRUE(storage->put(ids_.back(), as_bytes(ids_.back().text), {}).ok());
    }
    ids_.emplace_back("kopia.repository");
    ASSERT_TRUE(storage->put(ids_.back(), as_bytes(ids_.back().text), {}).ok());
  }
  std::shared_ptr<Storage> open(bool create = false) {
    FilesystemOptions options;
    options.path = dir_.path();
    auto storage = open_filesystem(options, {.create = create}, {});
    EXPECT_TRUE(storage.ok()) << storage.status().message();
    return storage.ok() ? *storage : nullptr;
  }
  void expect_all_there() {
    auto storage = open();
    ASSERT_NE(storage, nullptr);
    for (const BlobId& id : ids_) {
      auto bytes = storage->get(id, {}, {});
      ASSERT_TRUE(bytes.ok()) << id.text << ": " << bytes.status().message();
      EXPECT_EQ(bytes->text(), id.text);
    }
    auto all = storage->list_all("", {});
    ASSERT_TRUE(all.ok());
    EXPECT_EQ(all->size(), ids_.size());
  }
  sys::TempDir dir_;
  std::vector<BlobId> ids_;
};

TEST_F(Reshard, MovesEveryBlobAndBack) {
  ShardLayout wanted{{2, 2}, 20, {{"q", {}}}};
  auto result = reshard_tree(dir_.path(), wanted, false, nullptr, {});
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->moved, 30);
  EXPECT_EQ(result->unchanged, 1);
  EXPECT_GT(result->removed_directories, 0);
  expect_all_there();
  EXPECT_TRUE(sys::file_exists(dir_.path() + "/" + ids_[1].text + ".f")) << "q blobs are flat now";
  auto back = reshard_tree(dir_.path(), ShardLayout::for_new(), false, nullptr, {});
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->moved, 30);
  expect_all_there();
}

TEST_F(Reshard, DryRunChangesNothing) {
  int told = 0;
  auto result = reshard_tree(dir_.path(), ShardLayout::legacy(), true, [&](const auto&, const auto&) { ++told; }, {});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->moved, 30);
  EXPECT_EQ(told, 30);
  expect_all_there();
}

TEST_F(Reshard, AnInterruptedRunIsFinishedByTheNext) {
  std::stop_source source;
  int moves = 0;
  auto stopped = reshard_tree(
      dir_.path(), ShardLayout::legacy(), false,
      [&](const auto&, const auto&) {
        if (++moves == 10) {
          source.request_stop();
        }
      },
      source.get_token());
  EXPECT_EQ(stopped.code(), Code::cancelled);
  auto result = reshard_tree(dir_.path(), ShardLayout::legacy(), false, nullptr, {});
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->moved, 20);
  expect_all_there();
}

TEST_F(Reshard, RefusesABlobThatIsThereTwice) {
  const std::string copy = dir_.path() + "/" + ids_[0].text + ".f";
  ASSERT_TRUE(sys::write_file_atomic(copy, as_bytes("other"), 0600).ok());
  auto result = reshard_tree(dir_.path(), ShardLayout::legacy(), false, nullptr, {});
  EXPECT_EQ(result.code(), Code::already_exists);
  ASSERT_TRUE(sys::remove_file(copy).ok());
  expect_all_there();
}

}  // namespace
}  // namespace cairn::blob
