// Commands that a policy runs before and after a snapshot or a directory. (kopia-model §7.9)
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "snapshot/policy.h"

namespace cairn::snapshot {

// One before/after pair on one directory.
class ActionRun {
 public:
  // `kind`: "snapshot-root" or "folder". `path` is the directory as it is about to be read. The commands may be null.
  ActionRun(std::string kind, std::string path, std::optional<ActionCommand> before, std::optional<ActionCommand> after,
            bool enabled);
  // Errors (essential mode): "exit status 3", "signal: killed", the system's words when it cannot be started.
  Status before(std::stop_token stop);
  // Failures are logged only. Does nothing when before() failed.
  void after(std::stop_token stop);
  // The directory to read: that of the constructor, or the one which the before-action named.
  const std::string& path() const { return snapshot_path_; }
  bool redirected() const { return snapshot_path_ != source_path_; }

 private:
  bool allowed(const std::optional<ActionCommand>& command, const std::string& name) const;
  Status run(const ActionCommand& command, const std::string& name, bool read_output, std::stop_token stop);
  void read_redirect(std::string_view output);
  std::string kind_, source_path_, snapshot_path_, id_;
  std::optional<ActionCommand> before_, after_;
  bool enabled_ = false, before_failed_ = false;
};

}  // namespace cairn::snapshot
