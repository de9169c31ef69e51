// verify: what is damaged, whom it touches and what helps; and, with a ledger, how much has been read back since when.
#include "proof/verify.h"

#include <algorithm>

#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/commands/proof.h"
#include "cli/format.h"
#include "cli/progress.h"
#include "proof/format_check.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

using enum ValueType;
using proof::VerifyReport;

Result<proof::VerifyOptions> verify_options(const ParsedCommand& command) {
  proof::VerifyOptions o;
  const bool ledger = command.boolean("ledger");
  if (ledger && command.boolean("full")) {
    return error(Code::invalid_argument, "pass --ledger or --full; --ledger without a budget reads everything too");
  }
  o.byte_budget = command.integer("byte-budget");
  o.time_budget = command.duration("time-budget");
  if (o.byte_budget < 0 || o.time_budget.ns < 0) {
    return error(Code::invalid_argument, "a budget cannot be negative");
  }
  if (!ledger && (o.byte_budget > 0 || o.time_budget.ns > 0 || command.given("max-age"))) {
    return error(Code::invalid_argument, "--byte-budget, --time-budget and --max-age need --ledger");
  }
  o.read = ledger                    ? proof::ReadPacks::longest_unread
           : command.boolean("full") ? proof::ReadPacks::all
                                     : proof::ReadPacks::none;
  o.parallel = static_cast<unsigned>(std::clamp<std::int64_t>(command.integer("parallel"), 1, 64));
  return o;
}

std::string age_text(Duration d) {
  const double days = std::max(0.0, d.seconds() / 86400);
  return fmt::format("{:.1f} days", days);
}

void print_report(Context& context, const VerifyReport& r, const proof::Coverage& c, proof::ReadPacks read) {
  for (const proof::Damage& d : r.damages) {
    context.print("{}\n", proof::damage_text(d));
  }
  if (r.damages.empty()) {
    context.print("No damage found in {} snapshots, {} blobs ({}).\n", c.snapshots, r.in_use.blobs,
                  bytes_text(r.in_use.bytes));
  }
  if (read == proof::ReadPacks::none) {
    context.print("Packs were not read: --full reads all, --ledger some in each run.\n");
    return;
  }
  context.print("Read {} blobs ({}).\n", r.read.blobs, bytes_text(r.read.bytes));
  if (c.oldest) {
    context.print("Every byte of {} of {} snapshots was read back within the last {}.\n", c.read_back, c.snapshots,
                  age_text(r.time - *c.oldest));
  } else {
    context.print("Of none of {} snapshots every byte has been read back.\n", c.snapshots);
  }
  context.print("Of {} in use {} were good when they were read back last.\n", bytes_text(r.in_use.bytes),
                bytes_text(r.read_back.bytes));
}

// The repository cannot be opened: nothing but this is known.
Status report_format_damage(Context& context, const ParsedCommand& command, proof::Damage damage) {
  VerifyReport report;
  report.time = system_clock().now();
  report.damages.push_back(std::move(damage));
  if (command.boolean("json")) {
    print_json(context, command, proof::report_json(report, {}));
  } else {
    context.print("{}\n", proof::damage_text(report.damages.front()));
  }
  return error(Code::corrupt, "the repository is damaged: it has no usable format blob");
}

Result<std::optional<proof::Damage>> format_damage(Context& context) {
  TRY_ASSIGN(const repo::LocalConfig config, repo::LocalConfig::load(context.config_path()));
  if (!config.storage) {
    return std::optional<proof::Damage>();
  }
  TRY_ASSIGN(const auto storage, blob::open_storage(*config.storage, {.read_only = true}, context.stop()),
             "cannot open storage");
  return proof::check_format_blob(*storage, context.stop());
}

Status run_verify(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(proof::VerifyOptions options, verify_options(command));
  TRY_ASSIGN(auto no_format, format_damage(context));
  auto opened = context.open_repository({.read_only = true, .defer_indexes = true});
  if (!opened.ok()) {
    return no_format ? report_format_damage(context, command, std::move(*no_format)) : std::move(opened).status();
  }
  repo::Repository& repository = **opened;
  std::optional<proof::Ledger> ledger;
  if (options.read == proof::ReadPacks::longest_unread) {
    const SecretBytes key = repository.format().cache_key();
    ledger = proof::Ledger::load(proof::ledger_path(repository.format().unique_id(), repository.storage()), key.view());
    if (!ledger->problem().empty()) {
      context.warn("the ledger cannot be used and is begun anew: {}", ledger->problem());
    }
    options.ledger = &*ledger;
  }
  ProgressLine progress(context);
  proof::ReadCount chosen;
  proof::VerifyCallbacks callbacks;
  callbacks.on_chosen = [&](const proof::ReadCount& c) {
    chosen = c;
    context.notice("Reading {} packs ({})...", c.blobs, bytes_text(c.bytes));
  };
  callbacks.on_read = [&](const proof::ReadCount& r) {
    if (progress.due()) {
      progress.show(fmt::format("Read {} blobs, {} of {}", r.blobs, bytes_text(r.bytes), bytes_text(chosen.bytes)));
    }
  };
  callbacks.on_walk = [&] {
    progress.finish();
    context.notice("Looking through the snapshots...");
  };
  auto verified = proof::verify_repository(repository, options, callbacks, context.stop());
  progress.finish();
  TRY_ASSIGN(VerifyReport report, std::move(verified));
  if (no_format) {  // opened with a copy in the local cache
    report.damages.insert(report.damages.begin(), std::move(*no_format));
  }
  std::optional<Duration> max_age;
  if (command.given("max-age")) {
    max_age = command.duration("max-age");
  }
  const proof::Coverage coverage = proof::coverage_of(report, max_age);
  if (command.boolean("json")) {
    print_json(context, command, proof::report_json(report, coverage));
  } else {
    print_report(context, report, coverage, options.read);
  }
  if (const std::string& file = command.text("metrics-file"); !file.empty()) {
    const std::string text = proof::report_metrics(report, coverage, repository.format().unique_id_hex());
    TRY(sys::write_file_atomic(file, as_bytes(text), 0644), "metrics file");
  }
  if (!report.damages.empty()) {
    return error(Code::corrupt, "{} damages found", report.damages.size());
  }
  if (max_age && coverage.read_back < coverage.snapshots) {
    return error(Code::failed_precondition, "{} of {} snapshots have bytes that were not read back within {}",
                 coverage.snapshots - coverage.read_back, coverage.snapshots, command.text("max-age"));
  }
  return {};
}

}  // namespace

void add_verify(CommandTable& table) {
  std::vector<FlagSpec> flags = {
      {.name = "full", .help = "Read and authenticate every byte of every pack"},
      {.name = "ledger",
       .help = "Read the packs that have not been read for longest, remember it, and tell how much has been read back"},
      {.name = "byte-budget", .type = byte_size, .help = "Read no more than this in one run (at least one pack)"},
      {.name = "time-budget", .type = duration, .help = "Begin no pack after this time"},
      {.name = "max-age",
       .type = duration,
       .help = "Fail unless every byte of every snapshot was read back within this time"},
      {.name = "metrics-file", .type = text, .help = "Write the figures to this file in Prometheus text format"},
      {.name = "parallel", .type = integer, .default_value = "4", .help = "Packs read at once"}};
  append_flags(flags, json_flags());
  table.add({.path = "verify",
             .help = "Find damage in the repository, the snapshots and paths it touches, and the commands that help",
             .flags = std::move(flags),
             .run = run_verify});
}

}  // namespace cairn::cli
