// libfuse3, found when it is first needed: other commands neither load it nor need it to be installed.
#pragma once

#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64  // libfuse insists
#endif
#define FUSE_USE_VERSION 35
#include <fuse3/fuse_lowlevel.h>

#include "base/status.h"

namespace cairn::mount {

#define CAIRN_FUSE_FUNCTIONS(X) \
  X(fuse_opt_free_args)         \
  X(fuse_session_new)           \
  X(fuse_session_mount)         \
  X(fuse_session_unmount)       \
  X(fuse_session_destroy)       \
  X(fuse_session_fd)            \
  X(fuse_session_exited)        \
  X(fuse_session_receive_buf)   \
  X(fuse_session_process_buf)   \
  X(fuse_req_userdata)          \
  X(fuse_reply_err)             \
  X(fuse_reply_none)            \
  X(fuse_reply_entry)           \
  X(fuse_reply_attr)            \
  X(fuse_reply_readlink)        \
  X(fuse_reply_open)            \
  X(fuse_reply_buf)             \
  X(fuse_reply_statfs)          \
  X(fuse_add_direntry)

struct FuseApi {
#define CAIRN_FUSE_MEMBER(name) decltype(&::name) name = nullptr;
  CAIRN_FUSE_FUNCTIONS(CAIRN_FUSE_MEMBER)
#undef CAIRN_FUSE_MEMBER
  // Errors: unsupported, with what to install.
  static Result<const FuseApi*> load();
};

}  // namespace cairn::mount
