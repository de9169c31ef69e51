#include "snapshot/object_check.h"

#include "base/random.h"

namespace cairn::snapshot {

Result<std::int64_t> ObjectCheck::list_blobs(std::stop_token stop) {
  std::int64_t count = 0;
  const auto add = [&](const blob::BlobMetadata& b) -> Status {
    ++count;
    if (b.id.starts_with("p") || b.id.starts_with("q")) {
      packs_.insert(b.id.text);
    }
    return {};
  };
  TRY(repository_.storage().list("", add, std::move(stop)), "unable to list blobs");
  return count;
}

Result<std::vector<content::ContentInfo>> ObjectCheck::contents_of(const object::ObjectId& id,
                                                                   std::stop_token stop) const {
  std::vector<content::ContentInfo> out;
  const auto add = [&](const ContentId& content) -> Status {
    auto info = repository_.contents().info(content, stop);
    if (info.ok()) {
      out.push_back(std::move(*info));
      return {};
    }
    if (info.code() == Code::not_found) {
      return error(Code::not_found, "error getting content info for {}: content not found", content.text());
    }
    return std::move(info).status();
  };
  if (id.indirection == 0) {
    TRY(add(id.content), "verify object");
  } else {
    TRY(repository_.objects().verify(id, add, stop), "verify object");
  }
  return out;
}

Result<std::vector<content::ContentInfo>> ObjectCheck::check(const object::ObjectId& id, std::stop_token stop) const {
  TRY_ASSIGN(auto infos, contents_of(id, stop));
  for (const content::ContentInfo& c : infos) {
    if (c.pack.text.empty() || packs_.contains(c.pack.text)) {  // no pack yet: it waits to be written by this process
      continue;
    }
    // Written since the listing?
    const auto now = repository_.storage().metadata(c.pack, stop);
    if (now.code() == Code::not_found) {
      return error(Code::corrupt, "object {} is backed by missing blob {}", id.text(), c.pack.text);
    }
    TRY(now);
  }
  return infos;
}

bool chosen_by_chance(double percent) {
  if (percent >= 100) {
    return true;
  }
  constexpr std::uint64_t kSteps = 1'000'000'000;
  return percent > 0 && static_cast<double>(random_u64() % kSteps) < percent / 100 * static_cast<double>(kSteps);
}

}  // namespace cairn::snapshot
