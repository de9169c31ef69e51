#include "tests/simulation/world.h"

#include "blob/memory/memory_storage.h"
#include "tests/support/faulty_storage.h"

namespace cairn::simulation {
namespace {

constexpr std::int64_t kStart = 1'700'000'000;
constexpr Duration kStaleMax = seconds(60);
constexpr Duration kLateMax = minutes(10);

// Not a code that anybody tries again by itself.
Status killed() { return error(Code::permission_denied, "the process is dead"); }
Status refused() { return error(Code::permission_denied, "injected fault"); }

bool is_pack(std::string_view id) { return id.starts_with("p") || id.starts_with("q"); }
bool is_index(std::string_view id) { return id.starts_with("x"); }
bool in_place(std::string_view id) { return id.starts_with("kopia."); }

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

// Wakes the one whose time comes first; time moves to then, past whatever was to happen before.
void World::hand_over() {
  Client* next = nullptr;
  for (const auto& c : clients_) {
    if (!c->done && (next == nullptr || c->wakes < next->wakes)) {
      next = c.get();
    }
  }
  while (!later_.empty() && (next == nullptr || later_.begin()->first <= next->wakes)) {
    now_ = std::max(now_.load(), later_.begin()->first.ns);
    const auto change = std::move(later_.begin()->second);
    later_.erase(later_.begin());
    change();
    ++changes;
  }
  if (next != nullptr) {
    now_ = std::max(now_.load(), next->wakes.ns);
    for (unsigned i = 0; i < clients_.size(); ++i) {
      running_ = clients_[i].get() == next ? i : running_;
    }
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

void World::freeze_at(unsigned client, Call call, std::string prefix, Duration d) {
  freezes_.push_back({client, call, std::move(prefix), d});
}

std::optional<Duration> World::take_freeze(unsigned client, Call call, std::string_view id) {
  const auto it = std::ranges::find_if(
      freezes_, [&](const Freeze& f) { return f.client == client && f.call == call && id.starts_with(f.prefix); });
  if (it == freezes_.end()) {
    return std::nullopt;
  }
  const Duration d = it->length;
  freezes_.erase(it);
  return d;
}

void World::later(Duration after, std::function<void()> change) { later_.emplace(now() + after, std::move(change)); }

// Time passes, others run, and the process may not come back.
Status ProcessStorage::take_turn(Call call, std::string_view what) {
  if (dead_) {
    return killed();
  }
  if (world_.quiet) {
    return {};
  }
  const Faults& f = world_.faults();
  Duration d = milliseconds(static_cast<std::int64_t>(5 + world_.random(call == Call::get ? 20 : 200)));
  if (const auto steered = world_.take_freeze(client_, call, what)) {
    d = *steered;
  } else if (world_.chance(f.freeze)) {
    d = minutes(static_cast<std::int64_t>(1 + world_.random(static_cast<std::uint64_t>(f.freeze_max.seconds() / 60))));
    d = std::min(d, freeze_left_);
    freeze_left_ = freeze_left_ - d;
  } else if (world_.chance(f.delay)) {
    d = seconds(static_cast<std::int64_t>(world_.random(600)));
  }
  world_.pause(client_, d);
  world_.trace(client_, what);
  if (world_.chance(f.jump)) {
    clock_jumped_ = true;
    const auto range = static_cast<std::uint64_t>(minutes(world_.chance(6) ? 60 : 4).ns);
    clock_.skew =
        Duration{static_cast<std::int64_t>(world_.random(2 * range))} - Duration{static_cast<std::int64_t>(range)};
  }
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
  const auto age = world_.now() - blob.timestamp;
  return !written_.contains(blob.id.text) &&
         age.ns < static_cast<std::int64_t>(world_.hash("age") % static_cast<std::uint64_t>(kStaleMax.ns));
}

Result<Buffer> ProcessStorage::get(const BlobId& id, blob::ByteRange range, std::stop_token stop) {
  const std::lock_guard lock(mutex_);
  TRY(take_turn(Call::get, id.text));
  const auto there = inner().metadata(id, stop);
  if (there.ok() && unseen(*there, id.text)) {
    if (!in_place(id.text)) {
      return error(Code::not_found, "blob {} not found", id.text);
    }
    if (const auto old = world_.former.find(id.text); old != world_.former.end()) {
      return Buffer::copy_of(old->second.view());
    }
  }
  auto found = inner().get(id, range, stop);
  if (found.code() == Code::not_found) {
    last_missing_ = id.text;
  }
  return found;
}

Result<blob::BlobMetadata> ProcessStorage::metadata(const BlobId& id, std::stop_token stop) {
  const std::lock_guard lock(mutex_);
  TRY(take_turn(Call::get, id.text));
  return inner().metadata(id, stop);
}

Status ProcessStorage::list(std::string_view prefix, const blob::ListCallback& callback, std::stop_token stop) {
  std::vector<blob::BlobMetadata> seen;
  {
    const std::lock_guard lock(mutex_);
    TRY(take_turn(Call::list, prefix));
    TRY(inner().list(
        prefix,
        [&](const blob::BlobMetadata& b) {
          if (!unseen(b, prefix)) {
            seen.push_back(b);
          }
          return Status();
        },
        stop));
  }
  for (const blob::BlobMetadata& b : seen) {
    TRY(callback(b));
  }
  return {};
}

Result<blob::BlobMetadata> ProcessStorage::apply_put(const BlobId& id, GatherView data, const blob::PutOptions& options,
                                                     std::stop_token stop) {
  ++world_.changes;
  if (in_place(id.text)) {
    if (auto old = inner().get(id, {}, stop); old.ok()) {
      world_.former[id.text] = std::move(*old);
    }
    world_.in_place[id.text] = {world_.now(), client_};
  }
  return inner().put(id, data, options, stop);
}

Status ProcessStorage::apply_remove(const BlobId& id, std::stop_token stop) {
  ++world_.changes;
  if (is_pack(id.text) || is_index(id.text)) {
    world_.removed.try_emplace(id.text, World::Change{world_.now(), client_});
  }
  return inner().remove(id, stop);
}

Result<blob::BlobMetadata> ProcessStorage::put(const BlobId& id, GatherView data, const blob::PutOptions& options,
                                               std::stop_token stop) {
  const std::lock_guard lock(mutex_);
  TRY(take_turn(Call::put, id.text));
  written_.insert(id.text);
  const Faults& f = world_.faults();
  if (world_.quiet) {
    return apply_put(id, data, options, stop);
  }
  if (world_.chance(f.fail)) {
    const std::uint64_t what = world_.random(3);
    if (what == 0) {
      TRY(apply_put(id, data, options, stop));
    } else if (what == 1 && !in_place(id.text)) {  // still on its way
      world_.later(Duration{static_cast<std::int64_t>(world_.random(static_cast<std::uint64_t>(kLateMax.ns)))},
                   [storage = world_.storage_ptr(), id, all = test::flatten(data)] {
                     (void)storage->put(id, ByteView(all), {});
                   });
    }
    return refused();
  }
  if (is_pack(id.text) && world_.chance(f.torn)) {
    const Bytes all = test::flatten(data);
    ++world_.changes;
    TRY(inner().put(id, ByteView(all).first(all.size() / 2), stop));
    return refused();
  }
  // Not of metadata packs: without one of these nobody can list a manifest, and the history would be over.
  if ((id.starts_with("p") || is_index(id.text)) && world_.chance(f.lost)) {
    deceived_ = true;
    world_.lost.insert(id.text);
    return blob::BlobMetadata{id, static_cast<std::int64_t>(gather_size(data)), world_.now()};
  }
  return apply_put(id, data, options, stop);
}

Status ProcessStorage::remove(const BlobId& id, std::stop_token stop) {
  const std::lock_guard lock(mutex_);
  if (!dead_ && before_remove && !world_.quiet && (is_pack(id.text) || is_index(id.text))) {
    before_remove(id);
  }
  TRY(take_turn(Call::remove, id.text));
  if (!world_.quiet && world_.chance(world_.faults().fail)) {
    if (world_.chance(2)) {
      TRY(apply_remove(id, stop));
    }
    return refused();
  }
  TRY(apply_remove(id, stop));
  if (!world_.quiet && world_.chance(world_.faults().twice)) {  // and the request comes again
    const auto again = [storage = world_.storage_ptr(), id] { (void)storage->remove(id, {}); };
    if (world_.chance(2)) {
      again();
    } else {
      world_.later(minutes(static_cast<std::int64_t>(world_.random(24 * 60))), again);
    }
  }
  return {};
}

}  // namespace cairn::simulation
