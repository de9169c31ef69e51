#include "repo/validate_provider.h"

#include <gtest/gtest.h>

#include "blob/memory/memory_storage.h"

namespace cairn::repo {
namespace {

constexpr auto kSilent = [](const std::string&) {};
const ValidateOptions kShort{
    .concurrency_time = milliseconds(50), .put_workers = 1, .get_workers = 1, .metadata_workers = 1};

TEST(ValidateProvider, AGoodStorageAndNothingLeftBehind) {
  const std::shared_ptr<blob::Storage> storage = blob::make_memory_storage();
  int steps = 0;
  const Status s = validate_provider({storage, storage}, kShort, [&](const std::string&) { ++steps; }, {});
  EXPECT_TRUE(s.ok()) << s.message();
  EXPECT_EQ(steps, 7);
  EXPECT_TRUE(storage->list_all("", {})->empty());
}

TEST(ValidateProvider, ConnectionsToDifferentStoragesAreFound) {
  const std::shared_ptr<blob::Storage> a = blob::make_memory_storage();
  const std::shared_ptr<blob::Storage> b = blob::make_memory_storage();
  EXPECT_FALSE(validate_provider({a, b}, kShort, kSilent, {}).ok());
  EXPECT_TRUE(a->list_all("", {})->empty());
}

}  // namespace
}  // namespace cairn::repo
