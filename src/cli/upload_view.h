// The progress of an upload on standard error, in Kopia's form (kopia-interfaces §1.8.8).
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "cli/progress.h"
#include "snapshot/upload_progress.h"

namespace cairn::cli {

class Context;

// Shows counters while it lives. Errors of entries are reported whether or not progress is shown.
class UploadView final : public snapshot::UploadProgress {
 public:
  explicit UploadView(Context& context);
  ~UploadView() override;
  void on_entry_error(const std::string& path, const std::string& message, bool ignored) override;
  // The last state, with '*' for the spinner, and a newline.
  void finish();
  bool shown() const { return line_.enabled(); }

 private:
  void run(std::stop_token stop);
  std::string text(char spinner) const;
  std::string estimate_text() const;
  ProgressLine line_;
  bool details_;  // rate and path, which Kopia does not show
  std::int64_t start_ns_;
  std::jthread thread_;
};

}  // namespace cairn::cli
