#include "index/legacy_compact.h"

#include <algorithm>
#include <set>

#include "base/json.h"
#include "base/random.h"

namespace cairn::index {
namespace {

using blob::BlobMetadata;

constexpr std::size_t kSmallBlobsMax = 8;      // fewer are not worth a compaction
constexpr std::int64_t kVerySmallPart = 20;    // below this part of a pack
constexpr std::size_t kRandomSuffixSize = 32;  // so that equal entries never give a name that a cleanup is removing
constexpr std::size_t kInputsInMemoryMax = 16u << 20;
constexpr Duration kSettled = hours(1);

struct StoredLog {
  BlobMetadata blob;
  CompactionLog log;
};
struct StoredCleanup {
  BlobMetadata blob;
  std::vector<std::string> logs;
  Timestamp scheduled;
};

class Compaction {
 public:
  Compaction(blob::Storage& storage, const format::UnitCrypto& crypto, IndexManager& indexes,
             const LegacyCompactOptions& options)
      : storage_(storage), crypto_(crypto), indexes_(indexes), options_(options) {}

  Result<LegacyCompacted> run(std::stop_token stop) {
    TRY_ASSIGN(const ActiveSet active, indexes_.active(stop));
    const std::vector<BlobMetadata> inputs = choose(active.blobs);
    if (inputs.empty()) {
      return result_;
    }
    TRY_ASSIGN(const std::vector<BlobMetadata> outputs, merge(inputs, stop));
    TRY_ASSIGN(const BlobMetadata log, write_log(inputs, outputs, stop));
    result_.input_count = static_cast<std::int64_t>(inputs.size());
    result_.output_count = static_cast<std::int64_t>(outputs.size());
    TRY(clean_up(log.timestamp, stop), "removing what was compacted before");
    return result_;
  }

 private:
  std::vector<BlobMetadata> choose(const std::vector<BlobMetadata>& active) const;
  Result<std::vector<BlobMetadata>> merge(const std::vector<BlobMetadata>& inputs, std::stop_token stop);
  Result<BlobMetadata> put(std::string_view prefix, ByteView plaintext, std::stop_token stop);
  Result<BlobMetadata> write_log(const std::vector<BlobMetadata>& inputs, const std::vector<BlobMetadata>& outputs,
                                 std::stop_token stop);
  Result<std::vector<StoredLog>> read_logs(std::stop_token stop);
  Result<std::vector<StoredCleanup>> read_cleanups(std::stop_token stop);
  Result<std::optional<Buffer>> read(const BlobId& id, std::stop_token stop);
  Status clean_up(Timestamp now, std::stop_token stop);
  Status remove(const std::string& id, std::stop_token stop);

  blob::Storage& storage_;
  const format::UnitCrypto& crypto_;
  IndexManager& indexes_;
  const LegacyCompactOptions& options_;
  LegacyCompacted result_;
};

std::vector<BlobMetadata> Compaction::choose(const std::vector<BlobMetadata>& active) const {
  if (options_.drop_deleted_before) {
    return active;
  }
  std::vector<BlobMetadata> small;
  std::vector<BlobMetadata> very_small;
  for (const BlobMetadata& b : active) {
    if (b.length <= options_.max_pack_size) {
      small.push_back(b);
    }
    if (b.length < options_.max_pack_size / kVerySmallPart) {
      very_small.push_back(b);
    }
  }
  if (small.size() < kSmallBlobsMax) {
    return {};
  }
  const bool few_others = small.size() - very_small.size() + 1 < kSmallBlobsMax;
  return very_small.size() * 2 > small.size() && few_others ? very_small : small;
}

Result<BlobMetadata> Compaction::put(std::string_view prefix, ByteView plaintext, std::stop_token stop) {
  TRY_ASSIGN(const auto sealed, crypto_.seal_blob(prefix, "", plaintext));
  TRY_ASSIGN(BlobMetadata stored, storage_.put(sealed.id, sealed.data.view(), stop), "error writing {}",
             sealed.id.text);
  return stored;
}

Result<std::vector<BlobMetadata>> Compaction::merge(const std::vector<BlobMetadata>& inputs, std::stop_token stop) {
  PlaintextStore plaintexts(options_.scratch_directory, kInputsInMemoryMax);
  std::vector<IndexReader> readers;
  std::vector<const IndexReader*> pointers;
  readers.reserve(inputs.size());
  for (const BlobMetadata& b : inputs) {
    TRY_ASSIGN(Buffer stored, storage_.get(b.id, {}, stop), "error loading index blob {}", b.id.text);
    TRY_ASSIGN(Buffer plain, crypto_.open_blob(b.id, stored.view()), "index blob {}", b.id.text);
    auto reader = plaintexts.open(std::move(plain), static_cast<std::uint32_t>(crypto_.encryptor().overhead()));
    TRY(reader, "index blob {}", b.id.text);
    readers.push_back(std::move(*reader));
    pointers.push_back(&readers.back());
  }
  std::vector<BlobMetadata> outputs;
  MergedShards out;
  out.version = options_.index_version;
  out.entries_max = options_.shard_entries;
  if (options_.drop_deleted_before) {
    out.keep = [&](const Entry& e) {
      return !e.deleted || Timestamp::from_seconds(e.timestamp_seconds) >= *options_.drop_deleted_before;
    };
  }
  out.begin = [](std::size_t) { return Status(); };
  out.shard = [&](Buffer plaintext) -> Status {
    Byte suffix[kRandomSuffixSize];
    random_bytes(suffix);
    plaintext.append(ByteView(suffix));
    TRY_ASSIGN(BlobMetadata stored, put("n", plaintext.view(), stop));
    outputs.push_back(std::move(stored));
    return {};
  };
  TRY(build_merged(pointers, out, stop), "compacting indexes");
  return outputs;
}

Json metadata_json(const std::vector<BlobMetadata>& blobs) {
  Json list = Json::array();
  for (const BlobMetadata& b : blobs) {
    list.items_mut().push_back(
        Json::object({{"id", b.id.text}, {"length", b.length}, {"timestamp", rfc3339(b.timestamp)}}));
  }
  return list;
}

Result<BlobMetadata> Compaction::write_log(const std::vector<BlobMetadata>& inputs,
                                           const std::vector<BlobMetadata>& outputs, std::stop_token stop) {
  const Json log = Json::object({{"inputMetadata", metadata_json(inputs)}, {"outputMetadata", metadata_json(outputs)}});
  return put("m", as_bytes(log.dump()), stop);
}

// Nothing when it is gone: another client was faster.
Result<std::optional<Buffer>> Compaction::read(const BlobId& id, std::stop_token stop) {
  auto stored = storage_.get(id, {}, stop);
  if (stored.code() == Code::not_found) {
    return std::optional<Buffer>();
  }
  TRY(stored, "error reading {}", id.text);
  TRY_ASSIGN(Buffer text, crypto_.open_blob(id, stored->view()), "{}", id.text);
  return std::optional<Buffer>(std::move(text));
}

Result<std::vector<StoredLog>> Compaction::read_logs(std::stop_token stop) {
  TRY_ASSIGN(std::vector<BlobMetadata> blobs, storage_.list_all("m", stop));
  std::ranges::sort(blobs, {}, &BlobMetadata::timestamp);
  std::vector<StoredLog> logs;
  for (BlobMetadata& b : blobs) {
    TRY_ASSIGN(const auto text, read(b.id, stop));
    if (text) {
      TRY_ASSIGN(CompactionLog log, parse_compaction_log(text->text()), "{}", b.id.text);
      logs.push_back({std::move(b), std::move(log)});
    }
  }
  return logs;
}

Result<std::vector<StoredCleanup>> Compaction::read_cleanups(std::stop_token stop) {
  TRY_ASSIGN(std::vector<BlobMetadata> blobs, storage_.list_all("l", stop));
  std::vector<StoredCleanup> cleanups;
  for (BlobMetadata& b : blobs) {
    TRY_ASSIGN(const auto text, read(b.id, stop));
    if (!text) {
      continue;
    }
    TRY_ASSIGN(const Json document, Json::parse(text->text()), "{}", b.id.text);
    TRY_ASSIGN(const Timestamp scheduled, parse_rfc3339(document["cleanupScheduleTime"].as_string()), "{}", b.id.text);
    StoredCleanup c{std::move(b), {}, scheduled};
    for (const Json& id : document["blobIDs"].items()) {
      c.logs.push_back(id.as_string());
    }
    cleanups.push_back(std::move(c));
  }
  return cleanups;
}

Status Compaction::remove(const std::string& id, std::stop_token stop) {
  TRY(storage_.remove(BlobId(id), stop), "error removing {}", id);
  ++result_.removed_count;
  return {};
}

// `now`: the storage's time of the newest log. Index blobs go before the logs that say they are replaced: a log goes an
// hour after its inputs, and only when they are gone. What is in force never goes, whatever a log says.
Status Compaction::clean_up(Timestamp now, std::stop_token stop) {
  TRY_ASSIGN(const ActiveSet active, indexes_.active(stop));
  std::set<std::string, std::less<>> in_force;
  for (const BlobMetadata& b : active.blobs) {
    in_force.insert(b.id.text);
  }
  std::set<std::string, std::less<>> present;
  TRY(storage_.list(
      "n",
      [&](const BlobMetadata& b) {
        present.insert(b.id.text);
        return Status();
      },
      stop));
  TRY_ASSIGN(const std::vector<StoredLog> logs, read_logs(stop));
  TRY_ASSIGN(const std::vector<StoredCleanup> cleanups, read_cleanups(stop));
  std::set<std::string, std::less<>> scheduled;
  for (const StoredCleanup& c : cleanups) {
    scheduled.insert(c.logs.begin(), c.logs.end());
  }
  Json done = Json::array();
  for (const StoredLog& l : logs) {
    if (now - l.blob.timestamp < kSettled || scheduled.contains(l.blob.id.text)) {
      continue;
    }
    bool all_gone = true;
    for (const std::string& input : l.log.inputs) {
      if (in_force.contains(input)) {
        all_gone = false;
      } else if (present.erase(input) > 0) {
        TRY(remove(input, stop));
      }
    }
    if (all_gone) {
      done.items_mut().push_back(l.blob.id.text);
    }
  }
  Timestamp newest = now;
  if (!done.items().empty()) {
    const Json cleanup = Json::object({{"blobIDs", std::move(done)}, {"cleanupScheduleTime", rfc3339(now)}});
    TRY_ASSIGN(const BlobMetadata stored, put("l", as_bytes(cleanup.dump()), stop));
    newest = std::max(newest, stored.timestamp);
  }
  for (const StoredCleanup& c : cleanups) {
    if (newest - c.scheduled < kSettled) {
      continue;
    }
    for (const std::string& log : c.logs) {
      TRY(remove(log, stop));
    }
    TRY(remove(c.blob.id.text, stop));
  }
  return {};
}

}  // namespace

Result<CompactionLog> parse_compaction_log(std::string_view text) {
  TRY_ASSIGN(const Json document, Json::parse(text));
  if (!document.is_object()) {
    return error(Code::corrupt, "not a compaction log");
  }
  CompactionLog log;
  for (const Json& b : document["inputMetadata"].items()) {
    log.inputs.push_back(b["id"].as_string());
  }
  for (const Json& b : document["outputMetadata"].items()) {
    log.outputs.push_back(b["id"].as_string());
  }
  return log;
}

Result<LegacyCompacted> compact_legacy_indexes(blob::Storage& storage, const format::UnitCrypto& crypto,
                                               IndexManager& indexes, const LegacyCompactOptions& options,
                                               std::stop_token stop) {
  return Compaction(storage, crypto, indexes, options).run(stop);
}

}  // namespace cairn::index
