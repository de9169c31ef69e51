// Cron expressions and times that people give: parsing and the next due time end.
#include "base/bytes.h"
#include "snapshot/schedule.h"
#include "snapshot/time_filter.h"

using namespace cairn;
using namespace cairn::snapshot;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  const Timestamp now = Timestamp::from_seconds(1'700'000'000);
  if (const auto line = parse_cron_line(text); line.ok() && *line) {
    const auto next = (*line)->next(now);
    CHECK(!next || *next > now);
  }
  (void)SnapshotTimeFilter::parse(text, now);
  (void)parse_display_time(text);
  return 0;
}
