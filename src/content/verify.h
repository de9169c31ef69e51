// Do the packs hold what the indexes say? Existence and length of every pack that is referred to, and reading of some
// or all contents.
#pragma once

#include <cstdint>
#include <functional>

#include "base/json.h"
#include "content/content_manager.h"

namespace cairn::content {

struct VerifyContentsOptions {
  IterateOptions range;
  double read_percent = 0;  // this part of the contents is read, decrypted and compared with its hash; 100 = all
  unsigned parallel = 16;
};

struct VerifyContentsResult {
  std::int64_t verified_contents = 0, error_count = 0;
  std::int64_t in_missing_packs = 0, in_truncated_packs = 0, unreadable = 0;
  std::int64_t read_contents = 0;
  std::int64_t missing_packs = 0, truncated_packs = 0, corrupted_packs = 0;  // packs, each counted once
  Json to_json() const;                                                      // Kopia's keys
};

struct VerifyContentsCallbacks {
  std::function<void(std::int64_t blobs)> on_listed;
  std::function<void()> on_start;                                // the blobs are known
  std::function<void(const VerifyContentsResult&)> on_progress;  // after each content, one call at a time
  std::function<void(const std::string& line)> on_error;         // one call at a time
};

// Fills `result` also when it fails. Errors: corrupt when any content is damaged or lacks its pack; the storage's.
Status verify_contents(ContentManager& contents, const VerifyContentsOptions& options,
                       const VerifyContentsCallbacks& callbacks, VerifyContentsResult& result, std::stop_token stop);

}  // namespace cairn::content
