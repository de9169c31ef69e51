#include <algorithm>

#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/context.h"

namespace cairn::cli {
namespace {

struct Extent {
  std::int64_t bytes = 0;
  Timestamp first, last;
};

Extent extent_of(const std::vector<blob::BlobMetadata>& blobs) {
  Extent e{0, blobs.front().timestamp, blobs.front().timestamp};
  for (const blob::BlobMetadata& b : blobs) {
    e.bytes += b.length;
    e.first = std::min(e.first, b.timestamp);
    e.last = std::max(e.last, b.timestamp);
  }
  return e;
}

Duration whole_seconds(Duration d) { return seconds(d.ns / 1'000'000'000); }

Status run_epoch_list(Context& context, const ParsedCommand&) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  index::EpochManager* epochs = repository->contents().epochs();
  if (epochs == nullptr) {
    return error(Code::failed_precondition, "epoch manager is not active");
  }
  TRY_ASSIGN(const index::EpochState state, epochs->state(context.stop()));
  context.print("Current Epoch: {}\n", state.write_epoch);
  if (!state.write_epoch_start.is_zero()) {
    context.print("Epoch Started  {}\n", display_time(state.write_epoch_start));
  }
  for (auto set = state.uncompacted.rbegin(); set != state.uncompacted.rend(); ++set) {
    if (set->blobs.empty()) {
      continue;
    }
    const Extent e = extent_of(set->blobs);
    context.print("{} {} ... {}, {} blobs, {}, span {}\n", set->min_epoch, display_time(e.first), display_time(e.last),
                  set->blobs.size(), bytes_text(e.bytes), go_duration(whole_seconds(e.last - e.first)));
  }
  for (auto set = state.singles.rbegin(); set != state.singles.rend(); ++set) {
    const Extent e = extent_of(set->blobs);
    context.print("{}: {} single-epoch {} blobs, {}\n", set->min_epoch, display_time(e.first), set->blobs.size(),
                  bytes_text(e.bytes));
  }
  for (auto set = state.ranges.rbegin(); set != state.ranges.rend(); ++set) {
    context.print("{}-{}: range, {} blobs, {}\n", set->min_epoch, set->max_epoch, set->blobs.size(),
                  bytes_text(extent_of(set->blobs).bytes));
  }
  return {};
}

}  // namespace

void add_index_epoch(CommandTable& table) {
  table.add({.path = "index epoch", .help = "Commands on index epochs", .hidden = true});
  table.add({.path = "index epoch list", .help = "List the epochs of the index", .run = run_epoch_list});
}

}  // namespace cairn::cli
