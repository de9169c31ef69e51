// What a B2 server answers, as the service would from the first call on: the input is cut at every byte 0 into a status
// digit and a body an answer; the last one is repeated. Nothing is sent: the client's one function is replaced by the
// linker.
#include <algorithm>
#include <vector>

#include "base/sleep.h"
#include "blob/b2/b2_storage.h"
#include "net/http.h"

using namespace cairn;

namespace {

constexpr int kAnswersMax = 40;  // then the server refuses
constexpr int kStatus[] = {200, 200, 200, 400, 401, 404, 416, 429, 500, 503};
std::vector<std::string_view> answers;
std::size_t given = 0;

std::vector<std::string_view> cut(std::string_view text) {
  std::vector<std::string_view> out;
  while (true) {
    const std::size_t end = text.find('\0');
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return out;
    }
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Result<net::HttpResponse> replaced_send(net::HttpClient*, const net::HttpRequest&, std::stop_token) asm(
    "__wrap__ZN5cairn3net10HttpClient4sendERKNS0_11HttpRequestESt10stop_token");
Result<net::HttpResponse> replaced_send(net::HttpClient*, const net::HttpRequest& request, std::stop_token) {
  net::HttpResponse r;
  if (given == kAnswersMax) {
    r.status = 403;
    return r;
  }
  std::string_view answer = answers[std::min(given++, answers.size() - 1)];
  r.status = answer.empty() ? 200 : kStatus[static_cast<unsigned char>(answer[0]) % 10];
  answer.remove_prefix(std::min<std::size_t>(1, answer.size()));
  r.headers = {{"Content-Length", std::string(answer.substr(0, 20))},
               {"X-Bz-Upload-Timestamp", std::string(answer.substr(0, 20))},
               {"X-Bz-Info-kopia-mtime", std::string(answer.substr(0, 20))},
               {"X-Bz-Content-Sha1", std::string(answer.substr(0, 40))},
               {"Retry-After", std::string(answer.substr(0, 20))}};
  if (request.method != "HEAD") {
    r.body = Buffer::copy_of(as_bytes(answer));
  }
  return r;
}
bool replaced_sleep(Duration, std::stop_token) asm("__wrap__ZN5cairn9sleep_forENS_8DurationESt10stop_token");
bool replaced_sleep(Duration, std::stop_token) { return true; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  answers = cut(as_text({data, size}));
  given = 0;
  const auto storage =
      blob::open_b2(Json::object({{"bucket", "b"}, {"prefix", "x/"}, {"keyID", "i"}, {"key", "k"}}), {}, {});
  if (!storage.ok()) {
    return 0;
  }
  const std::size_t opened = given;
  (void)(*storage)->list("p",
                         [&](const blob::BlobMetadata& b) {
                           CHECK(b.id.starts_with("p") && b.length >= 0, "{} of {} bytes", b.id.text, b.length);
                           CHECK(b.id.text.find('/') == std::string::npos, "{}", b.id.text);
                           return Status();
                         },
                         {});
  // Each call may have the answers that followed the opening.
  given = opened;
  if (const auto found = (*storage)->metadata(BlobId("p1"), {}); found.ok()) {
    CHECK(found->length >= 0);
  }
  given = opened;
  if (const auto part = (*storage)->get(BlobId("p1"), {0, 4}, {}); part.ok()) {
    CHECK(part->size() == 4, "{} bytes for 4", part->size());
  }
  given = opened;
  (void)(*storage)->get(BlobId("p1"), {}, {});
  given = opened;
  const Bytes bytes(4, 7);
  if (const auto stored = (*storage)->put(BlobId("p1"), bytes, {}); stored.ok()) {
    CHECK(stored->length == 4, "{} bytes for 4", stored->length);
  }
  given = opened;
  (void)(*storage)->remove(BlobId("p1"), {});
  return 0;
}
