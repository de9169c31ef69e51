// What a simulation replaces in the engine, by the linker (--wrap): sources of chance, of threads and of sleep, and on
// request one rule, as if the engine had been written with that mistake.
#pragma once

#include <cstdint>
#include <string_view>

#include "tests/simulation/oracle.h"

namespace cairn::simulation {

enum class Mistake { none, one_cycle, rewrite_races_delete, reuse_of_marked, no_session, owner_change };
struct MistakeFacts {
  std::string_view name;
  Mistake mistake;
  Cause cause;  // of what is lost by it, when it is found for the right reason
};
inline constexpr MistakeFacts kMistakes[] = {
    {"none", Mistake::none, Cause::none},
    {"drop-after-one-cycle", Mistake::one_cycle, Cause::made_final_early},
    {"rewrite-races-delete", Mistake::rewrite_races_delete, Cause::reader_overtaken},
    {"reuse-of-marked-content", Mistake::reuse_of_marked, Cause::relied_on_mark},
    {"no-session-marker", Mistake::no_session, Cause::pack_before_index},
    {"owner-change-under-way", Mistake::owner_change, Cause::mark_of_moved},
};

// For the whole process; simulations of one process run one after another.
void seed_random(std::uint64_t seed);
void plant(Mistake mistake);
Mistake planted();
// Mistake::reuse_of_marked is about those who write: set while one does.
void set_writing(bool writing);
// Sleep passes in this world's time; null: not at all.
void attach(World* world);

}  // namespace cairn::simulation
