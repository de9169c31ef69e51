#include "blob/webdav/webdav_storage.h"

#include "blob/dav_tree.h"
#include "blob/tree_storage.h"

namespace cairn::blob {

Result<std::shared_ptr<Storage>> open_webdav(const Json& config, OpenOptions open, std::stop_token stop) {
  DavTreeOptions options;
  options.url = config["url"].as_string();
  options.username = config["username"].as_string();
  options.password = config["password"].as_string();
  options.certificate_fingerprint = config["trustedServerCertificateFingerprint"].as_string();
  options.atomic_writes = config["atomicWrites"].as_bool();
  TreeStorageOptions storage;
  storage.info = {"webdav", config};
  storage.display_name = "WebDAV: " + options.url;
  storage.over_http = true;
  TRY_ASSIGN(auto tree, make_dav_tree(std::move(options)));
  return open_tree_storage(std::move(tree), std::move(storage), open, std::move(stop));
}

}  // namespace cairn::blob
