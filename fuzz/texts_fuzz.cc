// Small texts inside other units: times, durations, addresses, encodings.
#include "base/time.h"
#include "net/http.h"
#include "net/url.h"
#include "net/xml.h"
#include "snapshot/fields.h"
#include "snapshot/time_filter.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  if (const auto t = parse_rfc3339(text); t.ok() && !t->is_zero()) {
    const auto again = parse_rfc3339(rfc3339(*t));
    CHECK(again.ok() && *again == *t, "{}", rfc3339(*t));
  }
  if (const auto d = parse_go_duration(text); d.ok()) {
    const auto again = parse_go_duration(go_duration(*d));
    CHECK(again.ok() && *again == *d, "{}", go_duration(*d));
  }
  if (const auto t = net::parse_http_date(text)) {
    CHECK(net::parse_http_date(net::format_http_date(*t)) == t, "{}", net::format_http_date(*t));
  }
  if (const auto url = net::parse_url(text); url.ok()) {
    const auto again = net::parse_url(url->text());
    CHECK(again.ok() && again->text() == url->text(), "{}", url->text());
    (void)url->host();
  }
  CHECK(net::percent_decode(net::percent_encode(text)) == text);
  if (const auto b = base64_decode(text); b.ok()) {
    CHECK(*base64_decode(base64_encode(*b)) == *b);
  }
  if (const auto b = hex_decode(text); b.ok()) {
    CHECK(*hex_decode(hex_encode(*b)) == *b);
  }
  (void)snapshot::parse_stored_time(text);
  (void)snapshot::parse_stored_mode(text);
  (void)snapshot::parse_flexible_time(text);
  if (const auto node = net::parse_xml({data, size}); node.ok()) {
    (void)net::xml_escape(node->text);
  }
  return 0;
}
