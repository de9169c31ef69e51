// Histories that come near a mistake: they give it its chance within one run, and lose nothing without it.
#include "tests/simulation/clients.h"

namespace cairn::simulation {
namespace {

using GetClients = std::function<Clients&()>;

class Writer {
 public:
  Writer(World& world, GetClients clients) : world_(world), clients_(std::move(clients)) {}
  Script script;

  Duration some_minutes(std::uint64_t from, std::uint64_t to) {
    return minutes(static_cast<std::int64_t>(from + world_.random(to - from)));
  }
  void at(unsigned client, Duration when, std::function<Status(Clients&, Process&)> action) {
    script.events.push_back(
        {client, when, [get = clients_, action = std::move(action)](Process& p) { return action(get(), p); }});
  }
  // All files of this version; `pause` after every file.
  void backup(unsigned client, Duration when, std::uint64_t version, Duration pause = {}) {
    at(client, when, [version, pause](Clients& c, Process& p) {
      c.files(p.client).assign(kFiles, version);
      return c.backup(p, [pause] { return pause; });
    });
  }
  void remove_oldest(unsigned client, Duration when) {
    at(client, when, [](Clients& c, Process& p) { return c.remove_one(p, Clients::source_of(p.client)); });
  }
  void maintain(unsigned client, Duration when) {
    at(client, when, [](Clients& c, Process& p) { return c.maintain(p, true); });
  }
  // Version 0 is stored, then version 1, and the snapshot of version 0 goes.
  void leave_unused(unsigned client) {
    backup(client, {}, 0);
    backup(client, hours(1), 1);
    remove_oldest(client, hours(2));
  }

 private:
  World& world_;
  const GetClients clients_;
};

// A snapshot takes over contents that nothing referred to, and a collection runs before it is saved. Its marks become
// final at once.
void one_cycle(Writer& w, World& world) {
  w.script.kopia = world.chance(2) ? 1 : kNoClient;
  w.leave_unused(1);
  const Duration when = hours(27) + w.some_minutes(0, 600);
  w.backup(1, when, 0, minutes(8));
  w.maintain(0, when + w.some_minutes(4, 28));
  w.maintain(0, when + hours(26));
  w.maintain(0, when + hours(52));
}

// Contents that were marked long ago are wanted again while the run is under way that makes the marks final.
void reuse_of_marked(Writer& w, World&) {
  w.leave_unused(1);
  // A run that joins short packs makes the marks in them young again; after these four the next one does not.
  for (const std::int64_t hour : {27, 52, 77, 102}) {
    w.maintain(0, hours(hour) + w.some_minutes(0, 60));
  }
  const Duration when = hours(128) + w.some_minutes(0, 60);
  w.backup(1, when, 0, minutes(8));
  w.maintain(0, when + w.some_minutes(4, 28));
  w.maintain(0, when + hours(26));
}

// A writer stands still for days between its packs and its index; sometimes for longer than its session is respected.
void no_session(Writer& w, World& world) {
  w.script.kopia = world.chance(2) ? 0 : kNoClient;  // who collects does not matter
  w.backup(1, {}, 0);
  const bool longer = world.chance(4);
  w.at(1, hours(3), [&world, longer](Clients& c, Process& p) {
    const auto more = hours(static_cast<std::int64_t>(world.random(30)));
    world.freeze_at(p.client, Call::put, longer ? "q" : "xn", hours(longer ? 110 : 36) + more);
    c.files(p.client).assign(kFiles, 1);
    return c.backup(p, [] { return Duration{}; });
  });
  w.maintain(0, hours(28) + w.some_minutes(0, 60));
  w.maintain(0, hours(31) + w.some_minutes(0, 120));
  w.maintain(0, hours(34) + w.some_minutes(0, 120));
  w.maintain(0, hours(102));
  w.maintain(0, hours(105));
}

// Readers are at work while packs are joined, on a storage whose lists are old.
void rewrite_races_delete(Writer& w, World& world) {
  w.script.clients = 3;
  w.backup(1, {}, 0);
  w.backup(1, hours(1), 1);
  w.backup(1, hours(2), 2);
  const Duration when = hours(30) + w.some_minutes(0, 60);
  w.maintain(0, when);
  for (const unsigned reader : {1U, 2U}) {
    w.at(reader, when - seconds(static_cast<std::int64_t>(20 + world.random(60))), [&world](Clients& c, Process& p) {
      return c.restore(p, [&world] { return seconds(static_cast<std::int64_t>(2 + world.random(12))); });
    });
  }
}

// The old owner stands still in a collection when another takes its office. Meanwhile a snapshot takes over what the
// old one holds for unused, the new one moves it, and then the old one goes on. One of Kopia's kind stands still for
// less than a new owner waits, one of ours for days, often in the call before its first mark.
void owner_change(Writer& w, World& world) {
  w.script.clients = 3;
  const bool kopia = world.chance(2);
  w.script.kopia = kopia ? 0 : kNoClient;
  w.leave_unused(2);
  w.maintain(0, hours(4));
  w.maintain(0, hours(6));
  w.backup(2, hours(20), 2);  // a second short pack, so that they are joined
  const Duration when = hours(30) + w.some_minutes(0, 120);
  const Duration standing = kopia ? w.some_minutes(150, 210) : hours(40) + w.some_minutes(0, 600);
  static constexpr std::pair<Call, const char*> kWhere[] = {
      {Call::put, "s"},  {Call::put, "xn"},   {Call::put, "kopia."}, {Call::put, "p"},
      {Call::put, "xw"}, {Call::get, "q"},    {Call::get, "kopia."}, {Call::list, "x"},
      {Call::list, "p"}, {Call::remove, "p"}, {Call::put, "s"},      {Call::put, "s"}};
  const auto where = kWhere[world.random(std::size(kWhere))];
  w.at(0, when, [&world, standing, where](Clients& c, Process& p) {
    if (!p.kopia) {
      world.freeze_at(p.client, where.first, where.second, standing);
    }
    return c.maintain(p, true, standing);
  });
  w.at(1, when + minutes(5), [](Clients& c, Process& p) { return c.take_over(p); });
  w.backup(2, when + minutes(10), 0);
  w.maintain(1, when + minutes(20));
  w.maintain(1, when + minutes(90));
  for (const std::int64_t hour : {3, 6, 8, 26}) {
    w.maintain(1, when + hours(hour));
  }
}

}  // namespace

Script script_of(Mistake mistake, World& world, const std::function<Clients&()>& clients) {
  Writer w(world, clients);
  switch (mistake) {
    case Mistake::none:
      break;
    case Mistake::one_cycle:
      one_cycle(w, world);
      break;
    case Mistake::rewrite_races_delete:
      rewrite_races_delete(w, world);
      break;
    case Mistake::reuse_of_marked:
      reuse_of_marked(w, world);
      break;
    case Mistake::no_session:
      no_session(w, world);
      break;
    case Mistake::owner_change:
      owner_change(w, world);
      break;
  }
  return std::move(w.script);
}

}  // namespace cairn::simulation
