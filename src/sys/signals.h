// Ctrl-C and SIGTERM as a stop request.
#pragma once

#include <memory>
#include <stop_token>

namespace cairn::sys {

// While it lives, the first SIGINT or SIGTERM requests a stop of its source and gives both signals back their default
// action, so that the second one ends the process. One at a time per process.
class SignalStop {
 public:
  SignalStop();
  ~SignalStop();
  SignalStop(const SignalStop&) = delete;
  SignalStop& operator=(const SignalStop&) = delete;
  std::stop_token token() const;
  // The signal that came, 0 if none did.
  int received() const;
  // As if a signal had come (server shut-down by API).
  void request_stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A closed pipe or socket becomes an error (EPIPE) of the write.
void ignore_sigpipe();

}  // namespace cairn::sys
