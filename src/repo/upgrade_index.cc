#include "repo/upgrade_index.h"

#include "content/content_info.h"
#include "content/session.h"

namespace cairn::repo {

Status copy_index_to_epochs(Repository& repository, const format::EpochParameters& epochs, int index_version,
                            std::stop_token stop) {
  TRY(remove_unused_epochs(repository, stop), "cleaning up after an earlier upgrade");
  content::ContentManager& contents = repository.contents();
  TRY(contents.refresh(stop));
  index::IndexBuilder all;
  content::IterateOptions with_deleted;
  with_deleted.include_deleted = true;
  TRY(contents.iterate(
          with_deleted,
          [&](const content::ContentInfo& i) -> Status {
            all.add(content::entry_of(i));
            return {};
          },
          stop),
      "error iterating contents");
  TRY_ASSIGN(std::vector<Buffer> shards, all.build(index_version), "building index");
  TRY_ASSIGN(auto crypto, format::UnitCrypto::create(*repository.format().current()));
  const auto manager = index::make_epoch_manager(
      repository.storage_ptr(), std::move(crypto), [&] { return epochs; }, repository.clock());
  TRY(manager->write(std::move(shards), content::new_session_id(repository.clock().now()), stop),
      "error writing index");
  return {};
}

Status remove_unused_epochs(Repository& repository, std::stop_token stop) {
  blob::Storage& storage = repository.storage();
  TRY_ASSIGN(const auto blobs, storage.list_all("x", stop), "error listing index blobs");
  if (blobs.empty()) {
    return {};
  }
  // Somebody may have upgraded since this process read the format: then these blobs are the index.
  TRY_ASSIGN(const Buffer bytes, storage.get(BlobId(format::kFormatBlobId), {}, stop), "unable to read format blob");
  TRY_ASSIGN(const format::FormatBlob blob, format::FormatBlob::parse(bytes));
  TRY_ASSIGN(const format::Parameters now, format::open_parameters(blob, repository.format().format_key()));
  if (now.epoch.enabled) {
    return error(Code::failed_precondition, "the repository uses epochs already");
  }
  for (const auto& b : blobs) {
    TRY(storage.remove(b.id, stop), "unable to delete {}", b.id.text);
  }
  return {};
}

}  // namespace cairn::repo
