// Index blobs of format 1: n (index), m (compaction logs), l (cleanup logs). docs/format/epochs.md (kopia-format §9.11)
#include <algorithm>
#include <unordered_set>

#include "base/task_group.h"
#include "index/index_manager.h"
#include "index/legacy_compact.h"

namespace cairn::index {
namespace {

using blob::BlobMetadata;

constexpr std::string_view kIndexPrefix = "n";
constexpr std::string_view kCompactionLogPrefix = "m";
constexpr unsigned kReadParallelism = 8;

class Legacy final : public IndexManager {
 public:
  Legacy(std::shared_ptr<blob::Storage> storage, std::shared_ptr<const format::UnitCrypto> crypto)
      : storage_(std::move(storage)), crypto_(std::move(crypto)) {}

  Result<ActiveSet> active(std::stop_token stop) override {
    TRY_ASSIGN(std::vector<BlobMetadata> blobs, list(kIndexPrefix, stop));
    TRY_ASSIGN(const std::vector<BlobMetadata> log_blobs, list(kCompactionLogPrefix, stop));
    TRY_ASSIGN(const std::vector<CompactionLog> logs, read_logs(log_blobs, stop));
    std::unordered_set<std::string_view> present;
    for (const BlobMetadata& b : blobs) {
      present.insert(b.id.text);
    }
    std::unordered_set<std::string_view> replaced;
    for (const CompactionLog& log : logs) {
      if (std::all_of(log.outputs.begin(), log.outputs.end(), [&](const auto& id) { return present.contains(id); })) {
        replaced.insert(log.inputs.begin(), log.inputs.end());
      }
    }
    ActiveSet out;
    for (const BlobMetadata& b : blobs) {
      if (!replaced.contains(b.id.text)) {
        out.blobs.push_back(b);
      }
    }
    out.primary_count = out.blobs.size();
    return out;
  }

  Result<std::vector<BlobMetadata>> write(std::vector<Buffer> plaintexts, std::string_view session_id,
                                          std::stop_token stop) override {
    std::vector<BlobMetadata> out;
    for (Buffer& plaintext : plaintexts) {
      TRY_ASSIGN(const auto sealed, crypto_->seal_blob(kIndexPrefix, session_id, plaintext));
      plaintext = Buffer();
      TRY_ASSIGN(BlobMetadata stored, storage_->put(sealed.id, sealed.data, stop), "error writing index blob {}",
                 sealed.id.text);
      out.push_back(std::move(stored));
    }
    return out;
  }

  void invalidate() override {}

 private:
  Result<std::vector<BlobMetadata>> list(std::string_view prefix, std::stop_token stop) {
    std::vector<BlobMetadata> out;
    TRY(storage_->list(
            prefix,
            [&](const BlobMetadata& b) {
              out.push_back(b);
              return Status();
            },
            stop),
        "error listing index blobs");
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    return out;
  }

  Result<std::vector<CompactionLog>> read_logs(const std::vector<BlobMetadata>& blobs, std::stop_token stop) {
    std::vector<CompactionLog> logs(blobs.size());
    TRY(parallel_for(blobs.size(), static_cast<unsigned>(std::min<std::size_t>(blobs.size(), kReadParallelism)), stop,
                     [&](std::size_t i, std::stop_token inner) -> Status {
                       const BlobId& id = blobs[i].id;
                       auto stored = storage_->get(id, {0, -1}, inner);
                       if (stored.code() == Code::not_found) {  // a cleanup was faster; its inputs are gone too
                         return {};
                       }
                       TRY(stored, "compaction log {}", id.text);
                       TRY_ASSIGN(const Buffer text, crypto_->open_blob(id, *stored), "compaction log {}", id.text);
                       TRY_ASSIGN(logs[i], parse_compaction_log(text.text()), "compaction log {}", id.text);
                       return {};
                     }));
    return logs;
  }

  const std::shared_ptr<blob::Storage> storage_;
  const std::shared_ptr<const format::UnitCrypto> crypto_;
};

}  // namespace

std::unique_ptr<IndexManager> make_legacy_index_manager(std::shared_ptr<blob::Storage> storage,
                                                        std::shared_ptr<const format::UnitCrypto> crypto) {
  return std::make_unique<Legacy>(std::move(storage), std::move(crypto));
}

}  // namespace cairn::index
