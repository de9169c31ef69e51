// SFTP over a connection of our own. The SSH library is called from here and nowhere else; it never blocks: every wait
// is ours, so that stop requests and deadlines hold.
#include <fcntl.h>
#include <libssh/libssh.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "base/log.h"
#include "blob/sftp/byte_channel.h"

namespace cairn::blob {
namespace {

constexpr Duration kTick = milliseconds(100);  // the library may hold what the socket no longer shows

struct SessionDeleter {
  void operator()(ssh_session s) const {
    ssh_silent_disconnect(s);
    ssh_free(s);
  }
};
struct ChannelDeleter {
  void operator()(ssh_channel c) const { ssh_channel_free(c); }
};
struct KeyDeleter {
  void operator()(ssh_key k) const { ssh_key_free(k); }
};
using Session = std::unique_ptr<ssh_session_struct, SessionDeleter>;
using Channel = std::unique_ptr<ssh_channel_struct, ChannelDeleter>;
using Key = std::unique_ptr<ssh_key_struct, KeyDeleter>;

// --- TCP

struct AddressDeleter {
  void operator()(addrinfo* a) const { ::freeaddrinfo(a); }
};

Result<sys::UniqueFd> connect_to(const addrinfo& address, CallWait& wait) {
  sys::UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) {
    return errno_status(errno, "socket");
  }
  int failed = 0;
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) {
      return error(Code::unavailable, "connect: {}", errno_text(errno));
    }
    TRY(wait.wait(fd.get(), POLLOUT));
    socklen_t size = sizeof failed;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failed, &size);
  }
  if (failed != 0) {
    return error(Code::unavailable, "connect: {}", errno_text(failed));
  }
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  return fd;
}

Result<sys::UniqueFd> dial(const std::string& host, int port, CallWait& wait) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  TRY(wait.check());
  const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failed != 0) {
    return error(Code::unavailable, "dial tcp: lookup {}: {}", host,
                 failed == EAI_NONAME || failed == EAI_NODATA ? "no such host" : ::gai_strerror(failed));
  }
  const std::unique_ptr<addrinfo, AddressDeleter> addresses(found);
  Status last = error(Code::unavailable, "no address");
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    auto fd = connect_to(*each, wait);
    if (fd.ok()) {
      return fd;
    }
    last = std::move(fd).status();
    if (!last.is(Code::unavailable)) {
      break;
    }
  }
  return std::move(last).with_frame(fmt::format("dial tcp {}:{}", host, port));
}

// --- SSH

// Waits for what the library needs next.
Status wait_for(ssh_session session, CallWait& wait) {
  const bool writes = (ssh_get_poll_flags(session) & SSH_WRITE_PENDING) != 0;
  return wait.wait(ssh_get_fd(session), static_cast<short>(POLLIN | (writes ? POLLOUT : 0)), kTick);
}

// Calls `step` until it returns something other than `again`.
template <class Step>
Result<int> drive(ssh_session session, CallWait& wait, int again, Step step) {
  for (;;) {
    const int result = step();
    if (result != again) {
      return result;
    }
    TRY(wait_for(session, wait));
  }
}

Status library_error(ssh_session session, Code code, std::string_view what) {
  return error(code, "ssh: {}: {}", what, ssh_get_error(session));
}

Status verify_host(ssh_session session, const SshOptions& options) {
  switch (ssh_session_is_known_server(session)) {
    case SSH_KNOWN_HOSTS_OK:
      return {};
    case SSH_KNOWN_HOSTS_CHANGED:
    case SSH_KNOWN_HOSTS_OTHER:
      return error(Code::failed_precondition,
                   "ssh: handshake failed: knownhosts: key mismatch: {} shows another key than the known one; if that "
                   "is right, correct the known hosts",
                   options.host);
    case SSH_KNOWN_HOSTS_NOT_FOUND:
    case SSH_KNOWN_HOSTS_UNKNOWN:
      return error(Code::failed_precondition,
                   "ssh: handshake failed: knownhosts: key is unknown: add the key of {} (port {}) to the known hosts "
                   "(ssh-keyscan prints it)",
                   options.host, options.port);
    case SSH_KNOWN_HOSTS_ERROR:
      break;
  }
  return library_error(session, Code::failed_precondition, "knownhosts");
}

Result<Key> load_key(const SshOptions& options) {
  ssh_key key = nullptr;
  int done;
  if (!options.key_data.empty()) {
    done = ssh_pki_import_privkey_base64(options.key_data.c_str(), nullptr, nullptr, nullptr, &key);
  } else {
    TRY_ASSIGN(const Buffer text, sys::read_file(options.key_file, 1 << 20), "error reading private key file");
    done = ssh_pki_import_privkey_base64(std::string(text.text()).c_str(), nullptr, nullptr, nullptr, &key);
  }
  if (done != SSH_OK) {
    return error(Code::failed_precondition,
                 "unable to parse private key{}: it must be a PEM or OpenSSH key without passphrase (a key with one "
                 "goes into the agent)",
                 options.key_data.empty() ? " " + options.key_file : "");
  }
  return Key(key);
}

// The one question that servers without plain password authentication ask.
Result<int> answer_questions(ssh_session session, const std::string& password, CallWait& wait) {
  for (;;) {
    TRY_ASSIGN(const int result,
               drive(session, wait, SSH_AUTH_AGAIN, [&] { return ssh_userauth_kbdint(session, nullptr, nullptr); }));
    if (result != SSH_AUTH_INFO) {
      return result;
    }
    const int prompts = ssh_userauth_kbdint_getnprompts(session);
    for (int i = 0; i < prompts; ++i) {
      ssh_userauth_kbdint_setanswer(session, static_cast<unsigned>(i), password.c_str());
    }
  }
}

Status authenticate(ssh_session session, const SshOptions& options, CallWait& wait) {
  int result = SSH_AUTH_DENIED;
  const char* method = "password";
  if (!options.password.empty()) {
    TRY_ASSIGN(result, drive(session, wait, SSH_AUTH_AGAIN,
                             [&] { return ssh_userauth_password(session, nullptr, options.password.c_str()); }));
    if (result == SSH_AUTH_DENIED &&
        (static_cast<unsigned>(ssh_userauth_list(session, nullptr)) & SSH_AUTH_METHOD_INTERACTIVE) != 0) {
      TRY_ASSIGN(result, answer_questions(session, options.password, wait));
    }
  } else if (!options.key_data.empty() || !options.key_file.empty()) {
    method = "publickey";
    auto key = load_key(options);
    if (!key.ok()) {
      return std::move(key).status().with_code(Code::failed_precondition);
    }
    TRY_ASSIGN(result, drive(session, wait, SSH_AUTH_AGAIN,
                             [&] { return ssh_userauth_publickey(session, nullptr, key->get()); }));
  } else if (::getenv("SSH_AUTH_SOCK") != nullptr) {
    method = "agent";
    TRY_ASSIGN(result, drive(session, wait, SSH_AUTH_AGAIN, [&] { return ssh_userauth_agent(session, nullptr); }));
  } else {
    return error(Code::failed_precondition, "must provide a password, a private key or an ssh agent for {}",
                 options.username);
  }
  if (result == SSH_AUTH_SUCCESS) {
    return {};
  }
  if (result == SSH_AUTH_ERROR && ssh_is_connected(session) == 0) {
    return library_error(session, Code::unavailable, "connection lost");
  }
  return error(Code::permission_denied, "ssh: handshake failed: ssh: unable to authenticate {} by {}", options.username,
               method);
}

class SshChannel final : public ByteChannel {
 public:
  SshChannel(Session session, Channel channel) : session_(std::move(session)), channel_(std::move(channel)) {}

  Status write(ByteView bytes, CallWait& wait) override {
    TRY(wait.check());
    while (!bytes.empty()) {
      const int n = ssh_channel_write(channel_.get(), bytes.data(), static_cast<std::uint32_t>(bytes.size()));
      if (n > 0) {
        wait.progress();
        bytes = bytes.subspan(static_cast<std::size_t>(n));
      } else if (n == 0 || n == SSH_AGAIN) {
        TRY(wait_for(session_.get(), wait));
      } else {
        return lost();
      }
    }
    return {};
  }

  Status read(MutByteView out, CallWait& wait) override {
    TRY(wait.check());
    while (!out.empty()) {
      const int n = ssh_channel_read_nonblocking(channel_.get(), out.data(), static_cast<std::uint32_t>(out.size()), 0);
      if (n > 0) {
        wait.progress();
        out = out.subspan(static_cast<std::size_t>(n));
      } else if ((n == 0 || n == SSH_AGAIN) && ssh_channel_is_eof(channel_.get()) == 0 &&
                 ssh_is_connected(session_.get()) != 0) {
        TRY(wait_for(session_.get(), wait));
      } else {
        return lost();
      }
    }
    return {};
  }

 private:
  Status lost() {
    const char* reason = ssh_get_error(session_.get());
    return error(Code::unavailable, "ssh: connection lost{}{}", *reason != 0 ? ": " : "", reason);
  }

  Session session_;  // outlives the channel
  Channel channel_;
};

// A file that the library can be pointed at, for known hosts that are given as text.
struct KnownHosts {
  sys::TempDir directory;
  std::string path;
};

Result<KnownHosts> known_hosts(const SshOptions& options) {
  KnownHosts found;
  if (!options.known_hosts_data.empty()) {
    TRY_ASSIGN(found.directory, sys::TempDir::make());
    found.path = found.directory.path() + "/known_hosts";
    TRY(sys::write_file_atomic(found.path, as_bytes(options.known_hosts_data), 0600));
    return found;
  }
  found.path = options.known_hosts_file.empty() ? sys::join_path(sys::home_directory(), ".ssh/known_hosts")
                                                : options.known_hosts_file;
  if (!sys::file_exists(found.path)) {
    return error(
        Code::failed_precondition,
        "unable to read known hosts: open {}: no such file or directory (ssh-keyscan prints the key of a host)",
        found.path);
  }
  return found;
}

Result<Session> new_session(const SshOptions& options, const std::string& known_hosts_path, int fd) {
  Session session(ssh_new());
  if (session == nullptr) {
    return error(Code::internal, "ssh: no session");
  }
  const int off = 0;
  const struct {
    ssh_options_e option;
    const void* value;
  } settings[] = {{SSH_OPTIONS_HOST, options.host.c_str()},
                  {SSH_OPTIONS_PORT, &options.port},
                  {SSH_OPTIONS_USER, options.username.c_str()},
                  {SSH_OPTIONS_PROCESS_CONFIG, &off},
                  {SSH_OPTIONS_KNOWNHOSTS, known_hosts_path.c_str()},
                  {SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null"},
                  {SSH_OPTIONS_FD, &fd}};
  for (const auto& each : settings) {
    if (ssh_options_set(session.get(), each.option, each.value) != SSH_OK) {
      return library_error(session.get(), Code::invalid_argument, "invalid option");
    }
  }
  ssh_set_blocking(session.get(), 0);
  return session;
}

}  // namespace

Result<std::unique_ptr<ByteChannel>> open_ssh_channel(const SshOptions& options, CallWait& wait) {
  TRY_ASSIGN(const KnownHosts hosts, known_hosts(options));
  TRY_ASSIGN(sys::UniqueFd fd, dial(options.host, options.port, wait));
  TRY_ASSIGN(Session session, new_session(options, hosts.path, fd.get()));
  (void)fd.release();  // the session closes it
  ssh_session raw = session.get();
  TRY_ASSIGN(int done, drive(raw, wait, SSH_AGAIN, [&] { return ssh_connect(raw); }));
  if (done != SSH_OK) {
    return library_error(raw, Code::unavailable, "handshake failed");
  }
  TRY(verify_host(raw, options));
  TRY(authenticate(raw, options, wait));
  Channel channel(ssh_channel_new(raw));
  TRY_ASSIGN(done, drive(raw, wait, SSH_AGAIN, [&] { return ssh_channel_open_session(channel.get()); }));
  if (done == SSH_OK) {
    TRY_ASSIGN(done, drive(raw, wait, SSH_AGAIN, [&] { return ssh_channel_request_sftp(channel.get()); }));
  }
  if (done != SSH_OK) {
    return library_error(raw, Code::unavailable, "the server does not start its sftp subsystem");
  }
  log::debug("sftp", "connected to {}:{}", options.host, options.port);
  return std::unique_ptr<ByteChannel>(std::make_unique<SshChannel>(std::move(session), std::move(channel)));
}

}  // namespace cairn::blob
