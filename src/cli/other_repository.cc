#include "cli/other_repository.h"

#include "base/bytes.h"
#include "cli/password.h"
#include "repo/local_config.h"

namespace cairn::cli {

Result<std::unique_ptr<repo::Repository>> open_other_repository(Context& context, OtherRepository request) {
  if (auto persisted = repo::load_persisted_password(request.config_path); persisted.ok()) {
    request.password = std::move(*persisted);
  }
  if (request.password.empty()) {
    if (!request.ask) {
      return error(Code::unauthenticated, "can't open {}: no password is stored for it", request.role);
    }
    TRY_ASSIGN(request.password, ask_password(context, "Enter password to open " + request.role + ": "));
  }
  repo::OpenOptions options = context.open_options();
  options.read_only = options.read_only || request.read_only;
  auto opened = repo::Repository::open(request.config_path, request.password, options, context.stop());
  wipe(request.password);
  TRY(opened, "can't open {}", request.role);
  return opened;
}

}  // namespace cairn::cli
