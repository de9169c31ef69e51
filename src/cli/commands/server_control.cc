// Commands that ask a running repository server to do something (kopia-interfaces §3.6). No repository is opened here.
#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/format.h"
#include "cli/throttle_view.h"
#include "net/http.h"
#include "net/url.h"
#include "snapshot/types.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

using enum ValueType;

// "401 Unauthorized", "403 Forbidden: access is denied".
std::string refusal_text(const net::HttpResponse& answer) {
  static constexpr std::pair<int, const char*> kReasons[] = {
      {400, "Bad Request"}, {401, "Unauthorized"},          {403, "Forbidden"},
      {404, "Not Found"},   {500, "Internal Server Error"}, {503, "Service Unavailable"}};
  std::string text = std::to_string(answer.status);
  for (const auto& [status, reason] : kReasons) {
    if (status == answer.status) {
      text += fmt::format(" {}", reason);
    }
  }
  if (const auto body = Json::parse(answer.body.text()); body.ok() && !(*body)["error"].as_string().empty()) {
    text += ": " + (*body)["error"].as_string();
  }
  return text;
}

class ControlClient {
 public:
  static Result<ControlClient> create(Context& context, const ParsedCommand& command) {
    ControlClient c(context);
    c.address_ = command.text("address");
    const bool other_name = command.given("server-username");
    const std::string user = command.text(other_name ? "server-username" : "server-control-username");
    std::string secret =
        user + ":" + command.text(command.given("server-password") ? "server-password" : "server-control-password");
    c.authorization_ = "Basic " + base64_encode(as_bytes(secret));
    wipe(secret);
    net::HttpOptions options;
    if (c.address_.starts_with("unix+")) {  // unix+http:///run/kopia.sock
      const std::size_t path = std::min(c.address_.find("://"), c.address_.size() - 3) + 3;
      options.unix_socket = c.address_.substr(path);
      c.address_ = c.address_.substr(5, path - 5) + "localhost";
    }
    options.certificate_fingerprint = to_lower(command.text("server-cert-fingerprint"));
    TRY_ASSIGN(c.http_, net::HttpClient::create(options));
    return c;
  }
  ControlClient(ControlClient&&) = default;
  ControlClient& operator=(ControlClient&&) = delete;
  ~ControlClient() { wipe(authorization_); }

  // `word` as Go's client writes the method: "Get". The answer's JSON. Errors name the status and what the server says.
  Result<Json> call(std::string_view word, const std::string& path, const std::string& body = "") {
    net::HttpRequest request;
    request.method.clear();
    for (const char c : word) {
      request.method += static_cast<char>(std::toupper(c));
    }
    request.url = address_ + "/api/v1/control/" + path;
    const std::string frame = fmt::format("error running http request: {} \"{}\"", word, request.url);
    if (!address_.starts_with("http://") && !address_.starts_with("https://")) {
      const std::size_t scheme = address_.find("://");
      return error(Code::invalid_argument, "{}: unsupported protocol scheme \"{}\"", frame,
                   scheme == std::string::npos ? "" : address_.substr(0, scheme));
    }
    request.set("Authorization", authorization_);
    request.set("Content-Type", "application/json");
    const ByteView parts[] = {as_bytes(body)};
    request.body = parts;
    TRY_ASSIGN(const net::HttpResponse answer, http_->send(request, context_.stop()), "{}", frame);
    if (!answer.ok()) {
      return Status(net::code_of_http_status(answer.status), refusal_text(answer));
    }
    return answer.body.size() == 0 ? Result<Json>(Json::object()) : Json::parse(answer.body.text());
  }

 private:
  explicit ControlClient(Context& context) : context_(context) {}
  Context& context_;
  std::string address_, authorization_;
  std::shared_ptr<net::HttpClient> http_;
};

Status run_status(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(ControlClient client, ControlClient::create(context, command));
  TRY_ASSIGN(const Json answer, client.call("Get", "sources"), "unable to list sources");
  for (const Json& item : answer["sources"].items()) {
    const std::string& status = item["status"].as_string();
    if (status == "REMOTE" && !command.boolean("remote")) {
      continue;
    }
    const Json& source = item["source"];
    const snapshot::SourceInfo info{source["host"].as_string(), source["userName"].as_string(),
                                    source["path"].as_string()};
    context.print("{}: {}\n", status, info.text());
  }
  return {};
}

Status post(Context& context, const ParsedCommand& command, const char* path) {
  TRY_ASSIGN(ControlClient client, ControlClient::create(context, command));
  return client.call("Post", path, "{}").status();
}
Status run_refresh(Context& context, const ParsedCommand& command) { return post(context, command, "refresh"); }
Status run_flush(Context& context, const ParsedCommand& command) { return post(context, command, "flush"); }
Status run_shutdown(Context& context, const ParsedCommand& command) { return post(context, command, "shutdown"); }

// Asks for something to be done with one source or with all.
Status with_sources(Context& context, const ParsedCommand& command, const char* path) {
  std::string query;
  if (const std::string& source = command.argument("source"); !source.empty()) {
    TRY_ASSIGN(const std::string absolute, sys::absolute_path(source));
    query = "?path=" + net::percent_encode(absolute);
  } else if (!command.boolean("all")) {
    return error(Code::invalid_argument, "must specify source or --all");
  }
  TRY_ASSIGN(ControlClient client, ControlClient::create(context, command));
  TRY_ASSIGN(const Json answer, client.call("Post", path + query, "{}"), "server returned error");
  for (const auto& [source, result] : answer["sources"].members()) {
    context.notice("{} {}", result["success"].as_bool() ? "Success" : "Failed", source);
  }
  return {};
}
Status run_snapshot(Context& context, const ParsedCommand& command) {
  return with_sources(context, command, "trigger-snapshot");
}
Status run_cancel(Context& context, const ParsedCommand& command) {
  return with_sources(context, command, "cancel-snapshot");
}
Status run_pause(Context& context, const ParsedCommand& command) {
  return with_sources(context, command, "pause-source");
}
Status run_resume(Context& context, const ParsedCommand& command) {
  return with_sources(context, command, "resume-source");
}

Status run_throttle_get(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(ControlClient client, ControlClient::create(context, command));
  TRY_ASSIGN(const Json limits, client.call("Get", "throttle"), "unable to get current throttle");
  print_limits(context, command, blob::ThrottleLimits::from_json(limits));
  return {};
}

Status run_throttle_set(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(ControlClient client, ControlClient::create(context, command));
  TRY_ASSIGN(const Json now, client.call("Get", "throttle"), "unable to get current throttle");
  blob::ThrottleLimits limits = blob::ThrottleLimits::from_json(now);
  TRY_ASSIGN(const bool changed, change_limits(context, command, limits));
  return changed ? client.call("Put", "throttle", limits.to_json().dump()).status() : Status();
}

std::vector<FlagSpec> client_flags() {
  return {
      {.name = "address",
       .type = text,
       .default_value = "http://127.0.0.1:51515",
       .env = "KOPIA_SERVER_ADDRESS",
       .help = "URL of the server"},
      {.name = "server-control-username",
       .type = text,
       .default_value = "server-control",
       .env = "KOPIA_SERVER_USERNAME",
       .help = "Name of the server's control user"},
      {.name = "server-control-password",
       .type = text,
       .env = "KOPIA_SERVER_PASSWORD",
       .help = "Password of the server's control user"},
      {.name = "server-username", .type = text, .help = "Another name of --server-control-username", .hidden = true},
      {.name = "server-password", .type = text, .help = "Another name of --server-control-password", .hidden = true},
      {.name = "server-cert-fingerprint",
       .type = text,
       .env = "KOPIA_SERVER_CERT_FINGERPRINT",
       .help = "SHA-256 of the server's certificate, in hex; only this one is trusted then"}};
}

std::vector<FlagSpec> with_client_flags(std::vector<FlagSpec> flags) {
  append_flags(flags, client_flags());
  return flags;
}

}  // namespace

void add_server_control(CommandTable& table) {
  table.add({.path = "server status",
             .help = "List the sources of a running server with their state",
             .flags = with_client_flags({{.name = "remote", .help = "Also sources of other machines"}}),
             .run = run_status});
  table.add({.path = "server refresh",
             .help = "Have a running server look at the repository anew",
             .flags = client_flags(),
             .run = run_refresh});
  table.add({.path = "server flush",
             .help = "Have a running server write out what it holds",
             .flags = client_flags(),
             .run = run_flush});
  table.add({.path = "server shutdown", .help = "End a running server", .flags = client_flags(), .run = run_shutdown});
  struct {
    const char *word, *help;
    std::vector<std::string> aliases;
    RunFunction run;
  } const per_source[] = {{"snapshot", "Have a running server back up sources", {"upload"}, run_snapshot},
                          {"cancel", "Have a running server cancel uploads", {}, run_cancel},
                          {"pause", "Have a running server leave out sources until they are resumed", {}, run_pause},
                          {"resume", "Have a running server go on with sources", {"unpause"}, run_resume}};
  for (const auto& row : per_source) {
    table.add({.path = std::string("server ") + row.word,
               .help = row.help,
               .aliases = row.aliases,
               .arguments = {{.name = "source", .help = "Path of a source of the server"}},
               .flags = with_client_flags({{.name = "all", .help = "All sources of the server"}}),
               .run = row.run});
  }
  table.add({.path = "server throttle", .help = "Limits on the requests of a running server to its storage"});
  table.add({.path = "server throttle get",
             .help = "Show the limits",
             .flags = with_client_flags(json_flags()),
             .run = run_throttle_get});
  table.add({.path = "server throttle set",
             .help = "Change limits",
             .flags = with_client_flags(throttle_flags()),
             .run = run_throttle_set});
}

}  // namespace cairn::cli
