#include "content/recover.h"

#include "content/pack.h"

namespace cairn::content {
namespace {

constexpr std::int64_t kTailSize = 8192;

// The encrypted local index, when `tail` (which ends the pack) holds it.
Result<ByteView> local_index_in(ByteView tail, std::int64_t pack_length, const Postamble& post) {
  const std::uint64_t tail_begins = static_cast<std::uint64_t>(pack_length) - tail.size();
  if (post.local_index_offset < tail_begins || post.local_index_offset - tail_begins > tail.size() ||
      post.local_index_length > tail.size() - (post.local_index_offset - tail_begins)) {
    return error(Code::not_found, "the local index is not in the tail");
  }
  return tail.subspan(post.local_index_offset - tail_begins, post.local_index_length);
}

}  // namespace

Result<index::IndexReader> open_local_index(ByteView tail, std::int64_t pack_length, const format::UnitCrypto& crypto) {
  TRY_ASSIGN(const Postamble post, parse_postamble(tail));
  TRY_ASSIGN(const ByteView sealed, local_index_in(tail, pack_length, post));
  TRY_ASSIGN(Buffer plain, crypto.open(post.iv, sealed));
  return index::IndexReader::open(std::move(plain), static_cast<std::uint32_t>(crypto.encryptor().overhead()));
}

Result<std::size_t> recover_pack_index(blob::Storage& storage, const format::UnitCrypto& crypto,
                                       const blob::BlobMetadata& pack, index::IndexBuilder& out, std::stop_token stop) {
  const std::int64_t tail_size = std::min(pack.length, kTailSize);
  TRY_ASSIGN(Buffer bytes, storage.get(pack.id, {pack.length - tail_size, tail_size}, stop), "error reading {}",
             pack.id.text);
  auto local = open_local_index(bytes, pack.length, crypto);
  if (!local.ok() && tail_size < pack.length) {
    TRY_ASSIGN(bytes, storage.get(pack.id, {}, stop), "error reading {}", pack.id.text);
    local = open_local_index(bytes, static_cast<std::int64_t>(bytes.size()), crypto);
  }
  TRY(local, "local index of {}", pack.id.text);
  for (std::size_t i = 0; i < local->size(); ++i) {
    TRY_ASSIGN(const index::Entry entry, local->at(i), "local index of {}", pack.id.text);
    out.add(entry);
  }
  return local->size();
}

}  // namespace cairn::content
