// Message templates and profiles kept in the repository, and users and access rules of a server.
#include "auth/acl.h"
#include "auth/users.h"
#include "notify/message.h"
#include "notify/profile.h"
#include "tests/support/memory_manifests.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  for (const bool html : {false, true}) {
    (void)notify::parse_message(text, html);
  }
  testing::MemoryManifests manifests;
  CHECK(notify::save_template(manifests, "generic-error.txt", std::string(text), {}).ok());
  notify::Event event{"generic-error", Timestamp{0}, "host", "cairn", "1", Json::object({{"Error", "e"}})};
  (void)notify::render_message(manifests, event, "profile", "txt", {});
  auth::UserProfile user;
  (void)user.set_password_hash(text);
  const auto document = Json::parse(text);
  if (!document.ok()) {
    return 0;
  }
  if (const auto read = auth::UserProfile::from_json(*document); read.ok()) {
    CHECK(auth::UserProfile::from_json(read->to_json()).ok());
  }
  manifest::Manifest m;
  m.payload = *document;
  (void)auth::AclEntry::from_manifest(m);
  notify::Profile profile = notify::Profile::from_json(*document);
  (void)profile.summary();
  (void)notify::complete(profile);
  return 0;
}
