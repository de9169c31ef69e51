#include "cli/throttle_view.h"

#include <cmath>

#include "base/units.h"
#include "cli/format.h"
#include "cli/values.h"

namespace cairn::cli {
namespace {

using blob::ThrottleLimits;

// One limit: its flag, its names in both commands, how it is written. A count has no fraction.
struct Limit {
  const char* flag;
  const char* help;
  const char* set_name;
  const char* get_name;
  const char* field;  // in errors
  bool speed = false;
  double ThrottleLimits::*real = nullptr;
  int ThrottleLimits::*count = nullptr;
};
constexpr Limit kLimits[] = {
    {"download-bytes-per-second", "Bytes read in a second", "max download speed", "Max Download Speed",
     "DownloadBytesPerSecond", true, &ThrottleLimits::download_bytes_per_second},
    {"upload-bytes-per-second", "Bytes written in a second", "max upload speed", "Max Upload Speed",
     "UploadBytesPerSecond", true, &ThrottleLimits::upload_bytes_per_second},
    {"read-requests-per-second", "Read requests in a second", "reads per second", "Max Read Requests Per Second",
     "ReadsPerSecond", false, &ThrottleLimits::reads_per_second},
    {"write-requests-per-second", "Write requests in a second", "writes per second", "Max Write Requests Per Second",
     "WritesPerSecond", false, &ThrottleLimits::writes_per_second},
    {"list-requests-per-second", "List requests in a second", "lists per second", "Max List Requests Per Second",
     "ListsPerSecond", false, &ThrottleLimits::lists_per_second},
    {"concurrent-reads", "Reads at once", "concurrent reads", "Max Concurrent Reads", "ConcurrentReads", false, nullptr,
     &ThrottleLimits::concurrent_reads},
    {"concurrent-writes", "Writes at once", "concurrent writes", "Max Concurrent Writes", "ConcurrentWrites", false,
     nullptr, &ThrottleLimits::concurrent_writes},
};

// "unlimited" and "-" stand for 0.
Status apply(Context& context, const Limit& l, const std::string& text, ThrottleLimits& limits) {
  const bool unlimited = text == "unlimited" || text == "-";
  double value = 0;
  if (!unlimited && l.real != nullptr) {
    TRY_ASSIGN(value, parse_float_text(text), "can't parse the {} \"{}\"", l.set_name, text);
  } else if (!unlimited) {
    const auto count = parse_int_text(text, 32);
    if (!count.ok()) {
      return error(Code::invalid_argument, "can't parse the {} \"{}\": strconv.Atoi: parsing \"{}\": invalid syntax",
                   l.set_name, text, text);
    }
    value = static_cast<double>(*count);
  }
  if (unlimited) {
    context.notice("Setting {} to a unlimited.", l.set_name);
  } else {
    context.notice("Setting {} to {}.", l.set_name, l.speed ? speed_text(value) : fmt::format("{}", value));
  }
  if (!std::isfinite(value) || value < 0) {
    return error(Code::invalid_argument, "error setting limits: {}: {}", l.field,
                 l.real != nullptr ? "limit cannot be negative" : "invalid limit");
  }
  if (l.real != nullptr) {
    limits.*l.real = value;
  } else {
    limits.*l.count = static_cast<int>(value);
  }
  return {};
}

}  // namespace

std::vector<FlagSpec> throttle_flags() {
  std::vector<FlagSpec> flags;
  for (const Limit& l : kLimits) {
    flags.push_back(
        {.name = l.flag, .type = ValueType::text, .help = std::string(l.help) + "; a number, or 'unlimited'"});
  }
  return flags;
}

void print_limits(Context& context, const ParsedCommand& command, const ThrottleLimits& limits) {
  if (command.boolean("json")) {
    print_json(context, command, limits.to_json());
    return;
  }
  for (const Limit& l : kLimits) {
    const double value = l.real != nullptr ? limits.*l.real : limits.*l.count;
    const std::string text = value == 0 ? "(unlimited)" : l.speed ? speed_text(value) : fmt::format("{:.0f}", value);
    context.print("{:<30} {}\n", std::string(l.get_name) + ":", text);
  }
}

Result<bool> change_limits(Context& context, const ParsedCommand& command, ThrottleLimits& limits) {
  bool any = false;
  for (const Limit& l : kLimits) {
    if (command.given(l.flag)) {
      TRY(apply(context, l, command.text(l.flag), limits));
      any = true;
    }
  }
  if (!any) {
    context.notice("No changes made.");
  }
  return any;
}

}  // namespace cairn::cli
