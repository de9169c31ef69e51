#include <algorithm>

#include "blob/decorators.h"
#include "cli/commands/copies.h"
#include "cli/context.h"
#include "repo/validate_provider.h"

namespace cairn::cli {
namespace {

using enum ValueType;

Status run_validate_provider(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  if (repository->read_only()) {
    return error(Code::failed_precondition, "the connection is read-only; validation writes to the storage");
  }
  const auto number = [&](const char* flag) {
    return static_cast<unsigned>(std::clamp<std::int64_t>(command.integer(flag), 1, 64));
  };
  std::vector<std::shared_ptr<blob::Storage>> connections;
  for (unsigned n = number("num-storage-connections"); n > 0; --n) {
    TRY_ASSIGN(auto storage, blob::open_storage(repository->storage().connection_info(), {}, context.stop()),
               "opening another connection");
    connections.push_back(blob::with_retry(std::move(storage), {}));
  }
  TRY(repo::validate_provider(
          connections,
          {.concurrency_time = command.duration("concurrency-test-duration"),
           .put_workers = number("put-blob-workers"),
           .get_workers = number("get-blob-workers"),
           .metadata_workers = number("get-metadata-workers")},
          [&](const std::string& step) { context.notice("Validating {}...", step); }, context.stop()),
      "provider validation error");
  context.notice("All good.");
  return {};
}

}  // namespace

void add_repository_validate_provider(CommandTable& table) {
  table.add(
      {.path = "repository validate-provider",
       .help = "Test that the storage does what a repository relies on",
       .flags =
           {{.name = "num-storage-connections",
             .type = integer,
             .default_value = "10",
             .help = "Connections to the storage"},
            {.name = "concurrency-test-duration",
             .type = duration,
             .default_value = "30s",
             .help = "How long readers and writers work at once"},
            {.name = "put-blob-workers", .type = integer, .default_value = "3", .help = "Writers of every connection"},
            {.name = "get-blob-workers", .type = integer, .default_value = "3", .help = "Readers of every connection"},
            {.name = "get-metadata-workers",
             .type = integer,
             .default_value = "3",
             .help = "Readers of attributes of every connection"}},
       .run = run_validate_provider});
}

}  // namespace cairn::cli
