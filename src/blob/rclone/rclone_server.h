// An rclone that serves a remote to us over WebDAV on loopback, for as long as the object lives.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "net/http.h"
#include "sys/process.h"

namespace cairn::blob {

struct RcloneOptions {
  std::string remote_path;                  // "remote:path", or a folder of this machine
  std::string program = "rclone";           //
  std::vector<std::string> arguments, env;  // added
  std::string config;                       // contents of a configuration file; "": rclone's own
  Duration startup_timeout = seconds(15);
  bool debug = false;              // what it prints goes to our log
  bool wait_for_transfers = true;  // at the end
};

class RcloneServer {
 public:
  // Errors: failed_precondition (no rclone, or it ended: with its last words), deadline, cancelled.
  static Result<std::shared_ptr<RcloneServer>> start(const RcloneOptions& options, std::stop_token stop);
  ~RcloneServer();

  const std::string& url() const { return dav_url_; }
  const std::string& username() const { return username_; }
  const std::string& password() const { return password_; }
  const std::string& fingerprint() const { return fingerprint_; }
  // Makes it look at the remote again instead of remembering. Errors: those of net::HttpClient.
  Status forget(std::stop_token stop);

 private:
  explicit RcloneServer(const RcloneOptions& options) : options_(options) {}
  Status write_files();
  std::vector<std::string> command_line() const;
  void run(const std::stop_token& stop);
  void take_line(std::string_view line);
  Status wait_until_ready(const std::stop_token& stop);
  Result<net::HttpResponse> control(const std::string& call, std::string_view body, std::stop_token stop);
  void wait_for_transfers();

  const RcloneOptions options_;
  sys::TempDir dir_;
  std::string username_, password_, fingerprint_;
  std::shared_ptr<net::HttpClient> client_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::string dav_url_, control_url_;  // fixed once both are there
  std::string last_line_;
  Status ended_;  // why there will be no more lines
  bool running_ = true;
  std::jthread thread_;  // starts the program, which ends with it
};

}  // namespace cairn::blob
