#include "cli/auto_maintenance.h"

#include <malloc.h>

#include <charconv>
#include <mutex>

#include "cli/progress.h"
#include "maintenance/run.h"
#include "maintenance/schedule.h"

namespace cairn::cli {

namespace {

// "marking unused contents: 12000 of 50000 (24.0 %), 1m10s left", rewritten in place. Thread-safe.
class PhaseLine {
 public:
  explicit PhaseLine(const Context& context) : line_(context) {}
  ~PhaseLine() { line_.finish(); }
  PhaseLine(const PhaseLine&) = delete;
  PhaseLine& operator=(const PhaseLine&) = delete;

  void step(const char* phase, std::int64_t done, std::int64_t total) {
    if (!line_.enabled()) {
      return;
    }
    const std::lock_guard lock(mutex_);
    if (phase != phase_) {
      phase_ = phase;
      start_ns_ = monotonic_ns();
      start_done_ = done;
    }
    if (line_.due()) {
      line_.show(text(done, total));
    }
  }
  void end() {
    line_.finish();
    const std::lock_guard lock(mutex_);
    phase_ = nullptr;
  }

 private:
  std::string text(std::int64_t done, std::int64_t total) const {
    if (total <= done) {
      return fmt::format(" {}: {}", phase_, done);
    }
    std::string out = fmt::format(" {}: {} of {} ({:.1f} %)", phase_, done, total,
                                  100.0 * static_cast<double>(done) / static_cast<double>(total));
    if (done > start_done_) {
      const double each = Duration{monotonic_ns() - start_ns_}.seconds() / static_cast<double>(done - start_done_);
      const auto left = static_cast<std::int64_t>(each * static_cast<double>(total - done));
      out += ", " + go_duration(seconds(left)) + " left";
    }
    return out;
  }

  ProgressLine line_;
  std::mutex mutex_;
  const char* phase_ = nullptr;
  std::int64_t start_ns_ = 0, start_done_ = 0;
};

}  // namespace

maintenance::Report maintenance_report(Context& context) {
  const auto phases = std::make_shared<PhaseLine>(context);
  maintenance::Report report;
  report.line = [&context, phases](const std::string& line) {
    phases->end();
    context.notice("{}", line);
  };
  report.progress = [phases](const char* phase, std::int64_t done, std::int64_t total) {
    phases->step(phase, done, total);
  };
  return report;
}

double self_check_percent(const Context& context) {
  const std::string text = context.env("KOPIA_MAINTENANCE_CONTENT_VERIFY_PERCENTAGE");
  double percent = 0;
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), percent);
  return err == std::errc() && end == text.data() + text.size() ? percent : 0;
}

namespace {

bool starts_by_itself(Context& context, const repo::Repository& repository) {
  const bool direct = repository.config() == nullptr || repository.config()->api_server.is_null();
  return context.command().boolean("auto-maintenance") && !repository.read_only() && direct;
}

}  // namespace

void run_due_maintenance(Context& context, repo::Repository& repository) {
  if (!starts_by_itself(context, repository) || context.stop().stop_requested()) {
    return;
  }
  const auto work = [&]() -> Status {
    TRY_ASSIGN(const auto parameters, maintenance::load_parameters(repository.manifests(), context.stop()));
    if (parameters.owner != maintenance::client_identity(repository)) {
      return {};
    }
    ::malloc_trim(0);  // what the command allocated is free but still resident: not to be added to maintenance's peak
    maintenance::RunOptions options;
    options.self_check_percent = self_check_percent(context);
    TRY_ASSIGN(const auto result,
               maintenance::run_maintenance(repository, options, maintenance_report(context), context.stop()));
    for (const std::string& problem : result.problems) {
      context.warn("maintenance: {}", problem);
    }
    return {};
  };
  if (Status s = work(); !s.ok()) {
    context.warn("automatic maintenance failed: {}", s.message());
  }
}

MaintenanceOutlook::MaintenanceOutlook(Context& context, repo::Repository& repository) {
  if (!starts_by_itself(context, repository)) {
    nothing_due_ = true;
    return;
  }
  // Whether it will be due is a question for the end; what it depends on is read now.
  reader_ = std::jthread([this, &repository, stop = context.stop()] {
    auto parameters = maintenance::load_parameters(repository.manifests(), stop);
    if (!parameters.ok()) {
      return;
    }
    const std::string me = maintenance::client_identity(repository);
    maintenance::Schedule schedule;
    if (parameters->owner == me) {
      auto read = maintenance::load_schedule(repository.storage(), repository.format(), stop);
      if (!read.ok()) {
        return;
      }
      schedule = std::move(*read);
    }
    due_ = [parameters = std::move(*parameters), schedule = std::move(schedule), me](Timestamp now) {
      return maintenance::due_mode(parameters, schedule, me, now);
    };
  });
}

bool MaintenanceOutlook::nothing_due(Timestamp now) {
  if (!nothing_due_) {
    reader_.join();
    nothing_due_ = due_ && due_(now) == maintenance::Mode::none;
  }
  return *nothing_due_;
}

}  // namespace cairn::cli
