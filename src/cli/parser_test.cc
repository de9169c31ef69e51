#include "cli/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace cairn::cli {
namespace {

using enum ValueType;

Status run_nothing(Context&, const ParsedCommand&) { return {}; }

CommandTable small_table() {
  CommandTable table;
  table.add_global_flags(
      {{.name = "help", .help = "h"},
       {.name = "help-long", .help = "h"},
       {.name = "help-full", .help = "h"},
       {.name = "help-man", .help = "h"},
       {.name = "completion-script-bash", .help = "h"},
       {.name = "completion-script-zsh", .help = "h"},
       {.name = "completion-script-fish", .help = "h"},
       {.name = "version", .help = "h"},
       {.name = "config-file", .type = text, .default_value = "x.config", .env = "CONFIG", .help = "h"},
       {.name = "level", .type = choice, .help = "h", .choices = {"info", "warning"}, .silent_choices = {"warn"}},
       {.name = "password", .short_name = 'p', .type = text, .help = "h"}});
  table.add({.path = "group", .help = "g", .aliases = {"grp"}, .flags = {{.name = "host", .type = text, .help = "h"}}});
  table.add({.path = "group make",
             .help = "m",
             .arguments = {{.name = "path", .required = true}, {.name = "rest", .repeatable = true}},
             .flags = {{.name = "long", .short_name = 'l', .help = "h"},
                       {.name = "recursive", .short_name = 'r', .help = "h"},
                       {.name = "number", .short_name = 'n', .type = integer, .help = "h"},
                       {.name = "exact", .type = int64, .help = "h"},
                       {.name = "tag", .type = text, .env = "TAGS", .help = "h", .repeatable = true},
                       {.name = "enable", .type = boolean_text, .help = "h"},
                       {.name = "age", .type = duration, .help = "h"},
                       {.name = "three",
                        .type = choice,
                        .help = "h",
                        .choices = {"true", "false", "inherit"},
                        .bare_value = "true",
                        .bare_no_value = "false"}},
             .run = run_nothing});
  table.add({.path = "group need",
             .help = "n",
             .flags = {{.name = "bucket", .type = text, .help = "h", .required = true},
                       {.name = "key", .type = text, .env = "KEY", .help = "h", .required = true}},
             .run = run_nothing});
  table.add({.path = "soon", .help = "s", .hidden = true, .later = true});
  return table;
}

ParseResult parse(const std::vector<std::string>& words, const std::map<std::string, std::string>& env = {}) {
  static const CommandTable table = small_table();
  return parse_command_line(table, words, [&](const std::string& name) {
    const auto found = env.find(name);
    return found == env.end() ? std::nullopt : std::optional(found->second);
  });
}

std::string problem(const std::vector<std::string>& words) { return parse(words).status.message(); }

TEST(Parser, ValuesByEqualsBlankAndShortFlag) {
  const ParseResult r =
      parse({"--config-file", "a", "grp", "make", "--number=3", "p", "-lrpsecret", "--tag=1", "--tag", "2"});
  ASSERT_TRUE(r.status.ok()) << r.status.message();
  EXPECT_EQ(r.command.command()->path, "group make");
  EXPECT_EQ(r.command.text("config-file"), "a");
  EXPECT_EQ(r.command.integer("number"), 3);
  EXPECT_TRUE(r.command.boolean("long"));
  EXPECT_TRUE(r.command.boolean("recursive"));
  EXPECT_EQ(r.command.text("password"), "secret");
  EXPECT_THAT(r.command.list("tag"), testing::ElementsAre("1", "2"));
  EXPECT_EQ(r.command.argument("path"), "p");
}

TEST(Parser, ParentFlagsStandAfterTheSubcommandOwnFlagsOnlyAfterTheirWord) {
  EXPECT_EQ(parse({"group", "make", "x", "--host=h"}).command.text("host"), "h");
  EXPECT_EQ(problem({"group", "--number=1", "make", "x"}), "unknown long flag '--number'");
}

TEST(Parser, DoubleDashEndsFlags) {
  const ParseResult r = parse({"group", "make", "--", "--long", "-r"});
  ASSERT_TRUE(r.status.ok());
  EXPECT_EQ(r.command.argument("path"), "--long");
  EXPECT_THAT(r.command.arguments("rest"), testing::ElementsAre("-r"));
  EXPECT_FALSE(r.command.boolean("long"));
}

TEST(Parser, Errors) {
  EXPECT_EQ(problem({"--foo"}), "unknown long flag '--foo'");
  EXPECT_EQ(problem({"-Z"}), "unknown short flag '-Z'");
  EXPECT_EQ(problem({"foo"}), "expected command but got \"foo\"");
  EXPECT_EQ(problem({"group"}), "must select a subcommand of 'group'");
  EXPECT_EQ(problem({"group", "make"}), "required argument 'path' not provided");
  EXPECT_EQ(problem({"group", "need", "surplus", "--bucket=b", "--key=k"}), "unexpected surplus");
  EXPECT_EQ(problem({"group", "need"}), "required flag(s) '--bucket', '--key' not provided");
  EXPECT_EQ(problem({"group", "make", "x", "--number"}), "expected argument for flag '--number'");
  EXPECT_EQ(problem({"group", "make", "x", "--number", "-1"}), "expected argument for flag '--number'");
  EXPECT_EQ(problem({"group", "make", "x", "--number=x"}), "strconv.ParseFloat: parsing \"x\": invalid syntax");
  EXPECT_EQ(problem({"group", "make", "x", "--exact=1.5"}), "strconv.ParseInt: parsing \"1.5\": invalid syntax");
  EXPECT_EQ(problem({"group", "make", "x", "--enable=maybe"}), "strconv.ParseBool: parsing \"maybe\": invalid syntax");
  EXPECT_EQ(problem({"group", "make", "x", "--age=5"}), "time: missing unit in duration \"5\"");
  EXPECT_EQ(problem({"group", "make", "x", "--no-enable"}), "unknown long flag '--no-enable'");
  EXPECT_EQ(problem({"--level=x", "group", "make", "x"}), "enum value must be one of info,warning, got 'x'");
  EXPECT_EQ(problem({"--config-file=a", "--config-file=b", "group", "make", "x"}),
            "flag 'config-file' cannot be repeated");
  EXPECT_TRUE(parse({"soon", "--whatever"}).status.is(Code::unsupported));
}

TEST(Parser, EnvironmentFillsWhatTheLineLeavesOpen) {
  EXPECT_EQ(parse({"group", "make", "x"}, {{"CONFIG", "env"}}).command.text("config-file"), "env");
  EXPECT_EQ(parse({"group", "make", "x"}, {{"CONFIG", ""}}).command.text("config-file"), "x.config");
  EXPECT_EQ(parse({"group", "make", "x", "--config-file=l"}, {{"CONFIG", "env"}}).command.text("config-file"), "l");
  EXPECT_THAT(parse({"group", "make", "x"}, {{"TAGS", "a\nb"}}).command.list("tag"), testing::ElementsAre("a", "b"));
  EXPECT_TRUE(parse({"group", "need", "--bucket=b"}, {{"KEY", "k"}}).status.ok());
}

TEST(Parser, ExplicitEmptyValueSatisfiesARequiredFlag) {
  EXPECT_TRUE(parse({"group", "need", "--bucket=", "--key="}).status.ok());
}

TEST(Parser, Supersets) {
  EXPECT_FALSE(parse({"group", "make", "x", "--long=false"}).command.boolean("long"));
  EXPECT_TRUE(parse({"group", "make", "x", "--no-long=false"}).command.boolean("long"));
  EXPECT_TRUE(parse({"--level=warn", "group", "make", "x"}).status.ok());
  EXPECT_EQ(parse({"group", "make", "--three", "x"}).command.text("three"), "true");
  EXPECT_EQ(parse({"group", "make", "--three", "inherit", "x"}).command.text("three"), "inherit");
  EXPECT_EQ(parse({"group", "make", "--no-three", "x"}).command.text("three"), "false");
  EXPECT_FALSE(parse({"group", "make", "x", "--three=maybe"}).status.ok());
}

TEST(Parser, OtherTextAfterABooleanIsAnArgument) {
  const ParseResult r = parse({"group", "make", "--long=yes"});
  ASSERT_TRUE(r.status.ok());
  EXPECT_TRUE(r.command.boolean("long"));
  EXPECT_EQ(r.command.argument("path"), "yes");
}

TEST(Parser, HelpWinsOverMissingValues) {
  EXPECT_EQ(parse({}).request, Request::usage);
  EXPECT_EQ(parse({"group", "need", "--help"}).help_topic->path, "group need");
  EXPECT_EQ(parse({"help", "grp"}).help_topic->path, "group");
  const ParseResult nonsense = parse({"help", "nonsense"});
  EXPECT_TRUE(nonsense.bare_message);
  EXPECT_EQ(nonsense.status.message(), "expected command but got \"nonsense\"");
  EXPECT_EQ(parse({"--version", "--nonsense"}).request, Request::version);
}

TEST(Parser, SuggestsWhatMayHaveBeenMeant) {
  EXPECT_EQ(parse({"gruop"}).suggestion, "group");
  EXPECT_EQ(parse({"group", "make", "x", "--recursiv"}).suggestion, "--recursive");
  EXPECT_EQ(parse({"somethingelse"}).suggestion, "");
}

}  // namespace
}  // namespace cairn::cli
