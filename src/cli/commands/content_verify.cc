#include "content/verify.h"

#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/content_view.h"
#include "cli/format.h"

namespace cairn::cli {
namespace {

using enum ValueType;

// How many there are, in the background of nothing: one quick pass over the index before the slow one.
Result<std::int64_t> count_contents(repo::Repository& repository, const content::IterateOptions& range,
                                    std::stop_token stop) {
  std::int64_t total = 0;
  TRY(repository.contents().iterate(
      range,
      [&](const content::ContentInfo&) -> Status {
        ++total;
        return {};
      },
      stop));
  return total;
}

class ProgressLines {
 public:
  ProgressLines(Context& context, std::int64_t total, Duration interval)
      : context_(context), total_(total), interval_(interval), started_ns_(monotonic_ns()) {}
  void update(const content::VerifyContentsResult& r) {
    const std::int64_t now = monotonic_ns();
    if (now - last_ns_ < interval_.ns) {
      return;
    }
    last_ns_ = now;
    if (r.verified_contents >= total_) {
      return;
    }
    const double done = static_cast<double>(r.verified_contents) / static_cast<double>(total_);
    const Duration left{static_cast<std::int64_t>(static_cast<double>(now - started_ns_) * (1 / done - 1))};
    context_.notice("  Verified {} of {} contents ({:.1f}%), {} errors, remaining {}, ETA {}", r.verified_contents,
                    total_, 100 * done, r.error_count, go_duration(seconds(left.ns / 1'000'000'000)),
                    display_time(system_clock().now() + left));
  }

 private:
  Context& context_;
  const std::int64_t total_;
  const Duration interval_;
  const std::int64_t started_ns_;
  std::int64_t last_ns_ = 0;
};

Status run_content_verify(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  content::VerifyContentsOptions options;
  options.range = content_range(command);
  options.range.include_deleted = command.boolean("include-deleted");
  options.read_percent = command.boolean("full") ? 100 : command.real("download-percent");
  options.parallel = static_cast<unsigned>(std::clamp<std::int64_t>(command.integer("parallel"), 1, 256));
  TRY_ASSIGN(const std::int64_t total, count_contents(*repository, options.range, context.stop()), "verify contents");
  ProgressLines progress(context, total, command.duration("progress-interval", seconds(3)));

  content::VerifyContentsCallbacks callbacks;
  callbacks.on_listed = [&](std::int64_t n) { context.notice("Listed {} blobs.", n); };
  callbacks.on_start = [&] { context.notice("Verifying contents..."); };
  callbacks.on_progress = [&](const content::VerifyContentsResult& r) { progress.update(r); };
  callbacks.on_error = [&](const std::string& line) { context.warn("{}", line); };
  content::VerifyContentsResult result;
  context.notice("Listing blobs...");
  const Status status = content::verify_contents(repository->contents(), options, callbacks, result, context.stop());
  context.notice("Finished verifying contents");
  log::write(log::Level::info, kLogModule, "verifyCounters:", result.to_json().dump());
  return status.with_frame("verify contents");
}

}  // namespace

void add_content_verify(CommandTable& table) {
  std::vector<FlagSpec> flags = {
      {.name = "parallel", .type = integer, .default_value = "16", .help = "Contents read at once"},
      {.name = "full", .help = "Read every content and compare it with its hash"},
      {.name = "include-deleted", .help = "Verify contents that are marked as deleted too"},
      {.name = "download-percent", .type = real, .help = "Read this part of the contents, in percent"},
      {.name = "progress-interval", .type = duration, .default_value = "3s", .help = "Time between lines of progress"}};
  append_flags(flags, content_range_flags());
  table.add({.path = "content verify",
             .help = "Verify that the packs hold what the indexes say",
             .flags = std::move(flags),
             .run = run_content_verify});
}

}  // namespace cairn::cli
