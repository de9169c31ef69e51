#include "cli/key_ring.h"

#include "base/units.h"
#include "sys/process.h"

namespace cairn::cli {
namespace {

// Of libsecret, the service that every desktop's key ring offers. It takes the secret from standard input.
constexpr const char* kProgram = "secret-tool";
constexpr Duration kDeadline = seconds(30);  // the person may have to unlock the key ring

sys::ProcessOptions secret_tool(std::vector<std::string> words, const std::string& config_path) {
  sys::ProcessOptions options;
  options.argv = {kProgram};
  for (std::string& word : words) {
    options.argv.push_back(std::move(word));
  }
  options.argv.insert(options.argv.end(), {"application", "kopia", "configuration", config_path});
  options.timeout = kDeadline;
  return options;
}

Status failed(const sys::ProcessResult& result) {
  return result.ok() ? Status() : error(Code::unavailable, "{}: {}", kProgram, result.text());
}

Status store(Context& context, const std::string& password) {
  auto options =
      secret_tool({"store", "--label=Password of the repository of " + context.config_path()}, context.config_path());
  TRY_ASSIGN(sys::ChildProcess child, sys::ChildProcess::start(options, true, false, false));
  const Status written = sys::write_all(child.stdin_fd(), as_bytes(password));
  child.close_stdin();
  TRY_ASSIGN(const sys::ProcessResult result, child.wait(kDeadline, context.stop()));
  TRY(failed(result));
  return written;
}

Result<std::string> load(Context& context) {
  TRY_ASSIGN(const sys::ProcessResult result,
             sys::run_process(secret_tool({"lookup"}, context.config_path()), context.stop()));
  TRY(failed(result));
  return std::string(result.out.text());
}

bool wanted(const Context& context) { return context.command().boolean("use-keyring"); }

}  // namespace

Status keep_password(Context& context, const std::string& password) {
  if (wanted(context)) {
    const Status stored = store(context, password);
    if (stored.ok()) {
      return repo::delete_persisted_password(context.config_path());
    }
    context.warn("the key ring cannot be used, the password is kept in a file: {}", stored.message());
  }
  return repo::persist_password(context.config_path(), password);
}

Result<std::string> kept_password(Context& context) {
  if (wanted(context)) {
    auto found = load(context);
    if (found.ok() && !found->empty()) {
      return found;
    }
    log::debug(kLogModule, "nothing in the key ring: {}", found.status().message());
  }
  return repo::load_persisted_password(context.config_path());
}

Status forget_password(Context& context) {
  if (wanted(context)) {
    const auto cleared = sys::run_process(secret_tool({"clear"}, context.config_path()), context.stop());
    log::debug(kLogModule, "clearing the key ring: {}", cleared.ok() ? cleared->text() : cleared.status().message());
  }
  return repo::delete_persisted_password(context.config_path());
}

}  // namespace cairn::cli
