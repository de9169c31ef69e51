#include "sys/mapped.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include "base/random.h"
#include "sys/lost_pages.h"

namespace cairn::sys {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<void*, std::size_t> mappings;
};
Registry& registry() {
  static Registry r;
  return r;
}

std::atomic<std::size_t> ceiling{0};
std::atomic<std::size_t> trim_at{0};

std::size_t page_size() {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

Result<UniqueFd> open_nameless(const std::string& directory) {
  auto fd = open_file(directory, O_TMPFILE | O_RDWR, 0600);
  if (fd.ok()) {
    return fd;
  }
  // Not every file system can make a file without a name.
  const std::string path = join_path(directory, ".cairn-scratch-" + random_hex(8));
  TRY_ASSIGN(UniqueFd named, open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600));
  TRY(remove_file(path));
  return named;
}

// Where temporary data was made last, for a signal handler: texts that are never freed.
std::atomic<const char*> last_place{nullptr};
const char* program_name = "";

void remember_place(const std::string& directory) {
  static std::mutex mutex;
  static std::set<std::string> places;  // few
  const std::lock_guard lock(mutex);
  last_place = places.insert(directory).first->c_str();
}

void say(const char* text) {
  std::size_t left = std::strlen(text);
  while (left > 0) {
    const ssize_t n = ::write(STDERR_FILENO, text, left);
    if (n <= 0) {
      return;
    }
    text += n;
    left -= static_cast<std::size_t>(n);
  }
}

// Calls only what a signal handler may call.
void on_lost_page(int, siginfo_t* info, void*) {
  const char* const place = last_place;
  if (info->si_code != BUS_ADRERR || place == nullptr) {
    ::signal(SIGBUS, SIG_DFL);  // not ours
    ::raise(SIGBUS);            // comes when this handler has ended
    return;
  }
  say(program_name);
  say(": error: temporary data in ");
  say(place);
  say(" can no longer be read: its disk failed or the file was cut short. The repository is as after a process that "
      "was "
      "killed; look at that disk, or give another one (--cache-directory of 'repository connect', TMPDIR), and run the "
      "command again\n");
  ::_exit(1);
}

}  // namespace

void explain_lost_pages(const char* program) {
  const char* const slash = std::strrchr(program, '/');
  program_name = slash == nullptr ? program : slash + 1;
  struct sigaction action = {};
  action.sa_sigaction = on_lost_page;
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

MappedBytes& MappedBytes::operator=(MappedBytes&& o) noexcept {
  if (this != &o) {
    reset();
    base_ = std::exchange(o.base_, nullptr);
    mapped_ = std::exchange(o.mapped_, 0);
    view_ = std::exchange(o.view_, {});
  }
  return *this;
}

void MappedBytes::reset() noexcept {
  if (base_ != nullptr) {
    Registry& r = registry();
    const std::lock_guard lock(r.mutex);
    r.mappings.erase(base_);
    ::munmap(base_, mapped_);
  }
  base_ = nullptr;
  mapped_ = 0;
  view_ = {};
}

Result<ScratchFile> ScratchFile::make(const std::string& directory) {
  ScratchFile file;
  file.directory_ = directory.empty() ? temp_directory() : directory;
  auto fd = open_nameless(file.directory_);
  if (!fd.ok() && file.directory_ != temp_directory()) {
    file.directory_ = temp_directory();
    fd = open_nameless(file.directory_);
  }
  TRY_ASSIGN(file.fd_, std::move(fd), "making a temporary file in {}", file.directory_);
  remember_place(file.directory_);
  return file;
}

Status ScratchFile::explain(Status s) const {
  return std::move(s).with_frame("writing temporary data in " + directory_ +
                                 " (room is needed there; TMPDIR and the cache directory say where)");
}

Status ScratchFile::append(ByteView bytes) {
  if (Status s = pwrite_all(fd_.get(), bytes, static_cast<std::int64_t>(size_)); !s.ok()) {
    return explain(std::move(s));
  }
  size_ += bytes.size();
  return {};
}

Result<MappedBytes> ScratchFile::map(std::size_t offset, std::size_t length) const {
  CHECK(offset + length <= size_);
  MappedBytes out;
  if (length == 0) {
    return out;
  }
  const std::size_t skip = offset % page_size();
  out.mapped_ = skip + length;
  void* at = ::mmap(nullptr, out.mapped_, PROT_READ, MAP_SHARED, fd_.get(), static_cast<off_t>(offset - skip));
  if (at == MAP_FAILED) {
    return errno_status(errno, "mmap of temporary data");
  }
  out.base_ = at;
  out.view_ = {static_cast<Byte*>(at) + skip, length};
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  r.mappings.emplace(at, out.mapped_);
  return out;
}

Result<MappedBytes> ScratchFile::map_zeroed(std::size_t length) {
  CHECK(size_ == 0 && length > 0);
  int failed = 0;
  do {
    failed = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(length));
  } while (failed == EINTR);
  if (failed != 0) {
    return explain(errno_status(failed, "fallocate"));
  }
  size_ = length;
  TRY_ASSIGN(MappedBytes out, map(0, length));
  if (::mprotect(out.base_, out.mapped_, PROT_READ | PROT_WRITE) != 0) {
    return errno_status(errno, "mprotect of temporary data");
  }
  return out;
}

void keep_resident_below(std::size_t bytes) {
  ceiling = bytes;
  trim_at = bytes;
}

std::size_t resident_bytes() {
  static const UniqueFd statm(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  char text[128];
  const ssize_t n = statm.valid() ? ::pread(statm.get(), text, sizeof text, 0) : -1;
  if (n <= 0) {
    return 0;
  }
  const char* const begin = text;
  const char* const end = begin + n;
  const char* const second = std::find(begin, end, ' ');
  std::size_t pages = 0;
  if (second == end || std::from_chars(second + 1, end, pages).ec != std::errc()) {
    return 0;
  }
  return pages * page_size();
}

void trim_mapped() {
  const std::size_t limit = trim_at;
  if (limit == 0 || resident_bytes() <= limit) {
    return;
  }
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  for (const auto& [base, length] : r.mappings) {
    ::madvise(base, length, MADV_DONTNEED);
  }
  if (resident_bytes() > ceiling / 2) {
    ::malloc_trim(0);  // what was freed and kept by the allocator
  }
  // Where the rest alone is near the ceiling, giving back at every look would only cost time.
  trim_at = std::max<std::size_t>(ceiling, resident_bytes() + ceiling / 8);
}

}  // namespace cairn::sys
