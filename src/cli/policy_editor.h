// `policy set`: flags that change one policy (kopia-interfaces §1.8.13).
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"
#include "snapshot/policy.h"

namespace cairn::cli {

// All flags that a PolicyEditor understands.
std::vector<FlagSpec> policy_flags();

// Applies the flags of a command to `policy` and says what it does on standard error.
class PolicyEditor {
 public:
  PolicyEditor(Context& context, const ParsedCommand& command, snapshot::Policy& policy)
      : context_(context), command_(command), policy_(policy) {}
  // Sections in Kopia's order; the first error ends it. Errors: invalid_argument.
  Status apply();
  // Number of flags that had something to say.
  int changes() const { return changes_; }

 private:
  using Number = std::optional<std::int64_t>;
  Status retention();
  Status files();
  Status error_handling();
  Status compression();
  Status metadata_compression();
  Status splitter();
  Status scheduling();
  Status snapshot_times();
  Status cron();
  void manual();
  Status actions();
  Status one_action(const std::string& name, std::optional<snapshot::ActionCommand>& action);
  Status os_snapshots();
  Status logging();
  Status upload();
  Status inherit();

  // `frame` stands in front of a parse error; `quote` puts the name there in quotation marks.
  Status number(const char* flag, const char* what, Number& field, std::string_view frame, bool quote);
  Status plain_number(const char* flag, const char* what, std::int64_t& field);
  Status yes_no(const char* flag, const char* what, std::optional<bool>& field);
  void list(const char* name, const char* what, std::vector<std::string>& field);
  void name(const char* flag, const char* what, std::string& field);
  template <class... A>
  void say(fmt::format_string<A...> f, A&&... a) {
    ++changes_;
    context_.notice(f, std::forward<A>(a)...);
  }

  Context& context_;
  const ParsedCommand& command_;
  snapshot::Policy& policy_;
  int changes_ = 0;
};

}  // namespace cairn::cli
