// Owner, mode and times of files, by descriptor and relative to a directory; opening files for reading unnoticed.
#pragma once

#include <optional>

#include "sys/file.h"

namespace cairn::sys {

// −1 as uid or gid leaves that one. Note that chown clears set-id bits: set the owner before the mode.
Status set_owner(int fd, uid_t uid, gid_t gid);
Status set_owner_at(int dirfd, const char* name, uid_t uid, gid_t gid);  // the link itself
Status set_mode(int fd, mode_t mode);
// Not for symbolic links, which have no mode on Linux: unsupported there.
Status set_mode_at(int dirfd, const char* name, mode_t mode);
// nullopt leaves that time.
Status set_times(int fd, std::optional<Timestamp> atime, std::optional<Timestamp> mtime);
Status set_times_at(int dirfd, const char* name, std::optional<Timestamp> atime, std::optional<Timestamp> mtime);

// For backup: does not follow a link at the end, does not block on a FIFO, and does not touch the access time where
// that is permitted (owner or root).
Result<UniqueFd> open_for_reading_at(int dirfd, const char* name);
// The same by path; a link at the end is followed.
Result<UniqueFd> open_for_reading(const std::string& path);

// Tells the kernel that the file will be read once, in order / that its pages are no longer needed. Hints only.
void advise_sequential(int fd);
void advise_dont_need(int fd, std::int64_t offset, std::int64_t length);

}  // namespace cairn::sys
