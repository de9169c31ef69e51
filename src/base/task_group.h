// A scope of worker threads with a bounded queue. Joins in its destructor; nothing is detached.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "base/status.h"

namespace cairn {

// Number of CPUs this process may use (affinity), at least 1, at most 16.
unsigned cpu_count();

class TaskGroup {
 public:
  struct Options {
    unsigned worker_count = 1;
    std::size_t queue_max = 16;  // tasks waiting; submit() blocks when full
  };
  using Task = std::function<Status(std::stop_token)>;

  // Workers stop taking tasks when `stop` is requested or a task failed.
  TaskGroup(Options options, std::stop_token stop);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Blocks while the queue is full. False when the group has stopped (see join()). May be called by tasks only if
  // queue_max is unlimited for them: tasks use submit_unbounded().
  bool submit(Task task);
  bool submit_unbounded(Task task);
  // Waits for all tasks (also those that tasks submitted). The first real error wins over cancellations. Reusable.
  Status join();
  std::stop_token stop_token() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Runs fn(i) for i in [0, n) on `workers` threads. First error wins.
Status parallel_for(std::size_t n, unsigned workers, std::stop_token stop,
                    const std::function<Status(std::size_t, std::stop_token)>& fn);

}  // namespace cairn
