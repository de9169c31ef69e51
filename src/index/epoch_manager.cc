#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "base/log.h"
#include "base/sleep.h"
#include "index/epoch_sets.h"
#include "index/index_manager.h"
#include "index/write_beside.h"

namespace cairn::index {
namespace {

using blob::BlobMetadata;

constexpr Duration kRetryDelayFirst = milliseconds(100);
constexpr Duration kRetryDelayMax = seconds(15);
constexpr int kListAttemptsMax = 10;
// A state must live long enough for one listing and not so long that times overflow, whatever the parameters say.
constexpr Duration kRefreshMin = seconds(1);
constexpr Duration kRefreshMax = hours(24 * 365);

Status cancelled() { return error(Code::cancelled, "cancelled"); }

class Backoff {
 public:
  bool wait(std::stop_token stop) {
    const Duration d = delay_;
    delay_ = std::min(Duration{delay_.ns * 3 / 2}, kRetryDelayMax);
    return sleep_for(d, stop);
  }

 private:
  Duration delay_ = kRetryDelayFirst;
};

class Epochs final : public EpochManager {
 public:
  Epochs(std::shared_ptr<blob::Storage> storage, std::shared_ptr<const format::UnitCrypto> crypto,
         std::function<format::EpochParameters()> parameters, const Clock& clock)
      : storage_(std::move(storage)), crypto_(std::move(crypto)), parameters_(std::move(parameters)), clock_(clock) {}

  Result<ActiveSet> active(std::stop_token stop) override;
  Result<std::vector<BlobMetadata>> write(std::vector<Buffer> plaintexts, std::string_view session_id,
                                          std::stop_token stop) override {
    return write(std::move(plaintexts), session_id, {}, stop);
  }
  Result<std::vector<BlobMetadata>> write(std::vector<Buffer> plaintexts, std::string_view session_id,
                                          const std::function<void()>& beside, std::stop_token stop);
  void invalidate() override {
    const std::lock_guard lock(mutex_);
    state_.reset();
    ++generation_;
  }
  Result<EpochState> state(std::stop_token stop) override { return state_valid_for({0}, stop); }

 private:
  Duration refresh_frequency() const {
    return {std::clamp(parameters_().refresh_frequency.ns, kRefreshMin.ns, kRefreshMax.ns)};
  }
  Result<EpochState> state_valid_for(Duration remaining, std::stop_token stop);
  Result<EpochState> refresh(std::stop_token stop);
  Result<EpochState> attempt(std::stop_token stop);
  // One pass of kopia-format §9.5 over the shards; false when the state ran out before all were written.
  struct Writing;
  Result<bool> write_pass(Writing& w, std::stop_token stop);
  Status remove_written(Writing& w, std::stop_token stop);

  const std::shared_ptr<blob::Storage> storage_;
  const std::shared_ptr<const format::UnitCrypto> crypto_;
  const std::function<format::EpochParameters()> parameters_;
  const Clock& clock_;
  std::mutex mutex_;
  std::optional<EpochState> state_;
  std::uint64_t generation_ = 0;  // of invalidations: a listing begun before one must not be kept
};

// The blobs of one listing, sorted into what their names say.
struct Classified {
  std::map<std::int64_t, std::vector<BlobMetadata>> uncompacted, singles;
  std::map<EpochRange, std::vector<BlobMetadata>> ranges;
};

void classify(BlobMetadata b, Classified& c, EpochState& s) {
  const std::string_view id = b.id.text;
  if (id.starts_with(kRangePrefix)) {
    if (const auto range = range_of(id)) {
      c.ranges[*range].push_back(std::move(b));
    }
    return;
  }
  if (id.starts_with(kWatermarkPrefix)) {
    if (const auto time = watermark_of(id)) {
      s.deletion_watermark = std::max(s.deletion_watermark, *time);
      s.watermarks.push_back(std::move(b));
    }
    return;
  }
  const auto epoch = epoch_of(id);
  if (!epoch) {
    return;
  }
  if (id.starts_with(kEpochMarkerPrefix)) {
    if (s.markers.empty() || *epoch >= s.write_epoch) {
      s.write_epoch = *epoch;
      s.write_epoch_start = b.timestamp;
    }
    s.markers.push_back(std::move(b));
  } else if (id.starts_with(kUncompactedPrefix)) {
    c.uncompacted[*epoch].push_back(std::move(b));
  } else if (id.starts_with(kSinglePrefix)) {
    c.singles[*epoch].push_back(std::move(b));
  }
}

void fill_sets(Classified& c, EpochState& s) {
  for (std::int64_t e = std::max<std::int64_t>(s.write_epoch - 1, 0); e <= s.write_epoch + 1; ++e) {
    c.uncompacted.try_emplace(e);
  }
  for (auto& [epoch, blobs] : c.uncompacted) {
    s.uncompacted.push_back({epoch, epoch, std::move(blobs)});
  }
  for (const auto& [epoch, blobs] : c.singles) {
    for (auto& set : complete_sets(blobs)) {
      s.singles.push_back({epoch, epoch, std::move(set)});
    }
  }
  std::map<EpochRange, std::vector<std::vector<BlobMetadata>>> complete;
  std::vector<EpochRange> candidates;
  for (const auto& [range, blobs] : c.ranges) {
    if (auto sets = complete_sets(blobs); !sets.empty()) {
      candidates.push_back(range);
      complete[range] = std::move(sets);
    }
  }
  for (const EpochRange& range : longest_chain(std::move(candidates))) {
    for (auto& set : complete[range]) {
      s.ranges.push_back({range.min, range.max, std::move(set)});
    }
  }
}

Result<EpochState> Epochs::attempt(std::stop_token stop) {
  EpochState s;
  s.valid_until = clock_.now() + refresh_frequency();
  std::vector<BlobMetadata> blobs;
  TRY(storage_->list(
          kEpochBlobsPrefix,
          [&](const BlobMetadata& b) {
            blobs.push_back(b);
            return Status();
          },
          stop),
      "error listing index blobs");
  std::sort(blobs.begin(), blobs.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  Classified c;
  for (BlobMetadata& b : blobs) {
    classify(std::move(b), c, s);
  }
  fill_sets(c, s);
  return s;
}

Result<EpochState> Epochs::refresh(std::stop_token stop) {
  Backoff backoff;
  int failures = 0;
  while (true) {
    std::uint64_t generation = 0;
    {
      const std::lock_guard lock(mutex_);
      generation = generation_;
    }
    auto s = attempt(stop);
    if (s.ok() && clock_.now() <= s->valid_until) {
      const std::lock_guard lock(mutex_);
      if (generation == generation_) {
        state_ = *s;
      }
      return s;
    }
    if (!s.ok() && (!code_facts(s.code()).retryable || ++failures >= kListAttemptsMax)) {
      return s;
    }
    if (s.ok()) {
      log::debug("index", "listing the index blobs took longer than it may, trying again");
    }
    if (!backoff.wait(stop)) {
      return cancelled();
    }
  }
}

Result<EpochState> Epochs::state_valid_for(Duration remaining, std::stop_token stop) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ && clock_.now() + remaining <= state_->valid_until) {
      return EpochState(*state_);
    }
  }
  return refresh(stop);
}

// kopia-format §9.4, with everything that merging makes harmless and an old Kopia may have lost (§9.12).
ActiveSet active_of(const EpochState& s) {
  ActiveSet out;
  out.deletion_watermark = s.deletion_watermark;
  std::vector<BlobMetadata> extra;
  const auto take = [](std::vector<BlobMetadata>& to, const std::vector<BlobMetadata>& blobs) {
    to.insert(to.end(), blobs.begin(), blobs.end());
  };
  // Kopia's `start` skips a range of a single epoch; its blobs are read all the same.
  std::int64_t start = 0;
  std::int64_t kopia_start = 0;
  for (std::size_t i = 0; i < s.ranges.size(); ++i) {
    const EpochState::Set& range = s.ranges[i];
    const bool first_of_range = i == 0 || s.ranges[i - 1].min_epoch != range.min_epoch;
    const bool kopia_takes = first_of_range && range.max_epoch > kopia_start;
    take(kopia_takes ? out.blobs : extra, range.blobs);
    if (kopia_takes) {
      kopia_start = range.max_epoch + 1;
    }
    start = range.max_epoch + 1;
  }
  std::map<std::int64_t, bool> compacted;
  for (const EpochState::Set& single : s.singles) {
    if (single.min_epoch < std::min(start, kopia_start) || !is_settled(single.min_epoch, s.write_epoch)) {
      continue;
    }
    const bool first_of_epoch = compacted.emplace(single.min_epoch, true).second;
    take(first_of_epoch ? out.blobs : extra, single.blobs);
  }
  for (const EpochState::Set& set : s.uncompacted) {
    if (set.min_epoch < std::min(start, kopia_start) || set.min_epoch > s.write_epoch + 1) {
      continue;
    }
    take(compacted.contains(set.min_epoch) ? extra : out.blobs, set.blobs);
  }
  out.primary_count = out.blobs.size();
  take(out.blobs, extra);
  return out;
}

Result<ActiveSet> Epochs::active(std::stop_token stop) {
  TRY_ASSIGN(const EpochState s, refresh(stop));
  return active_of(s);
}

struct Epochs::Writing {
  std::vector<format::UnitCrypto::SealedBlob> shards;
  std::vector<std::optional<BlobMetadata>> stored;  // by shard
  std::optional<std::int64_t> epoch;                // the one `stored` belongs to
};

Status Epochs::remove_written(Writing& w, std::stop_token stop) {
  for (std::optional<BlobMetadata>& b : w.stored) {
    if (b) {
      TRY(storage_->remove(b->id, stop), "removing superseded index blob {}", b->id.text);
      b.reset();
    }
  }
  return {};
}

Result<bool> Epochs::write_pass(Writing& w, std::stop_token stop) {
  TRY_ASSIGN(const EpochState s, state_valid_for({refresh_frequency().ns / 4 * 3}, stop));
  if (w.epoch && *w.epoch != s.write_epoch) {
    TRY(remove_written(w, stop));
  }
  w.epoch = s.write_epoch;
  for (std::size_t i = 0; i < w.shards.size(); ++i) {
    if (w.stored[i]) {
      continue;
    }
    if (clock_.now() >= s.valid_until) {
      return false;
    }
    const BlobId id(fmt::format("{}{}_{}", kUncompactedPrefix, s.write_epoch, w.shards[i].id.text));
    TRY_ASSIGN(w.stored[i], storage_->put(id, w.shards[i].data, stop), "error writing index blob {}", id.text);
  }
  return true;
}

Result<std::vector<BlobMetadata>> Epochs::write(std::vector<Buffer> plaintexts, std::string_view session_id,
                                                const std::function<void()>& beside, std::stop_token stop) {
  if (plaintexts.empty()) {
    return std::vector<BlobMetadata>{};
  }
  Writing w;
  const std::string suffix = fmt::format("{}-c{}", session_id, plaintexts.size());
  for (Buffer& plaintext : plaintexts) {
    TRY_ASSIGN(auto sealed, crypto_->seal_blob("", suffix, plaintext));
    w.shards.push_back(std::move(sealed));
    plaintext = Buffer();
  }
  w.stored.resize(w.shards.size());
  while (true) {
    if (stop.stop_requested()) {
      return cancelled();
    }
    TRY_ASSIGN(const bool done, write_pass(w, stop));
    if (done) {
      break;
    }
  }
  std::jthread meanwhile;
  if (beside) {
    meanwhile = std::jthread(beside);
  }
  invalidate();
  TRY_ASSIGN(const EpochState after, refresh(stop));
  if (after.write_epoch >= *w.epoch + 2) {
    // The epoch has settled meanwhile: a compaction may have missed these blobs, so nobody must rely on them.
    TRY(remove_written(w, stop));
    return error(Code::failed_precondition, "extremely slow index write");
  }
  std::vector<BlobMetadata> out;
  for (std::optional<BlobMetadata>& b : w.stored) {
    out.push_back(std::move(*b));
  }
  return out;
}

}  // namespace

Result<std::vector<BlobMetadata>> write_beside(EpochManager& epochs, std::vector<Buffer> plaintexts,
                                               std::string_view session_id, const std::function<void()>& beside,
                                               std::stop_token stop) {
  return dynamic_cast<Epochs&>(epochs).write(std::move(plaintexts), session_id, beside, stop);  // there is no other
}

Result<IndexReader> open_index_blob(const format::UnitCrypto& crypto, const BlobId& id, ByteView stored) {
  TRY_ASSIGN(Buffer plaintext, crypto.open_blob(id, stored), "index blob {}", id.text);
  auto reader = IndexReader::open(std::move(plaintext), static_cast<std::uint32_t>(crypto.encryptor().overhead()));
  TRY(reader, "index blob {}", id.text);
  return reader;
}

std::unique_ptr<EpochManager> make_epoch_manager(std::shared_ptr<blob::Storage> storage,
                                                 std::shared_ptr<const format::UnitCrypto> crypto,
                                                 std::function<format::EpochParameters()> parameters,
                                                 const Clock& clock) {
  return std::make_unique<Epochs>(std::move(storage), std::move(crypto), std::move(parameters), clock);
}

}  // namespace cairn::index
