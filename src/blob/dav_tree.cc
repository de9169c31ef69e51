#include "blob/dav_tree.h"

#include <algorithm>
#include <charconv>

#include "base/random.h"
#include "base/task_group.h"
#include "blob/paced_client.h"
#include "blob/retry.h"
#include "net/url.h"
#include "net/xml.h"

namespace cairn::blob {
namespace {

constexpr std::string_view kPropfind =
    "<?xml version=\"1.0\" encoding=\"utf-8\"?><D:propfind xmlns:D=\"DAV:\"><D:prop><D:getcontentlength/>"
    "<D:getlastmodified/><D:resourcetype/></D:prop></D:propfind>";
constexpr int kMultiStatus = 207;
constexpr unsigned kListWorkers = 8;
constexpr std::int64_t kOffsetMax = std::int64_t{1} << 40;
constexpr std::size_t kBodyMax = std::size_t{1} << 30;

std::string_view without_slash(std::string_view path) {
  while (path.ends_with('/')) {
    path.remove_suffix(1);
  }
  return path;
}

// Server's path of an href: an absolute URL, or a path.
std::string path_of_href(std::string_view href) {
  if (const std::size_t scheme = href.find("://"); scheme != std::string_view::npos) {
    const std::size_t slash = href.find('/', scheme + 3);
    href = slash == std::string_view::npos ? std::string_view() : href.substr(slash);
  }
  return std::string(without_slash(net::percent_decode(href)));
}

std::int64_t to_number(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return std::max<std::int64_t>(value, 0);
}

// The properties that were found, nullptr when there are none.
const net::XmlNode* found_properties(const net::XmlNode& response) {
  for (const net::XmlNode& each : response.children) {
    if (each.name == "propstat" && each.text_of("status").find(" 200") != std::string::npos) {
      return each.child("prop");
    }
  }
  return nullptr;
}

class DavTree final : public RemoteTree {
 public:
  DavTree(DavTreeOptions options, std::shared_ptr<net::HttpClient> client, std::string root_path)
      : options_(std::move(options)), client_(std::move(client)), root_path_(std::move(root_path)) {
    if (!options_.username.empty() || !options_.password.empty()) {
      authorization_ = "Basic " + base64_encode(as_bytes(options_.username + ":" + options_.password));
    }
  }

  Result<Buffer> read(const std::string& path, ByteRange range, std::stop_token stop) override {
    if (range.offset > kOffsetMax) {
      return error(Code::invalid_argument, "invalid range");
    }
    TRY(refresh(stop));
    net::HttpRequest get = request("GET", path);
    get.response_max = kBodyMax;
    const bool partial = range.offset > 0 || range.length > 0;
    if (partial) {
      get.set_range(range.offset, std::min(range.length, kOffsetMax));
    }
    TRY_ASSIGN(net::HttpResponse response, client_.send(get, stop));
    if (response.status == 416) {
      return end_of_file(path, range, std::move(stop));
    }
    TRY(check(response, "GET " + path));
    if (partial && response.status == 200) {  // a server that knows no ranges
      const auto size = static_cast<std::int64_t>(response.body.size());
      if (range.offset > size || range.length > size - range.offset) {
        return error(Code::invalid_argument, "invalid range");
      }
      const auto length = static_cast<std::size_t>(range.length < 0 ? size - range.offset : range.length);
      return Buffer::copy_of(response.body.view().subspan(static_cast<std::size_t>(range.offset), length));
    }
    if (range.length > 0 && static_cast<std::int64_t>(response.body.size()) != range.length) {
      return error(Code::invalid_argument, "invalid range");
    }
    return std::move(response.body);
  }

  Result<TreeEntry> stat(const std::string& path, std::stop_token stop) override {
    TRY(refresh(stop));
    return look(path, std::move(stop));
  }

  Result<std::vector<Result<Listing>>> list(const std::vector<std::string>& directories,
                                            std::stop_token stop) override {
    TRY(refresh(stop));
    std::vector<Result<Listing>> out;
    for (std::size_t i = 0; i < directories.size(); ++i) {
      out.emplace_back(Listing());
    }
    const auto read_one = [&](std::size_t i, const std::stop_token& s) -> Status {
      out[i] = children(directories[i], s);
      const Code code = out[i].code();
      // Alone it may be missing or closed; everything else is the server's trouble and ends the call.
      return code == Code::ok || code == Code::not_found || code == Code::permission_denied ? Status()
                                                                                            : out[i].status();
    };
    const auto workers = static_cast<unsigned>(std::min<std::size_t>(kListWorkers, directories.size()));
    TRY(parallel_for(directories.size(), workers, stop, read_one));
    return out;
  }

  Result<Timestamp> write(const std::string& path, GatherView data, const WriteOptions& options,
                          std::stop_token stop) override {
    if (options.mtime) {
      return error(Code::unsupported, "set-mtime: unsupported put-blob option");
    }
    const bool direct = options_.atomic_writes && options.existing == Existing::replace;
    const std::string target = direct ? path : fmt::format("{}-{}", path, random_u64() >> 1);
    Status done = put(target, data, stop);
    if (!done.ok() && !stop.stop_requested() && path.find('/') != std::string::npos) {
      // Servers say many things (404, 409, 500) when the directory is missing.
      const Status made = make_shard_directories(path, stop);
      TRY(made.is(Code::failed_precondition) ? made : made.ok() ? Status() : done);
      done = put(target, data, stop);
    }
    // To the caller "not found" would mean the blob.
    done = done.is(Code::not_found) ? std::move(done).with_code(Code::failed_precondition) : std::move(done);
    if (done.ok() && !direct) {
      done = move(target, path, options.existing, stop);
    }
    if (!done.ok()) {
      if (!direct && !stop.stop_requested()) {
        (void)remove(target, stop).ok();
      }
      return done;
    }
    TRY(refresh(stop));
    auto seen = look(path, std::move(stop));
    if (seen.code() == Code::not_found) {  // somebody else is replacing it right now
      return std::move(seen).status().with_code(Code::unavailable);
    }
    TRY_ASSIGN(const TreeEntry entry, std::move(seen), "after PUT");
    if (entry.size != static_cast<std::int64_t>(gather_size(data))) {
      return error(Code::unavailable, "PUT {}: the server has {} bytes of {}", path, entry.size, gather_size(data));
    }
    return entry.mtime;
  }

  Status remove(const std::string& path, std::stop_token stop) override {
    TRY_ASSIGN(const net::HttpResponse response, client_.send(request("DELETE", path), std::move(stop)));
    return response.status == 404 ? Status() : check(response, "DELETE " + path);
  }

  Status make_root(std::stop_token stop) override {
    if (look("", stop).ok()) {
      return {};
    }
    TRY_ASSIGN(const net::HttpResponse response, client_.send(request("MKCOL", "", true), std::move(stop)));
    return response.status == 405 ? Status() : check(response, "MKCOL " + options_.url);
  }

 private:
  Status refresh(const std::stop_token& stop) const {
    if (stop.stop_requested()) {
      return error(Code::cancelled, "stopped");
    }
    return options_.refresh ? options_.refresh(stop) : Status();
  }

  std::string url(const std::string& path, bool directory) const {
    std::string out(without_slash(options_.url));
    if (!path.empty()) {
      out += "/" + net::percent_encode_path(path);
    }
    return directory ? out + "/" : out;
  }

  net::HttpRequest request(std::string method, const std::string& path, bool directory = false) const {
    net::HttpRequest out;
    out.method = std::move(method);
    out.url = url(path, directory || path.empty());
    out.set("Accept-Encoding", "identity");
    if (!authorization_.empty()) {
      out.set("Authorization", authorization_);
    }
    return out;
  }

  Status check(const net::HttpResponse& response, const std::string& what) const {
    return response.ok() ? Status() : net::http_error(response, what);
  }

  Status put(const std::string& path, GatherView data, const std::stop_token& stop) {
    net::HttpRequest out = request("PUT", path);
    out.body = data;
    TRY_ASSIGN(const net::HttpResponse response, client_.send(out, stop));
    return check(response, "PUT " + path);
  }

  Status move(const std::string& from, const std::string& to, Existing existing, const std::stop_token& stop) {
    net::HttpRequest out = request("MOVE", from);
    out.set("Destination", url(to, false));
    out.set("Overwrite", existing == Existing::replace ? "T" : "F");
    TRY_ASSIGN(const net::HttpResponse response, client_.send(out, stop));
    if (response.status == 412 && existing == Existing::keep) {
      return error(Code::already_exists, "MOVE {}: file exists", to);
    }
    // Another writer of the same file was in the way: that passes.
    Status moved = check(response, "MOVE " + from);
    const bool raced = moved.is(Code::not_found) || moved.is(Code::conflict) || moved.is(Code::failed_precondition);
    return raced ? std::move(moved).with_code(Code::unavailable) : moved;
  }

  Status make_shard_directories(const std::string& path, const std::stop_token& stop) {
    if (const auto root = look("", stop); root.code() == Code::not_found) {
      return error(Code::failed_precondition, "storage root {} is missing", options_.url);
    }
    for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      const std::string directory = path.substr(0, slash);
      TRY_ASSIGN(const net::HttpResponse response, client_.send(request("MKCOL", directory, true), stop));
      if (response.status != 405) {  // there already
        Status made = check(response, "MKCOL " + directory);
        TRY(made.is(Code::conflict) || made.is(Code::not_found) ? std::move(made).with_code(Code::failed_precondition)
                                                                : std::move(made));
      }
    }
    return {};
  }

  Result<Buffer> end_of_file(const std::string& path, ByteRange range, std::stop_token stop) {
    TRY_ASSIGN(const TreeEntry entry, look(path, std::move(stop)));
    if (range.length < 0 && range.offset == entry.size) {
      return Buffer();
    }
    return error(Code::invalid_argument, "invalid range");
  }

  // What a PROPFIND answers: the path itself first or anywhere, and at depth 1 what lies in it.
  Result<std::vector<TreeEntry>> propfind(const std::string& path, bool directory, bool with_children,
                                          const std::stop_token& stop) {
    net::HttpRequest out = request("PROPFIND", path, directory);
    out.set("Depth", with_children ? "1" : "0");
    out.set("Content-Type", "application/xml");
    const ByteView parts[] = {as_bytes(kPropfind)};
    out.body = parts;
    out.response_max = kBodyMax;
    TRY_ASSIGN(const net::HttpResponse response, client_.send(out, stop));
    const std::string what = "PROPFIND " + (path.empty() ? options_.url : path);
    TRY(check(response, what));
    if (response.status != kMultiStatus) {
      return error(Code::unsupported, "{}: this is not a WebDAV server", what);
    }
    auto parsed = net::parse_xml(response.body);
    if (!parsed.ok() || parsed->name != "multistatus") {
      return error(Code::unavailable, "{}: listing is damaged: {}", what,
                   parsed.ok() ? "the answer is something else" : parsed.status().message());
    }
    const net::XmlNode document = std::move(parsed).value();
    std::string own(without_slash(root_path_));
    if (!path.empty()) {
      own += "/" + path;
    }
    std::vector<TreeEntry> entries;
    for (const net::XmlNode& each : document.children) {
      const net::XmlNode* properties = each.name == "response" ? found_properties(each) : nullptr;
      if (properties == nullptr) {
        continue;
      }
      const std::string where = path_of_href(each.text_of("href"));
      if ((where == own) == with_children) {
        continue;
      }
      TreeEntry entry;
      entry.name = where.substr(where.rfind('/') + 1);
      const net::XmlNode* type = properties->child("resourcetype");
      entry.is_directory = type != nullptr && type->child("collection") != nullptr;
      entry.size = to_number(properties->text_of("getcontentlength"));
      entry.mtime = net::parse_http_date(properties->text_of("getlastmodified")).value_or(Timestamp());
      entries.push_back(std::move(entry));
    }
    return entries;
  }

  Result<TreeEntry> look(const std::string& path, std::stop_token stop) {
    TRY_ASSIGN(std::vector<TreeEntry> entries, propfind(path, path.empty(), false, stop));
    if (entries.size() != 1) {
      return error(Code::unavailable, "PROPFIND {}: {} answers instead of one", path, entries.size());
    }
    return std::move(entries.front());
  }

  Result<Listing> children(const std::string& path, const std::stop_token& stop) {
    return retry_call({}, "ListBlobs", stop, [&] { return propfind(path, true, true, stop); });
  }

  const DavTreeOptions options_;
  PacedClient client_;
  const std::string root_path_;  // decoded
  std::string authorization_;
};

}  // namespace

Result<std::unique_ptr<RemoteTree>> make_dav_tree(DavTreeOptions options) {
  TRY_ASSIGN(const net::Url url, net::parse_url(options.url), "invalid WebDAV URL");
  net::HttpOptions http;
  http.certificate_fingerprint = options.certificate_fingerprint;
  TRY_ASSIGN(auto client, net::HttpClient::create(http));
  return std::unique_ptr<RemoteTree>(
      std::make_unique<DavTree>(std::move(options), std::move(client), net::percent_decode(url.path)));
}

}  // namespace cairn::blob
