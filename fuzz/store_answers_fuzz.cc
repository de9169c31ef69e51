// What servers answer: the first byte of the input chooses the question, the rest is the body of the first answers.
// Nothing is sent: the client's one function is replaced by the linker.
#include <cstdlib>

#include "base/sleep.h"
#include "blob/azure/azure_storage.h"
#include "blob/gcs/gcs_storage.h"
#include "blob/s3/s3_listing.h"
#include "blob/s3/storage_classes.h"
#include "blob/webdav/webdav_storage.h"
#include "net/bearer_token.h"

using namespace cairn;

namespace {

constexpr int kAnswersMax = 8;  // then the server refuses
std::string_view answer;
int answers = 0, status = 200;

}  // namespace

Result<net::HttpResponse> replaced_send(net::HttpClient*, const net::HttpRequest&, std::stop_token) asm(
    "__wrap__ZN5cairn3net10HttpClient4sendERKNS0_11HttpRequestESt10stop_token");
Result<net::HttpResponse> replaced_send(net::HttpClient*, const net::HttpRequest&, std::stop_token) {
  net::HttpResponse r;
  r.status = ++answers > kAnswersMax ? 400 : status;
  r.headers = {{"Content-Length", std::string(answer.substr(0, 20))},
               {"Last-Modified", std::string(answer.substr(0, 40))},
               {"Date", std::string(answer.substr(0, 40))},
               {"Retry-After", std::string(answer.substr(0, 20))}};
  (void)r.date();
  (void)r.retry_after_seconds();
  r.body = Buffer::copy_of(as_bytes(answer));
  return r;
}
bool replaced_sleep(Duration, std::stop_token) asm("__wrap__ZN5cairn9sleep_forENS_8DurationESt10stop_token");
bool replaced_sleep(Duration, std::stop_token) { return true; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  answer = as_text({data + 1, size - 1});
  answers = 0;
  status = 200;
  const auto list = [](const Result<std::shared_ptr<blob::Storage>>& storage) {
    if (!storage.ok()) {
      return;
    }
    answers = 0;
    (void)(*storage)->list("p",
                           [](const blob::BlobMetadata& b) {
                             CHECK(b.id.starts_with("p") && b.length >= 0, "{} of {} bytes", b.id.text, b.length);
                             return Status();
                           },
                           {});
    answers = 0;
    (void)(*storage)->metadata(BlobId("p1"), {});
    (void)(*storage)->get(BlobId("p1"), {0, 4}, {});
  };
  switch (data[0] % 6) {
    case 0: {
      static const auto client = [] {
        blob::S3Options options;
        options.bucket = "bucket";
        options.access_key = options.secret_key = "key";
        options.region = "region";
        return blob::S3Client::create(options).value();
      }();
      const auto entry = [](const blob::S3Entry& e) {
        CHECK(e.key.starts_with("p") && e.length >= 0);
        return Status();
      };
      (void)blob::list_objects(*client, "p", entry, {});
      answers = 0;
      (void)blob::list_versions(*client, "p", entry, {});
      status = 404;
      answers = 0;
      (void)client->call({.key = "p1"}, {});
      break;
    }
    case 1:
      list(blob::open_azure(Json::object({{"container", "c"}, {"storageAccount", "a"}, {"storageKey", "a2V5"}}), {},
                            {}));
      break;
    case 2:
      ::setenv("STORAGE_EMULATOR_HOST", "localhost:1", 1);
      list(blob::open_gcs(Json::object({{"bucket", "b"}}), {}, {}));
      break;
    case 3:
      status = 207;
      list(blob::open_webdav(Json::object({{"url", "http://localhost/dav"}}), {}, {}));
      break;
    case 4:
      if (const auto classes = blob::StorageClasses::parse(as_bytes(answer)); classes.ok()) {
        (void)classes->class_of(BlobId("p1"));
      }
      break;
    default:
      list(blob::open_azure(Json::object({{"container", "c"},
                                          {"storageAccount", "a"},
                                          {"tenantID", "t"},
                                          {"clientID", "i"},
                                          {"clientSecret", "s"}}),
                            {}, {}));
  }
  return 0;
}
