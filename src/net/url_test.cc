#include "net/url.h"

#include <gtest/gtest.h>

#include "net/xml.h"

namespace cairn::net {
namespace {

TEST(Url, Parts) {
  auto url = parse_url("HTTPS://user:pw@example.com:8443/a%20b/c?x=1&y=2#f");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->authority, "example.com:8443");
  EXPECT_EQ(url->host(), "example.com");
  EXPECT_EQ(url->path, "/a%20b/c");
  EXPECT_EQ(url->query, "x=1&y=2");
  EXPECT_EQ(url->text(), "https://example.com:8443/a%20b/c?x=1&y=2");
  EXPECT_EQ(parse_url("http://[::1]:80")->host(), "::1");
  EXPECT_EQ(parse_url("http://h?q")->path, "/");
  for (const char* bad : {"", "x", "ftp://h/", "http://", "http:///p"}) {
    EXPECT_FALSE(parse_url(bad).ok()) << bad;
  }
}

TEST(Url, PercentEncoding) {
  EXPECT_EQ(percent_encode("a/b c+ä~-._"), "a%2Fb%20c%2B%C3%A4~-._");
  EXPECT_EQ(percent_encode_path("a/b c"), "a/b%20c");
  EXPECT_EQ(percent_decode("a%2Fb%20c%2b%"), "a/b c+%");
  EXPECT_EQ(percent_decode("%zz%4"), "%zz%4");
}

TEST(Xml, TreeWithoutNameSpaces) {
  auto root = parse_xml(as_bytes(R"(<?xml version="1.0"?><D:multistatus xmlns:D="DAV:"><D:response>
    <D:href>/a&amp;b</D:href><lp1:n xmlns:lp1="x"><![CDATA[<1>]]></lp1:n></D:response><D:response/></D:multistatus>)"));
  ASSERT_TRUE(root.ok()) << root.status().message();
  EXPECT_EQ(root->name, "multistatus");
  ASSERT_EQ(root->children.size(), 2u);
  EXPECT_EQ(root->child("response")->text_of("href"), "/a&b");
  EXPECT_EQ(root->children[0].text_of("n"), "<1>");
  EXPECT_EQ(root->children[0].text_of("none"), "");
  EXPECT_EQ(root->child("none"), nullptr);
}

TEST(Xml, BadDocumentsAreRefused) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) {
    deep += "<a>";
  }
  for (const std::string& bad : {std::string(), std::string("no"), std::string("<a>"), std::string("<a></b>"), deep}) {
    EXPECT_EQ(parse_xml(as_bytes(bad)).code(), Code::corrupt) << bad.substr(0, 20);
  }
  EXPECT_EQ(xml_escape("<a&\"b\"'>"), "&lt;a&amp;&#34;b&#34;&#39;&gt;");
}

}  // namespace
}  // namespace cairn::net
