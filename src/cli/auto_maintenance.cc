#include "cli/auto_maintenance.h"

#include <malloc.h>

#include "maintenance/run.h"

namespace cairn::cli {

maintenance::Report maintenance_report(Context& context) {
  maintenance::Report report;
  report.line = [&context](const std::string& line) { context.notice("{}", line); };
  return report;
}

void run_due_maintenance(Context& context, repo::Repository& repository) {
  const bool direct = repository.config() == nullptr || repository.config()->api_server.is_null();
  if (!context.command().boolean("auto-maintenance") || repository.read_only() || !direct ||
      context.stop().stop_requested()) {
    return;
  }
  const auto work = [&]() -> Status {
    TRY_ASSIGN(const auto parameters, maintenance::load_parameters(repository.manifests(), context.stop()));
    if (parameters.owner != maintenance::client_identity(repository)) {
      return {};
    }
    ::malloc_trim(0);  // what the command allocated is free but still resident: not to be added to maintenance's peak
    TRY_ASSIGN(const auto result,
               maintenance::run_maintenance(repository, {}, maintenance_report(context), context.stop()));
    for (const std::string& problem : result.problems) {
      context.warn("maintenance: {}", problem);
    }
    return {};
  };
  if (Status s = work(); !s.ok()) {
    context.warn("automatic maintenance failed: {}", s.message());
  }
}

}  // namespace cairn::cli
