#include "notify/sender.h"

#include <algorithm>

#include "base/random.h"
#include "base/units.h"
#include "net/http.h"
#include "net/smtp.h"

namespace cairn::notify {
namespace {

constexpr std::string_view kPushoverEndpoint = "https://api.pushover.net/1/messages.json";
constexpr Duration kDeadline = seconds(30);
constexpr std::size_t kAnswerMax = 1 << 20;

// What could start another header does not get into one.
std::string one_line(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(
      out, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return out;
}

// RFC 2047, where a header is not plain ASCII.
std::string encoded_header(std::string_view text) {
  const std::string line = one_line(text);
  const bool ascii = std::ranges::all_of(line, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  return ascii ? line : "=?utf-8?B?" + base64_encode(as_bytes(line)) + "?=";
}

std::vector<std::string> addresses(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view one = trim(list.substr(0, comma));
    if (const std::size_t open = one.find('<'); open != std::string_view::npos && one.ends_with('>')) {
      one = one.substr(open + 1, one.size() - open - 2);  // "Name <address>"
    }
    if (!one.empty()) {
      out.emplace_back(one);
    }
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return out;
}

Result<net::HttpResponse> post(net::HttpRequest& request, std::stop_token stop) {
  request.deadline = kDeadline;
  request.response_max = kAnswerMax;
  TRY_ASSIGN(const auto client, net::HttpClient::create({}));
  return client->send(request, std::move(stop));
}

Status send_email(const Profile& profile, const Message& message, std::stop_token stop) {
  net::SmtpRequest mail;
  mail.server = profile.text("smtpServer");
  mail.port = static_cast<int>(profile.config["smtpPort"].as_int());
  mail.identity = profile.text("smtpIdentity");
  mail.username = profile.text("smtpUsername");
  mail.password = profile.text("smtpPassword");
  const auto senders = addresses(profile.text("from"));
  mail.from = senders.empty() ? "" : senders.front();
  mail.recipients = addresses(profile.text("to"));
  std::ranges::move(addresses(profile.text("cc")), std::back_inserter(mail.recipients));
  std::string text = "Subject: " + encoded_header(message.subject) + "\n";
  text += "From: " + one_line(profile.text("from")) + "\nTo: " + one_line(profile.text("to")) + "\n";
  if (!profile.text("cc").empty()) {
    text += "Cc: " + one_line(profile.text("cc")) + "\n";
  }
  for (const auto& [name, value] : message.headers) {
    text += one_line(name) + ": " + encoded_header(value) + "\n";
  }
  text += "Date: " + net::format_http_date(system_clock().now()) + "\n";
  text += "Message-ID: <" + random_hex(16) + "@cairn>\nMIME-Version: 1.0\n";
  text += fmt::format("Content-Type: text/{}; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n",
                      message.html ? "html" : "plain");
  mail.message = text + message.body;
  const Status sent = net::send_mail(mail, std::move(stop));
  wipe(mail.password);
  return sent;
}

Status send_pushover(const Profile& profile, const Message& message, std::stop_token stop) {
  Json payload = Json::object({{"token", profile.text("appToken")},
                               {"user", profile.text("userKey")},
                               {"title", message.subject},
                               {"message", message.body}});
  if (message.html) {
    payload.set("html", "1");
  }
  const std::string body = payload.dump();
  const ByteView parts[] = {as_bytes(body)};
  net::HttpRequest request;
  request.method = "POST";
  request.url = profile.text("endpoint").empty() ? std::string(kPushoverEndpoint) : profile.text("endpoint");
  request.set("Content-Type", "application/json");
  request.body = parts;
  TRY_ASSIGN(const net::HttpResponse answer, post(request, std::move(stop)));
  return answer.status == 200 ? Status() : net::http_error(answer, "answer");
}

Status send_webhook(const Profile& profile, const Message& message, std::stop_token stop) {
  net::HttpRequest request;
  request.method = profile.text("method");
  request.url = profile.text("endpoint");
  request.set("Subject", encoded_header(message.subject));
  request.set("Content-Type", message.html ? "text/html; charset=UTF-8" : "text/plain; charset=UTF-8");
  for (const auto& [name, value] : message.headers) {
    request.set(one_line(name), encoded_header(value));
  }
  const std::string headers = profile.text("headers");
  for (std::string_view rest = headers; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
      request.set(trim(line.substr(0, colon)), one_line(trim(line.substr(colon + 1))));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const ByteView parts[] = {as_bytes(message.body)};
  request.body = parts;
  TRY_ASSIGN(const net::HttpResponse answer, post(request, std::move(stop)));
  if (answer.status != 200) {
    return error(net::code_of_http_status(answer.status), "unexpected status {}", answer.status);
  }
  return {};
}

}  // namespace

Status send_message(const Profile& profile, const Message& message, std::stop_token stop) {
  const std::string frame = "error sending " + profile.method + " notification";
  if (profile.method == "email") {
    return send_email(profile, message, std::move(stop)).with_frame(frame);
  }
  if (profile.method == "pushover") {
    return send_pushover(profile, message, std::move(stop)).with_frame(frame);
  }
  if (profile.method == "webhook") {
    return send_webhook(profile, message, std::move(stop)).with_frame(frame);
  }
  return error(Code::unsupported, "sender type '{}' not registered", profile.method);
}

Status notify_profile(manifest::ManifestManager& manifests, const Profile& profile, const Event& event,
                      std::stop_token stop) {
  constexpr std::string_view kFrame = "unable to send notification message";
  const std::string format = profile.text("format").empty() ? "txt" : profile.text("format");
  TRY_ASSIGN(const Message message, render_message(manifests, event, profile.name, format, stop), "{}", kFrame);
  return send_message(profile, message, std::move(stop)).with_frame(kFrame);
}

Status notify_all(manifest::ManifestManager& manifests, const Event& event, Severity severity, std::stop_token stop) {
  TRY_ASSIGN(const auto profiles, list_profiles(manifests, stop));
  Status first;
  for (const Profile& profile : profiles) {
    if (static_cast<int>(severity) < profile.min_severity) {
      continue;
    }
    Status sent = notify_profile(manifests, profile, event, stop);
    if (first.ok()) {
      first = std::move(sent);
    }
  }
  return first;
}

}  // namespace cairn::notify
