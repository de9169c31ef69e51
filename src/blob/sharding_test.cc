#include "blob/sharding.h"

#include <gtest/gtest.h>

namespace cairn::blob {
namespace {

std::string path(const ShardLayout& layout, const char* id) {
  auto p = layout.path_of(BlobId(id));
  return p.ok() ? *p : p.status().message();
}

ShardLayout parsed(const char* text) {
  auto layout = ShardLayout::parse(text);
  EXPECT_TRUE(layout.ok()) << layout.status().message();
  return layout.ok() ? *layout : ShardLayout{};
}

TEST(Sharding, MapWithOverrides) {
  const ShardLayout layout = parsed(
      R"({"default":[3,2,1],"maxNonShardedLength":2,"overrides":[{"prefix":"p","shards":[2,2]},{"prefix":"x","shards":[1,1,1]}]})");
  EXPECT_EQ(path(layout, "ab"), "ab.f");
  EXPECT_EQ(path(layout, "defaultsharded"), "def/au/l/tsharded.f");
  EXPECT_EQ(path(layout, "phello"), "ph/el/lo.f");
  EXPECT_EQ(path(layout, "pgoodbye"), "pg/oo/dbye.f");
  EXPECT_EQ(path(layout, "xhello"), "x/h/e/llo.f");
  EXPECT_EQ(path(layout, "xbye"), "x/b/y/e.f");
  EXPECT_EQ(path(layout, "xo"), "xo.f");
}

TEST(Sharding, LengthsKeptInTheRoot) {
  const ShardLayout ten = parsed(R"({"default":[3,3],"maxNonShardedLength":10})");
  EXPECT_EQ(path(ten, "foobarbar"), "foobarbar.f");
  EXPECT_EQ(path(ten, "foobarbarbar"), "foo/bar/barbar.f");
  const ShardLayout none = parsed(R"({"default":[3,3],"maxNonShardedLength":0})");
  EXPECT_EQ(path(none, "fo"), "fo.f");
  EXPECT_EQ(path(none, "foo"), "foo.f");
  EXPECT_EQ(path(none, "foob"), "foo/b.f");
  EXPECT_EQ(path(none, "fooba"), "foo/ba.f");
  EXPECT_EQ(path(none, "foobar"), "foo/bar.f");
  EXPECT_EQ(path(none, "foobar2"), "foo/bar/2.f");
}

TEST(Sharding, UsualLayouts) {
  const ShardLayout fresh = ShardLayout::for_new();
  const ShardLayout legacy = ShardLayout::legacy();
  EXPECT_EQ(path(legacy, "foobarbaz12345678910123213123"), "foo/bar/baz12345678910123213123.f");
  EXPECT_EQ(path(fresh, "foobarbaz12345678910123213123"), "f/oob/arbaz12345678910123213123.f");
  EXPECT_EQ(path(fresh, "kopia.repository"), "kopia.repository.f");
  EXPECT_EQ(path(fresh, "kopia.repository.backup.owner1"), "k/opi/a.repository.backup.owner1.f");
  EXPECT_EQ(path(legacy, "kopia.repository.backup.owner1"), "kop/ia./repository.backup.owner1.f");
  EXPECT_EQ(path(fresh, "_log_20240102030405_ab12_x"), "_/log/_20240102030405_ab12_x.f");
  EXPECT_EQ(path(legacy, "_log_20240102030405_ab12_x"), "_lo/g_2/0240102030405_ab12_x.f");
  EXPECT_EQ(path(ShardLayout::with_shards({}), "foobarbaz12345678910123213123"), "foobarbaz12345678910123213123.f");
  EXPECT_EQ(path(ShardLayout::with_shards({0, 2}), "foobarbaz12345678910123213123"),
            "fo/obarbaz12345678910123213123.f");
}

TEST(Sharding, FileText) {
  EXPECT_EQ(ShardLayout::for_new().dump(), "{\"default\":[1,3],\"maxNonShardedLength\":20}\n");
  EXPECT_EQ(ShardLayout::for_new().dump().size(), 43u);
  const char* with_overrides = R"({"default":[1],"maxNonShardedLength":5,"overrides":[{"prefix":"p","shards":[2,2]}]})";
  EXPECT_EQ(parsed(with_overrides).dump(), std::string(with_overrides) + "\n");
  EXPECT_EQ(parsed(ShardLayout::legacy().dump().c_str()), ShardLayout::legacy());
  for (const char* bad : {"", "x", "7", R"({"default":[-1]})", R"({"default":[1.5]})", R"({"default":[256]})",
                          R"({"overrides":[{"prefix":"p","shards":["1"]}]})"}) {
    EXPECT_EQ(ShardLayout::parse(bad).code(), Code::corrupt) << bad;
  }
}

TEST(Sharding, IdsThatLeadOutOfTheTreeAreRefused) {
  const ShardLayout layout = parsed(R"({"default":[2,1],"maxNonShardedLength":0})");
  for (const char* id : {"", "a/b", "../etc", "..abc", "ab.cd"}) {
    EXPECT_EQ(layout.path_of(BlobId(id)).code(), Code::invalid_argument) << id;
  }
  EXPECT_TRUE(layout.path_of(BlobId("a.b.c")).ok());
}

std::vector<std::string> paths_in(const ShardLayout& layout) {
  std::vector<std::string> paths = {"kopia.repository.f", "xe1.f"};
  for (const char* id : {"p06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124",
                         "q16b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124",
                         "xn0_c0f733e98f9f11868cf685f9b1990e6c-s3035f716e3c5b0d9124-c1"}) {
    paths.push_back(path(layout, id));
  }
  return paths;
}

TEST(Sharding, RecognisesLayouts) {
  const std::vector<int> unusual = {4, 1};
  for (const ShardLayout& layout : {ShardLayout::for_new(), ShardLayout::legacy(), ShardLayout::with_shards({}),
                                    ShardLayout::with_shards(unusual)}) {
    const LayoutVote vote = recognise_layout(paths_in(layout), &unusual);
    EXPECT_TRUE(vote.found);
    EXPECT_EQ(vote.layout, layout);
  }
  EXPECT_FALSE(recognise_layout(paths_in(ShardLayout::with_shards(unusual)), nullptr).found);
  EXPECT_FALSE(recognise_layout({"kopia.repository.f", "xe1.f", "note.txt"}, nullptr).found);
  // A few blobs that another program put elsewhere do not outvote the rest.
  std::vector<std::string> mixed = paths_in(ShardLayout::for_new());
  mixed.push_back(path(ShardLayout::legacy(), "p26b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124"));
  EXPECT_EQ(recognise_layout(mixed, nullptr).layout, ShardLayout::for_new());
}

}  // namespace
}  // namespace cairn::blob
