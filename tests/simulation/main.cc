// Random histories by seed.   simulation [--seeds N] [--first F] [--jobs J] [--days D] [--mistake NAME] [--seconds S]
// [--freeze CALLS] Exit code 0: nothing was lost (with a planted mistake: it was found). A failing seed is printed;
// --first SEED repeats it.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/simulation/history.h"
#include "tests/simulation/replacements.h"

using namespace cairn;
using namespace cairn::simulation;

namespace {

struct Totals {
  std::int64_t seeds = 0, failures = 0, not_repeated = 0, backups = 0, runs = 0, killed = 0, failed = 0, checks = 0;
  double days = 0;
};

struct Arguments {
  std::uint64_t first = 1, seeds = 1000;
  unsigned jobs = 1;
  int days = 12;
  std::uint64_t freeze = Faults().freeze;
  std::int64_t seconds = 0;  // 0: no limit
  Mistake mistake = Mistake::none;
  bool verbose = false;
};

bool parse(int argc, char** argv, Arguments& a) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--verbose") {
      a.verbose = true;
      continue;
    }
    if (i + 1 == argc) {
      return false;
    }
    const char* value = argv[++i];
    if (name == "--seeds") {
      a.seeds = std::strtoull(value, nullptr, 10);
    } else if (name == "--first") {
      a.first = std::strtoull(value, nullptr, 10);
    } else if (name == "--jobs") {
      a.jobs = static_cast<unsigned>(std::strtoul(value, nullptr, 10));
    } else if (name == "--days") {
      a.days = std::atoi(value);
    } else if (name == "--freeze") {
      a.freeze = std::strtoull(value, nullptr, 10);
    } else if (name == "--seconds") {
      a.seconds = std::atol(value);
    } else if (name == "--mistake") {
      const auto* m =
          std::find_if(std::begin(kMistakes), std::end(kMistakes), [&](const auto& k) { return k.name == value; });
      if (m == std::end(kMistakes)) {
        return false;
      }
      a.mistake = m->mistake;
    } else {
      return false;
    }
  }
  return a.jobs > 0;
}

Totals run_share(const Arguments& a, unsigned share) {
  plant(a.mistake);
  Totals t;
  const std::int64_t begun = monotonic_ns();
  for (std::uint64_t n = share; n < a.seeds; n += a.jobs) {
    if (a.seconds > 0 && monotonic_ns() - begun > a.seconds * 1'000'000'000) {
      break;
    }
    HistoryOptions o;
    o.seed = a.first + n;
    o.days = a.days;
    o.faults.freeze = a.freeze;
    o.clients = 2 + static_cast<unsigned>(o.seed % 2);
    const Outcome out = run_history(o);
    if (n % 64 == 0 && run_history(o).trace != out.trace) {
      ++t.not_repeated;
      std::printf("seed %llu does not repeat\n", static_cast<unsigned long long>(o.seed));
    }
    ++t.seeds;
    t.days += out.simulated.seconds() / 86400;
    t.backups += out.backups;
    t.runs += out.maintenance_runs;
    t.killed += out.killed;
    t.failed += out.failed;
    t.checks += out.checks;
    if (!out.failure.empty()) {
      ++t.failures;
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(o.seed), out.failure.c_str());
      if (a.mistake != Mistake::none) {
        break;
      }
    } else if (a.verbose) {
      std::printf("seed %llu: trace %016llx\n", static_cast<unsigned long long>(o.seed),
                  static_cast<unsigned long long>(out.trace));
    }
  }
  std::fflush(stdout);
  return t;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  if (!parse(argc, argv, a)) {
    std::fprintf(stderr,
                 "usage: simulation [--seeds N] [--first F] [--jobs J] [--days D] [--seconds S] [--freeze CALLS] "
                 "[--mistake NAME]\n");
    return 2;
  }
  int ends[2];
  if (pipe(ends) != 0) {
    return 2;
  }
  for (unsigned share = 0; share < a.jobs; ++share) {
    if (fork() == 0) {
      const Totals t = run_share(a, share);
      const bool told = write(ends[1], &t, sizeof t) == static_cast<ssize_t>(sizeof t);
      _exit(told ? 0 : 1);
    }
  }
  close(ends[1]);
  Totals sum;
  Totals t;
  unsigned heard = 0;
  while (read(ends[0], &t, sizeof t) == static_cast<ssize_t>(sizeof t)) {
    ++heard;
    sum.seeds += t.seeds;
    sum.failures += t.failures;
    sum.not_repeated += t.not_repeated;
    sum.days += t.days;
    sum.backups += t.backups;
    sum.runs += t.runs;
    sum.killed += t.killed;
    sum.failed += t.failed;
    sum.checks += t.checks;
  }
  while (wait(nullptr) > 0) {
  }
  std::printf(
      "%lld seeds, %.1f simulated years: %lld backups, %lld maintenance runs, %lld kills, %lld failed steps, "
      "%lld checks; %lld seeds lost something\n",
      static_cast<long long>(sum.seeds), sum.days / 365.25, static_cast<long long>(sum.backups),
      static_cast<long long>(sum.runs), static_cast<long long>(sum.killed), static_cast<long long>(sum.failed),
      static_cast<long long>(sum.checks), static_cast<long long>(sum.failures));
  const bool found = a.mistake == Mistake::none ? sum.failures == 0 && sum.not_repeated == 0 : sum.failures > 0;
  return heard == a.jobs && found ? 0 : 1;
}
