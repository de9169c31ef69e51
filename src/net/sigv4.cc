#include "net/sigv4.h"

#include <algorithm>
#include <vector>

#include "base/units.h"
#include "crypto/digest.h"
#include "crypto/kdf.h"
#include "net/url.h"

namespace cairn::net {
namespace {

std::string hash_hex(std::string_view text) {
  const ByteView parts[] = {as_bytes(text)};
  return hex_encode(crypto::sha256(parts));
}

// "20130524T000000Z"
std::string amz_date(Timestamp t) {
  const CivilTime c = civil_utc(t);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

// Pairs sorted by name and value; a name without value gets '='.
std::string canonical_query(std::string_view query) {
  std::vector<std::string> pairs;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (!pair.empty()) {
      pairs.push_back(std::string(pair) + (pair.find('=') == std::string_view::npos ? "=" : ""));
    }
  }
  // '=' must sort before every character of a longer name, as comparing names first does.
  std::sort(pairs.begin(), pairs.end(), [](const std::string& a, const std::string& b) {
    const std::size_t ea = a.find('='), eb = b.find('=');
    const int names = a.compare(0, ea, b, 0, eb);
    return names != 0 ? names < 0 : a.substr(ea) < b.substr(eb);
  });
  std::string out;
  for (const std::string& pair : pairs) {
    out += out.empty() ? pair : "&" + pair;
  }
  return out;
}

std::string collapse_spaces(std::string_view value) {
  std::string out;
  for (const char c : trim(value)) {
    if (c != ' ' || out.empty() || out.back() != ' ') {
      out += c;
    }
  }
  return out;
}

}  // namespace

SigV4Signer::SigV4Signer(SigV4Credentials credentials, std::string service)
    : credentials_(std::move(credentials)), service_(std::move(service)) {}

SigV4Signer::~SigV4Signer() {
  wipe(credentials_.secret_key);
  wipe(credentials_.session_token);
}

std::array<Byte, 32> SigV4Signer::key_for(std::string_view day, std::string_view region) const {
  const std::string scope = fmt::format("{}/{}", day, region);
  const std::lock_guard lock(mutex_);
  if (cached_scope_ != scope) {
    std::string seed = "AWS4" + credentials_.secret_key;
    const auto day_key = crypto::hmac_sha256(as_bytes(seed), as_bytes(day));
    wipe(seed);
    const auto region_key = crypto::hmac_sha256(day_key, as_bytes(region));
    const auto service_key = crypto::hmac_sha256(region_key, as_bytes(service_));
    cached_key_ = crypto::hmac_sha256(service_key, as_bytes("aws4_request"));
    cached_scope_ = scope;
  }
  return cached_key_;
}

Status SigV4Signer::sign(HttpRequest& request, std::string_view region, std::string_view payload_hash,
                         Timestamp now) const {
  TRY_ASSIGN(const Url url, parse_url(request.url));
  const std::string date = amz_date(now);
  const std::string_view day = std::string_view(date).substr(0, 8);
  request.set("X-Amz-Date", date);
  if (!payload_hash.empty()) {
    request.set("X-Amz-Content-Sha256", payload_hash);
  }
  if (!credentials_.session_token.empty()) {
    request.set("X-Amz-Security-Token", credentials_.session_token);
  }
  std::vector<std::pair<std::string, std::string>> headers = {{"host", url.authority}};
  for (const Header& header : request.headers) {
    headers.emplace_back(to_lower(header.name), collapse_spaces(header.value));
  }
  std::stable_sort(headers.begin(), headers.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string canonical_headers, signed_headers;
  for (const auto& [name, value] : headers) {
    canonical_headers += name + ":" + value + "\n";
    signed_headers += (signed_headers.empty() ? "" : ";") + name;
  }
  const std::string canonical =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, url.path, canonical_query(url.query), canonical_headers,
                  signed_headers, payload_hash.empty() ? hash_hex("") : std::string(payload_hash));
  const std::string scope = fmt::format("{}/{}/{}/aws4_request", day, region, service_);
  const std::string to_sign = fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", date, scope, hash_hex(canonical));
  const auto signature = crypto::hmac_sha256(key_for(day, region), as_bytes(to_sign));
  request.set("Authorization", fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                                           credentials_.access_key, scope, signed_headers, hex_encode(signature)));
  return {};
}

}  // namespace cairn::net
