// Which destructive steps the history of runs allows. Pure functions. docs/design/maintenance.md (kopia-model §11.4)
#pragma once

#include <optional>

#include "maintenance/schedule.h"

namespace cairn::maintenance {

struct Safety {
  Duration rewrite_min_age, min_content_age, margin_between_gc;
  bool require_two_gc_cycles;
  Duration drop_extra_margin, pack_delete_min_age, session_expiration_age, rewrite_to_delete_delay;

  // For repositories with several clients.
  static Safety full();
  // Only while no other client is connected and the storage is strongly consistent.
  static Safety none();
};

// `full`: for the rewrite of a full run, else of a quick run.
bool may_rewrite(const Schedule& schedule, const Safety& safety, bool full);
bool may_delete_blobs(const Schedule& schedule, const Safety& safety, Timestamp now);
// Deletion marks up to this time may become final; nullopt: none may.
std::optional<Timestamp> safe_drop_time(const Schedule& schedule, const Safety& safety, Timestamp now);

}  // namespace cairn::maintenance
