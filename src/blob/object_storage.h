// What stores of objects behind an HTTP interface have in common (azure, b2, gcs): ids, ranges, pages of a listing,
// and the view of a time that is past.
#pragma once

#include "blob/storage.h"
#include "net/http.h"

namespace cairn::blob {

// One object of a listing. Of listings of versions also which version it is and when it was the current one.
struct ObjectEntry {
  BlobMetadata blob;
  std::string version{};
  Timestamp since{};
  std::optional<Timestamp> until{};  // unknown or still current: none
};

class ObjectStorage : public Storage {
 public:
  // With `point_in_time` the storage shows each blob as it was then; it should be wrapped with_read_only.
  explicit ObjectStorage(std::optional<Timestamp> point_in_time) : then_(point_in_time) {}
  using Storage::put;
  Result<Buffer> get(const BlobId& id, ByteRange range, std::stop_token stop) final;
  Result<BlobMetadata> metadata(const BlobId& id, std::stop_token stop) final;
  // Pages are retried; one that contradicts itself is unavailable, and after that an error.
  Status list(std::string_view prefix, const ListCallback& callback, std::stop_token stop) final;

 protected:
  struct ListPage {
    std::vector<ObjectEntry> entries;
    std::string next;  // where the next page begins, "" after the last
  };

  // The answer to a request for the bytes of a range, or for all when `whole`; any status is success. The id was
  // checked, the range is not empty. `version`: "" for the current one.
  virtual Result<net::HttpResponse> fetch(const BlobId& id, const std::string& version, ByteRange range, bool whole,
                                          std::stop_token stop) = 0;
  // Of the current version. The id was checked.
  virtual Result<BlobMetadata> look(const BlobId& id, std::stop_token stop) = 0;
  // One page of blobs whose ids start with `prefix`; `marker`: the former page's `next`, "" for the first. With a point
  // in time the page is one of all versions.
  virtual Result<ListPage> list_page(std::string_view prefix, const std::string& marker, std::stop_token stop) = 0;
  // Error of a refusal.
  virtual Status refusal(const net::HttpResponse& response, std::string_view what) const = 0;
  // After a read of a whole blob: unavailable when the bytes are not those the service says it has.
  virtual Status verify(const net::HttpResponse& response, std::string_view what) const = 0;

  bool shows_the_past() const { return then_.has_value(); }
  // Errors: invalid_argument.
  static Status check_id(const BlobId& id);
  // Of a put: what is not found then is the bucket, and to the caller "not found" would mean the blob.
  static Status not_the_blob(Status status);
  // A page that cannot be believed.
  static Status damaged_page(std::string_view what);

 private:
  Status list_entries(std::string_view prefix, const std::function<Status(const ObjectEntry&)>& callback,
                      const std::stop_token& stop);
  Status list_past(std::string_view prefix, const std::function<Status(const ObjectEntry&)>& callback,
                   const std::stop_token& stop);
  Result<ObjectEntry> find_past(const BlobId& id, const std::stop_token& stop);

  const std::optional<Timestamp> then_;
};

// "unavailable" when `stated` (base64 or hex; anything else says nothing) is not the digest of the bytes.
Status check_digest(ByteView digest, std::string_view stated, std::string_view what);

// Number in decimal, −1 when it is none.
std::int64_t parse_count(std::string_view text);

}  // namespace cairn::blob
