// One run of the program.
#pragma once

#include <string>
#include <vector>

namespace cairn::cli {

// `words[0]` is the name the program was called by. Returns the exit code, 0 or 1.
int run_program(const std::vector<std::string>& words);

}  // namespace cairn::cli
