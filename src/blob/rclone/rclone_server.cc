#include "blob/rclone/rclone_server.h"

#include <signal.h>

#include <algorithm>

#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "base/sleep.h"
#include "crypto/digest.h"
#include "net/self_signed.h"

namespace cairn::blob {
namespace {

constexpr std::string_view kDavWords = "WebDav Server started on ";
constexpr std::string_view kControlWords = "Serving remote control on ";
constexpr std::size_t kLineMax = 16 << 10;
constexpr Duration kTransfersMax = minutes(10);

// The URL behind `words` in a line of the log, "" when they are not in it. Newer versions put it into brackets.
std::string url_after(std::string_view line, std::string_view words) {
  const std::size_t at = line.find(words);
  if (at == std::string_view::npos) {
    return "";
  }
  std::string_view rest = line.substr(at + words.size());
  if (rest.starts_with('[')) {
    rest.remove_prefix(1);
  }
  return std::string(rest.substr(0, rest.find_first_of(" ]\r\n,")));
}

}  // namespace

Result<std::shared_ptr<RcloneServer>> RcloneServer::start(const RcloneOptions& options, std::stop_token stop) {
  std::shared_ptr<RcloneServer> server(new RcloneServer(options));
  TRY(server->write_files(), "preparing rclone");
  server->thread_ = std::jthread([raw = server.get()](std::stop_token ending) { raw->run(ending); });
  TRY(server->wait_until_ready(stop));
  return server;
}

RcloneServer::~RcloneServer() {
  if (options_.wait_for_transfers && !control_url_.empty()) {
    wait_for_transfers();
  }
}

Status RcloneServer::write_files() {
  TRY_ASSIGN(dir_, sys::TempDir::make("cairn-rclone-"));
  TRY_ASSIGN(const net::SelfSigned tls, net::make_self_signed("rclone", 365));
  username_ = "u" + random_hex(8);
  password_ = random_hex(24);
  fingerprint_ = tls.fingerprint;
  const ByteView secret[] = {as_bytes(password_)};
  const std::string users = fmt::format("{}:{{SHA}}{}\n", username_, base64_encode(crypto::sha1(secret)));
  const std::pair<const char*, const std::string*> files[] = {{"cert.pem", &tls.certificate_pem},
                                                              {"key.pem", &tls.key_pem},
                                                              {"users", &users},
                                                              {"rclone.conf", &options_.config}};
  for (const auto& [name, text] : files) {
    TRY(sys::write_file_atomic(dir_.path() + "/" + name, as_bytes(*text), 0600));
  }
  net::HttpOptions http;
  http.certificate_fingerprint = fingerprint_;
  TRY_ASSIGN(client_, net::HttpClient::create(http));
  return {};
}

std::vector<std::string> RcloneServer::command_line() const {
  const std::string cert = dir_.path() + "/cert.pem", key = dir_.path() + "/key.pem", users = dir_.path() + "/users";
  std::vector<std::string> argv = {options_.program,
                                   "-v",
                                   "serve",
                                   "webdav",
                                   options_.remote_path,
                                   "--addr",
                                   "127.0.0.1:0",
                                   "--cert",
                                   cert,
                                   "--key",
                                   key,
                                   "--htpasswd",
                                   users,
                                   "--rc",
                                   "--rc-addr",
                                   "127.0.0.1:0",
                                   "--rc-cert",
                                   cert,
                                   "--rc-key",
                                   key,
                                   "--rc-htpasswd",
                                   users,
                                   "--vfs-write-back=0s"};
  if (!options_.config.empty()) {
    argv.insert(argv.end(), {"--config", dir_.path() + "/rclone.conf"});
  }
  argv.insert(argv.end(), options_.arguments.begin(), options_.arguments.end());
  return argv;
}

// The thread of the program: reads what it prints until it ends, or ends it.
void RcloneServer::run(const std::stop_token& stop) {
  const auto end = [this](Status why) {
    const std::lock_guard lock(mutex_);
    ended_ = std::move(why);
    running_ = false;
    changed_.notify_all();
  };
  sys::ProcessOptions process;
  process.argv = command_line();
  process.env = options_.env;
  process.die_with_thread = true;
  auto child = sys::ChildProcess::start(process, false, false, true);
  if (!child.ok()) {
    return end(std::move(child).status().with_code(Code::failed_precondition));
  }
  std::string buffer;
  while (!stop.stop_requested()) {
    const auto readable = sys::wait_readable(child->stderr_fd(), milliseconds(100));
    if (!readable.ok() || !*readable) {
      continue;
    }
    Byte piece[4096];
    const auto n = sys::read_some(child->stderr_fd(), piece);
    if (!n.ok() || *n == 0) {
      const auto result = child->wait(seconds(2), {});
      return end(error(Code::failed_precondition, "rclone ended: {}", result.ok() ? result->text() : "no output"));
    }
    buffer.append(as_text(ByteView(piece, *n)));
    for (std::size_t line; (line = buffer.find('\n')) != std::string::npos;) {
      take_line(std::string_view(buffer).substr(0, line));
      buffer.erase(0, line + 1);
    }
    buffer.resize(std::min(buffer.size(), kLineMax));
  }
  child->signal(SIGTERM);
  (void)child->wait(seconds(2), {}).ok();
}

void RcloneServer::take_line(std::string_view line) {
  if (options_.debug) {
    log::debug("rclone", "{}", line);
  }
  const std::lock_guard lock(mutex_);
  last_line_ = line.substr(0, 400);
  for (const auto& [url, words] : {std::pair(&dav_url_, kDavWords), std::pair(&control_url_, kControlWords)}) {
    if (url->empty()) {
      *url = url_after(line, words);
    }
  }
  changed_.notify_all();
}

Status RcloneServer::wait_until_ready(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return !running_ || (!dav_url_.empty() && !control_url_.empty()); };
  const bool done = changed_.wait_for(lock, stop, std::chrono::nanoseconds(options_.startup_timeout.ns), ready);
  if (stop.stop_requested()) {
    return error(Code::cancelled, "stopped");
  }
  const std::string words = last_line_.empty() ? "" : ": " + last_line_;
  if (!done) {
    return error(Code::deadline, "timed out waiting for rclone to start{}", words);
  }
  return running_ ? Status() : Status(ended_.code(), ended_.message() + words);
}

Result<net::HttpResponse> RcloneServer::control(const std::string& call, std::string_view body, std::stop_token stop) {
  net::HttpRequest request;
  request.method = "POST";
  request.url = control_url_ + call;
  request.set("Content-Type", "application/json");
  request.set("Authorization", "Basic " + base64_encode(as_bytes(username_ + ":" + password_)));
  const ByteView parts[] = {as_bytes(body)};
  request.body = parts;
  return client_->send(request, std::move(stop));
}

Status RcloneServer::forget(std::stop_token stop) {
  TRY_ASSIGN(const net::HttpResponse response, control("vfs/forget", "{}", std::move(stop)));
  return response.ok() ? Status() : net::http_error(response, "rclone vfs/forget");
}

// With a cache of its own it answers puts before the remote has them.
void RcloneServer::wait_for_transfers() {
  const std::int64_t end_ns = monotonic_ns() + kTransfersMax.ns;
  while (monotonic_ns() < end_ns) {
    const auto stats = control("core/stats", "{}", {});
    if (!stats.ok() || !stats->ok()) {
      return;
    }
    const auto json = Json::parse(stats->body.text());
    if (!json.ok() || (*json)["transferring"].size() == 0) {
      return;
    }
    sleep_for(milliseconds(200), {});
  }
  log::warning("rclone", "transfers were still running after {}", go_duration(kTransfersMax));
}

}  // namespace cairn::blob
