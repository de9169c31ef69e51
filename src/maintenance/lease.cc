#include "maintenance/lease.h"

#include <algorithm>

#include "blob/forwarding.h"

namespace cairn::maintenance {
namespace {

constexpr Duration kLookEvery = seconds(30);  // within a batch of deletes
// A task lists and sorts before its first delete, so this is generous; what it decided on is protected for far longer.
constexpr Duration kSuspendedAfter = hours(1);

Status superseded() {
  return error(Code::failed_precondition,
               "another client has changed the maintenance schedule since this run began; it deletes nothing more");
}

class FencedStorage final : public blob::ForwardingStorage {
 public:
  FencedStorage(std::shared_ptr<blob::Storage> inner, Lease& lease)
      : ForwardingStorage(std::move(inner)), lease_(lease) {}
  Status remove(const BlobId& id, std::stop_token stop) override {
    TRY(lease_.check(stop));
    return inner().remove(id, stop);
  }

 private:
  Lease& lease_;
};

}  // namespace

void Lease::hold(const Schedule& schedule) {
  const std::lock_guard lock(mutex_);
  written_ = schedule.to_json().dump();
  compared_ = Buffer();
  seen_ = clock_.now();
}

bool Lease::compare_locked(const Schedule& fresh) {
  lost_ = lost_ || fresh.to_json().dump() != written_;
  return !lost_;
}

bool Lease::still_held(const Schedule& fresh) {
  const std::lock_guard lock(mutex_);
  return compare_locked(fresh);
}

Status Lease::renew_locked(std::stop_token stop) {
  if (lost_) {
    return superseded();
  }
  const Timestamp asked = clock_.now();
  auto stored = storage_.get(BlobId(kScheduleBlob), {}, stop);
  if (stored.code() == Code::not_found) {
    lost_ = true;
    return superseded();
  }
  TRY(stored, "error reading {}", kScheduleBlob);
  // Every writing is sealed with a nonce of its own: equal bytes are the same writing.
  if (compared_.empty() || !std::ranges::equal(stored->view(), compared_.view())) {
    TRY_ASSIGN(const Schedule fresh, open_schedule(stored->view(), format_));
    if (!compare_locked(fresh)) {
      return superseded();
    }
    compared_ = std::move(*stored);
  }
  seen_ = asked;
  return {};
}

Status Lease::renew(std::stop_token stop) {
  const std::lock_guard lock(mutex_);
  return renew_locked(stop);
}

Status Lease::check_locked(Duration fresh_enough, std::stop_token stop) {
  const Duration since = clock_.now() - seen_;
  if (!lost_ && since > kSuspendedAfter) {
    lost_ = true;
    return error(Code::failed_precondition,
                 "this run stood still for {}, so what it knows of the repository may be out of date; it deletes "
                 "nothing more",
                 go_duration(seconds(since.ns / 1'000'000'000)));
  }
  // A clock that was set back says nothing about how long ago the last look was.
  if (!lost_ && since >= Duration{} && since < fresh_enough) {
    return {};
  }
  return renew_locked(stop);
}

Status Lease::check(std::stop_token stop) {
  const std::lock_guard lock(mutex_);
  return check_locked(Duration{}, stop);
}

Status Lease::check_in_batch(std::stop_token stop) {
  const std::lock_guard lock(mutex_);
  return check_locked(kLookEvery, stop);
}

std::unique_ptr<blob::Storage> make_fenced_storage(blob::Storage& storage, Lease& lease) {
  return std::make_unique<FencedStorage>(std::shared_ptr<blob::Storage>(&storage, [](blob::Storage*) {}), lease);
}

}  // namespace cairn::maintenance
