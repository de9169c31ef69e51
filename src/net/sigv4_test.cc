// The examples that AWS publishes: the S3 ones of "Signature Calculations for the Authorization Header" and vectors of
// its signature test suite.
#include "net/sigv4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "crypto/digest.h"
#include "net/url.h"

namespace cairn::net {
namespace {

const Timestamp kS3Time = Timestamp::from_seconds(1369353600);  // 2013-05-24T00:00:00Z
constexpr const char* kEmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string signature(const HttpRequest& request) {
  const std::string& text = request.headers.back().value;
  EXPECT_EQ(request.headers.back().name, "Authorization");
  return text.substr(text.rfind('=') + 1);
}

std::string sign_s3(HttpRequest request, std::string_view hash = kEmptyHash) {
  const SigV4Signer signer({"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""}, "s3");
  EXPECT_TRUE(signer.sign(request, "us-east-1", hash, kS3Time).ok());
  return signature(request);
}

HttpRequest s3_request(std::string_view method, std::string_view target) {
  HttpRequest request;
  request.method = method;
  request.url = fmt::format("https://examplebucket.s3.amazonaws.com{}", target);
  return request;
}

TEST(SigV4, GetObjectWithRange) {
  HttpRequest request = s3_request("GET", "/test.txt");
  request.set_range(0, 10);
  EXPECT_EQ(sign_s3(request), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(SigV4, PutObject) {
  HttpRequest request = s3_request("PUT", "/" + percent_encode_path("test$file.text"));
  request.set("Date", "Fri, 24 May 2013 00:00:00 GMT");
  request.set("x-amz-storage-class", "REDUCED_REDUNDANCY");
  const ByteView body[] = {as_bytes("Welcome to Amazon S3.")};
  EXPECT_EQ(sign_s3(request, hex_encode(crypto::sha256(body))),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(SigV4, QueryWithoutValueAndWithParameters) {
  EXPECT_EQ(sign_s3(s3_request("GET", "/?lifecycle")),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(sign_s3(s3_request("GET", "/?prefix=J&max-keys=2")),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

std::string sign_suite(HttpRequest request, std::string token = "") {
  const SigV4Signer signer({"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", std::move(token)}, "service");
  EXPECT_TRUE(signer.sign(request, "us-east-1", "", Timestamp::from_seconds(1440938160)).ok());  // 20150830T123600Z
  return signature(request);
}

HttpRequest suite_request(std::string_view method, std::string_view target) {
  HttpRequest request;
  request.method = method;
  request.url = fmt::format("https://example.amazonaws.com{}", target);
  return request;
}

TEST(SigV4, SuiteVanilla) {
  EXPECT_EQ(sign_suite(suite_request("GET", "/")), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  EXPECT_EQ(sign_suite(suite_request("POST", "/")), "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}

TEST(SigV4, SuiteQueryOrder) {
  EXPECT_EQ(sign_suite(suite_request("GET", "/?Param2=value2&Param1=value1")),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

TEST(SigV4, SignedHeadersAreListedAndTheSecretIsNot) {
  HttpRequest request = s3_request("GET", "/x");
  const SigV4Signer signer({"AK", "very secret", "the token"}, "s3");
  ASSERT_TRUE(signer.sign(request, "eu-west-1", kUnsignedPayload, kS3Time).ok());
  const std::string& text = request.headers.back().value;
  EXPECT_THAT(text, testing::HasSubstr("Credential=AK/20130524/eu-west-1/s3/aws4_request"));
  EXPECT_THAT(text, testing::HasSubstr("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("very secret")));
}

}  // namespace
}  // namespace cairn::net
