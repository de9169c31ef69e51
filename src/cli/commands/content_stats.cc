#include <map>

#include "cli/commands/commands.h"
#include "cli/content_view.h"
#include "cli/format.h"
#include "cli/size_stats.h"

namespace cairn::cli {
namespace {

struct MethodTotal {
  std::int64_t count = 0, original = 0, packed = 0;
};

void print_methods(Context& context, const std::map<std::string, MethodTotal>& methods, bool raw) {
  context.print("By Method:\n");
  for (const auto& [name, total] : methods) {
    if (name.empty()) {
      context.print("  {:<22} count: {} size: {}\n", "(uncompressed)", total.count, size_text(total.original, raw));
    } else {
      context.print("  {:<22} count: {} size: {} packed: {} compression: {:.1f}%\n", name, total.count,
                    size_text(total.original, raw), size_text(total.packed, raw),
                    saved_percent(total.original, total.packed));
    }
  }
}

Status run_content_stats(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository({.read_only = true}));
  SizeStats sizes;
  std::int64_t packed = 0;
  std::map<std::string, MethodTotal> methods;  // "" = uncompressed, which sorts first
  const auto count = [&](const content::ContentInfo& info) -> Status {
    sizes.add(info.original_length);
    packed += info.packed_length;
    MethodTotal& method = methods[compression_name(info.compression)];
    ++method.count;
    method.original += info.original_length;
    method.packed += info.packed_length;
    return {};
  };
  TRY(repository->contents().iterate(content_range(command), count, context.stop()), "error calculating totals");
  const bool raw = command.boolean("raw");
  context.print("Count: {}\nTotal Bytes: {}\n", sizes.count(), size_text(sizes.total(), raw));
  if (packed < sizes.total()) {
    context.print("Total Packed: {} (compression {:.1f}%)\n", size_text(packed, raw),
                  saved_percent(sizes.total(), packed));
  }
  if (methods.size() > 1) {
    print_methods(context, methods, raw);
  }
  sizes.print_distribution(context, raw);
  return {};
}

}  // namespace

void add_content_stats(CommandTable& table) {
  std::vector<FlagSpec> flags = {{.name = "raw", .short_name = 'r', .help = "Sizes as plain numbers"}};
  append_flags(flags, content_range_flags());
  table.add({.path = "content stats",
             .help = "Show number, sizes and compression of the contents",
             .flags = std::move(flags),
             .run = run_content_stats});
}

}  // namespace cairn::cli
