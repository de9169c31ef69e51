// SFTP over the pipes of an ssh program.
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "blob/sftp/byte_channel.h"
#include "sys/process.h"

namespace cairn::blob {
namespace {

class ProgramChannel final : public ByteChannel {
 public:
  ProgramChannel(sys::ChildProcess child, std::string name) : child_(std::move(child)), name_(std::move(name)) {}

  Status write(ByteView bytes, CallWait& wait) override {
    while (!bytes.empty()) {
      TRY(wait.wait(child_.stdin_fd(), POLLOUT));
      // A pipe that can be written takes this much without blocking.
      const ssize_t n = ::write(child_.stdin_fd(), bytes.data(), std::min<std::size_t>(bytes.size(), kPipeAtomic));
      if (n < 0 && errno != EINTR && errno != EAGAIN) {
        return lost();
      }
      if (n > 0) {
        wait.progress();
        bytes = bytes.subspan(static_cast<std::size_t>(n));
      }
    }
    return {};
  }

  Status read(MutByteView out, CallWait& wait) override {
    while (!out.empty()) {
      TRY(wait.wait(child_.stdout_fd(), POLLIN));
      const ssize_t n = ::read(child_.stdout_fd(), out.data(), out.size());
      if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
        return lost();
      }
      if (n > 0) {
        wait.progress();
        out = out.subspan(static_cast<std::size_t>(n));
      }
    }
    return {};
  }

 private:
  static constexpr std::size_t kPipeAtomic = 4096;

  // ssh says 255 for all that is its own; what it was it has said on standard error.
  Status lost() {
    const auto ended = child_.wait(seconds(2), {});
    return error(Code::unavailable, "{} ended ({}); its own words are on standard error", name_,
                 ended.ok() ? ended->text() : "still running");
  }

  sys::ChildProcess child_;
  const std::string name_;
};

}  // namespace

Result<std::unique_ptr<ByteChannel>> open_program_channel(const SshOptions& options) {
  sys::ProcessOptions process;
  process.argv.push_back(options.command.empty() ? "ssh" : options.command);
  for (std::string_view rest = options.arguments; !rest.empty();) {
    const std::size_t space = std::min(rest.find(' '), rest.size());
    process.argv.emplace_back(rest.substr(0, space));
    rest.remove_prefix(std::min(space + 1, rest.size()));
  }
  process.argv.push_back(options.username + "@" + options.host);
  process.argv.insert(process.argv.end(), {"-s", "sftp"});
  auto child = sys::ChildProcess::start(process, true, true, false);
  if (!child.ok()) {
    // To callers "not found" would mean the repository.
    return std::move(child).status().with_code(Code::failed_precondition);
  }
  log::debug("sftp", "started {} for {}", process.argv[0], options.host);
  return std::unique_ptr<ByteChannel>(std::make_unique<ProgramChannel>(std::move(child).value(), process.argv[0]));
}

}  // namespace cairn::blob
