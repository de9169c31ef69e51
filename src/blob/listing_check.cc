#include "blob/listing_check.h"

#include <set>

#include "base/log.h"
#include "blob/forwarding.h"
#include "blob/recent_changes.h"

namespace cairn::blob {
namespace {

class ListingCheck final : public ForwardingStorage {
 public:
  ListingCheck(StoragePtr inner, ListingCheckOptions options)
      : ForwardingStorage(std::move(inner)), never_listed_(options.never_listed), recent_(options.rewrite_distance) {}
  using Storage::put;

  Status list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) override {
    std::set<std::string, std::less<>> unseen;  // written by us lately
    for (auto& change : recent_.changes(prefix)) {
      if (change.present && change.id.text != never_listed_) {
        unseen.insert(std::move(change.id.text));
      }
    }
    const auto seen = [&](const BlobMetadata& blob) -> Status {
      unseen.erase(blob.id.text);
      return callback(blob);
    };
    TRY(inner().list(prefix, seen, stop));
    // Missing in the list: removed by another client meanwhile, or the list is stale.
    for (const std::string& id : unseen) {
      auto blob = inner().metadata(BlobId(id), stop);
      if (blob.code() == Code::not_found) {
        continue;
      }
      TRY(blob, "checking a listing");
      log::warning("blob", "listing of {} does not show {}, which exists", display_name(), id);
      TRY(callback(*blob));
    }
    return {};
  }

  Result<BlobMetadata> put(const BlobId& id, GatherView data, const PutOptions& options,
                           std::stop_token stop) override {
    if (!recent_.wait_to_write(id, stop)) {
      return error(Code::cancelled, "cancelled");
    }
    auto done = inner().put(id, data, options, std::move(stop));
    if (done.ok()) {
      recent_.written(id);
    }
    return done;
  }

  Status remove(const BlobId& id, std::stop_token stop) override {
    TRY(inner().remove(id, std::move(stop)));
    recent_.removed(id);
    return {};
  }

 private:
  const std::string never_listed_;
  RecentChanges recent_;
};

}  // namespace

StoragePtr with_listing_check(StoragePtr inner, ListingCheckOptions options) {
  return std::make_shared<ListingCheck>(std::move(inner), options);
}

}  // namespace cairn::blob
