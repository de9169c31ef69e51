// A server on loopback that answers every request with exactly the bytes a test chose: also wrong and broken ones.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace cairn::test {

struct RawRequest {
  std::string head;  // request line and headers
  std::string body;
  std::string line() const { return head.substr(0, head.find("\r\n")); }
  // Value of a header (names as sent), "" when absent.
  std::string header(const std::string& name) const {
    const std::size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) {
      return "";
    }
    const std::size_t from = at + name.size() + 4;
    return head.substr(from, head.find("\r\n", from) - from);
  }
};

// Handlers run on the connections' threads. An answer of "" closes the connection; one that starts with kReset resets
// it after the rest was sent; one that starts with kHang sends the rest and then waits for the client to go.
class RawHttpServer {
 public:
  static constexpr char kReset = '\1', kHang = '\2';
  using Handler = std::function<std::string(const RawRequest&)>;

  explicit RawHttpServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_, 64);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::jthread([this](std::stop_token stop) { accept_all(stop); });
  }
  ~RawHttpServer() {
    acceptor_ = {};
    {
      const std::lock_guard lock(mutex_);
      for (auto& each : connections_) {
        each.request_stop();
      }
    }
    connections_.clear();
    ::close(listener_);
  }
  RawHttpServer(const RawHttpServer&) = delete;
  RawHttpServer& operator=(const RawHttpServer&) = delete;

  int port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string url(const std::string& path) const { return "http://" + address() + path; }
  int connection_count() const { return connection_count_; }
  std::vector<RawRequest> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  static std::string answer(const std::string& status, const std::string& body, const std::string& headers = "") {
    return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n" +
           body;
  }

 private:
  static bool readable(int fd, const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd p{fd, POLLIN, 0};
      if (::poll(&p, 1, 20) > 0) {
        return true;
      }
    }
    return false;
  }
  void accept_all(const std::stop_token& stop) {
    while (readable(listener_, stop)) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      ++connection_count_;
      const std::lock_guard lock(mutex_);
      connections_.emplace_back([this, fd](std::stop_token s) {
        serve(fd, s);
        ::close(fd);
      });
    }
  }
  static bool read_more(int fd, std::string& buffer, const std::stop_token& stop) {
    char piece[65536];
    if (!readable(fd, stop)) {
      return false;
    }
    const ssize_t n = ::recv(fd, piece, sizeof piece, 0);
    if (n <= 0) {
      return false;
    }
    buffer.append(piece, static_cast<std::size_t>(n));
    return true;
  }
  void serve(int fd, const std::stop_token& stop) {
    std::string buffer;
    for (;;) {
      std::size_t end;
      while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
        if (!read_more(fd, buffer, stop)) {
          return;
        }
      }
      RawRequest request{buffer.substr(0, end + 2), ""};
      buffer.erase(0, end + 4);
      std::size_t length = 0;
      const std::string text = request.header("Content-Length");
      std::from_chars(text.data(), text.data() + text.size(), length);
      while (buffer.size() < length) {
        if (!read_more(fd, buffer, stop)) {
          return;
        }
      }
      request.body = buffer.substr(0, length);
      buffer.erase(0, length);
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      if (!send_answer(fd, handler_(request), stop)) {
        return;
      }
    }
  }
  static bool send_answer(int fd, std::string text, const std::stop_token& stop) {
    const char how = text.empty() ? 0 : text[0];
    const bool special = how == kReset || how == kHang;
    text.erase(0, special ? 1 : 0);
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t n = ::send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) {
        return false;
      }
      sent += static_cast<std::size_t>(n);
    }
    if (how == kReset) {
      const linger hard{1, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    } else if (how == kHang) {
      readable(fd, stop);
    }
    return !special && !text.empty();
  }

  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connection_count_{0};
  std::mutex mutex_;
  std::vector<RawRequest> requests_;
  std::vector<std::jthread> connections_;
  std::jthread acceptor_;
};

}  // namespace cairn::test
