// heal_format(): the two blobs that everything else is opened with.
#include "content/recover.h"
#include "format/repository_format.h"
#include "proof/heal.h"

namespace cairn::proof {
namespace {

using format::FormatBlob;

constexpr int kTriesMax = 50;

// A format blob and whether the password opens it.
struct Opened {
  bool found = false;
  Bytes bytes;
  Status problem;  // why it cannot be used
  Bytes unique_id;
  SecretBytes key;
  std::optional<format::Parameters> parameters;
};

Result<Opened> open_format(blob::Storage& storage, std::string_view password, std::stop_token stop) {
  Opened out;
  const auto stored = storage.get(BlobId(format::kFormatBlobId), {}, std::move(stop));
  if (stored.code() == Code::not_found) {
    out.problem = error(Code::not_found, "it is not in the storage");
    return out;
  }
  TRY(stored, "error reading {} of {}", format::kFormatBlobId, storage.display_name());
  out.found = true;
  out.bytes.assign(stored->view().begin(), stored->view().end());
  const auto parsed = FormatBlob::parse(stored->view());
  if (!parsed.ok()) {
    out.problem = parsed.status();
    return out;
  }
  out.unique_id = parsed->unique_id;
  TRY_ASSIGN(out.key, format::derive_format_key(*parsed, password));
  auto parameters = format::open_parameters(*parsed, out.key.view());
  if (parameters.ok()) {
    out.parameters = std::move(*parameters);
  } else {
    out.problem = std::move(parameters).status();
  }
  return out;
}

// Does anything in the storage open with these keys?
Result<bool> same_keys(blob::Storage& ours, const format::Parameters& parameters, std::stop_token stop) {
  TRY_ASSIGN(const auto crypto, format::UnitCrypto::create(parameters));
  for (const char* prefix : {"xn", "xs", "xr", "n", "p", "q"}) {
    TRY_ASSIGN(const auto blobs, ours.list_all(prefix, stop), "unable to list blobs");
    int tries = 0;
    for (const blob::BlobMetadata& b : blobs) {
      if (++tries > kTriesMax) {
        break;
      }
      if (b.id.starts_with("p") || b.id.starts_with("q")) {
        index::IndexBuilder own;
        if (const auto count = content::recover_pack_index(ours, *crypto, b, own, stop); count.ok()) {
          return true;
        }
      } else if (const auto stored = ours.get(b.id, {}, stop);
                 stored.ok() && index::open_index_blob(*crypto, b.id, stored->view()).ok()) {
        return true;
      }
    }
  }
  return false;
}

Status same_repository(blob::Storage& ours, const Opened& mine, const Opened& theirs, std::stop_token stop) {
  if (!theirs.found || theirs.unique_id.empty()) {
    return error(Code::failed_precondition, "the copy has no usable format blob: {}", theirs.problem.message());
  }
  if (!mine.unique_id.empty()) {
    return mine.unique_id == theirs.unique_id
               ? Status()
               : error(Code::failed_precondition, "the copy is one of another repository");
  }
  TRY(theirs.problem, "format blob of the copy");
  TRY_ASSIGN(const bool same, same_keys(ours, *theirs.parameters, std::move(stop)));
  return same ? Status()
              : error(Code::failed_precondition,
                      "the format blob is lost, and nothing in the storage opens with the keys of the copy: it may be "
                      "one of another repository. To begin anew from the copy use repository sync-to from there");
}

}  // namespace

Status heal_format(blob::Storage& ours, blob::Storage& copy, std::string_view password, const HealOptions& options,
                   PatchedStorage& patched, const OnHeal& on_heal, std::stop_token stop) {
  TRY_ASSIGN(Opened mine, open_format(ours, password, stop));
  TRY_ASSIGN(Opened theirs, open_format(copy, password, stop));
  TRY(same_repository(ours, mine, theirs, stop));
  const auto store = [&](const char* name, Bytes bytes, std::string reason) -> Status {
    const BlobId id(name);
    HealAction action{id, std::move(reason), HealOutcome::would_heal, "", std::ssize(bytes)};
    if (!options.dry_run) {
      TRY(ours.put(id, ByteView(bytes), stop), "error storing {}", name);
      action.outcome = HealOutcome::healed;
    }
    patched.replace(id, std::move(bytes), system_clock().now());
    on_heal(action);
    return {};
  };
  if (!mine.problem.ok()) {
    const bool locked = !mine.unique_id.empty();
    if (locked && !(mine.problem.is(Code::unauthenticated) && theirs.problem.ok())) {
      return std::move(mine.problem);
    }
    if (locked && !options.replace_format) {
      return error(
          Code::unauthenticated,
          "the password opens the copy, and not this repository: either it was changed after the copy was "
          "made, or the format blob is damaged. If you are sure that it is damaged, pass --replace-format-blob");
    }
    TRY(store(format::kFormatBlobId, theirs.bytes, mine.problem.message()));
    mine = std::move(theirs);
  }
  // Beside it. One that is not there is damage only where the copy has it.
  const BlobId config(format::kBlobConfigBlobId);
  const auto opens = [&](const Result<Buffer>& stored) {
    return format::open_blob_config(stored->view(), mine.key.view(), mine.unique_id).status();
  };
  const auto own = ours.get(config, {}, stop);
  if (!own.ok() && own.code() != Code::not_found) {
    return own.status().with_frame("error reading " + config.text);
  }
  const Status problem = own.ok() ? opens(own) : own.status();
  if (problem.ok()) {
    return {};
  }
  const auto other = copy.get(config, {}, stop);
  if (other.code() == Code::not_found && !own.ok()) {
    return {};
  }
  HealAction failed{config, problem.message(), HealOutcome::not_in_copy, "", 0};
  if (other.ok()) {
    const Status theirs_opens = opens(other);
    if (theirs_opens.ok()) {
      return store(format::kBlobConfigBlobId, Bytes(other->view().begin(), other->view().end()), problem.message());
    }
    failed.outcome = HealOutcome::copy_damaged;
    failed.detail = theirs_opens.message();
  } else if (other.code() != Code::not_found) {
    return other.status().with_frame("error reading " + config.text + " of the copy");
  }
  on_heal(failed);
  return {};
}

}  // namespace cairn::proof
