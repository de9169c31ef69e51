#include <array>
#include <cmath>
#include <limits>

#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/targets.h"
#include "snapshot/estimate.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

using enum ValueType;

// Files by size: lower bounds 10^15, 10^14, … 10^3, 0; each bucket keeps its first few names.
class Buckets {
 public:
  explicit Buckets(std::int64_t examples_max) : examples_max_(std::max<std::int64_t>(examples_max, 0)) {
    std::int64_t bound = 1'000'000'000'000'000;
    for (Bucket& bucket : buckets_) {
      bucket.lower = bound >= 1000 ? bound : 0;
      bound /= 10;
    }
  }

  void add(const std::string& path, std::int64_t size) {
    ++files_;
    bytes_ += size;
    for (Bucket& bucket : buckets_) {
      if (size >= bucket.lower) {
        ++bucket.files;
        bucket.bytes += size;
        if (static_cast<std::int64_t>(bucket.examples.size()) < examples_max_) {
          bucket.examples.push_back(fmt::format(" - {} - {}", path, bytes_text(size)));
        }
        return;
      }
    }
  }

  void print(Context& context, bool examples) const {
    std::string upper;
    for (const Bucket& bucket : buckets_) {
      const std::string lower = bytes_text(bucket.lower);
      if (bucket.files > 0) {
        context.print("{:>18}: {:>7} files, total size {}\n", fmt::format("{:<6}...{:>6}", lower, upper), bucket.files,
                      bytes_text(bucket.bytes));
        for (const std::string& example : bucket.examples) {
          context.write(examples ? example + "\n" : std::string());
        }
      }
      upper = lower;
    }
  }
  std::int64_t files() const { return files_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  struct Bucket {
    std::int64_t lower = 0, files = 0, bytes = 0;
    std::vector<std::string> examples;
  };
  const std::int64_t examples_max_;
  std::array<Bucket, 14> buckets_;
  std::int64_t files_ = 0, bytes_ = 0;
};

class Survey final : public snapshot::SourceVisitor {
 public:
  Survey(Context& context, bool quiet, std::int64_t examples_max)
      : included(examples_max), excluded(examples_max), context_(context), quiet_(quiet), examples_max_(examples_max) {}

  void on_directory(const std::string& path) override {
    if (!quiet_) {
      context_.notice("Analyzing {}...", path);
    }
  }
  void on_file(const std::string& path, std::int64_t size) override { included.add(path, size); }
  void on_excluded_file(const std::string& path, std::int64_t size) override { excluded.add(path, size); }
  void on_excluded_directory(const std::string& path) override {
    ++excluded_directories;
    if (static_cast<std::int64_t>(directory_examples.size()) < examples_max_) {
      directory_examples.push_back(path);
    }
  }
  void on_error(const std::string& path, const Status& status) override {
    ++errors;
    context_.warn("unable to analyze {}: {}", path, status.message());
  }

  Buckets included, excluded;
  std::vector<std::string> directory_examples;
  std::int64_t excluded_directories = 0, errors = 0;

 private:
  Context& context_;
  const bool quiet_;
  const std::int64_t examples_max_;
};

void print_survey(Context& context, const Survey& survey, bool show_files, double megabits_per_second) {
  context.print("Snapshot includes {} file(s), total size {}\n", survey.included.files(),
                bytes_text(survey.included.bytes()));
  survey.included.print(context, show_files);
  context.print("\n");
  if (survey.excluded.files() > 0) {
    context.print("Snapshot excludes {} file(s), total size {}\n", survey.excluded.files(),
                  bytes_text(survey.excluded.bytes()));
    survey.excluded.print(context, true);
  } else {
    context.print("Snapshot excludes no files.\n");
  }
  if (survey.excluded_directories > 0) {
    context.print("Snapshot excludes {} directories. Examples:\n", survey.excluded_directories);
    for (const std::string& path : survey.directory_examples) {
      context.print(" - {}\n", path);
    }
  } else {
    context.print("Snapshot excludes no directories.\n");
  }
  if (survey.errors > 0) {
    context.print("Encountered {} error(s).\n", survey.errors);
  }
  const double taken = static_cast<double>(survey.included.bytes()) * 8 / 1e6 / megabits_per_second;
  // No speed, or one that ends in centuries: nothing sensible can be said, and Kopia says 0.
  const bool sensible = std::isfinite(taken) && taken >= 0 && taken < 1e9;
  context.print("\nEstimated upload time: {} at {} Mbit/s\n", go_duration(seconds(sensible ? std::llround(taken) : 0)),
                float_text(megabits_per_second));
}

Status run_snapshot_estimate(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const std::string path, sys::absolute_path(command.argument("source")));
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  if (!sys::is_directory(path)) {
    return error(Code::invalid_argument, "invalid path: '{}': must be a directory", path);
  }
  const snapshot::SourceInfo source{
      .host = repository->client().hostname, .user_name = repository->client().username, .path = path};
  TRY_ASSIGN(const auto policies, snapshot::PolicyTree::load(repository->manifests(), source, context.stop()),
             "error creating policy tree for {}", source.text());
  Survey survey(context, command.boolean("quiet"), command.integer("max-examples-per-bucket"));
  TRY(snapshot::visit_source(path, policies, std::numeric_limits<std::size_t>::max(), survey, context.stop()),
      "error estimating");
  print_survey(context, survey, command.boolean("show-files"), command.real("upload-speed"));
  return {};
}

}  // namespace

void add_snapshot_estimate(CommandTable& table) {
  table.add({.path = "snapshot estimate",
             .help = "Tell what a snapshot of a directory would hold, and how long its upload would take",
             .arguments = {{.name = "source", .help = "Directory", .required = true, .existing_path = true}},
             .flags = {{.name = "show-files", .help = "Show examples of the files of each size"},
                       {.name = "quiet", .short_name = 'q', .help = "Do not name directories while they are analyzed"},
                       {.name = "upload-speed",
                        .type = real,
                        .default_value = "10",
                        .help = "Speed of the connection in Mbit/s",
                        .placeholder = "mbps"},
                       {.name = "max-examples-per-bucket",
                        .type = integer,
                        .default_value = "10",
                        .help = "Files and directories shown of each kind"}},
             .run = run_snapshot_estimate});
}

}  // namespace cairn::cli
