// Maintenance parameters: a manifest of type "maintenance". docs/design/maintenance.md (kopia-model §11.2)
#pragma once

#include <string>

#include "base/json.h"
#include "base/time.h"
#include "manifest/manifest_manager.h"

namespace cairn::maintenance {

struct Cycle {
  bool enabled = true;
  Duration interval{};
};

// 0 = no limit; all three 0 stands for the defaults.
struct LogRetention {
  std::int64_t max_total_bytes = std::int64_t{1} << 30;
  std::int64_t max_count = 10'000;
  Duration max_age = hours(30 * 24);
};

struct Parameters {
  std::string owner;  // user@host; empty: nobody runs maintenance by itself
  Cycle quick{true, hours(1)};
  Cycle full{true, hours(24)};
  LogRetention log_retention;
  bool extend_object_locks = false;
  std::int64_t list_parallelism = 0;  // 0 = 16
  // Who was the owner until when; members of ours that other clients ignore and drop when they change the parameters.
  std::string former_owner;
  Timestamp owner_since = Timestamp::zero();
  Timestamp written = Timestamp::zero();  // when these were stored; not part of them

  // Another owner from `now` on; the same one again changes nothing.
  void change_owner(const std::string& to, Timestamp now);

  Json to_json() const;
  // Errors: corrupt (a member of the wrong type).
  static Result<Parameters> from_json(const Json& json);
};

// The latest manifest; without one the defaults with an empty owner. Errors: corrupt, the storage's.
Result<Parameters> load_parameters(manifest::ManifestManager& manifests, std::stop_token stop);
// Replaces what is there; the caller flushes.
Status save_parameters(manifest::ManifestManager& manifests, const Parameters& parameters, std::stop_token stop);

}  // namespace cairn::maintenance
