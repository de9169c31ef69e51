// The tree on a WebDAV server (RFC 4918): of the webdav store, and of rclone, which serves one to us.
#pragma once

#include <functional>

#include "blob/remote_tree.h"
#include "net/http.h"

namespace cairn::blob {

struct DavTreeOptions {
  std::string url;  // of the root, http or https
  std::string username, password;
  std::string certificate_fingerprint;  // SHA-256, hex: this certificate alone is trusted
  // The server shows a file that is put whole or not at all; otherwise it is put under another name and moved.
  bool atomic_writes = false;
  // Called before every look at the tree: the server may be remembering what was there before.
  std::function<Status(std::stop_token)> refresh;
};

// Errors: invalid_argument (URL).
Result<std::unique_ptr<RemoteTree>> make_dav_tree(DavTreeOptions options);

}  // namespace cairn::blob
