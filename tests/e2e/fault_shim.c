/* LD_PRELOAD: counts the calls that change a file system, and has one of them, or it and all later ones, fail.
 *   FAULT_AT       number of the call that fails (from 1); 0 only counts
 *   FAULT_ERRNO    28 (ENOSPC), 5 (EIO), …; 0: the process is killed at that call, half of a write done; -1: it hangs
 *   FAULT_STICKY   set: all later calls that need space fail as well
 *   FAULT_COUNT    file that gets the number of calls at the end
 *   FAULT_FS_TYPE  f_type that statfs answers
 * Only paths below FAULT_ROOT count (and descriptors opened there).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { kDescriptorsMax = 1024 };

static atomic_int calls;
static atomic_char ours[kDescriptorsMax];
static long fault_at;
static int fault_errno;
static int sticky;
static char root[PATH_MAX];

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (real == NULL) { \
    real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name); \
  }

__attribute__((constructor)) static void start(void) {
  const char* at = getenv("FAULT_AT");
  const char* number = getenv("FAULT_ERRNO");
  const char* below = getenv("FAULT_ROOT");
  fault_at = at != NULL ? atol(at) : 0;
  fault_errno = number != NULL ? atoi(number) : ENOSPC;
  sticky = getenv("FAULT_STICKY") != NULL;
  snprintf(root, sizeof root, "%s", below != NULL ? below : "");
}

__attribute__((destructor)) static void finish(void) {
  const char* path = getenv("FAULT_COUNT");
  if (path != NULL) {
    FILE* f = fopen(path, "w");
    if (f != NULL) {
      fprintf(f, "%d\n", atomic_load(&calls));
      fclose(f);
    }
  }
}

static int below_root(int dirfd, const char* path) {
  char full[PATH_MAX * 2];
  if (root[0] == 0) {
    return 0;
  }
  if (path == NULL) {
    return 0;
  }
  if (path[0] != '/' && dirfd != AT_FDCWD) {
    return dirfd >= 0 && dirfd < kDescriptorsMax && atomic_load(&ours[dirfd]);
  }
  snprintf(full, sizeof full, "%s", path);
  return strncmp(full, root, strlen(root)) == 0;
}

static int ours_fd(int fd) { return fd >= 0 && fd < kDescriptorsMax && atomic_load(&ours[fd]); }

/* 1: this call fails; errno is set. */
static int fails(int needs_space) {
  const int n = atomic_fetch_add(&calls, 1) + 1;
  if (fault_at == 0 || n < fault_at || (n > fault_at && !(sticky && needs_space))) {
    return 0;
  }
  if (fault_errno == 0) {
    return 1;
  }
  while (fault_errno < 0) {
    pause();
  }
  if (fault_errno == ENOSPC && !needs_space) {
    return 0;
  }
  errno = fault_errno;
  return 1;
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) {
    pause();
  }
}

#define FAIL_OR_DIE(result) \
  do { \
    if (fault_errno == 0) { \
      die(); \
    } \
    return (result); \
  } while (0)

static int open_common(int dirfd, const char* path, int flags, mode_t mode) {
  REAL(int, "openat", int, const char*, int, ...)
  const int counted = below_root(dirfd, path);
  if (counted && (flags & (O_CREAT | O_TRUNC | __O_TMPFILE)) != 0 && fails(1)) {
    FAIL_OR_DIE(-1);
  }
  const int fd = real(dirfd, path, flags, mode);
  if (fd >= 0 && fd < kDescriptorsMax) {
    atomic_store(&ours[fd], (char)counted);
  }
  return fd;
}

#define OPEN_BODY(dirfd) \
  mode_t mode = 0; \
  if ((flags & (O_CREAT | __O_TMPFILE)) != 0) { \
    va_list list; \
    va_start(list, flags); \
    mode = va_arg(list, mode_t); \
    va_end(list); \
  } \
  return open_common(dirfd, path, flags, mode);

int open(const char* path, int flags, ...) { OPEN_BODY(AT_FDCWD) }
int open64(const char* path, int flags, ...) { OPEN_BODY(AT_FDCWD) }
int openat(int dirfd, const char* path, int flags, ...) { OPEN_BODY(dirfd) }
int openat64(int dirfd, const char* path, int flags, ...) { OPEN_BODY(dirfd) }

ssize_t write(int fd, const void* data, size_t size) {
  REAL(ssize_t, "write", int, const void*, size_t)
  if (ours_fd(fd) && fails(1)) {
    if (size > 1) {
      (void)!real(fd, data, size / 2);
    }
    FAIL_OR_DIE(-1);
  }
  return real(fd, data, size);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
  REAL(ssize_t, "pwrite64", int, const void*, size_t, off_t)
  if (ours_fd(fd) && fails(1)) {
    if (size > 1) {
      (void)!real(fd, data, size / 2, at);
    }
    FAIL_OR_DIE(-1);
  }
  return real(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void* data, size_t size, off_t at) { return pwrite(fd, data, size, at); }

ssize_t writev(int fd, const struct iovec* parts, int count) {
  REAL(ssize_t, "writev", int, const struct iovec*, int)
  if (ours_fd(fd) && fails(1)) {
    if (count > 1) {
      (void)!real(fd, parts, count / 2);
    }
    FAIL_OR_DIE(-1);
  }
  return real(fd, parts, count);
}

ssize_t pwritev(int fd, const struct iovec* parts, int count, off_t at) {
  REAL(ssize_t, "pwritev64", int, const struct iovec*, int, off_t)
  if (ours_fd(fd) && fails(1)) {
    FAIL_OR_DIE(-1);
  }
  return real(fd, parts, count, at);
}
ssize_t pwritev64(int fd, const struct iovec* parts, int count, off_t at) { return pwritev(fd, parts, count, at); }

#define ON_DESCRIPTOR(name, needs_space, extra_declared, extra_types, ...) \
  int name(int fd extra_declared) { \
    REAL(int, #name, int extra_types) \
    if (ours_fd(fd) && fails(needs_space)) { \
      FAIL_OR_DIE(-1); \
    } \
    return real(fd __VA_ARGS__); \
  }
#define COMMA ,
ON_DESCRIPTOR(fsync, 1, , )
ON_DESCRIPTOR(fdatasync, 1, , )
ON_DESCRIPTOR(ftruncate, 1, COMMA off_t size, COMMA off_t, COMMA size)
ON_DESCRIPTOR(ftruncate64, 1, COMMA off_t size, COMMA off_t, COMMA size)

int fallocate(int fd, int mode, off_t at, off_t size) {
  REAL(int, "fallocate64", int, int, off_t, off_t)
  if (ours_fd(fd) && fails(1)) {
    FAIL_OR_DIE(-1);
  }
  return real(fd, mode, at, size);
}
int fallocate64(int fd, int mode, off_t at, off_t size) { return fallocate(fd, mode, at, size); }

int mkdirat(int dirfd, const char* path, mode_t mode) {
  REAL(int, "mkdirat", int, const char*, mode_t)
  if (below_root(dirfd, path) && fails(1)) {
    FAIL_OR_DIE(-1);
  }
  return real(dirfd, path, mode);
}
int mkdir(const char* path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int renameat(int from_fd, const char* from, int to_fd, const char* to) {
  REAL(int, "renameat", int, const char*, int, const char*)
  if (below_root(to_fd, to) && fails(1)) {
    FAIL_OR_DIE(-1);
  }
  return real(from_fd, from, to_fd, to);
}
int rename(const char* from, const char* to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int renameat2(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) {
  REAL(int, "renameat2", int, const char*, int, const char*, unsigned)
  if (below_root(to_fd, to) && fails(1)) {
    FAIL_OR_DIE(-1);
  }
  return real(from_fd, from, to_fd, to, flags);
}

int linkat(int from_fd, const char* from, int to_fd, const char* to, int flags) {
  REAL(int, "linkat", int, const char*, int, const char*, int)
  if (below_root(to_fd, to) && fails(1)) {
    FAIL_OR_DIE(-1);
  }
  return real(from_fd, from, to_fd, to, flags);
}
int link(const char* from, const char* to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int dirfd, const char* path, int flags) {
  REAL(int, "unlinkat", int, const char*, int)
  if (below_root(dirfd, path) && fails(0)) {
    FAIL_OR_DIE(-1);
  }
  return real(dirfd, path, flags);
}
int unlink(const char* path) { return unlinkat(AT_FDCWD, path, 0); }

int statfs(const char* path, struct statfs* answer) {
  REAL(int, "statfs", const char*, struct statfs*)
  const int result = real(path, answer);
  const char* type = getenv("FAULT_FS_TYPE");
  if (result == 0 && type != NULL) {
    answer->f_type = atol(type);
  }
  return result;
}
int statfs64(const char* path, struct statfs64* answer) { return statfs(path, (struct statfs*)answer); }

/* Deriving the key of a password takes longer than all else of a small command: here it is a quick mix of the same inputs,
 * for every process of the test alike. */
int EVP_PBE_scrypt(const char* password, size_t password_size, const unsigned char* salt, size_t salt_size,
                   unsigned long n, unsigned long r, unsigned long p, unsigned long memory_max, unsigned char* key,
                   size_t key_size) {
  unsigned long state = 0xcbf29ce484222325UL ^ n ^ r ^ p;
  (void)memory_max;
  for (size_t i = 0; i < password_size + salt_size; ++i) {
    state = (state ^ (i < password_size ? (unsigned char)password[i] : salt[i - password_size])) * 0x100000001b3UL;
  }
  for (size_t i = 0; i < key_size; ++i) {
    state = state * 6364136223846793005UL + 1442695040888963407UL;
    key[i] = (unsigned char)(state >> 56);
  }
  return 1;
}
