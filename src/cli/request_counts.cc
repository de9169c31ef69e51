#include "cli/request_counts.h"

namespace cairn::cli {

Json request_counts_json(repo::Repository& repository) {
  const blob::StorageMetrics& m = repository.metrics();
  Json json = Json::object();
  const std::pair<const char*, std::int64_t> counts[] = {
      {"get", m.gets},       {"head", m.metadata}, {"list", m.lists},           {"put", m.puts},
      {"delete", m.removes}, {"failed", m.errors}, {"bytesRead", m.bytes_read}, {"bytesWritten", m.bytes_written}};
  for (const auto& [name, count] : counts) {
    json.set(name, count);
  }
  return json;
}

}  // namespace cairn::cli
