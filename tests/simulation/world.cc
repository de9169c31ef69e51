#include "tests/simulation/world.h"

#include "blob/memory/memory_storage.h"
#include "tests/support/faulty_storage.h"

namespace cairn::simulation {
namespace {

constexpr std::int64_t kStart = 1'700'000'000;
constexpr Duration kStaleMax = seconds(60);

// Not a code that anybody tries again by itself: waiting would be in real time.
Status killed() { return error(Code::permission_denied, "the process is dead"); }
Status refused() { return error(Code::permission_denied, "injected fault"); }

}  // namespace

World::World(std::uint64_t seed, const Faults& faults)
    : seed_(seed),
      faults_(faults),
      generator_(seed),
      now_(Timestamp::from_seconds(kStart).ns),
      storage_(blob::make_memory_storage(*this)) {}

void World::run(unsigned clients, const std::function<void(unsigned)>& life) {
  for (unsigned i = 0; i < clients; ++i) {
    clients_.push_back(std::make_unique<Client>());
    clients_.back()->wakes = now();
  }
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < clients; ++i) {
    threads.emplace_back([this, i, &life] {
      clients_[i]->turn.acquire();
      life(i);
      clients_[i]->done = true;
      hand_over();
    });
  }
  hand_over();
  threads.clear();
  clients_.clear();
}

// Wakes the one whose time comes first; time moves to then.
void World::hand_over() {
  Client* next = nullptr;
  for (const auto& c : clients_) {
    if (!c->done && (next == nullptr || c->wakes < next->wakes)) {
      next = c.get();
    }
  }
  if (next != nullptr) {
    now_ = std::max(now_.load(), next->wakes.ns);
    next->turn.release();
  }
}

void World::pause(unsigned client, Duration d) {
  if (quiet || clients_.empty()) {
    return;
  }
  Client& me = *clients_[client];
  me.wakes = now() + d;
  hand_over();
  me.turn.acquire();
}

std::uint64_t World::hash(std::string_view text) const {
  std::uint64_t h = seed_ ^ static_cast<std::uint64_t>(now().ns);
  for (const char c : text) {
    h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return test::SplitMix64(h)();
}

void World::trace(unsigned client, std::string_view what) { trace_ = (trace_ ^ hash(what) ^ client) * 0x100000001b3; }

Status ProcessStorage::take_turn(std::string_view what) {
  if (dead_) {
    return killed();
  }
  if (world_.quiet) {
    return {};
  }
  const Faults& f = world_.faults();
  Duration d = milliseconds(static_cast<std::int64_t>(5 + world_.random(200)));
  if (world_.chance(f.freeze)) {
    d = minutes(static_cast<std::int64_t>(1 + world_.random(static_cast<std::uint64_t>(f.freeze_max.seconds() / 60))));
  } else if (world_.chance(f.delay)) {
    d = seconds(static_cast<std::int64_t>(world_.random(600)));
  }
  world_.pause(client_, d);
  world_.trace(client_, what);
  if (world_.chance(f.kill)) {
    dead_ = true;
    return killed();
  }
  return {};
}

// Written by another process a moment ago, and this call happens not to see it.
bool ProcessStorage::unseen(const blob::BlobMetadata& blob, std::string_view call) {
  if (world_.quiet || world_.faults().stale == 0 || world_.hash(call) % world_.faults().stale != 0) {
    return false;
  }
  const std::lock_guard lock(written_mutex_);
  const auto age = world_.now() - blob.timestamp;
  return !written_.contains(blob.id.text) &&
         age.ns < static_cast<std::int64_t>(world_.hash("age") % static_cast<std::uint64_t>(kStaleMax.ns));
}

Result<Buffer> ProcessStorage::get(const BlobId& id, blob::ByteRange range, std::stop_token stop) {
  if (dead_) {
    return killed();
  }
  // Blobs that are rewritten in place are never missing, only old; their former bytes are not kept here.
  if (!id.starts_with("kopia.")) {
    const auto there = inner().metadata(id, stop);
    if (there.ok() && unseen(*there, id.text)) {
      return error(Code::not_found, "blob {} not found", id.text);
    }
  }
  return inner().get(id, range, stop);
}

Result<blob::BlobMetadata> ProcessStorage::metadata(const BlobId& id, std::stop_token stop) {
  if (dead_) {
    return killed();
  }
  return inner().metadata(id, stop);
}

Status ProcessStorage::list(std::string_view prefix, const blob::ListCallback& callback, std::stop_token stop) {
  {
    const std::lock_guard lock(mutex_);
    TRY(take_turn(prefix));
  }
  return inner().list(
      prefix, [&](const blob::BlobMetadata& b) { return unseen(b, prefix) ? Status() : callback(b); }, stop);
}

Result<blob::BlobMetadata> ProcessStorage::put(const BlobId& id, GatherView data, const blob::PutOptions& options,
                                               std::stop_token stop) {
  const std::lock_guard lock(mutex_);
  TRY(take_turn(id.text));
  {
    const std::lock_guard written(written_mutex_);
    written_[id.text] = true;
  }
  const Faults& f = world_.faults();
  if (!world_.quiet && world_.chance(f.fail)) {
    if (world_.chance(2)) {
      TRY(inner().put(id, data, options, stop));
    }
    return refused();
  }
  if (!world_.quiet && (id.starts_with("p") || id.starts_with("q")) && world_.chance(f.torn)) {
    const Bytes all = test::flatten(data);
    TRY(inner().put(id, ByteView(all).first(all.size() / 2), stop));
    return refused();
  }
  return inner().put(id, data, options, stop);
}

Status ProcessStorage::remove(const BlobId& id, std::stop_token stop) {
  const std::lock_guard lock(mutex_);
  TRY(take_turn(id.text));
  if (!world_.quiet && world_.chance(world_.faults().fail)) {
    if (world_.chance(2)) {
      TRY(inner().remove(id, stop));
    }
    return refused();
  }
  TRY(inner().remove(id, stop));
  return world_.chance(4) ? inner().remove(id, stop) : Status();  // and the request came twice
}

}  // namespace cairn::simulation
