// A small repository in memory for unit tests.
#pragma once

#include <memory>
#include <string>

#include "blob/memory/memory_storage.h"
#include "content/content_manager.h"
#include "format/repository_format.h"

namespace cairn::test {

class FakeClock : public Clock {
 public:
  explicit FakeClock(Timestamp t = Timestamp::from_seconds(1'700'000'000)) : now_(t) {}
  Timestamp now() const override { return Timestamp{now_.load()}; }
  void advance(Duration d) { now_ += d.ns; }

 private:
  struct Ns {
    std::atomic<std::int64_t> v;
    explicit Ns(Timestamp t) : v(t.ns) {}
    std::int64_t load() const { return v.load(); }
    void operator+=(std::int64_t d) { v += d; }
  } now_;
};

inline constexpr const char* kTestPassword = "test-password";

class TestRepository {
 public:
  explicit TestRepository(format::CreateOptions options = {}, const Clock& clock = system_clock(),
                          std::shared_ptr<blob::Storage> storage = nullptr)
      : storage_(storage ? std::move(storage) : blob::make_memory_storage(clock)), clock_(clock) {
    status_ = format::FormatManager::initialize(*storage_, kTestPassword, options, {});
  }
  const Status& status() const { return status_; }
  std::shared_ptr<blob::Storage> storage() { return storage_; }

  struct Opened {
    std::unique_ptr<format::FormatManager> format;
    std::unique_ptr<content::ContentManager> contents;
    content::ContentManager* operator->() { return contents.get(); }
    content::ContentManager& operator*() { return *contents; }
  };
  Result<Opened> open(content::ContentOptions options = {}) { return open_on(storage_, std::move(options)); }
  Result<Opened> open_on(std::shared_ptr<blob::Storage> storage, content::ContentOptions options = {}) {
    Opened o;
    format::FormatManager::Options f;
    f.clock = &clock_;
    TRY_ASSIGN(o.format, format::FormatManager::open(storage, kTestPassword, f, {}));
    options.username = "alice";
    options.hostname = "lab";
    options.clock = &clock_;
    TRY_ASSIGN(o.contents, content::ContentManager::open(storage, *o.format, options, {}));
    return o;
  }

 private:
  std::shared_ptr<blob::Storage> storage_;
  const Clock& clock_;
  Status status_;
};

}  // namespace cairn::test
