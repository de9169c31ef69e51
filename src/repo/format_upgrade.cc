#include "repo/format_upgrade.h"

#include <algorithm>

#include "base/sleep.h"
#include "repo/upgrade_index.h"

namespace cairn::repo {
namespace {

using format::FormatBlob;
using format::Parameters;
using format::UpgradeLock;

constexpr std::string_view kBackupPrefix = "kopia.repository.backup.";
constexpr std::string_view kLegacyIndexPrefix = "n";
constexpr std::string_view kPoisonText = "The format of this repository is newer than this program understands.";

// What stands in the storage now, past every cache.
struct Stored {
  FormatBlob blob;
  Parameters parameters;
};

Result<Stored> decode(ByteView bytes, ByteView format_key) {
  Stored s;
  TRY_ASSIGN(s.blob, FormatBlob::parse(bytes));
  TRY_ASSIGN(s.parameters, format::open_parameters(s.blob, format_key));
  return s;
}

Result<Stored> read_format(Repository& repository, std::stop_token stop) {
  TRY_ASSIGN(const Buffer bytes, repository.storage().get(BlobId(format::kFormatBlobId), {}, stop),
             "unable to read format blob");
  return decode(bytes, repository.format().format_key());
}

Status check_owner(const std::optional<UpgradeLock>& lock, const std::string& owner) {
  if (!lock) {
    return error(Code::failed_precondition, "no upgrade of this repository is in progress");
  }
  if (lock->owner_id != owner) {
    return error(Code::failed_precondition, "this repository is being upgraded by \"{}\"", lock->owner_id);
  }
  return {};
}

Status remove_all(blob::Storage& storage, std::string_view prefix, std::stop_token stop) {
  TRY_ASSIGN(const auto blobs, storage.list_all(prefix, stop));
  for (const auto& b : blobs) {
    TRY(storage.remove(b.id, stop), "unable to delete {}", b.id.text);
  }
  return {};
}

// The lock that is there with what `wanted` says, if that is later.
Status move_lock(Repository& repository, const UpgradeLock& current, const UpgradeLock& wanted, std::stop_token stop) {
  TRY(check_owner(current, wanted.owner_id));
  UpgradeLock moved = wanted;
  moved.creation_time = current.creation_time;
  moved.message = current.message;
  if (moved == current) {
    return {};
  }
  if (moved.upgrade_time() < current.upgrade_time()) {
    return error(Code::failed_precondition, "the time of an upgrade that was announced can only be moved later");
  }
  return repository.format().update(
      [&](Parameters& p, format::BlobConfig&) -> Status {
        TRY(check_owner(p.upgrade_lock, wanted.owner_id));
        p.upgrade_lock = moved;
        return {};
      },
      stop);
}

Status write_raw_format(Repository& repository, ByteView bytes, std::stop_token stop) {
  const format::BlobConfig config = repository.format().blob_config();
  blob::PutOptions options;
  if (config.enabled()) {
    options.retention_mode = config.retention_mode;
    options.retention_period = config.retention_period;
  }
  const ByteView parts[] = {bytes};
  return repository.storage()
      .put(BlobId(format::kFormatBlobId), parts, options, stop)
      .status()
      .with_frame("unable to write format blob");
}

Status add_entries(index::IndexManager& manager, const format::UnitCrypto& crypto, blob::Storage& storage,
                   index::IndexBuilder& out, std::stop_token stop) {
  TRY_ASSIGN(const index::ActiveSet active, manager.active(stop));
  for (const auto& b : active.blobs) {
    if (b.id.text == kPoisonBlobId) {
      continue;
    }
    TRY_ASSIGN(const Buffer stored, storage.get(b.id, {}, stop), "index blob {}", b.id.text);
    TRY_ASSIGN(const index::IndexReader reader, index::open_index_blob(crypto, b.id, stored));
    for (std::size_t i = 0; i < reader.size(); ++i) {
      TRY_ASSIGN(const index::Entry e, reader.at(i), "index blob {}", b.id.text);
      out.add(e);
    }
  }
  return {};
}

bool same_place(const index::Entry& a, const index::Entry& b) {
  return a.pack == b.pack && a.pack_offset == b.pack_offset && a.packed_length == b.packed_length &&
         a.original_length == b.original_length && a.deleted == b.deleted;
}

}  // namespace

Status place_upgrade_lock(Repository& repository, const UpgradeLock& lock, std::stop_token stop) {
  TRY_ASSIGN(const Stored before, read_format(repository, stop));
  if (before.parameters.upgrade_lock) {
    return move_lock(repository, *before.parameters.upgrade_lock, lock, stop);
  }
  // Backups of upgrades that ended half-way would be older than this one, and be taken for it.
  TRY(remove_all(repository.storage(), kBackupPrefix, stop), "unable to clean up after an earlier upgrade");
  const BlobId backup(std::string(kBackupPrefix) + lock.owner_id);
  TRY(repository.storage().put(backup, before.blob.raw, stop), "unable to back up the format blob");
  return repository.format().update(
      [&](Parameters& p, format::BlobConfig&) -> Status {
        TRY_ASSIGN(const Buffer now, repository.storage().get(BlobId(format::kFormatBlobId), {}, stop));
        if (now.text() != as_text(before.blob.raw)) {
          return error(Code::conflict, "the format of the repository was changed at the same time, try again");
        }
        p.upgrade_lock = lock;
        p.version = format::kVersionMax;
        return {};
      },
      stop);
}

Status wait_for_drained_writers(Repository& repository, const std::string& owner,
                                const std::function<void(Duration)>& waiting, std::stop_token stop) {
  constexpr Duration kPollMin = milliseconds(10);
  while (true) {
    TRY_ASSIGN(const Stored now, read_format(repository, stop));
    TRY(check_owner(now.parameters.upgrade_lock, owner));
    const UpgradeLock& lock = *now.parameters.upgrade_lock;
    const Duration left = lock.upgrade_time() - repository.clock().now();
    if (lock.writers_drained(repository.clock().now())) {
      return {};
    }
    waiting(left);
    if (!sleep_for(std::clamp(lock.status_poll_interval, kPollMin, std::max(kPollMin, left)), stop)) {
      return error(Code::cancelled, "cancelled while waiting for other clients; the upgrade lock stays");
    }
  }
}

Status upgrade_indexes(Repository& repository, std::stop_token stop) {
  TRY_ASSIGN(const Stored now, read_format(repository, stop));
  if (now.parameters.epoch.enabled) {
    return {};
  }
  const format::EpochParameters epochs = format::EpochParameters::defaults();
  TRY(copy_index_to_epochs(repository, epochs, kUpgradedIndexVersion, stop));
  return repository.format().update(
      [&](Parameters& p, format::BlobConfig&) -> Status {
        p.index_version = kUpgradedIndexVersion;
        p.epoch = epochs;
        return {};
      },
      stop);
}

Status commit_upgrade(Repository& repository, std::stop_token stop) {
  blob::Storage& storage = repository.storage();
  TRY_ASSIGN(const auto legacy, storage.list_all(kLegacyIndexPrefix, stop));
  if (!legacy.empty()) {
    TRY(storage.put(BlobId(std::string(kPoisonBlobId)), as_bytes(kPoisonText), stop),
        "unable to keep programs of the former format out");
  }
  TRY(repository.format().update(
      [&](Parameters& p, format::BlobConfig&) -> Status {
        p.upgrade_lock.reset();
        return {};
      },
      stop));
  return remove_upgrade_backups(repository, stop);
}

Status remove_upgrade_backups(Repository& repository, std::stop_token stop) {
  TRY_ASSIGN(const Stored now, read_format(repository, stop));
  if (now.parameters.upgrade_lock) {
    return {};
  }
  return remove_all(repository.storage(), kBackupPrefix, stop)
      .with_frame("the upgrade is done, but its backup is left");
}

Status rollback_upgrade(Repository& repository, const std::string& owner, std::stop_token stop) {
  blob::Storage& storage = repository.storage();
  TRY_ASSIGN(const Stored now, read_format(repository, stop));
  TRY(check_owner(now.parameters.upgrade_lock, owner));
  TRY_ASSIGN(const auto backups, storage.list_all(kBackupPrefix, stop));
  if (backups.empty()) {
    return error(Code::not_found, "there is no backup of the former format");
  }
  const auto oldest = std::ranges::min_element(backups, {}, &blob::BlobMetadata::timestamp);
  TRY_ASSIGN(const Buffer bytes, storage.get(oldest->id, {}, stop), "unable to read {}", oldest->id.text);
  TRY_ASSIGN(const Stored former, decode(bytes, repository.format().format_key()), "{}", oldest->id.text);
  if (former.blob.unique_id != now.blob.unique_id) {
    return error(Code::corrupt, "{} belongs to another repository", oldest->id.text);
  }
  if (!former.parameters.epoch.enabled) {
    TRY(storage.remove(BlobId(std::string(kPoisonBlobId)), stop));
  }
  TRY(write_raw_format(repository, bytes, stop));
  TRY(remove_all(storage, kBackupPrefix, stop), "the former format is back, but its backup is left");
  return former.parameters.epoch.enabled ? Status() : remove_unused_epochs(repository, stop);
}

Result<IndexComparison> compare_indexes(Repository& repository, std::stop_token stop) {
  TRY_ASSIGN(const Stored now, read_format(repository, stop));
  const format::EpochParameters epochs = now.parameters.epoch;
  if (!epochs.enabled) {
    return error(Code::failed_precondition, "the indexes of this repository were not upgraded yet");
  }
  TRY_ASSIGN(std::shared_ptr<const format::UnitCrypto> crypto, format::UnitCrypto::create(now.parameters));
  const auto former_manager = index::make_legacy_index_manager(repository.storage_ptr(), crypto);
  const auto manager = index::make_epoch_manager(
      repository.storage_ptr(), crypto, [&] { return epochs; }, repository.clock());
  index::IndexBuilder former, current;
  TRY(add_entries(*former_manager, *crypto, repository.storage(), former, stop), "reading the former index");
  TRY(add_entries(*manager, *crypto, repository.storage(), current, stop), "reading the index");
  IndexComparison result;
  TRY(former.for_each([&](const index::Entry& old) -> Status {
    ++result.former;
    const auto found = current.find(old.id);
    if (!found) {
      ++result.missing;
    } else if (found->timestamp_seconds <= old.timestamp_seconds && !same_place(*found, old)) {
      ++result.other;
    }
    return {};
  }));
  return result;
}

Result<std::string> upgrade_lock_owner(const std::string& config_path, std::string_view password,
                                       std::stop_token stop) {
  TRY_ASSIGN(const LocalConfig config, LocalConfig::load(config_path));
  if (!config.storage) {
    return error(Code::unsupported, "operation supported only on direct repository");
  }
  TRY_ASSIGN(const auto storage, blob::open_storage(*config.storage, {.read_only = true}, stop), "cannot open storage");
  TRY_ASSIGN(const Buffer bytes, storage->get(BlobId(format::kFormatBlobId), {}, stop), "unable to read format blob");
  TRY_ASSIGN(const FormatBlob blob, FormatBlob::parse(bytes));
  TRY_ASSIGN(const SecretBytes key, format::derive_format_key(blob, password));
  TRY_ASSIGN(const Parameters p, format::open_parameters(blob, key.view()));
  return p.upgrade_lock ? p.upgrade_lock->owner_id : std::string();
}

}  // namespace cairn::repo
