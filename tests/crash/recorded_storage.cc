#include "tests/crash/recorded_storage.h"

#include "tests/support/faulty_storage.h"

namespace cairn::test {

std::size_t RecordedStorage::begin() const {
  const std::lock_guard lock(mutex_);
  return changes_.size();
}

Result<blob::BlobMetadata> RecordedStorage::put(const BlobId& id, GatherView data, const blob::PutOptions& options,
                                                std::stop_token stop) {
  const std::size_t begun = begin();
  auto bytes = std::make_shared<const Bytes>(flatten(data));
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(blob::BlobMetadata done, inner().put(id, data, options, stop));
  changes_.push_back({true, id, std::move(bytes), done.timestamp, begun});
  return done;
}

Status RecordedStorage::remove(const BlobId& id, std::stop_token stop) {
  const std::size_t begun = begin();
  const std::lock_guard lock(mutex_);
  TRY(inner().remove(id, stop));
  changes_.push_back({false, id, nullptr, clock_.now(), begun});
  return {};
}

std::vector<Change> RecordedStorage::changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

Replay::Replay() : storage_(blob::make_memory_storage(clock_)) {}

Status Replay::apply(const Change& change) {
  clock_.advance(change.time - clock_.now());
  return change.put ? storage_->put(change.id, ByteView(*change.bytes), {}).status() : storage_->remove(change.id, {});
}

std::vector<CrashPoint> crash_points(const std::vector<Change>& changes, std::size_t from, std::size_t to) {
  std::vector<CrashPoint> out;
  for (std::size_t cut = from; cut <= to; ++cut) {
    out.push_back({fmt::format("after change {}", cut), cut});
    if (cut == to) {
      break;
    }
    const Change& lost = changes[cut];
    if (lost.put) {
      Change half = lost;
      half.bytes = std::make_shared<const Bytes>(
          lost.bytes->begin(), lost.bytes->begin() + static_cast<std::ptrdiff_t>(lost.bytes->size() / 2));
      out.push_back({fmt::format("change {} torn ({})", cut + 1, lost.id.text), cut, half, true});
    }
    for (std::size_t later = cut + 1; later < to; ++later) {
      if (changes[later].begun_after <= cut) {
        out.push_back({fmt::format("change {} before {}", later + 1, cut + 1), cut, changes[later]});
      }
    }
  }
  return out;
}

}  // namespace cairn::test
