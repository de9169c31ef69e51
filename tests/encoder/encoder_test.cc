// Linked with a content layer whose encoder damages every 50th content (CAIRN_ENCODER_ERRS).
#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/support/test_repository.h"

namespace cairn::content {
namespace {

class FaultyEncoder : public ::testing::TestWithParam<compress::HeaderId> {};

// Writes until the encoder errs, then checks that whatever reached the storage decodes, and that nothing follows.
TEST_P(FaultyEncoder, NeverGetsABadPackStored) {
  test::TestRepository repo;
  ASSERT_TRUE(repo.status().ok());
  auto m = repo.open();
  ASSERT_TRUE(m.ok());
  Status failed;
  int written = 0;
  for (; written < 200 && failed.ok(); ++written) {
    Buffer data(300'000);
    random_bytes(data.mut());
    std::fill_n(data.data(), 100'000, Byte{7});
    failed = (*m)->write(data.view(), 0, GetParam(), {}).status();
    if (written == 20) {
      ASSERT_TRUE((*m)->flush({}).ok());  // contents before the error are safe
    }
  }
  ASSERT_FALSE(failed.ok()) << "the encoder did not err";
  EXPECT_NE(failed.message().find("verification before upload"), std::string::npos) << failed.message();
  EXPECT_FALSE((*m)->flush({}).ok());
  EXPECT_FALSE((*m)->write(as_bytes("more"), 0, compress::kNone, {}).ok());
  m = repo.open();
  ASSERT_TRUE(m.ok());
  int readable = 0;
  const Status all = (*m)->iterate({},
                                   [&](const ContentInfo& i) -> Status {
                                     ++readable;
                                     return (*m)->read(i.id, {}).status();
                                   },
                                   {});
  EXPECT_TRUE(all.ok()) << all.message();
  EXPECT_GE(readable, 21);
}

INSTANTIATE_TEST_SUITE_P(Compression, FaultyEncoder, ::testing::Values(compress::kNone, compress::kZstdFastest));

}  // namespace
}  // namespace cairn::content
