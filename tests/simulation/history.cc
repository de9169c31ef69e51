#include "tests/simulation/history.h"

#include <cstdio>

#include "maintenance/parameters.h"
#include "snapshot/store.h"
#include "tests/simulation/clients.h"

namespace cairn::simulation {
namespace {

class History {
 public:
  explicit History(const HistoryOptions& options)
      : options_(options), world_(options.seed, options.faults), oracle_(world_) {}
  Outcome run();

 private:
  Status create(const std::string& owner);
  void live(unsigned client);
  void follow(unsigned client, const std::vector<Event>& events);
  void take_step(unsigned client, const std::function<Status(Process&)>& step);
  Status random_step(Process& p);
  bool over() const { return outcome_.violation.cause != Cause::none; }

  const HistoryOptions options_;
  World world_;
  Oracle oracle_;
  Outcome outcome_;
  std::optional<Clients> clients_;
  Timestamp begin_;
};

Status History::create(const std::string& owner) {
  format::CreateOptions options;
  options.unique_id = test::gen_rand(1, 32);  // one key derivation a process
  TRY(repo::create(world_.storage(), kPassword, options, {}));
  TRY_ASSIGN(const auto r, repo::Repository::open_direct(world_.storage_ptr(), kPassword, {}, {},
                                                         {.clock = &world_, .upgrade_owner_id = {}}, {}));
  maintenance::Parameters p;
  p.owner = owner;
  TRY(maintenance::save_parameters(r->manifests(), p, {}));
  snapshot::Policy policy = snapshot::default_policy();
  policy.retention = {};
  policy.retention.keep_latest = 3;
  TRY(snapshot::set_policy(r->manifests(), {}, policy, {}));
  TRY(r->flush({}));
  return oracle_.open();
}

Outcome History::run() {
  seed_random(options_.seed * 2 + 1);
  attach(&world_);
  Script script;
  if (options_.script == Mistake::none) {
    script.clients = 2 + static_cast<unsigned>(options_.seed % 2);
    script.kopia = options_.seed % 4 == 0 ? kNoClient : static_cast<unsigned>(options_.seed / 4 % script.clients);
  } else {
    script = script_of(options_.script, world_, [this]() -> Clients& { return *clients_; });
  }
  clients_.emplace(world_, oracle_, outcome_, script.clients, script.kopia, options_.script != Mistake::none);
  if (const Status made = create(Clients::identity(script.owner)); !made.ok()) {
    outcome_.violation = {Cause::program, "create: " + std::string(made.message())};
    attach(nullptr);
    return outcome_;
  }
  begin_ = world_.now();
  world_.run(script.clients, [&](unsigned client) {
    if (script.events.empty()) {
      live(client);
    } else {
      follow(client, script.events);
    }
  });
  if (!over()) {
    if (const auto bad = oracle_.look()) {
      outcome_.violation = {bad->cause, "at the end: " + bad->text};
    }
  }
  attach(nullptr);
  outcome_.simulated = world_.now() - begin_;
  outcome_.trace = world_.trace_hash();
  outcome_.checks = oracle_.checks;
  outcome_.excused = oracle_.excused_losses;
  return outcome_;
}

// One process: it starts, does its step, ends; then everything is looked at.
void History::take_step(unsigned client, const std::function<Status(Process&)>& step) {
  auto process = clients_->start(client);
  const Status done = process.ok() ? step(*process) : process.status();
  if (process.ok() && process->storage->dead()) {
    ++outcome_.killed;
  } else if (!done.ok()) {
    ++outcome_.failed;
  }
  if (options_.verbose) {
    std::printf("  %s client %u: %s\n", rfc3339(world_.now()).c_str(), client,
                done.ok() ? "done" : done.message().c_str());
  }
  if (over()) {
    return;
  }
  const auto bad = clients_->broken.cause != Cause::none ? std::optional(clients_->broken) : oracle_.look();
  if (bad) {
    outcome_.violation = {bad->cause, fmt::format("at {}, after a step of client {} ({}): {}", rfc3339(world_.now()),
                                                  client, done.ok() ? "done" : done.message(), bad->text)};
  }
}

void History::live(unsigned client) {
  const Timestamp end = begin_ + hours(24 * options_.days);
  while (world_.now() < end && !over()) {
    world_.pause(client, minutes(static_cast<std::int64_t>(world_.random(24 * 60))));
    take_step(client, [this](Process& p) { return random_step(p); });
  }
}

void History::follow(unsigned client, const std::vector<Event>& events) {
  for (const Event& e : events) {
    if (e.client != client || over()) {
      continue;
    }
    const Duration wait = begin_ + e.at - world_.now();
    if (wait > Duration{}) {
      world_.pause(client, wait);
    }
    take_step(client, e.action);
  }
}

Status History::random_step(Process& p) {
  const std::uint64_t what = world_.random(100);
  if (what < 46) {
    for (std::uint64_t& version : clients_->files(p.client)) {
      version = world_.chance(3) ? world_.random(kVersions) : version;
    }
    return clients_->backup(
        p, [this] { return minutes(static_cast<std::int64_t>(world_.chance(4) ? world_.random(25) : 0)); });
  }
  if (what < 54) {
    return clients_->remove_one(p, std::nullopt);
  }
  if (what < 58) {
    TRY(clients_->expire(p, Clients::source_of(world_.random(clients_->count()))));
    return p.flush();
  }
  if (what < 90) {
    TRY_ASSIGN(const auto parameters, maintenance::load_parameters(p.manifests(), {}));
    if (parameters.owner == Clients::identity(p.client)) {
      return clients_->maintain(p, !world_.chance(3),
                                minutes(static_cast<std::int64_t>(world_.chance(6) ? world_.random(60) : 0)));
    }
    return world_.chance(12) ? clients_->take_over(p) : Status();
  }
  return clients_->restore(
      p, [this] { return seconds(static_cast<std::int64_t>(world_.chance(8) ? world_.random(900) : 0)); });
}

}  // namespace

HistoryOptions history_of(std::uint64_t n) {
  HistoryOptions o;
  o.seed = n;
  if (n % 8 == 0) {
    o.script = kMistakes[1 + n / 8 % (std::size(kMistakes) - 1)].mistake;
  }
  return o;
}

Outcome run_history(const HistoryOptions& options) { return History(options).run(); }

}  // namespace cairn::simulation
