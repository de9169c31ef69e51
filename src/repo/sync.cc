#include "repo/sync.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>

#include "base/task_group.h"
#include "format/repository_format.h"

namespace cairn::repo {
namespace {

using blob::BlobMetadata;

// In the order of copying: what is named goes before what names it. A copy that was cut short holds packs without an
// index, never the reverse.
enum class Rank : unsigned char { packs, others, indexes, configuration, format };

Rank rank_of(const BlobId& id) {
  if (id.text == format::kFormatBlobId) {
    return Rank::format;
  }
  if (id.starts_with("kopia.")) {
    return Rank::configuration;
  }
  if (id.starts_with("p") || id.starts_with("q")) {
    return Rank::packs;
  }
  if (id.starts_with("x") || id.starts_with("n") || id.starts_with("m") || id.starts_with("l")) {
    return Rank::indexes;
  }
  return Rank::others;
}

// Rewritten in place, so that equal lengths say nothing.
bool is_rewritten(const BlobId& id) { return id.starts_with("kopia."); }

class Sync {
 public:
  Sync(blob::Storage& source, blob::Storage& destination, const SyncOptions& options, const SyncCallbacks& callbacks)
      : source_(source), destination_(destination), options_(options), callbacks_(callbacks) {}

  Result<SyncResult> run(std::stop_token stop) {
    TRY(compare(stop));
    if (callbacks_.on_compared) {
      callbacks_.on_compared(result_);
    }
    if (options_.dry_run) {
      return result_;
    }
    for (const Rank rank : {Rank::packs, Rank::others, Rank::indexes, Rank::configuration, Rank::format}) {
      TRY(for_all(rank, to_copy_, &Sync::copy, stop));
    }
    for (const Rank rank : {Rank::indexes, Rank::others, Rank::packs, Rank::configuration}) {
      TRY(for_all(rank, to_remove_, &Sync::remove, stop));
    }
    return result_;
  }

 private:
  Status compare(std::stop_token stop);
  Status list_source(std::map<std::string, BlobMetadata>& blobs, std::stop_token stop);
  Result<bool> same_bytes(const BlobId& id, std::stop_token stop);
  Status for_all(Rank rank, const std::vector<BlobMetadata>& blobs,
                 Status (Sync::*work)(const BlobMetadata&, std::stop_token), std::stop_token stop);
  Status copy(const BlobMetadata& blob, std::stop_token stop);
  Status remove(const BlobMetadata& blob, std::stop_token stop);

  blob::Storage& source_;
  blob::Storage& destination_;
  const SyncOptions& options_;
  const SyncCallbacks& callbacks_;
  std::vector<BlobMetadata> to_copy_, to_remove_;
  std::mutex mutex_;
  SyncResult result_;
};

// Packs are listed once more after everything else: an index blob written during the first listing names packs that
// listing may have passed already.
Status Sync::list_source(std::map<std::string, BlobMetadata>& blobs, std::stop_token stop) {
  for (const char* prefix : {"", "p", "q"}) {
    TRY(source_.list(
            prefix,
            [&](const BlobMetadata& b) {
              blobs.insert_or_assign(b.id.text, b);
              return Status();
            },
            stop),
        "error listing the source");
  }
  for (const auto& [name, b] : blobs) {
    result_.in_source.add(b.length);
  }
  return {};
}

Result<bool> Sync::same_bytes(const BlobId& id, std::stop_token stop) {
  TRY_ASSIGN(const Buffer ours, source_.get(id, {}, stop), "error reading {}", id.text);
  TRY_ASSIGN(const Buffer theirs, destination_.get(id, {}, stop), "error reading {} of the destination", id.text);
  return std::ranges::equal(ours.view(), theirs.view());
}

Status Sync::compare(std::stop_token stop) {
  std::unordered_map<std::string, BlobMetadata> there;
  TRY(destination_.list(
          "",
          [&](const BlobMetadata& b) {
            result_.in_destination.add(b.length);
            there.emplace(b.id.text, b);
            return Status();
          },
          stop),
      "error listing the destination");
  std::map<std::string, BlobMetadata> here;
  TRY(list_source(here, stop));
  for (const auto& [name, b] : here) {
    const auto it = there.find(name);
    bool same = it != there.end() && it->second.length == b.length;
    if (same && is_rewritten(b.id)) {
      TRY_ASSIGN(same, same_bytes(b.id, stop));
    }
    if (same) {
      result_.in_sync.add(b.length);
    } else if (it != there.end() && !options_.update) {
      ++result_.different;
    } else {
      result_.to_copy.add(b.length);
      to_copy_.push_back(b);
    }
    if (it != there.end()) {
      there.erase(it);
    }
  }
  for (const auto& [name, b] : there) {
    if (options_.remove) {
      result_.to_remove.add(b.length);
      to_remove_.push_back(b);
    }
  }
  return {};
}

Status Sync::for_all(Rank rank, const std::vector<BlobMetadata>& blobs,
                     Status (Sync::*work)(const BlobMetadata&, std::stop_token), std::stop_token stop) {
  std::vector<const BlobMetadata*> chosen;
  for (const BlobMetadata& b : blobs) {
    if (rank_of(b.id) == rank) {
      chosen.push_back(&b);
    }
  }
  unsigned parallel = std::max(1U, options_.parallel);
  if (rank == Rank::indexes) {
    // One after the other, markers of epochs and of deletions first, then the newest: where a copy ends early, what it
    // lacks is older than what it has. An old index blob alone would name packs that have been gone for long.
    parallel = 1;
    const auto is_marker = [](const BlobMetadata& b) { return b.id.starts_with("xe") || b.id.starts_with("xw"); };
    std::ranges::stable_sort(chosen, [&](const BlobMetadata* a, const BlobMetadata* b) {
      return is_marker(*a) != is_marker(*b) ? is_marker(*a) : a->timestamp > b->timestamp;
    });
  }
  return parallel_for(chosen.size(), parallel, stop,
                      [&](std::size_t i, std::stop_token inner) { return (this->*work)(*chosen[i], inner); });
}

Status Sync::copy(const BlobMetadata& blob, std::stop_token stop) {
  auto bytes = source_.get(blob.id, {}, stop);
  if (bytes.code() == Code::not_found) {
    const std::lock_guard lock(mutex_);
    ++result_.vanished;
    if (callbacks_.on_vanished) {
      callbacks_.on_vanished(blob.id);
    }
    return {};
  }
  TRY(bytes, "error reading {}", blob.id.text);
  const ByteView parts[] = {bytes->view()};
  blob::PutOptions put;
  if (options_.times) {
    put.set_mtime = blob.timestamp;
  }
  auto written = destination_.put(blob.id, parts, put, stop);
  if (written.code() == Code::unsupported && options_.times) {
    written = destination_.put(blob.id, parts, {}, stop);
  }
  TRY(written, "error copying {}", blob.id.text);
  if (options_.verify) {
    TRY_ASSIGN(const Buffer back, destination_.get(blob.id, {}, stop), "error reading back {}", blob.id.text);
    if (!std::ranges::equal(back.view(), bytes->view())) {
      return error(Code::corrupt, "the copy of {} differs from what was written", blob.id.text);
    }
  }
  const std::lock_guard lock(mutex_);
  result_.copied.add(static_cast<std::int64_t>(bytes->size()));
  if (callbacks_.on_copied) {
    callbacks_.on_copied(result_);
  }
  return {};
}

Status Sync::remove(const BlobMetadata& blob, std::stop_token stop) {
  TRY(destination_.remove(blob.id, stop), "error deleting {}", blob.id.text);
  const std::lock_guard lock(mutex_);
  result_.removed.add(blob.length);
  return {};
}

}  // namespace

Status check_sync_destination(blob::Storage& source, blob::Storage& destination, bool must_exist,
                              std::stop_token stop) {
  const BlobId id(format::kFormatBlobId);
  TRY_ASSIGN(const Buffer ours, source.get(id, {}, stop), "error reading format blob");
  auto theirs = destination.get(id, {}, stop);
  if (theirs.code() == Code::not_found) {
    return must_exist ? error(Code::failed_precondition, "destination repository does not have a format blob")
                      : Status();
  }
  TRY(theirs, "error reading destination repository format blob");
  TRY_ASSIGN(const format::FormatBlob here, format::FormatBlob::parse(ours.view()), "format blob of the source");
  const auto there = format::FormatBlob::parse(theirs->view());
  if (!there.ok() || there->unique_id != here.unique_id) {
    return error(Code::failed_precondition, "destination repository contains incompatible data");
  }
  return {};
}

Result<SyncResult> sync_repository(blob::Storage& source, blob::Storage& destination, const SyncOptions& options,
                                   const SyncCallbacks& callbacks, std::stop_token stop) {
  TRY(check_sync_destination(source, destination, options.must_exist, stop));
  return Sync(source, destination, options, callbacks).run(stop);
}

}  // namespace cairn::repo
