// Histories by seed.   simulation [--seeds N] [--first F] [--jobs J] [--days D] [--seconds S] [--mistake NAME]
// Exit code 0: nothing was lost. With --mistake: every seed follows a script that comes near it; the mistake is planted
// and must be found for its own reason and no other, and the same seeds without it must lose nothing.
// A failing seed is printed; --first SEED --seeds 1 repeats it.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/simulation/history.h"

using namespace cairn;
using namespace cairn::simulation;

namespace {

struct Totals {
  std::int64_t seeds = 0, failures = 0, found = 0, not_repeated = 0, repeated = 0, backups = 0, runs = 0,
               kopia_runs = 0, killed = 0, failed = 0, checks = 0, excused = 0;
  double days = 0;

  void add(const Outcome& o) {
    ++seeds;
    days += o.simulated.seconds() / 86400;
    backups += o.backups;
    runs += o.maintenance_runs;
    kopia_runs += o.kopia_runs;
    killed += o.killed;
    failed += o.failed;
    checks += o.checks;
    excused += o.excused;
  }
  void add(const Totals& t) {
    for (auto field :
         {&Totals::seeds, &Totals::failures, &Totals::found, &Totals::not_repeated, &Totals::repeated, &Totals::backups,
          &Totals::runs, &Totals::kopia_runs, &Totals::killed, &Totals::failed, &Totals::checks, &Totals::excused}) {
      this->*field += t.*field;
    }
    days += t.days;
  }
};

struct Arguments {
  std::uint64_t first = 1, seeds = 1000;
  unsigned jobs = 1;
  int days = HistoryOptions().days;
  std::int64_t seconds = 0;  // 0: no limit
  MistakeFacts mistake = kMistakes[0];
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
    } else if (name == "--seconds") {
      a.seconds = std::atol(value);
    } else if (name == "--mistake") {
      const auto* m =
          std::find_if(std::begin(kMistakes), std::end(kMistakes), [&](const auto& k) { return k.name == value; });
      if (m == std::end(kMistakes)) {
        return false;
      }
      a.mistake = *m;
    } else {
      return false;
    }
  }
  return a.jobs > 0;
}

void print(std::uint64_t seed, const Violation& v) {
  std::printf("seed %llu: %.*s: %s\n", static_cast<unsigned long long>(seed), static_cast<int>(name_of(v.cause).size()),
              name_of(v.cause).data(), v.text.c_str());
}

// No faults but old lists: what is found then is found because of the mistake.
Faults none_but_stale() {
  Faults f;
  f.kill = f.freeze = f.delay = f.fail = f.torn = f.lost = f.twice = f.jump = 0;
  f.stale = 1;
  return f;
}

void run_seed(const Arguments& a, std::uint64_t seed, Totals& t) {
  HistoryOptions o = history_of(seed);
  o.days = a.days;
  o.verbose = a.verbose;
  if (a.mistake.mistake != Mistake::none) {
    o.script = a.mistake.mistake;
    o.faults = none_but_stale();
    plant(a.mistake.mistake);
    const Outcome out = run_history(o);
    plant(Mistake::none);
    t.found += out.violation.cause == a.mistake.cause ? 1 : 0;
    if (a.verbose || (out.violation.cause != Cause::none && out.violation.cause != a.mistake.cause)) {
      print(seed, out.violation);
    }
    t.failures += out.violation.cause != Cause::none && out.violation.cause != a.mistake.cause ? 1 : 0;
  }
  const Outcome out = run_history(o);
  t.add(out);
  if (seed % 64 == 0) {
    ++t.repeated;
    t.not_repeated += run_history(o).trace != out.trace ? 1 : 0;
  }
  if (out.violation.cause != Cause::none) {
    ++t.failures;
    print(seed, out.violation);
  } else if (a.verbose) {
    std::printf("seed %llu: trace %016llx\n", static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(out.trace));
  }
}

Totals run_share(const Arguments& a, unsigned share) {
  Totals t;
  const std::int64_t begun = monotonic_ns();
  for (std::uint64_t n = share; n < a.seeds; n += a.jobs) {
    if (a.seconds > 0 && monotonic_ns() - begun > a.seconds * 1'000'000'000) {
      break;
    }
    run_seed(a, a.first + n, t);
  }
  std::fflush(stdout);
  return t;
}

void report(const Arguments& a, const Totals& t) {
  std::printf(
      "%lld seeds, %.1f simulated years: %lld snapshots, %lld maintenance runs and %lld by Kopia's rules, %lld kills, "
      "%lld "
      "failed steps, %lld checks; %lld snapshots that a store swallowed or whose writer overslept; %lld of %lld seeds "
      "did "
      "not repeat; %lld seeds lost something\n",
      static_cast<long long>(t.seeds), t.days / 365.25, static_cast<long long>(t.backups),
      static_cast<long long>(t.runs), static_cast<long long>(t.kopia_runs), static_cast<long long>(t.killed),
      static_cast<long long>(t.failed), static_cast<long long>(t.checks), static_cast<long long>(t.excused),
      static_cast<long long>(t.not_repeated), static_cast<long long>(t.repeated), static_cast<long long>(t.failures));
  if (a.mistake.mistake != Mistake::none) {
    std::printf("%.*s planted: found in %lld of %lld seeds, always as %.*s\n", static_cast<int>(a.mistake.name.size()),
                a.mistake.name.data(), static_cast<long long>(t.found), static_cast<long long>(t.seeds),
                static_cast<int>(name_of(a.mistake.cause).size()), name_of(a.mistake.cause).data());
  }
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  if (!parse(argc, argv, a)) {
    std::fprintf(stderr,
                 "usage: simulation [--seeds N] [--first F] [--jobs J] [--days D] [--seconds S] [--mistake NAME]\n");
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
    sum.add(t);
  }
  while (wait(nullptr) > 0) {
  }
  report(a, sum);
  const bool good = sum.failures == 0 && sum.not_repeated == 0 && (a.mistake.mistake == Mistake::none || sum.found > 0);
  return heard == a.jobs && good ? 0 : 1;
}
