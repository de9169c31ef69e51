// Opening a repository besides the connected one.
#pragma once

#include <memory>
#include <string>

#include "cli/context.h"

namespace cairn::cli {

struct OtherRepository {
  std::string config_path;
  std::string role;      // for people: "source repository"
  std::string password;  // "" = not given
  bool read_only = false;
  bool ask = true;  // for a password that is neither stored nor given
};
// The password stored with the configuration goes before the given one: every repository may have its own. Errors carry
// the frame "can't open ROLE".
Result<std::unique_ptr<repo::Repository>> open_other_repository(Context& context, OtherRepository request);

}  // namespace cairn::cli
