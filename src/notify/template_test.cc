#include "notify/template.h"

#include <gtest/gtest.h>

#include "notify/message.h"
#include "notify/profile.h"

namespace cairn::notify {
namespace {

Json data() {
  return *Json::parse(R"({"Name":"x","N":3,"Yes":true,"Empty":"","List":["a","b"],"Map":{"k":"v"},
                          "Rows":[{"Id":1,"Bad":""},{"Id":2,"Bad":"broken"}],"Html":"<a & b>"})");
}

std::string render(std::string_view text) {
  auto out = render_template(text, data());
  return out.ok() ? *out : "error: " + out.status().message();
}

TEST(Template, FieldsAndText) {
  EXPECT_EQ(render("plain"), "plain");
  EXPECT_EQ(render("{{ .Name }}-{{.N}}-{{ .Map.k }}-{{ $.Yes }}"), "x-3-v-true");
  EXPECT_EQ(render("{{ .Missing }}"), "<no value>");
  EXPECT_EQ(render("a {{- .Name -}} \n b"), "axb");
  EXPECT_EQ(render("a{{/* a comment }} */}}b"), "ab");
  EXPECT_EQ(render("{{ \"}}\" }}{{ `raw` }}"), "}}raw");
}

TEST(Template, Control) {
  EXPECT_EQ(render("{{ if .Yes }}1{{ else }}2{{ end }}{{ if .Empty }}1{{ else if eq .N 3 }}3{{ else }}4{{ end }}"),
            "13");
  EXPECT_EQ(render("{{ range .List }}[{{ . }}]{{ end }}"), "[a][b]");
  EXPECT_EQ(render("{{ range $i, $v := .List }}{{ $i }}={{ $v }};{{ end }}"), "0=a;1=b;");
  EXPECT_EQ(render("{{ range .Missing }}x{{ else }}none{{ end }}"), "none");
  EXPECT_EQ(render("{{ range .Rows }}{{ .Id }}{{ if .Bad }}!{{ end }}{{ $.Name }}{{ end }}"), "1x2!x");
  EXPECT_EQ(render("{{ with .Map }}{{ .k }}{{ end }}{{ with .Empty }}no{{ end }}"), "v");
  EXPECT_EQ(render("{{ $x := .N }}{{ if .Yes }}{{ $x = 5 }}{{ end }}{{ $x }}"), "5");
}

TEST(Template, Functions) {
  EXPECT_EQ(render("{{ len .List }}{{ len .Name }}{{ index .List 1 }}{{ index .Map \"k\" }}"), "21bv");
  EXPECT_EQ(render("{{ .Html | html }}"), "&lt;a &amp; b&gt;");
  EXPECT_EQ(render("{{ printf \"%5d|%-4s|%.2f|%v%%\" .N .Name .N (len .List) }}"), "    3|x   |3.00|2%");
  EXPECT_EQ(render("{{ and .Yes .Name }}{{ or .Empty .N }}{{ not .Yes }}"), "x3false");
  EXPECT_EQ(render("{{ lt .N 4 }}{{ ge .N 4 }}{{ ne .Name \"y\" }}{{ eq .Name \"a\" \"x\" }}"), "truefalsetruetrue");
  EXPECT_EQ(render("{{ urlquery \"a b/c\" }}"), "a+b%2Fc");
}

TEST(Template, NonsenseIsAnError) {
  for (const char* text : {"{{ broken",
                           "{{ .Name",
                           "{{ end }}",
                           "{{ if .Yes }}",
                           "{{ if }}x{{ end }}",
                           "{{ nope }}",
                           "{{ lt .Name .N }}",
                           "{{ index .List 9 }}",
                           "{{ printf \"%d\" }}",
                           "{{ $y }}",
                           "{{ ( .N }}",
                           "{{ .N 1 }}",
                           "{{ .N | 2 }}",
                           "{{ template \"x\" }}",
                           "{{ }}",
                           "{{ else }}",
                           "{{/* x",
                           "{{ \"open }}",
                           "{{ printf \"%\" }}",
                           "{{ 1 2 }}"}) {
    EXPECT_FALSE(render_template(text, data()).ok()) << text;
  }
}

TEST(Template, IsBounded) {
  std::string deep;
  for (int i = 0; i < 5000; ++i) {
    deep += "{{ if .Yes }}";
  }
  EXPECT_FALSE(render_template(deep, data()).ok());
  EXPECT_FALSE(render_template("{{ " + std::string(5000, '(') + " }}", data()).ok());
  std::string loops, ends;
  Json many = Json::object({{"L", Json::array()}});
  for (int i = 0; i < 100; ++i) {
    many.find("L")->push_back(i);
  }
  for (int i = 0; i < 8; ++i) {
    loops += "{{ range $.L }}";
    ends += "{{ end }}";
  }
  EXPECT_FALSE(render_template(loops + "x" + ends, many).ok());
}

TEST(Template, BuiltinTextsRender) {
  const Json event = *Json::parse(R"({"EventTime":"now","Hostname":"h","Program":"p","Version":"1",
      "EventArgs":{"Operation":"op","OperationDetails":"d","Error":"e<","StartTime":"s","EndTime":"t","Status":"error",
      "Snapshots":[{"Source":"a@b:/c","StartTime":"s","Files":1,"Size":"2 KB","Duration":"1s","Result":"bad"}]}})");
  for (const std::string& name : builtin_template_names()) {
    auto out = render_template(builtin_template(name), event);
    ASSERT_TRUE(out.ok()) << name << ": " << out.status().message();
    EXPECT_EQ(out->find("<no value>"), std::string::npos) << name << *out;
    const Message m = parse_message(*out, name.ends_with(".html"));
    EXPECT_FALSE(m.subject.empty()) << name;
    EXPECT_FALSE(m.body.empty()) << name;
  }
}

TEST(Message, HeadersEndAtTheEmptyLine) {
  const Message m = parse_message("Subject: a: b\nX-Y: z\n\nbody\nSubject: no\n", false);
  EXPECT_EQ(m.subject, "a: b");
  ASSERT_EQ(m.headers.size(), 1u);
  EXPECT_EQ(m.headers[0].second, "z");
  EXPECT_EQ(m.body, "body\nSubject: no\n");
  EXPECT_EQ(parse_message("no headers here\n\nx", false).body, "no headers here\n\nx");
}

TEST(Profile, CompleteFillsDefaultsAndRefuses) {
  Profile p;
  p.method = "email";
  EXPECT_EQ(complete(p).message(), "SMTP server must be provided");
  p.config = *Json::parse(R"({"smtpServer":"s","from":"f","to":"t"})");
  ASSERT_TRUE(complete(p).ok());
  EXPECT_EQ(p.config.dump(),
            R"({"cc":"","format":"html","from":"f","smtpIdentity":"","smtpPassword":"","smtpPort":587,)"
            R"("smtpServer":"s","smtpUsername":"","to":"t"})");
  p.method = "webhook";
  EXPECT_EQ(complete(p).message(), "invalid endpoint");
  p.config = *Json::parse(R"({"endpoint":"http://x","format":"xml"})");
  EXPECT_EQ(complete(p).message(), "invalid format: xml");
  p.method = "pigeon";
  EXPECT_EQ(complete(p).code(), Code::unsupported);
  EXPECT_EQ(severity_name(*parse_severity("warning")), "warning");
  EXPECT_EQ(severity_name(7), "7");
}

}  // namespace
}  // namespace cairn::notify
