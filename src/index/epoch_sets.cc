#include "index/epoch_sets.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string>

namespace cairn::index {
namespace {

// Far from overflow, far above any real epoch or time.
constexpr std::int64_t kNumberMax = std::int64_t{1} << 53;

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t v = 0;
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (err != std::errc() || end != text.data() + text.size() || v < 0 || v > kNumberMax) {
    return std::nullopt;
  }
  return v;
}

std::string_view without_leading_letters(std::string_view text) {
  const std::size_t digit = text.find_first_of("0123456789");
  return digit == std::string_view::npos ? std::string_view{} : text.substr(digit);
}

std::string_view part(std::string_view text, char separator, std::size_t index) {
  for (; index > 0; --index) {
    const std::size_t at = text.find(separator);
    if (at == std::string_view::npos) {
      return {};
    }
    text.remove_prefix(at + 1);
  }
  return text.substr(0, text.find(separator));
}

// Name and size of the set that a blob "<hash>-s<set>-c<count>" belongs to; nullopt when it stands for itself.
struct SetName {
  std::string_view id;
  std::int64_t count = 0;
  auto operator<=>(const SetName&) const = default;
};
std::optional<SetName> set_name(std::string_view id) {
  const std::string_view set_id = part(id, '-', 1);
  const std::string_view count_text = part(id, '-', 2);
  const auto count = count_text.starts_with('c') ? number(count_text.substr(1)) : std::nullopt;
  if (!set_id.starts_with('s') || !count) {
    return std::nullopt;
  }
  return SetName{set_id, *count};
}

}  // namespace

std::optional<std::int64_t> epoch_of(std::string_view id) { return number(without_leading_letters(part(id, '_', 0))); }

std::optional<EpochRange> range_of(std::string_view id) {
  const auto min = number(without_leading_letters(part(id, '_', 0)));
  const auto max = number(part(id, '_', 1));
  if (!min || !max || *min > *max) {
    return std::nullopt;
  }
  return EpochRange{*min, *max};
}

std::optional<Timestamp> watermark_of(std::string_view id) {
  if (!id.starts_with(kWatermarkPrefix)) {
    return std::nullopt;
  }
  constexpr std::int64_t kSecondsMax = 9'000'000'000;  // what nanoseconds in 64 bits can hold
  const auto seconds = number(id.substr(kWatermarkPrefix.size()));
  if (!seconds) {
    return std::nullopt;
  }
  return Timestamp::from_seconds(std::min(*seconds, kSecondsMax));
}

std::vector<std::vector<blob::BlobMetadata>> complete_sets(const std::vector<blob::BlobMetadata>& blobs) {
  std::vector<std::vector<blob::BlobMetadata>> out;
  std::map<SetName, std::vector<blob::BlobMetadata>> open;
  for (const blob::BlobMetadata& b : blobs) {
    const auto name = set_name(b.id.text);
    if (!name) {
      out.push_back({b});
      continue;
    }
    auto& set = open[*name];
    set.push_back(b);
    if (static_cast<std::int64_t>(set.size()) == name->count) {
      out.push_back(std::move(set));
      set.clear();
    }
  }
  return out;
}

std::vector<std::vector<blob::BlobMetadata>> incomplete_sets(const std::vector<blob::BlobMetadata>& blobs) {
  std::map<std::pair<std::string_view, SetName>, std::vector<blob::BlobMetadata>> sets;
  for (const blob::BlobMetadata& b : blobs) {
    const std::string_view id = b.id.text;
    if (const auto name = set_name(id)) {
      sets[{id.substr(0, id.rfind('_', id.find('-')) + 1), *name}].push_back(b);
    }
  }
  std::vector<std::vector<blob::BlobMetadata>> out;
  for (auto& [key, set] : sets) {
    if (static_cast<std::int64_t>(set.size()) < key.second.count) {
      out.push_back(std::move(set));
    }
  }
  return out;
}

std::vector<EpochRange> longest_chain(std::vector<EpochRange> ranges) {
  std::sort(ranges.begin(), ranges.end());
  struct Reached {
    std::size_t length = 0;    // ranges from epoch 0 up to here
    std::ptrdiff_t last = -1;  // the range that ends here
  };
  // Key: the first epoch not covered. Ranges only lead forward and are sorted by start, so each start is final when
  // its ranges are looked at.
  std::map<std::int64_t, Reached> reached{{0, {}}};
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const auto from = reached.find(ranges[i].min);
    if (from == reached.end()) {
      continue;
    }
    const Reached next{from->second.length + 1, static_cast<std::ptrdiff_t>(i)};
    const auto [to, added] = reached.try_emplace(ranges[i].max + 1, next);
    if (!added && to->second.length > next.length) {
      to->second = next;
    }
  }
  std::vector<EpochRange> chain;
  for (auto at = std::prev(reached.end()); at->second.last >= 0;) {
    const EpochRange& r = ranges[static_cast<std::size_t>(at->second.last)];
    chain.push_back(r);
    at = reached.find(r.min);
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

bool should_advance(const std::vector<blob::BlobMetadata>& uncompacted, const format::EpochParameters& parameters) {
  if (uncompacted.empty()) {
    return false;
  }
  Timestamp first = uncompacted.front().timestamp;
  Timestamp last = first;
  std::int64_t total = 0;
  for (const blob::BlobMetadata& b : uncompacted) {
    first = std::min(first, b.timestamp);
    last = std::max(last, b.timestamp);
    total += b.length;
  }
  if (last - first < parameters.min_epoch_duration) {
    return false;
  }
  return static_cast<std::int64_t>(uncompacted.size()) >= parameters.advance_on_count ||
         total >= parameters.advance_on_total_size_bytes;
}

}  // namespace cairn::index
