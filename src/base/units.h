// Text forms of quantities, as the command line prints them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace cairn {

// "0 B", "899 B", "0.9 KB", "1.2 MB": base 10, one decimal, ".0" dropped, next unit from 0.9 of it. With base 2 chosen
// (set_bytes_base2, KOPIA_BYTES_STRING_BASE_2): "1.2 MiB".
std::string bytes_text(std::int64_t bytes);
void set_bytes_base2(bool on);
// "12.3 MB/s", always base 10.
std::string speed_text(double bytes_per_second);
// "1.2 K", "3 M".
std::string count_text(std::int64_t n);
// Go's %v of a float: shortest form, exponent where Go uses one.
std::string float_text(double v);
// Drops white space at both ends.
std::string_view trim(std::string_view s);
bool equals_ignore_case(std::string_view a, std::string_view b);
std::string to_lower(std::string_view s);

}  // namespace cairn
