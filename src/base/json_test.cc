#include "base/json.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string number(double v) {
  std::string out;
  append_json_number(out, v);
  return out;
}

TEST(Json, KeepsTheOrderOfKeysAndUnknownOnes) {
  const std::string text = R"({"b":1,"a":{"z":[1,-2,3.5,true,null],"y":""},"c":"x"})";
  auto json = Json::parse(text);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->dump(), text);
  json->set("a", "new");
  json->set("d", 4);
  EXPECT_TRUE(json->erase("b"));
  EXPECT_FALSE(json->erase("b"));
  EXPECT_EQ(json->dump(), R"({"a":"new","c":"x","d":4})");
}

TEST(Json, FindsExactlyFirstThenWithoutCase) {
  const auto json = Json::parse(R"({"Name":1,"name":2})");
  ASSERT_TRUE(json.ok());
  EXPECT_EQ((*json)["name"].as_int(), 2);
  EXPECT_EQ((*json)["NAME"].as_int(), 1);
  EXPECT_TRUE((*json)["other"].is_null());
}

TEST(Json, IndentsAsGo) {
  const auto json = Json::parse(R"({"a":[1,2],"b":{},"c":[]})");
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->dump(2), "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {},\n  \"c\": []\n}");
}

TEST(Json, EscapesAsGo) {
  EXPECT_EQ(quoted("a\"\\\n\r\t\b\f\x01<>&"), R"("a\"\\\n\r\t\b\f\u0001\u003c\u003e\u0026")");
  EXPECT_EQ(quoted("\xe2\x80\xa8x\xe2\x80\xa9"), R"("\u2028x\u2029")");
  EXPECT_EQ(quoted("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\"");
}

// Every byte that is not part of a valid sequence becomes one replacement.
TEST(Json, InvalidUtf8IsReplacedByteByByte) {
  EXPECT_EQ(quoted("\xff\xc3"), R"("\ufffd\ufffd")");
  EXPECT_EQ(quoted("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")");  // a surrogate
  EXPECT_EQ(quoted("\xc0\xaf"), R"("\ufffd\ufffd")");            // overlong
  EXPECT_EQ(quoted("\xf4\x90\x80\x80"), R"("\ufffd\ufffd\ufffd\ufffd")");
  EXPECT_EQ(quoted("\xe2\x80"), R"("\ufffd\ufffd")");
}

TEST(Json, NumbersAsGo) {
  EXPECT_EQ(number(0.5), "0.5");
  EXPECT_EQ(number(30), "30");
  EXPECT_EQ(number(0.00005), "0.00005");
  EXPECT_EQ(number(-0.1), "-0.1");
  EXPECT_EQ(number(1e20), "100000000000000000000");
  EXPECT_EQ(number(1e21), "1e+21");
  EXPECT_EQ(number(1e-6), "0.000001");
  EXPECT_EQ(number(1e-7), "1e-7");
  EXPECT_EQ(number(1.5e-10), "1.5e-10");
}

TEST(Json, RefusesWhatIsNotOneValue) {
  for (const char* bad : {"", "{", "[1,]", "{\"a\"}", "nul", "1 2", "\"\n\"", "{\"a\":1}x"}) {
    EXPECT_EQ(Json::parse(bad).code(), Code::corrupt) << bad;
  }
  EXPECT_TRUE(Json::parse("{\"a\":1}x", true).ok());
  EXPECT_FALSE(Json::parse(std::string(100'000, '[')).ok());
}

TEST(Json, LenientAccessorsFallBack) {
  const Json text("x");
  EXPECT_EQ(text.as_int(5), 5);
  EXPECT_TRUE(text.items().empty());
  EXPECT_EQ(Json(3).as_string(), "");
  Json object = Json::object();
  object.set_omitempty("a", 0);
  object.set_omitempty("b", "");
  object.set_omitempty("c", Json::array());
  object.set_omitempty("d", 1);
  EXPECT_EQ(object.dump(), R"({"d":1})");
}

}  // namespace
}  // namespace cairn
