// notification profile configure, list, show, delete, test.
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/error_notification.h"
#include "cli/format.h"
#include "cli/targets.h"
#include "notify/sender.h"

namespace cairn::cli {
namespace {

using enum ValueType;

// A flag and the key of the configuration that it sets.
struct OptionFlag {
  const char* method;
  const char* key;
  FlagSpec flag;
};

const std::vector<OptionFlag>& option_flags() {
  const auto format = [] {
    return FlagSpec{.name = "format", .type = choice, .help = "Format of the messages", .choices = {"html", "txt"}};
  };
  static const std::vector<OptionFlag> kFlags = {
      {"email", "smtpServer", {.name = "smtp-server", .type = text, .help = "Host name of the mail server"}},
      {"email", "smtpPort", {.name = "smtp-port", .type = integer, .help = "Port of the mail server, 587 by default"}},
      {"email",
       "smtpIdentity",
       {.name = "smtp-identity", .type = text, .help = "Name of this host for the mail server"}},
      {"email", "smtpUsername", {.name = "smtp-username", .type = text, .help = "User of the mail server"}},
      {"email", "smtpPassword", {.name = "smtp-password", .type = text, .help = "Password at the mail server"}},
      {"email", "from", {.name = "mail-from", .type = text, .help = "Sender's address"}},
      {"email", "to", {.name = "mail-to", .type = text, .help = "Addresses, separated by commas"}},
      {"email", "cc", {.name = "mail-cc", .type = text, .help = "Addresses of copies, separated by commas"}},
      {"email", "format", format()},
      {"pushover", "appToken", {.name = "app-token", .type = text, .help = "Pushover's token of the application"}},
      {"pushover", "userKey", {.name = "user-key", .type = text, .help = "Pushover's key of the user"}},
      {"pushover",
       "endpoint",
       {.name = "endpoint", .type = text, .help = "URL of the service, instead of Pushover's own", .hidden = true}},
      {"pushover", "format", format()},
      {"webhook", "endpoint", {.name = "endpoint", .type = text, .help = "URL that gets the messages"}},
      {"webhook",
       "method",
       {.name = "method", .type = choice, .help = "HTTP method, POST by default", .choices = {"POST", "PUT"}}},
      {"webhook",
       "headers",
       {.name = "http-header", .type = key_value, .help = "Header of the request, as key:value", .repeatable = true}},
      {"webhook", "format", format()}};
  return kFlags;
}

Json value_of(const ParsedCommand& command, const FlagSpec& flag) {
  if (flag.type == integer) {
    return command.integer(flag.name);
  }
  if (!flag.repeatable) {
    return command.text(flag.name);
  }
  std::string lines;
  for (const std::string& line : command.list(flag.name)) {
    lines += (lines.empty() ? "" : "\n") + line;
  }
  return lines;
}

Status send_test(Context& context, repo::Repository& repository, const notify::Profile& profile) {
  context.notice("Sending test notification to {}", profile.summary());
  return notify::notify_profile(repository.manifests(), profile, new_event(context, repository, "test-notification"),
                                context.stop());
}

Status configure(Context& context, const ParsedCommand& command, const std::string& method) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  notify::Profile profile;
  profile.name = command.text("profile-name");
  profile.method = method;
  auto existing = notify::find_profile(repository->manifests(), profile.name, context.stop());
  if (existing.ok()) {
    if (existing->method != method) {
      return error(Code::conflict, "profile \"{}\" already exists but is not of type \"{}\"", profile.name, method);
    }
    profile = std::move(*existing);
  } else if (existing.code() != Code::not_found) {
    return existing.status().with_frame("unable to get notification profile");
  }
  for (const OptionFlag& option : option_flags()) {
    if (option.method == method && command.given(option.flag.name)) {
      profile.config.set(option.key, value_of(command, option.flag));
    }
  }
  TRY(notify::complete(profile), "unable to merge options");
  if (command.given("min-severity")) {
    TRY_ASSIGN(profile.min_severity, notify::parse_severity(command.text("min-severity")));
  }
  if (command.boolean("send-test-notification")) {
    TRY(send_test(context, *repository, profile), "unable to send test notification");
  }
  context.notice("Saving notification profile \"{}\" of type \"{}\" with severity \"{}\".", profile.name, method,
                 notify::severity_name(profile.min_severity));
  TRY(notify::save_profile(repository->manifests(), profile, context.stop()), "unable to save notification profile");
  return flush_writer(context, *repository);
}

template <const char* Method>
Status run_configure(Context& context, const ParsedCommand& command) {
  return configure(context, command, Method);
}
constexpr char kEmail[] = "email", kPushover[] = "pushover", kWebhook[] = "webhook";

Json profile_json(const notify::Profile& profile, bool raw) {
  if (raw) {
    return profile.to_json();
  }
  return Json::object({{"profile", profile.name},
                       {"type", profile.method},
                       {"summary", profile.summary()},
                       {"minSeverity", profile.min_severity}});
}

void print_profile(Context& context, const notify::Profile& profile, std::string_view indent) {
  context.print("Profile \"{}\" Type \"{}\" Minimum Severity: {}\n{}{}\n", profile.name, profile.method,
                notify::severity_name(profile.min_severity), indent, profile.summary());
}

Status run_list(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(const auto profiles, notify::list_profiles(repository->manifests(), context.stop()));
  if (command.boolean("json")) {
    JsonList list(context, command);
    for (const notify::Profile& profile : profiles) {
      list.add(profile_json(profile, command.boolean("raw")));
    }
    list.end();
    return {};
  }
  for (const notify::Profile& profile : profiles) {
    context.write(&profile == &profiles.front() ? "" : "\n");
    print_profile(context, profile, "  ");
  }
  return {};
}

Status run_show(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(const auto profile,
             notify::find_profile(repository->manifests(), command.text("profile-name"), context.stop()),
             "unable to list notification profiles");
  if (command.boolean("json")) {
    print_json(context, command, profile_json(profile, command.boolean("raw")));
  } else {
    print_profile(context, profile, "");
  }
  return {};
}

Status run_delete(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  TRY(notify::delete_profile(repository->manifests(), command.text("profile-name"), context.stop()),
      "unable to delete notification profile");
  return commit_writer(context, *repository);
}

Status run_test(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  TRY_ASSIGN(const auto profile,
             notify::find_profile(repository->manifests(), command.text("profile-name"), context.stop()),
             "unable to get notification profile");
  return send_test(context, *repository, profile);
}

FlagSpec profile_flag() {
  return {.name = "profile-name", .type = text, .help = "Name of the profile", .required = true};
}

void add_configure(CommandTable& table, const char* method, const char* help, RunFunction run) {
  std::vector<FlagSpec> flags = {profile_flag(),
                                 {.name = "send-test-notification", .help = "Send a test notification before saving"},
                                 {.name = "min-severity",
                                  .type = choice,
                                  .help = "Least severity of what is sent, report by default",
                                  .choices = {std::begin(notify::kSeverityNames), std::end(notify::kSeverityNames)}}};
  for (const OptionFlag& option : option_flags()) {
    if (std::string_view(option.method) == method) {
      flags.push_back(option.flag);
    }
  }
  table.add({.path = std::string("notification profile configure ") + method,
             .help = help,
             .flags = std::move(flags),
             .run = run});
}

}  // namespace

void add_notification_profile(CommandTable& table) {
  table.add({.path = "notification", .help = "Commands on notifications", .aliases = {"notifications"}});
  table.add({.path = "notification profile", .help = "Commands on where notifications go"});
  table.add({.path = "notification profile configure", .help = "Make or change a profile", .aliases = {"setup"}});
  add_configure(table, kEmail, "Send e-mail", run_configure<kEmail>);
  add_configure(table, kPushover, "Send by Pushover", run_configure<kPushover>);
  add_configure(table, kWebhook, "Send to a URL", run_configure<kWebhook>);
  std::vector<FlagSpec> list_flags = {{.name = "raw", .help = "Print the whole configuration, secrets too"}};
  append_flags(list_flags, json_flags());
  std::vector<FlagSpec> show_flags = list_flags;
  show_flags.insert(show_flags.begin(), profile_flag());
  table.add({.path = "notification profile list",
             .help = "List profiles",
             .aliases = {"ls"},
             .flags = list_flags,
             .run = run_list});
  table.add({.path = "notification profile show", .help = "Print a profile", .flags = show_flags, .run = run_show});
  table.add({.path = "notification profile delete",
             .help = "Delete a profile",
             .aliases = {"rm"},
             .flags = {profile_flag()},
             .run = run_delete});
  table.add({.path = "notification profile test",
             .help = "Send a test notification",
             .aliases = {"send-test-message"},
             .flags = {profile_flag()},
             .run = run_test});
}

}  // namespace cairn::cli
