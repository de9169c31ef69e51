// Texts of the command line to values, with the syntax and the error words of Go's parsers (kopia-interfaces §1.1).
#pragma once

#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "cli/command_table.h"

namespace cairn::cli {

// Base prefixes and underscores are allowed. Errors: invalid_argument `strconv.ParseInt: parsing "x": invalid syntax`.
Result<std::int64_t> parse_int_text(std::string_view text, int bits = 64);
// Errors: invalid_argument `strconv.ParseFloat: parsing "x": invalid syntax`.
Result<double> parse_float_text(std::string_view text);
// Errors: invalid_argument `strconv.ParseBool: parsing "x": invalid syntax`.
Result<bool> parse_bool_text(std::string_view text);

// Errors: invalid_argument "path 'x' does not exist".
Status check_existing_path(std::string_view text);

// "512", "64KB", "1.5MiB": K, M, G and T are powers of 1024. Errors: invalid_argument `units: invalid x`.
Result<std::int64_t> parse_byte_size(std::string_view text);

// Is `text` a value of this flag? Errors: invalid_argument, worded as the parser reports it.
Status check_value(const FlagSpec& flag, std::string_view text);

}  // namespace cairn::cli
