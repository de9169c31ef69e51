#include "net/bearer_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/jwt.h"
#include "net/self_signed.h"
#include "tests/support/raw_http_server.h"

namespace cairn::net {
namespace {

using test::RawHttpServer;
using test::RawRequest;
using testing::HasSubstr;
using testing::Not;

// Made for this test, with the signature below, by the openssl program.
constexpr const char* kKey = R"(-----BEGIN PRIVATE KEY-----
MIICdQIBADANBgkqhkiG9w0BAQEFAASCAl8wggJbAgEAAoGBANUbZdBrSDcxsUmd
KriLaKN+lhvosV3WWhhoBBkDAe6nChzDTC0xxLWMFuOnBog+RofNlOwVxZXC5vAN
5NeK94eyz9HXPu4+LFOlY3/7klQjzUz/DvbDN39dFdgpdNIQ/CEfX5Ro/nQbCYoB
012jmSPDdoBJfSd6nmaJPUSqSAyjAgMBAAECgYBmUkhZgRlkfvSb3t3DTBSK493Z
Oqnm32PU8iR9ieckmomNc+wgixPjA4d9+RV210fwLrKBhJahKLrPqiwlnfDpEvAO
gBQqF50BBtLAqCcflTSxcrnpOYBzzsSmqmHUbHOjbFIb1rHf0Ta3bRIaexHDiaHW
kpFLyvdji0Nt+U3XIQJBAPvXPlBbtUS4f83Lsnhp7CP25SzmWSGeiQcuCNJWHBgT
qfunaX8WCre5fZbK/mocqAEJ1ynB6muIPLJbfha+JTECQQDYoGRXATVpsn+NNCWl
Ii01oqiNP3wst6FuftNoZU/1eXDutlX5/ny92TER/k/fFzUsLthrpRc6CE30qo7d
1WoTAkA+pt2pwCboYb3pxLMxoahNii6ZbPTfmEEeuCUZrrJuivXO1Wc5ZpJkApFr
4jRI0bg6CeitSsC237254WkM32EBAkAx4p24u3qFYKmm5r9Ui85Fb7PI8zmxQohW
XbZpcAs9yD2Ne0fJTiWDwqReNGZIRZvlFNSZ1WbH4mmxUiWcSC0pAkAH1SSpfh5E
9+u4GMlM3k1Px2/e8g0kF81WBjdFC6sfEwDC4xXPZlIadMc/Pte1/SJ78aBhmJmb
TmZSi02O6nHB
-----END PRIVATE KEY-----)";
constexpr const char* kSigned =
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsxIn0."
    "eyJpc3MiOiJhQGIiLCJpYXQiOjE3MDAwMDAwMDB9."
    "KvlVdJ1MwUrc2dENZbODT8l7KC_BizPcURZCvpO483-NXuh3N5N8zkVsF9hN6CD_hxnZx-mLh-R_4DeR82GPxFzHQn2zo1-"
    "uVecitS74Ce1ND9IwYmdxfTbBv8jgzs8sKvaipbk2kvFhkQ6uYUeMaEt-DvnBGqIbqJ5TqI96H0g";

TEST(Jwt, IsWhatOpensslSigns) {
  const Json claims = Json::object({{"iss", "a@b"}, {"iat", 1700000000}});
  const auto token = sign_jwt(claims, {"k1", ""}, kKey);
  ASSERT_TRUE(token.ok()) << token.status().message();
  EXPECT_EQ(*token, kSigned);
}

TEST(Jwt, OtherKeysAreRefusedWithoutBeingShown) {
  const auto refused = sign_jwt(Json::object(), {}, "-----BEGIN PRIVATE KEY-----\nrubbish\n-----END PRIVATE KEY-----");
  EXPECT_EQ(refused.code(), Code::invalid_argument);
  EXPECT_THAT(refused.status().message(), Not(HasSubstr("rubbish")));
  const auto elliptic = make_self_signed("x", 1);
  ASSERT_TRUE(elliptic.ok());
  EXPECT_EQ(sign_jwt(Json::object(), {}, elliptic->key_pem).code(), Code::invalid_argument);
}

TEST(BearerToken, IsFetchedOnceAndKept) {
  RawHttpServer server(
      [](const RawRequest&) { return RawHttpServer::answer("200 OK", R"({"access_token":"t1","expires_in":3600})"); });
  BearerToken token(*HttpClient::create({}), server.url("/token"), []() -> Result<std::string> {
    return form_encode({{"a", "b c"}, {"d", "e&f"}});
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(*token.get({}), "t1");
  }
  ASSERT_EQ(server.requests().size(), 1u);
  EXPECT_EQ(server.requests()[0].body, "a=b%20c&d=e%26f");
}

TEST(BearerToken, RefusalsNameTheReasonAndNoSecret) {
  RawHttpServer server([](const RawRequest&) {
    return RawHttpServer::answer("400 Bad Request",
                                 R"({"error":"invalid_client","error_description":"mysecret is wrong"})");
  });
  BearerToken token(*HttpClient::create({}), server.url("/token"), []() -> Result<std::string> {
    return form_encode({{"client_secret", "mysecret"}});
  });
  const auto refused = token.get({});
  EXPECT_EQ(refused.code(), Code::permission_denied);
  EXPECT_THAT(refused.status().message(), HasSubstr("invalid_client"));
  EXPECT_THAT(refused.status().message(), Not(HasSubstr("mysecret")));
}

}  // namespace
}  // namespace cairn::net
