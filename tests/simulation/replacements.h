// What a simulation replaces in the engine, by the linker (--wrap): sources of chance and of threads, and on request
// one rule, as if the engine had been written with that mistake.
#pragma once

#include <cstdint>
#include <string_view>

namespace cairn::simulation {

enum class Mistake { none, one_cycle, rewrite_races_delete, reuse_of_marked, no_session, owner_change };
struct MistakeName {
  std::string_view name;
  Mistake mistake;
};
inline constexpr MistakeName kMistakes[] = {
    {"none", Mistake::none},
    {"drop-after-one-cycle", Mistake::one_cycle},
    {"rewrite-races-delete", Mistake::rewrite_races_delete},
    {"reuse-of-marked-content", Mistake::reuse_of_marked},
    {"no-session-marker", Mistake::no_session},
    {"owner-change-under-way", Mistake::owner_change},
};

// For the whole process; simulations of one process run one after another.
void seed_random(std::uint64_t seed);
void plant(Mistake mistake);
Mistake planted();

}  // namespace cairn::simulation
