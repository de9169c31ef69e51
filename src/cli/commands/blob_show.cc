// blob show, delete, stats.
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/size_stats.h"
#include "repo/repository_log.h"

namespace cairn::cli {
namespace {

using enum ValueType;

// Blobs that are sealed as a whole; packs are not, their contents are.
bool is_sealed_blob(const BlobId& id) {
  static constexpr std::string_view kPrefixes[] = {"xn", "xs", "xr", "n", "m", "l", "s", repo::kLogBlobPrefix};
  for (const std::string_view prefix : kPrefixes) {
    if (id.starts_with(prefix)) {
      return true;
    }
  }
  return false;
}

Result<Buffer> load_blob(repo::Repository& repository, const BlobId& id, bool decrypt, std::stop_token stop) {
  if (decrypt && id.starts_with(repo::kLogBlobPrefix)) {
    return repo::read_log_blob(repository.storage(), repository.contents().crypto(), id, stop);
  }
  TRY_ASSIGN(Buffer bytes, repository.storage().get(id, {}, stop));
  if (!decrypt || !is_sealed_blob(id)) {
    return bytes;
  }
  return repository.contents().crypto().open_blob(id, bytes);
}

Status show_blob(Context& context, repo::Repository& repository, const BlobId& id, bool decrypt) {
  const auto bytes = load_blob(repository, id, decrypt, context.stop());
  if (bytes.code() == Code::not_found) {
    return error(Code::not_found, "error presenting blob: error reading blob: BLOB not found");
  }
  TRY(bytes, "error presenting blob: error reading blob");
  if (const auto json = Json::parse(bytes->text()); json.ok() && (json->is_object() || json->is_array())) {
    context.write(json->dump(2) + "\n");
  } else {
    context.write(bytes->text());
  }
  return {};
}

Status run_show(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  for (const std::string& id : command.arguments("blobID")) {
    TRY(show_blob(context, *repository, BlobId(id), command.boolean("decrypt")));
  }
  return {};
}

Status run_delete(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  for (const std::string& id : command.arguments("blobIDs")) {
    TRY(repository->storage().remove(BlobId(id), context.stop()), "error deleting {}", id);
  }
  return {};
}

Status run_stats(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  SizeStats sizes;
  const auto count = [&](const blob::BlobMetadata& blob) -> Status {
    sizes.add(blob.length);
    return {};
  };
  TRY(repository->storage().list(command.text("prefix"), count, context.stop()), "error listing blobs");
  const bool raw = command.boolean("raw");
  context.print("Count: {}\nTotal: {}\n", sizes.count(), size_text(sizes.total(), raw));
  sizes.print_distribution(context, raw);
  return {};
}

}  // namespace

void add_blob_show(CommandTable& table) {
  table.add({.path = "blob show",
             .help = "Print blobs of the storage",
             .aliases = {"cat"},
             .arguments = {{.name = "blobID", .help = "Blob ids", .required = true, .repeatable = true}},
             .flags = {{.name = "decrypt", .help = "Decrypt blobs that are encrypted as a whole"}},
             .run = run_show});
  table.add({.path = "blob delete",
             .help = "Delete blobs of the storage",
             .aliases = {"remove", "rm"},
             .hidden = true,
             .dangerous = true,
             .arguments = {{.name = "blobIDs", .help = "Blob ids", .required = true, .repeatable = true}},
             .run = run_delete});
  table.add({.path = "blob stats",
             .help = "Show number and sizes of the blobs",
             .flags = {{.name = "raw", .short_name = 'r', .help = "Sizes as plain numbers"},
                       {.name = "prefix", .type = text, .help = "Only blobs whose id starts with this"}},
             .run = run_stats});
}

}  // namespace cairn::cli
