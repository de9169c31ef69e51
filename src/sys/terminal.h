// The terminal, if there is one.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "base/status.h"

namespace cairn::sys {

bool is_terminal(int fd);
// Columns, or `fallback` when fd is not a terminal.
int terminal_width(int fd, int fallback = 80);

// Writes the prompt to `prompt_fd` and reads one line from stdin without echo; the echo is restored in every case, and
// a line feed is written after. Works without a terminal too (then simply the next line). Errors: cancelled;
// failed_precondition "unexpected end of file" when stdin ends before a line.
Result<std::string> read_password(std::string_view prompt, int prompt_fd, std::stop_token stop);
// The same with echo.
Result<std::string> read_line(std::string_view prompt, int prompt_fd, std::stop_token stop);

}  // namespace cairn::sys
