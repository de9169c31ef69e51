#include <unistd.h>

#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/format.h"
#include "cli/policy_json.h"
#include "cli/targets.h"
#include "sys/file.h"

namespace cairn::cli {
namespace {

constexpr std::size_t kDocumentSizeMax = 64u << 20;
constexpr std::size_t kReadSize = 64u << 10;

Result<std::string> read_stdin() {
  std::string text;
  Buffer piece(kReadSize);
  for (;;) {
    TRY_ASSIGN(const std::size_t n, sys::read_some(STDIN_FILENO, piece.mut()));
    if (n == 0) {
      return text;
    }
    if (text.size() + n > kDocumentSizeMax) {
      return error(Code::resource_exhausted, "more than {} bytes of policies", kDocumentSizeMax);
    }
    text += as_text(piece.view().first(n));
  }
}

Result<std::string> read_document(const std::string& path) {
  if (path.empty()) {
    auto text = read_stdin();
    TRY(text, "unable to read policies from standard input");
    return text;
  }
  TRY_ASSIGN(const Buffer text, sys::read_file(path, kDocumentSizeMax), "unable to read policy file");
  return std::string(text.text());
}

struct Imported {
  snapshot::SourceInfo target;
  snapshot::Policy policy;
};

// Everything is checked before the first policy is changed.
Result<std::vector<Imported>> parse_policies(const Json& document, bool strict) {
  if (!document.is_object()) {
    return error(Code::invalid_argument, "json: an object with a policy for each target is needed");
  }
  std::vector<Imported> policies;
  for (const auto& [key, value] : document.members()) {
    Imported& one = policies.emplace_back();
    TRY_ASSIGN(one.target, snapshot::SourceInfo::parse(key, "", "", "/"), "unable to parse source info: \"{}\"", key);
    TRY_ASSIGN(one.policy, policy_of_document(value, strict));
  }
  return policies;
}

Status run_policy_import(Context& context, const ParsedCommand& command) {
  TRY_ASSIGN(const auto repository, context.open_repository());
  manifest::ManifestManager& manifests = repository->manifests();
  TRY_ASSIGN(const auto wanted, optional_policy_targets(context, *repository, command));
  TRY_ASSIGN(const std::string text, read_document(command.text("from-file")));
  const auto parse = [&]() -> Result<std::vector<Imported>> {
    TRY_ASSIGN(const Json document, parse_document(text));
    return parse_policies(document, !command.boolean("allow-unknown-fields"));
  };
  TRY_ASSIGN(auto policies, parse(), "unable to decode policy file as valid json");
  if (!wanted.empty()) {
    std::erase_if(policies, [&](const Imported& p) { return std::ranges::find(wanted, p.target) == wanted.end(); });
  }
  for (const Imported& one : policies) {
    TRY(snapshot::validate_policy(one.target, one.policy), "can't save policy for {}", one.target.text());
  }
  for (const Imported& one : policies) {
    TRY(snapshot::set_policy(manifests, one.target, one.policy, context.stop()), "can't save policy for {}",
        one.target.text());
  }
  if (command.boolean("delete-other-policies")) {
    TRY_ASSIGN(const auto all, snapshot::list_policies(manifests, context.stop()), "error listing policies");
    for (const snapshot::PolicyRecord& record : all) {
      if (std::ranges::find(policies, record.target, &Imported::target) == policies.end()) {
        TRY(snapshot::remove_policy(manifests, record.target, context.stop()), "error removing policy on {}",
            record.target.text());
      }
    }
  }
  return flush_writer(context, *repository);
}

}  // namespace

void add_policy_import(CommandTable& table) {
  std::vector<FlagSpec> flags = target_flags();
  append_flags(flags,
               {{.name = "from-file", .type = ValueType::text, .help = "File to read, instead of the input"},
                {.name = "allow-unknown-fields", .help = "Ignore what no policy has"},
                {.name = "delete-other-policies", .help = "Remove every policy that has not just been imported"}});
  table.add({.path = "policy import",
             .help = "Set policies from a JSON document as `policy export` prints it",
             .arguments = target_arguments(),
             .flags = std::move(flags),
             .run = run_policy_import});
}

}  // namespace cairn::cli
