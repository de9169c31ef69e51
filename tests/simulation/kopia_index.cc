#include "tests/simulation/kopia_index.h"

#include <algorithm>

#include "base/sleep.h"
#include "index/epoch_sets.h"

namespace cairn::simulation {
namespace {

constexpr Duration kListingKept = seconds(30);
constexpr Duration kOwnWritesKept = minutes(15);

bool listing_is_cached(std::string_view prefix) { return prefix == "xe" || prefix == "xs" || prefix == "xr"; }

// The first complete set in the order of the names (§9.2).
KopiaIndex::Blobs first_set(const KopiaIndex::Blobs& blobs) {
  auto sets = index::complete_sets(blobs);
  return sets.empty() ? KopiaIndex::Blobs() : std::move(sets.front());
}

}  // namespace

Result<KopiaIndex::Blobs> KopiaIndex::list(const std::string& prefix) {
  const Timestamp now = clock_.now();
  if (cache_ == nullptr) {
    TRY_ASSIGN(Blobs fresh, storage_.list_all(prefix, {}));
    std::ranges::sort(fresh, {}, &blob::BlobMetadata::id);
    return fresh;
  }
  const auto kept = cache_->listings.find(prefix);
  Blobs listed;
  if (listing_is_cached(prefix) && kept != cache_->listings.end() && now < kept->second.expires) {
    listed = kept->second.blobs;
  } else {
    TRY_ASSIGN(listed, storage_.list_all(prefix, {}));
    cache_->listings[prefix] = {now + kListingKept, listed};
  }
  // Corrected by what this client did in the last minutes.
  std::erase_if(cache_->added, [&](const auto& a) { return now - a.second > kOwnWritesKept; });
  std::erase_if(cache_->removed, [&](const auto& r) { return now - r.second > kOwnWritesKept; });
  for (const auto& [id, time] : cache_->added) {
    const bool there = std::ranges::any_of(listed, [&](const auto& b) { return b.id.text == id; });
    if (id.starts_with(prefix) && !there) {
      auto found = storage_.metadata(BlobId(id), {});
      if (found.ok()) {
        listed.push_back(std::move(*found));
      } else if (found.code() != Code::not_found) {
        return std::move(found).status();
      }
    }
  }
  std::erase_if(listed, [&](const auto& b) { return cache_->removed.contains(b.id.text); });
  std::ranges::sort(listed, {}, &blob::BlobMetadata::id);
  return listed;
}

Status KopiaIndex::put(const BlobId& id, ByteView data) {
  TRY(storage_.put(id, data, {}));
  if (cache_ != nullptr) {
    cache_->added[id.text] = clock_.now();
  }
  return {};
}

Status KopiaIndex::remove(const BlobId& id) {
  TRY(storage_.remove(id, {}));
  if (cache_ != nullptr) {
    cache_->removed[id.text] = clock_.now();
  }
  return {};
}

// §9.3
Result<KopiaIndex::State> KopiaIndex::refresh() {
  for (Duration wait = milliseconds(100);; wait = std::min(Duration{wait.ns * 3 / 2}, seconds(15))) {
    State s;
    s.valid_until = clock_.now() + parameters().refresh_frequency;
    TRY_ASSIGN(s.markers, list("xe"));
    TRY_ASSIGN(s.watermarks, list("xw"));
    TRY_ASSIGN(const Blobs singles, list("xs"));
    TRY_ASSIGN(const Blobs ranges, list("xr"));
    for (const auto& b : s.markers) {
      s.write_epoch = std::max(s.write_epoch, index::epoch_of(b.id.text).value_or(0));
    }
    for (const auto& b : s.watermarks) {
      if (const auto t = index::watermark_of(b.id.text)) {
        s.watermark = std::max(s.watermark, t->unix_seconds());
      }
    }
    std::map<std::int64_t, Blobs> by_epoch;
    for (const auto& b : singles) {
      if (const auto e = index::epoch_of(b.id.text)) {
        by_epoch[*e].push_back(b);
      }
    }
    for (const auto& [epoch, blobs] : by_epoch) {
      if (Blobs set = first_set(blobs); !set.empty()) {
        s.singles[epoch] = std::move(set);
      }
    }
    std::map<index::EpochRange, Blobs> by_range;
    for (const auto& b : ranges) {
      if (const auto r = index::range_of(b.id.text)) {
        by_range[*r].push_back(b);
      }
    }
    std::vector<index::EpochRange> complete;
    for (auto& [range, blobs] : by_range) {
      blobs = first_set(blobs);
      if (!blobs.empty()) {
        complete.push_back(range);
      }
    }
    for (const index::EpochRange& range : index::longest_chain(complete)) {
      s.ranges.push_back({range.min, range.max, by_range[range]});
    }
    for (std::int64_t e = std::max<std::int64_t>(s.write_epoch - 1, 0); e <= s.write_epoch + 1; ++e) {
      TRY_ASSIGN(s.uncompacted[e], list("xn" + std::to_string(e) + "_"));
    }
    if (clock_.now() <= s.valid_until) {
      state_ = s;
      return s;
    }
    sleep_for(wait, {});
  }
}

Result<KopiaIndex::State> KopiaIndex::state(Duration remaining) {
  if (state_ && clock_.now() + remaining <= state_->valid_until) {
    return State(*state_);
  }
  return refresh();
}

Result<KopiaIndex::Blobs> KopiaIndex::of_epochs(const State& s, std::int64_t first, std::int64_t last) {
  Blobs out;
  for (std::int64_t e = first; e <= last; ++e) {
    const auto single = s.singles.find(e);
    const auto recent = s.uncompacted.find(e);
    if (single != s.singles.end() && index::is_settled(e, s.write_epoch)) {
      out.insert(out.end(), single->second.begin(), single->second.end());
    } else if (recent != s.uncompacted.end()) {
      out.insert(out.end(), recent->second.begin(), recent->second.end());
    } else {
      TRY_ASSIGN(const Blobs old, list("xn" + std::to_string(e) + "_"));
      out.insert(out.end(), old.begin(), old.end());
    }
  }
  return out;
}

// §9.4
Result<KopiaIndex::Blobs> KopiaIndex::active() {
  while (true) {
    TRY_ASSIGN(const State s, state());
    Blobs out;
    std::int64_t start = 0;
    for (const State::Range& r : s.ranges) {
      if (r.max > start) {
        out.insert(out.end(), r.blobs.begin(), r.blobs.end());
        start = r.max + 1;
      }
    }
    TRY_ASSIGN(const Blobs rest, of_epochs(s, start, s.write_epoch + 1));
    out.insert(out.end(), rest.begin(), rest.end());
    if (clock_.now() < s.valid_until) {
      return out;
    }
    invalidate();
  }
}

Status KopiaIndex::write(const std::vector<Buffer>& plaintexts, const std::string& session) {
  std::vector<format::UnitCrypto::SealedBlob> shards;
  for (const Buffer& p : plaintexts) {
    TRY_ASSIGN(auto sealed, crypto_.seal_blob("", session + "-c" + std::to_string(plaintexts.size()), p.view()));
    shards.push_back(std::move(sealed));
  }
  std::vector<BlobId> written(shards.size());
  std::optional<std::int64_t> epoch;
  for (bool done = false; !done;) {
    TRY_ASSIGN(const State s, state(Duration{parameters().refresh_frequency.ns / 4 * 3}));
    if (epoch && *epoch != s.write_epoch) {
      for (BlobId& id : written) {
        if (!id.empty()) {
          TRY(remove(id));
          id = BlobId();
        }
      }
    }
    epoch = s.write_epoch;
    done = true;
    for (std::size_t i = 0; i < shards.size() && done; ++i) {
      done = clock_.now() < s.valid_until;
      if (done && written[i].empty()) {
        const BlobId id("xn" + std::to_string(*epoch) + "_" + shards[i].id.text);
        TRY(put(id, shards[i].data.view()));
        written[i] = id;
      }
    }
  }
  invalidate();
  TRY_ASSIGN(const State after, state());
  if (after.write_epoch >= *epoch + 2) {
    for (const BlobId& id : written) {
      TRY(remove(id));
    }
    return error(Code::failed_precondition, "extremely slow index write");
  }
  return {};
}

Result<std::shared_ptr<const index::IndexReader>> KopiaIndex::load(const BlobId& id) {
  if (cache_ != nullptr) {
    if (const auto kept = cache_->indexes.find(id.text); kept != cache_->indexes.end()) {
      return kept->second;
    }
  }
  TRY_ASSIGN(const Buffer stored, storage_.get(id, {}, {}));
  TRY_ASSIGN(Buffer plain, crypto_.open_blob(id, stored.view()));
  TRY_ASSIGN(index::IndexReader reader,
             index::IndexReader::open(std::move(plain), static_cast<std::uint32_t>(crypto_.encryptor().overhead())));
  auto shared = std::make_shared<const index::IndexReader>(std::move(reader));
  if (cache_ != nullptr) {
    cache_->indexes[id.text] = shared;
  }
  return shared;
}

}  // namespace cairn::simulation
