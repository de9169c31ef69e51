#include "cli/values.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace cairn::cli {
namespace {

TEST(Values, IntegersFollowGo) {
  EXPECT_EQ(*parse_int_text("0x10"), 16);
  EXPECT_EQ(*parse_int_text("0b11"), 3);
  EXPECT_EQ(*parse_int_text("010"), 8);
  EXPECT_EQ(*parse_int_text("1_000"), 1000);
  EXPECT_EQ(*parse_int_text("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(*parse_int_text("+5"), 5);
  for (const char* bad : {"", "-", "1.5", "abc", "1__0", "_1", "1_", "0x", " 1"}) {
    EXPECT_FALSE(parse_int_text(bad).ok()) << bad;
  }
  EXPECT_EQ(parse_int_text("9223372036854775808").status().message(),
            "strconv.ParseInt: parsing \"9223372036854775808\": value out of range");
  EXPECT_FALSE(parse_int_text("2147483648", 32).ok());
  EXPECT_EQ(*parse_int_text("-2147483648", 32), -2147483648LL);
}

TEST(Values, FloatsFollowGo) {
  EXPECT_EQ(*parse_float_text("1.5"), 1.5);
  EXPECT_EQ(*parse_float_text("1e1"), 10);
  EXPECT_EQ(*parse_float_text("1_000"), 1000);
  EXPECT_EQ(*parse_float_text("-.5"), -0.5);
  EXPECT_EQ(*parse_float_text("0x1p4"), 16);
  for (const char* bad : {"", "0x10", "x", "1.5x", "--1", "1 "}) {
    EXPECT_FALSE(parse_float_text(bad).ok()) << bad;
  }
}

TEST(Values, BooleansFollowGo) {
  EXPECT_TRUE(*parse_bool_text("T"));
  EXPECT_FALSE(*parse_bool_text("False"));
  EXPECT_EQ(parse_bool_text("yes").status().message(), "strconv.ParseBool: parsing \"yes\": invalid syntax");
}

TEST(Values, PathsMustExist) {
  const FlagSpec file{.name = "f", .type = ValueType::existing_file};
  EXPECT_EQ(check_value(file, "/nonexistent/x").message(), "path '/nonexistent/x' does not exist");
  EXPECT_EQ(check_value(file, "/").message(), "'/' is a directory");
}

}  // namespace
}  // namespace cairn::cli
