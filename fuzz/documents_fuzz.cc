// JSON documents kept in manifests and in blobs of their own, as read from a repository: snapshots, policies,
// maintenance parameters and schedule, connection. What is read and written once must from then on stay as it is.
#include "maintenance/parameters.h"
#include "maintenance/schedule.h"
#include "snapshot/policy.h"
#include "snapshot/types.h"

using namespace cairn;

namespace {

template <class Parse, class Write>
void settles(const Json& document, Parse parse, Write write) {
  const auto first = parse(document);
  if (!first.ok()) {
    return;
  }
  const std::string text = write(*first).dump();
  const auto parsed = Json::parse(text);
  CHECK(parsed.ok(), "{}", parsed.status().message());
  const auto second = parse(*parsed);
  CHECK(second.ok(), "{}: {}", second.status().message(), text);
  CHECK(write(*second).dump() == text, "{}", text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto document = Json::parse(as_text({data, size}));
  if (!document.ok()) {
    return 0;
  }
  settles(
      *document, [](const Json& j) { return maintenance::Schedule::from_json(j); },
      [](const auto& v) { return v.to_json(); });
  settles(
      *document, [](const Json& j) { return maintenance::Parameters::from_json(j); },
      [](const auto& v) { return v.to_json(); });
  settles(
      *document, [](const Json& j) { return snapshot::Policy::from_json(j); },
      [](const auto& v) { return v.to_json(); });
  (void)snapshot::Policy::from_json(*document, true);
  (void)snapshot::source_from_json(*document);
  (void)snapshot::DirEntry::from_json(*document);
  (void)blob::ConnectionInfo::from_json(*document);
  manifest::Manifest m;
  m.metadata.id = "0123456789abcdef0123456789abcdef";
  m.payload = *document;
  const auto snapshot = snapshot::SnapshotManifest::from_manifest(m);
  if (snapshot.ok()) {
    (void)snapshot->to_json().dump();
  }
  return 0;
}
