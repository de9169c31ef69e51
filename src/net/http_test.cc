#include "net/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/support/raw_http_server.h"

namespace cairn::net {
namespace {

using test::RawHttpServer;
using test::RawRequest;
using testing::HasSubstr;

std::shared_ptr<HttpClient> client(HttpOptions options = {}) {
  auto made = HttpClient::create(options);
  EXPECT_TRUE(made.ok()) << made.status().message();
  return *made;
}

HttpRequest get(const std::string& url) {
  HttpRequest request;
  request.url = url;
  return request;
}

TEST(HttpClient, SendsWhatItIsGivenAndReturnsWhatComes) {
  RawHttpServer server([](const RawRequest&) {
    return RawHttpServer::answer("404 Not Found", "nothing", "X-One:  a \r\nDate: Fri, 24 May 2013 00:00:00 GMT\r\n");
  });
  HttpRequest request = get(server.url("/a%2Fb/../c?x=%20&y"));
  request.method = "PUT";
  request.set("X-Empty", "");
  request.set("X-Two", "b c");
  const ByteView parts[] = {as_bytes("he"), as_bytes(""), as_bytes("llo")};
  request.body = parts;
  const auto c = client();
  auto response = c->send(request, {});
  ASSERT_TRUE(response.ok()) << response.status().message();
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->body.text(), "nothing");
  EXPECT_EQ(response->header_or_empty("x-one"), "a");
  EXPECT_EQ(response->header("x-none"), nullptr);
  EXPECT_EQ(response->date(), Timestamp::from_seconds(1369353600));
  ASSERT_EQ(server.requests().size(), 1u);
  const RawRequest seen = server.requests()[0];
  EXPECT_EQ(seen.line(), "PUT /a%2Fb/../c?x=%20&y HTTP/1.1");
  EXPECT_EQ(seen.body, "hello");
  EXPECT_EQ(seen.header("X-Two"), "b c");
  EXPECT_THAT(seen.head, HasSubstr("X-Empty:"));
  EXPECT_EQ(seen.header("Content-Length"), "5");
  EXPECT_THAT(seen.head, testing::Not(HasSubstr("Expect")));
  EXPECT_EQ(c->stats().requests, 1);
  EXPECT_EQ(c->stats().bytes_sent, 5);
  EXPECT_EQ(c->stats().bytes_received, 7);
}

TEST(HttpClient, MethodsWithAndWithoutBody) {
  RawHttpServer server([](const RawRequest& r) {
    return r.head.starts_with("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
                                      : RawHttpServer::answer("200 OK", "");
  });
  const auto c = client();
  for (const char* method : {"GET", "HEAD", "DELETE", "PUT", "POST", "PROPFIND", "MKCOL"}) {
    HttpRequest request = get(server.url("/"));
    request.method = method;
    auto response = c->send(request, {});
    ASSERT_TRUE(response.ok()) << method << response.status().message();
    EXPECT_TRUE(response->body.empty());
    EXPECT_TRUE(server.requests().back().head.starts_with(method));
  }
  HttpRequest request = get(server.url("/"));
  request.method = "PROPFIND";
  const ByteView parts[] = {as_bytes("<xml/>")};
  request.body = parts;
  ASSERT_TRUE(c->send(request, {}).ok());
  EXPECT_EQ(server.requests().back().body, "<xml/>");
  EXPECT_TRUE(server.requests().back().head.starts_with("PROPFIND"));
}

TEST(HttpClient, ConnectionsAreUsedAgain) {
  RawHttpServer server([](const RawRequest&) { return RawHttpServer::answer("200 OK", "x"); });
  const auto c = client();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(c->send(get(server.url("/")), {}).ok());
  }
  EXPECT_EQ(server.connection_count(), 1);
}

TEST(HttpClient, AKeptConnectionThatWasClosedIsNoError) {
  RawHttpServer server([](const RawRequest&) { return RawHttpServer::kReset + RawHttpServer::answer("200 OK", "x"); });
  const auto c = client();
  const std::string text(300'000, 'x');
  const ByteView parts[] = {as_bytes(text)};
  for (int i = 0; i < 3; ++i) {
    HttpRequest request = get(server.url("/"));
    request.method = "PUT";
    request.body = parts;
    auto response = c->send(request, {});
    ASSERT_TRUE(response.ok()) << response.status().message();
    EXPECT_EQ(server.requests().back().body, text);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

TEST(HttpClient, FailuresHaveTheirOwnWords) {
  const auto c = client();
  auto dns = c->send(get("http://no-such-host.invalid/"), {});
  EXPECT_EQ(dns.code(), Code::unavailable);
  EXPECT_EQ(dns.status().message(), "dial tcp: lookup no-such-host.invalid: no such host");
  int closed_port;
  {
    RawHttpServer gone([](const RawRequest&) { return ""; });
    closed_port = gone.port();
  }
  const std::string address = fmt::format("127.0.0.1:{}", closed_port);
  auto refused = c->send(get("http://" + address + "/"), {});
  EXPECT_EQ(refused.code(), Code::unavailable);
  EXPECT_EQ(refused.status().message(), "dial tcp " + address + ": connect: connection refused");
  EXPECT_EQ(c->send(get("ftp://x/"), {}).code(), Code::invalid_argument);
  EXPECT_EQ(c->send(get("x"), {}).code(), Code::invalid_argument);
  EXPECT_EQ(c->stats().failures, 2);
}

TEST(HttpClient, BrokenAnswers) {
  std::string next;
  RawHttpServer server([&](const RawRequest&) { return next; });
  const auto c = client();
  const struct {
    std::string bytes;
    Code code;
    const char* words;
  } cases[] = {
      {"", Code::unavailable, "closed without an answer"},
      {std::string(1, RawHttpServer::kReset), Code::unavailable, "connection"},
      {RawHttpServer::kReset + std::string("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"), Code::unavailable,
       ""},
      {"HTTP/1.1 200 OK\r\nContent-Le", Code::unavailable, ""},
      {RawHttpServer::kReset + std::string("this is not HTTP\r\n\r\n"), Code::corrupt, "not HTTP"},
      {RawHttpServer::answer("200 OK", std::string(2000, 'x')), Code::corrupt, "longer than 1000 bytes"},
  };
  for (const auto& each : cases) {
    next = each.bytes;
    if (next.starts_with("HTTP/1.1 200 OK\r\nContent-Le")) {
      next.insert(0, 1, RawHttpServer::kReset);
    }
    HttpRequest request = get(server.url("/"));
    request.response_max = 1000;
    auto response = c->send(request, {});
    EXPECT_EQ(response.code(), each.code) << each.bytes << response.status().message();
    EXPECT_THAT(response.status().message(), HasSubstr(each.words));
  }
}

TEST(HttpClient, DeadlineAndStopEndACallAtOnce) {
  RawHttpServer server([](const RawRequest&) {
    return RawHttpServer::kHang + std::string("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1");
  });
  const auto c = client();
  HttpRequest request = get(server.url("/"));
  request.deadline = milliseconds(300);
  const std::int64_t start = monotonic_ns();
  auto late = c->send(request, {});
  EXPECT_EQ(late.code(), Code::deadline);
  EXPECT_THAT(late.status().message(), HasSubstr("no answer in time"));
  EXPECT_LT(monotonic_ns() - start, seconds(2).ns);

  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    stop.request_stop();
  });
  const std::int64_t begin = monotonic_ns();
  EXPECT_EQ(c->send(get(server.url("/")), stop.get_token()).code(), Code::cancelled);
  EXPECT_LT(monotonic_ns() - begin, seconds(5).ns);
}

TEST(HttpClient, TlsToAPlainServerSaysSo) {
  RawHttpServer server([](const RawRequest&) { return RawHttpServer::answer("200 OK", "x"); });
  HttpOptions options;
  options.connect_timeout = milliseconds(500);  // this server waits for the end of a request that never comes
  auto response = client(options)->send(get("https://" + server.address() + "/"), {});
  EXPECT_FALSE(response.ok());
  EXPECT_THAT(response.status().message(), HasSubstr(server.address()));
}

TEST(HttpClient, UnreadableAuthoritiesAreRefused) {
  HttpOptions options;
  options.root_ca_pem = "nonsense";
  EXPECT_EQ(HttpClient::create(options).code(), Code::invalid_argument);
}

TEST(HttpClient, ManyThreads) {
  RawHttpServer server([](const RawRequest& r) { return RawHttpServer::answer("200 OK", r.line()); });
  const auto c = client();
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string path = fmt::format("/{}/{}", t, i);
        auto response = c->send(get(server.url(path)), {});
        ASSERT_TRUE(response.ok()) << response.status().message();
        EXPECT_EQ(response->body.text(), "GET " + path + " HTTP/1.1");
      }
    });
  }
  threads.clear();
  EXPECT_LE(server.connection_count(), 8);
  EXPECT_EQ(c->stats().requests, 400);
}

TEST(HttpMessage, CodesTextsAndRetryAfter) {
  HttpResponse response;
  response.status = 503;
  response.headers = {{"Retry-After", "7"}};
  const Status busy = http_error(response, "put x");
  EXPECT_EQ(busy.code(), Code::unavailable);
  EXPECT_EQ(busy.message(), "put x: HTTP 503 Service Unavailable");
  EXPECT_EQ(busy.retry_after_seconds(), 7);
  response.headers = {{"retry-after", "Fri, 24 May 2013 00:00:09 GMT"}, {"date", "Fri, 24 May 2013 00:00:00 GMT"}};
  EXPECT_EQ(response.retry_after_seconds(), 9);
  response.headers = {{"retry-after", "soon"}};
  EXPECT_EQ(response.retry_after_seconds(), 0);
  const std::pair<int, Code> codes[] = {{401, Code::permission_denied},  {403, Code::permission_denied},
                                        {404, Code::not_found},          {429, Code::unavailable},
                                        {500, Code::unavailable},        {599, Code::unavailable},
                                        {507, Code::resource_exhausted}, {418, Code::internal}};
  for (const auto& [status, code] : codes) {
    EXPECT_EQ(code_of_http_status(status), code) << status;
  }
}

TEST(HttpMessage, Dates) {
  const Timestamp t = Timestamp::from_seconds(1369353600);
  EXPECT_EQ(format_http_date(t), "Fri, 24 May 2013 00:00:00 GMT");
  EXPECT_EQ(parse_http_date("Fri, 24 May 2013 00:00:00 GMT"), t);
  EXPECT_EQ(parse_http_date("Friday, 24-May-13 00:00:00 GMT"), t);
  EXPECT_FALSE(parse_http_date("yesterday"));
  EXPECT_FALSE(parse_http_date(""));
}

}  // namespace
}  // namespace cairn::net
