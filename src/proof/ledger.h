// When each blob of a repository was last read back whole. A file of this machine, never part of the repository.
// docs/design/proof.md
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/bytes.h"
#include "base/status.h"
#include "base/time.h"
#include "blob/storage.h"

namespace cairn::proof {

struct LedgerRow {
  std::int64_t length = 0;        // of the blob that was read
  std::int64_t timestamp_ns = 0;  // of the blob, by the storage's clock
  std::int64_t contents = 0;      // that were looked at
  std::int64_t read_at = 0;       // Unix seconds
  bool failed = false;
  bool operator==(const LedgerRow&) const = default;
};

// One process's copy. What it records is merged into the file at each save(), so that several processes may keep one
// ledger. Not thread-safe.
class Ledger {
 public:
  // A file that is missing, damaged or not made with this key counts as empty: nothing has been read then, and
  // `problem` says why.
  static Ledger load(std::string path, ByteView key);

  const LedgerRow* find(const std::string& blob) const;
  void record(const std::string& blob, const LedgerRow& row);
  // Merges with what others have recorded meanwhile (the later reading wins), all without the rows that `keep` refuses,
  // and replaces the file. Errors: conflict when another process does not let go of the lock; the file system's.
  Status save(const std::function<bool(const std::string& blob, const LedgerRow&)>& keep);

  std::size_t size() const { return rows_.size(); }
  const std::string& problem() const { return problem_; }

 private:
  using Rows = std::map<std::string, LedgerRow, std::less<>>;
  static Result<Rows> read(const std::string& path, ByteView key);
  std::string path_;
  SecretBytes key_;
  Rows rows_;
  std::string problem_;
};

// Where the ledger of this repository in this storage is kept: $XDG_STATE_HOME/cairn, by default ~/.local/state/cairn.
std::string ledger_path(ByteView unique_id, const blob::Storage& storage);

}  // namespace cairn::proof
