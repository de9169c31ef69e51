#include "blob/sharding.h"

#include <algorithm>

namespace cairn::blob {
namespace {

constexpr std::size_t kShardsMax = 64;
constexpr std::int64_t kShardSizeMax = 255;

Result<std::vector<int>> parse_shards(const Json& json) {
  std::vector<int> shards;
  if (json.size() > kShardsMax) {
    return error(Code::corrupt, "too many shards");
  }
  for (const Json& size : json.items()) {
    if (!size.is_int() || size.as_int() < 0 || size.as_int() > kShardSizeMax) {
      return error(Code::corrupt, "invalid shard size {}", size.dump());
    }
    shards.push_back(static_cast<int>(size.as_int()));
  }
  return shards;
}

Json shards_json(const std::vector<int>& shards) {
  Json json = Json::array();
  for (const int size : shards) {
    json.push_back(size);
  }
  return json;
}

}  // namespace

Result<ShardLayout> ShardLayout::parse(std::string_view text) {
  TRY_ASSIGN(const Json json, Json::parse(text), "error parsing sharding parameters for storage: error parsing JSON");
  if (!json.is_object()) {
    return error(Code::corrupt, "error parsing sharding parameters for storage: not an object");
  }
  ShardLayout layout;
  TRY_ASSIGN(layout.default_shards, parse_shards(json["default"]), "error parsing sharding parameters for storage");
  layout.max_non_sharded_length =
      static_cast<std::size_t>(std::clamp<std::int64_t>(json["maxNonShardedLength"].as_int(), 0, 1 << 16));
  for (const Json& item : json["overrides"].items()) {
    Override o;
    o.prefix = item["prefix"].as_string();
    TRY_ASSIGN(o.shards, parse_shards(item["shards"]), "error parsing sharding parameters for storage");
    layout.overrides.push_back(std::move(o));
  }
  return layout;
}

std::string ShardLayout::dump() const {
  Json json = Json::object();
  json.set("default", shards_json(default_shards));
  json.set("maxNonShardedLength", static_cast<std::int64_t>(max_non_sharded_length));
  Json list = Json::array();
  for (const Override& o : overrides) {
    list.push_back(Json::object({{"prefix", o.prefix}, {"shards", shards_json(o.shards)}}));
  }
  json.set_omitempty("overrides", std::move(list));
  return json.dump() + "\n";
}

Result<std::string> ShardLayout::path_of(const BlobId& id) const {
  std::string_view rest = id.text;
  if (rest.empty() || rest.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos) {
    return error(Code::invalid_argument, "invalid blob ID \"{}\"", id.text);
  }
  std::string path;
  path.reserve(rest.size() + 8);
  if (rest.size() > max_non_sharded_length) {
    const std::vector<int>* shards = &default_shards;
    for (const Override& o : overrides) {
      if (rest.starts_with(o.prefix)) {
        shards = &o.shards;
        break;
      }
    }
    for (const int size : *shards) {
      const auto n = static_cast<std::size_t>(size);
      if (rest.size() <= n) {
        break;
      }
      if (n == 0) {
        continue;
      }
      const std::string_view part = rest.substr(0, n);
      if (part == "." || part == "..") {
        return error(Code::invalid_argument, "invalid blob ID \"{}\"", id.text);
      }
      path.append(part).push_back('/');
      rest.remove_prefix(n);
    }
  }
  path.append(rest).append(kBlobSuffix);
  return path;
}

Result<std::optional<std::vector<int>>> parse_dir_shards(const Json& json) {
  if (!json.is_array()) {
    return std::optional<std::vector<int>>();
  }
  auto shards = parse_shards(json);
  if (!shards.ok()) {
    return error(Code::invalid_argument, "invalid dirShards");
  }
  return std::optional(std::move(shards).value());
}

LayoutVote recognise_layout(const std::vector<std::string>& blob_paths, const std::vector<int>* configured) {
  std::vector<ShardLayout> candidates;
  if (configured != nullptr) {
    candidates.push_back(ShardLayout::with_shards(*configured));
  }
  candidates.push_back(ShardLayout::for_new());
  candidates.push_back(ShardLayout::legacy());
  candidates.push_back(ShardLayout::with_shards({}));
  std::vector<int> votes(candidates.size());
  for (const std::string& path : blob_paths) {
    if (!path.ends_with(kBlobSuffix)) {
      continue;
    }
    BlobId id(path.substr(0, path.size() - kBlobSuffix.size()));
    std::erase(id.text, '/');
    if (id.text.size() <= candidates[0].max_non_sharded_length) {
      continue;
    }
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const auto expected = candidates[i].path_of(id);
      votes[i] += expected.ok() && *expected == path ? 1 : 0;
    }
  }
  const auto best = std::max_element(votes.begin(), votes.end());
  if (*best == 0) {
    return {};
  }
  return {true, candidates[static_cast<std::size_t>(best - votes.begin())]};
}

}  // namespace cairn::blob
