#include "maintenance/self_check.h"

#include "base/log.h"
#include "base/random.h"
#include "content/verify.h"

namespace cairn::maintenance {

Status self_check(content::ContentManager& contents, double percent, std::stop_token stop) {
  if (percent <= 0) {
    return {};
  }
  constexpr std::uint64_t kSteps = 1'000'000;
  if (static_cast<double>(random_u64() % kSteps) * 100 >= percent * kSteps) {
    return {};
  }
  content::VerifyContentsCallbacks callbacks;
  callbacks.on_error = [](const std::string& line) { log::error("maintenance", "{}", line); };
  content::VerifyContentsResult result;
  return content::verify_contents(contents, {}, callbacks, result, stop).with_frame("self-check of the index");
}

}  // namespace cairn::maintenance
