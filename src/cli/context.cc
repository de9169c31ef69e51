#include "cli/context.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/units.h"
#include "cli/key_ring.h"
#include "cli/password.h"
#include "cli/values.h"

namespace cairn::cli {

Context::Context(std::string program, const ParsedCommand& command, Environment environment, std::stop_token stop)
    : program_(std::move(program)), command_(command), environment_(std::move(environment)), stop_(std::move(stop)) {
  config_path_ = repo::resolve_config_path(command_.text("config-file"));
  const bool force = command_.boolean("force-color"), disable = command_.boolean("disable-color");
  colour_ = force || (!disable && ::isatty(STDERR_FILENO) == 1);
  progress_ = command_.given("progress") ? command_.boolean("progress") : ::isatty(STDOUT_FILENO) == 1;
}

Context::~Context() = default;

bool Context::env_true(const std::string& name) const {
  const Result<bool> parsed = parse_bool_text(env(name));
  return parsed.ok() && *parsed;
}

void Context::write(std::string_view text) {
  if (text.empty()) {
    return;
  }
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() && output_error_ == 0) {
    output_error_ = errno == 0 ? EIO : errno;
  }
}

Status Context::finish() {
  if (std::fflush(stdout) != 0 && output_error_ == 0) {
    output_error_ = errno == 0 ? EIO : errno;
  }
  return output_error_ == 0 ? Status() : errno_status(output_error_, "writing to standard output");
}

// Keeps the order of lines when both streams end in the same place.
void Context::flush_before_notice() {
  if (std::fflush(stdout) != 0 && output_error_ == 0) {
    output_error_ = errno == 0 ? EIO : errno;
  }
}

Duration Context::progress_interval() const { return command_.duration("progress-update-interval", milliseconds(300)); }

std::string Context::given_password() const { return std::string(trim(command_.text("password"))); }

Result<std::string> Context::password_of_connection() {
  std::string password = given_password();
  if (!password.empty()) {
    return password;
  }
  Result<std::string> persisted = kept_password(*this);
  if (persisted.ok()) {
    return persisted;
  }
  return ask_password(*this, "Enter password to open repository: ");
}

repo::OpenOptions Context::open_options() const {
  repo::OpenOptions options;
  options.upgrade_owner_id = command_.text("upgrade-owner-id");
  options.wait_for_upgrade_lock = !command_.boolean("upgrade-no-block");
  return options;
}

Result<std::unique_ptr<repo::Repository>> Context::open_repository(OpenRequest request) {
  constexpr std::string_view kFrame = "open repository";
  std::error_code ignored;
  if (!std::filesystem::exists(config_path_, ignored)) {
    return error(Code::not_found, "{}: repository is not connected. See https://kopia.io/docs/repositories/", kFrame);
  }
  TRY_ASSIGN(std::string password, password_of_connection(), "{}: get password", kFrame);
  constexpr Duration kFormatCacheMax = minutes(15);
  if (const auto config = repo::LocalConfig::load(config_path_);
      config.ok() && config->client.format_blob_cache_duration > kFormatCacheMax) {
    notice("repository format cache duration capped at {}", go_duration(kFormatCacheMax));
  }
  repo::OpenOptions options = open_options();
  options.read_only = request.read_only;
  options.defer_indexes = request.defer_indexes;
  if (!request.upgrade_owner.empty()) {
    options.upgrade_owner_id = std::move(request.upgrade_owner);
  }
  SecretBytes kept(as_bytes(password));
  Result<std::unique_ptr<repo::Repository>> opened = repo::Repository::open(config_path_, password, options, stop_);
  wipe(password);
  if (!opened.ok()) {
    Status failure = std::move(opened).status();
    warn("failed to open repository: {}", failure.message());
    return std::move(failure).with_frame("unable to open repository").with_frame(kFrame);
  }
  opened_with_ = std::move(kept);
  opened_as_ = options.upgrade_owner_id;
  if (!(*opened)->read_only() && repository_log_ == nullptr && !command_.boolean("disable-repository-log")) {
    TRY(open_repository_log(**opened), kFrame);
  }
  return opened;
}

Result<std::unique_ptr<repo::Repository>> Context::reopen_repository() {
  if (opened_with_.empty()) {
    return std::unique_ptr<repo::Repository>();
  }
  repo::OpenOptions options = open_options();
  options.read_only = true;
  options.upgrade_owner_id = opened_as_;
  options.wait_for_upgrade_lock = false;
  return repo::Repository::open(config_path_, as_text(opened_with_.view()), options, stop_);
}

Status Context::open_repository_log(repo::Repository& repository) {
  TRY_ASSIGN(auto crypto, format::UnitCrypto::create(*repository.format().current()));
  repository_log_ =
      std::make_shared<repo::RepositoryLog>(repository.storage_ptr(), std::move(crypto), repository.clock());
  log::add_sink(repository_log_);
  log::debug(kLogModule, "{} opened for writing by {}@{}", command_.command()->path, repository.client().username,
             repository.client().hostname);
  return {};
}

void Context::close_repository_log() {
  if (repository_log_ == nullptr) {
    return;
  }
  if (const Status stored = repository_log_->close(stop_); !stored.ok()) {
    log::debug(kLogModule, "the log could not be stored in the repository: {}", stored.message());
  }
}

}  // namespace cairn::cli
