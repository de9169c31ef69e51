// When a session's marker may go: docs/format/packs.md (kopia-format §10.2), and beside the confirming listing.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "blob/forwarding.h"
#include "content/content_manager.h"
#include "tests/support/test_repository.h"

namespace cairn::content {
namespace {

using cairn::test::FakeClock;
using cairn::test::TestRepository;

// A store that answers late, as far as the engine knows. `on_confirm` is called in the listing that follows the first
// put of an index blob.
class Remote final : public blob::ForwardingStorage {
 public:
  using ForwardingStorage::ForwardingStorage;
  using Storage::put;
  Result<blob::BlobMetadata> put(const BlobId& id, GatherView data, const blob::PutOptions& options,
                                 std::stop_token stop) override {
    const std::lock_guard lock(mutex_);
    if (id.starts_with("xn")) {
      confirming_ = true;
    } else if (id.starts_with("s")) {
      ++markers_put;
    }
    return ForwardingStorage::put(id, data, options, std::move(stop));
  }
  Status list(std::string_view prefix, const blob::ListCallback& callback, std::stop_token stop) override {
    if (confirming_.exchange(false) && on_confirm) {
      TRY(on_confirm());
    }
    return ForwardingStorage::list(prefix, callback, std::move(stop));
  }
  Status remove(const BlobId& id, std::stop_token stop) override {
    const Status s = ForwardingStorage::remove(id, std::move(stop));
    const std::lock_guard lock(mutex_);
    if (id.starts_with("s")) {
      marker_removed_ = true;
      changed_.notify_all();
    }
    return s;
  }
  blob::ConnectionInfo connection_info() const override { return {"s3", Json()}; }

  bool wait_for_removal() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return marker_removed_; });
  }
  bool marker_removed() {
    const std::lock_guard lock(mutex_);
    return marker_removed_;
  }

  std::function<Status()> on_confirm;
  int markers_put = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool marker_removed_ = false;
  std::atomic<bool> confirming_{false};
};

class SessionEnd : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(repository_.status().ok());
    ContentOptions options;
    options.index_flush_interval = hours(1000);
    auto opened = repository_.open_on(remote_, options);
    ASSERT_TRUE(opened.ok());
    contents_ = std::move(*opened);
  }
  ContentId write(std::string_view text) {
    auto id = contents_->write(as_bytes(text), 0, compress::kNone, {});
    EXPECT_TRUE(id.ok()) << id.status().message();
    return *id;
  }
  std::size_t count(std::string_view prefix) { return repository_.storage()->list_all(prefix, {}).value().size(); }
  Code others_find(const ContentId& id) {
    auto other = repository_.open();
    EXPECT_TRUE(other.ok());
    return (*other)->info(id, {}).code();
  }

  FakeClock clock_;
  TestRepository repository_{{}, clock_};
  std::shared_ptr<Remote> remote_ = std::make_shared<Remote>(repository_.storage());
  TestRepository::Opened contents_;
};

TEST_F(SessionEnd, TheMarkerGoesWhileTheIndexIsConfirmed) {
  bool together = false;
  remote_->on_confirm = [&] {
    together = remote_->wait_for_removal();
    return Status();
  };
  const ContentId id = write("one");
  ASSERT_TRUE(contents_->flush({}).ok());
  EXPECT_TRUE(together);
  EXPECT_EQ(count("s"), 0u);
  EXPECT_EQ(others_find(id), Code::ok);
}

// Packs that are a day old are only safe by the marker.
TEST_F(SessionEnd, TheMarkerOfALongSessionGoesLast) {
  bool early = true;
  remote_->on_confirm = [&] {
    early = remote_->marker_removed();
    return Status();
  };
  write("one");
  clock_.advance(hours(13));
  ASSERT_TRUE(contents_->flush({}).ok());
  EXPECT_FALSE(early);
  EXPECT_EQ(count("s"), 0u);
}

TEST_F(SessionEnd, ASessionWhoseIndexDoesNotCountGetsItsMarkerBack) {
  remote_->on_confirm = [&] {
    EXPECT_TRUE(remote_->wait_for_removal());
    return error(Code::permission_denied, "no listing");
  };
  const ContentId first = write("one");
  EXPECT_EQ(contents_->flush({}).code(), Code::permission_denied);
  EXPECT_EQ(count("s"), 1u);
  EXPECT_EQ(remote_->markers_put, 2);
  remote_->on_confirm = nullptr;
  const ContentId second = write("two");
  ASSERT_TRUE(contents_->flush({}).ok());
  EXPECT_EQ(count("s"), 0u);
  EXPECT_EQ(remote_->markers_put, 2) << "it is the same session";
  EXPECT_EQ(others_find(first), Code::ok);
  EXPECT_EQ(others_find(second), Code::ok);
}

// Unmarked for longer than others leave packs alone: they may be gone.
TEST_F(SessionEnd, ASessionThatStoodUnmarkedForADayEnds) {
  remote_->on_confirm = [&] {
    EXPECT_TRUE(remote_->wait_for_removal());
    clock_.advance(hours(25));
    return error(Code::permission_denied, "no listing");
  };
  write("one");
  EXPECT_EQ(contents_->flush({}).code(), Code::permission_denied);
  remote_->on_confirm = nullptr;
  const std::size_t index_blobs = count("x");
  EXPECT_FALSE(contents_->flush({}).ok());
  EXPECT_FALSE(contents_->write(as_bytes("two"), 0, compress::kNone, {}).ok());
  EXPECT_EQ(count("x"), index_blobs);
}

}  // namespace
}  // namespace cairn::content
