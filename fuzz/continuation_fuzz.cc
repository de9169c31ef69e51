// What a maintenance run goes on with is read from the schedule blob: whatever stands there, only a run whose garbage
// collection succeeded not long ago is continued, and only tasks that succeeded after it count as finished.
#include "base/json.h"
#include "maintenance/continuation.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto json = Json::parse(as_text({data, size}));
  if (!json.ok()) {
    return 0;
  }
  const auto schedule = maintenance::Schedule::from_json(*json);
  if (!schedule.ok()) {
    return 0;
  }
  const auto gc = schedule->runs.find(std::string(maintenance::kSnapshotGc));
  const bool has_gc = gc != schedule->runs.end() && !gc->second.empty();
  for (const Duration after : {minutes(1), hours(3), hours(5), Duration{} - hours(1)}) {
    const Timestamp base = has_gc ? gc->second.front().end : Timestamp::zero();
    if (base.ns > std::int64_t{1} << 62 || base.ns < -(std::int64_t{1} << 62)) {
      continue;
    }
    const Timestamp now = base + after;
    const auto cut_off = maintenance::find_cut_off_run(*schedule, now);
    if (!cut_off) {
      continue;
    }
    CHECK(has_gc && gc->second.front().success && now >= base && now - base <= hours(4));
    CHECK(cut_off->start == gc->second.front().start && cut_off->last_record >= base);
    for (const std::string& task : cut_off->finished) {
      const auto runs = schedule->runs.find(task);
      CHECK(
          runs != schedule->runs.end() && runs->second.front().success && runs->second.front().start >= cut_off->start,
          "{}", task);
    }
  }
  return 0;
}
