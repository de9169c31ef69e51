#include "proof/heal.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/log.h"
#include "proof/checked_view.h"
#include "proof/index_loss.h"

namespace cairn::proof {
namespace {

// In front of whatever index blobs are called, in any form.
constexpr const char* kIndexPrefixes[] = {"x", "n"};

class Healing {
 public:
  Healing(repo::Repository& repository, blob::Storage& copy, const HealOptions& options,
          const VerifyCallbacks& callbacks, const OnHeal& on_heal)
      : repository_(repository), copy_(copy), options_(options), callbacks_(callbacks), on_heal_(on_heal) {}

  Result<VerifyReport> run(std::stop_token stop) {
    TRY(list_indexes(stop));
    TRY(heal_bad_indexes(stop));
    TRY(find_lost_indexes(stop));
    TRY_ASSIGN(VerifyReport report, verify(options_.full, stop));
    if (!report.lost.empty()) {
      TRY_ASSIGN(const bool more, find_wanted_indexes(report, stop));
      if (more) {
        TRY_ASSIGN(report, verify(options_.full, stop));
      }
    }
    TRY(heal_packs(report, stop));
    TRY(store_indexes(stop));
    if (!options_.dry_run) {
      TRY_ASSIGN(report, verify_repository(repository_, {}, {}, stop));
    }
    return report;
  }

 private:
  struct Patch {
    Bytes bytes;
    Timestamp timestamp;
    std::string reason;
  };

  Status list_indexes(std::stop_token stop);
  Status heal_bad_indexes(std::stop_token stop);
  Status find_lost_indexes(std::stop_token stop);
  Result<bool> find_wanted_indexes(const VerifyReport& report, std::stop_token stop);
  Status heal_packs(const VerifyReport& report, std::stop_token stop);
  Status heal_pack(const Unit& unit, const std::string& reason, const Verdict& verdict, ByteView bytes,
                   std::stop_token stop);
  Status store_indexes(std::stop_token stop);
  // The index blob of the copy, authenticated. Null when the copy cannot help, which has been told then.
  Result<std::optional<Bytes>> fetch_index(const BlobId& id, const std::string& reason, bool tell,
                                           std::stop_token stop);
  Result<bool> has_unknown(const BlobId& id, ByteView stored, content::ContentManager& known, std::stop_token stop);
  std::shared_ptr<PatchedStorage> patched() const;
  Result<VerifyReport> verify(bool full, const std::stop_token& stop) {
    VerifyOptions options;
    options.read = full ? ReadPacks::all : ReadPacks::none;
    options.parallel = options_.parallel;
    return verify_view(repository_, patched(), options, callbacks_, stop);
  }
  const format::UnitCrypto& crypto() { return repository_.contents().crypto(); }
  void tell(HealAction action) { on_heal_(action); }

  repo::Repository& repository_;
  blob::Storage& copy_;
  const HealOptions& options_;
  const VerifyCallbacks& callbacks_;
  const OnHeal& on_heal_;
  std::vector<blob::BlobMetadata> ours_, theirs_;  // index blobs and markers
  std::map<BlobId, Patch> patches_;
};

std::shared_ptr<PatchedStorage> Healing::patched() const {
  auto out = std::make_shared<PatchedStorage>(repository_.storage_ptr());
  for (const auto& [id, patch] : patches_) {
    out->replace(id, patch.bytes, patch.timestamp);
  }
  return out;
}

Status Healing::list_indexes(std::stop_token stop) {
  for (const char* prefix : kIndexPrefixes) {
    TRY_ASSIGN(auto here, repository_.storage().list_all(prefix, stop), "unable to list blobs");
    TRY_ASSIGN(auto there, copy_.list_all(prefix, stop), "unable to list blobs of the copy");
    std::ranges::move(here, std::back_inserter(ours_));
    std::ranges::move(there, std::back_inserter(theirs_));
  }
  return {};
}

Result<std::optional<Bytes>> Healing::fetch_index(const BlobId& id, const std::string& reason, bool tell_failure,
                                                  std::stop_token stop) {
  const auto stored = copy_.get(id, {}, std::move(stop));
  HealAction failed{id, reason, HealOutcome::not_in_copy, "", 0};
  if (stored.ok()) {
    const Verdict verdict = check_index_blob(id, stored->view(), crypto());
    if (verdict.good()) {
      return std::optional<Bytes>(Bytes(stored->view().begin(), stored->view().end()));
    }
    failed.outcome = HealOutcome::copy_damaged;
    failed.detail = verdict.problem;
  } else if (stored.code() != Code::not_found) {
    return stored.status().with_frame("error reading " + id.text + " of the copy");
  }
  if (tell_failure) {
    tell(std::move(failed));
  }
  return std::optional<Bytes>();
}

Status Healing::heal_bad_indexes(std::stop_token stop) {
  TRY_ASSIGN(const CheckedView checked,
             open_checked_view(repository_, repository_.storage_ptr(), options_.parallel, stop));
  for (const CheckedView::BadIndex& bad : checked.bad) {
    TRY_ASSIGN(auto bytes, fetch_index(bad.id, bad.why, true, stop));
    if (bytes) {
      patches_[bad.id] = {std::move(*bytes), repository_.clock().now(), bad.why};
    }
  }
  return {};
}

// Does it say anything of a live content that no index here knows?
Result<bool> Healing::has_unknown(const BlobId& id, ByteView stored, content::ContentManager& known,
                                  std::stop_token stop) {
  TRY_ASSIGN(const index::IndexReader reader, index::open_index_blob(crypto(), id, stored));
  for (std::size_t i = 0; i < reader.size(); ++i) {
    TRY_ASSIGN(const index::Entry e, reader.at(i));
    if (e.deleted) {
      continue;
    }
    const auto info = known.info(e.id, stop);
    if (info.code() == Code::not_found) {
      return true;
    }
    TRY(info);
  }
  return false;
}

// Every repository has some from its first day on, and never loses all of them rightly.
Result<bool> has_manifests(content::ContentManager& contents, std::stop_token stop) {
  bool found = false;
  TRY(contents.iterate(
      {.first = "m", .last = "n"},
      [&](const content::ContentInfo&) -> Status {
        found = true;
        return {};
      },
      std::move(stop)));
  return found;
}

// By the rules of epochs, and, in a repository without them, when no manifest at all is known.
Status Healing::find_lost_indexes(std::stop_token stop) {
  IndexLoss loss = find_index_loss(ours_, theirs_);
  const std::string reason = "it is not in the storage";
  TRY_ASSIGN(const CheckedView checked, open_checked_view(repository_, patched(), options_.parallel, stop));
  TRY_ASSIGN(const bool manifests, has_manifests(*checked.view.contents, stop));
  if (!manifests) {
    std::set<BlobId> here;
    for (const blob::BlobMetadata& b : ours_) {
      here.insert(b.id);
    }
    for (const blob::BlobMetadata& b : theirs_) {
      if (b.id.starts_with("n") && !here.contains(b.id)) {
        loss.sets.push_back({b});
      }
    }
  }
  for (const auto& set : loss.sets) {
    std::map<BlobId, Patch> fetched;
    bool wanted = false;
    for (const blob::BlobMetadata& b : set) {
      TRY_ASSIGN(auto bytes, fetch_index(b.id, reason, false, stop));
      if (!bytes) {
        break;
      }
      TRY_ASSIGN(const bool unknown, has_unknown(b.id, *bytes, *checked.view.contents, stop));
      wanted = wanted || unknown;
      fetched[b.id] = {std::move(*bytes), b.timestamp, reason};
    }
    if (wanted && fetched.size() == set.size()) {
      patches_.merge(fetched);
    }
  }
  for (const blob::BlobMetadata& b : loss.markers) {
    TRY_ASSIGN(const Buffer bytes, copy_.get(b.id, {}, stop), "error reading {} of the copy", b.id.text);
    patches_[b.id] = {Bytes(bytes.view().begin(), bytes.view().end()), b.timestamp, reason};
  }
  return {};
}

// Index blobs that are not ours any more, but know contents which a snapshot needs.
Result<bool> Healing::find_wanted_indexes(const VerifyReport& report, std::stop_token stop) {
  std::set<BlobId> here;
  for (const blob::BlobMetadata& b : ours_) {
    here.insert(b.id);
  }
  bool found = false;
  for (const blob::BlobMetadata& b : theirs_) {
    const bool index =
        b.id.starts_with("xn") || b.id.starts_with("xs") || b.id.starts_with("xr") || b.id.starts_with("n");
    if (!index || here.contains(b.id) || patches_.contains(b.id)) {
      continue;
    }
    const std::string reason = "it is not in the storage, and snapshots need contents that it names";
    TRY_ASSIGN(auto bytes, fetch_index(b.id, reason, false, stop));
    if (!bytes) {
      continue;
    }
    TRY_ASSIGN(const index::IndexReader reader, index::open_index_blob(crypto(), b.id, *bytes));
    bool wanted = false;
    for (std::size_t i = 0; i < reader.size() && !wanted; ++i) {
      TRY_ASSIGN(const index::Entry e, reader.at(i));
      wanted = report.lost.contains(e.id);
    }
    if (wanted) {
      patches_[b.id] = {std::move(*bytes), b.timestamp, reason};
      found = true;
    }
  }
  return found;
}

Status Healing::heal_pack(const Unit& unit, const std::string& reason, const Verdict& verdict, ByteView bytes,
                          std::stop_token stop) {
  HealAction action{unit.id, reason, HealOutcome::would_heal, "", std::ssize(bytes)};
  if (verdict.gone) {
    action.outcome = HealOutcome::not_in_copy;
  } else if (!verdict.good()) {
    action.outcome = HealOutcome::copy_damaged;
    action.detail =
        verdict.bad.empty() ? verdict.problem : verdict.bad.front().id.text() + ": " + verdict.bad.front().why;
  } else {
    // Once more, now: a good blob is never replaced.
    const auto own = repository_.storage().get(unit.id, {}, stop);
    if (!own.ok() && own.code() != Code::not_found) {
      return own.status().with_frame("error reading " + unit.id.text);
    }
    if (own.ok() && std::ranges::equal(own->view(), bytes)) {
      action.outcome = HealOutcome::good_by_now;
    } else if (!options_.dry_run) {
      TRY(repository_.storage().put(unit.id, bytes, stop), "error storing {}", unit.id.text);
      action.outcome = HealOutcome::healed;
    }
  }
  tell(std::move(action));
  return {};
}

Status Healing::heal_packs(const VerifyReport& report, std::stop_token stop) {
  std::map<BlobId, std::string> wanted;
  for (const Damage& d : report.damages) {
    if (!d.pack.empty()) {
      wanted.emplace(d.pack, d.detail);
    }
  }
  if (wanted.empty()) {
    return {};
  }
  TRY_ASSIGN(const CheckedView checked, open_checked_view(repository_, patched(), options_.parallel, stop));
  TRY_ASSIGN(Units units, Units::load(*checked.view.contents, checked.index_blobs, stop));
  std::vector<std::uint32_t> order;
  for (const auto& [id, reason] : wanted) {
    const std::int64_t n = units.find(id.text);
    if (n < 0) {
      continue;  // nothing refers to it any more
    }
    const auto there = copy_.metadata(id, stop);
    if (!there.ok() && there.code() != Code::not_found) {
      return there.status().with_frame("looking for " + id.text + " in the copy");
    }
    units.all()[static_cast<std::size_t>(n)].length = there.ok() ? there->length : -1;
    order.push_back(static_cast<std::uint32_t>(n));
  }
  ReadOptions reading;
  reading.parallel = options_.parallel;
  reading.from = &copy_;
  const auto each = [&](std::uint32_t number, const Verdict& verdict, ByteView bytes) {
    const Unit& unit = units.all()[number];
    return heal_pack(unit, wanted[unit.id], verdict, bytes, stop);
  };
  return read_units(*checked.view.contents, units, order, reading, each, stop);
}

// After the packs that they name.
Status Healing::store_indexes(std::stop_token stop) {
  for (const auto& [id, patch] : patches_) {
    HealAction action{id, patch.reason, HealOutcome::would_heal, "", std::ssize(patch.bytes)};
    if (!options_.dry_run) {
      TRY(repository_.storage().put(id, ByteView(patch.bytes), stop), "error storing {}", id.text);
      action.outcome = HealOutcome::healed;
    }
    tell(std::move(action));
  }
  return {};
}

}  // namespace

std::string_view outcome_name(HealOutcome outcome) {
  static constexpr std::string_view kNames[] = {"healed", "would heal", "good by now", "not in the copy",
                                                "damaged in the copy too"};
  return kNames[static_cast<std::size_t>(outcome)];
}

Result<VerifyReport> heal_blobs(repo::Repository& repository, blob::Storage& copy, const HealOptions& options,
                                const VerifyCallbacks& callbacks, const OnHeal& on_heal, std::stop_token stop) {
  const OnHeal told = [&](const HealAction& a) {
    log::write(log::Level::info, "heal",
               fmt::format("{}: {} ({}){}{}", a.blob.text, outcome_name(a.outcome), a.reason,
                           a.detail.empty() ? "" : ": ", a.detail));
    on_heal(a);
  };
  return Healing(repository, copy, options, callbacks, told).run(std::move(stop));
}

}  // namespace cairn::proof
