#include "base/task_group.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace cairn {

unsigned cpu_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return static_cast<unsigned>(std::clamp(n, 1, 16));
}

struct TaskGroup::State {
  std::mutex mutex;
  std::condition_variable_any work;   // a task is queued, or stop
  std::condition_variable_any space;  // the queue has room, or everything is done
  std::deque<Task> queue;
  std::size_t running = 0;
  std::size_t queue_max = 16;
  bool closing = false;
  Status first_error;
  std::stop_source stop;
  std::optional<std::stop_callback<std::function<void()>>> outer;
  std::vector<std::jthread> workers;

  bool stopped() const { return stop.stop_requested(); }

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      work.wait(lock, [&] { return closing || !queue.empty(); });
      if (queue.empty()) {
        return;
      }
      Task task = std::move(queue.front());
      queue.pop_front();
      ++running;
      lock.unlock();
      space.notify_all();
      Status s = stopped() ? Status(Code::cancelled, "cancelled") : task(stop.get_token());
      task = nullptr;
      lock.lock();
      if (!s.ok() && (first_error.ok() || (first_error.is(Code::cancelled) && !s.is(Code::cancelled)))) {
        first_error = std::move(s);
        lock.unlock();
        stop.request_stop();
        lock.lock();
      }
      --running;
      if (running == 0 && queue.empty()) {
        space.notify_all();
      }
    }
  }
};

TaskGroup::TaskGroup(Options options, std::stop_token stop) : state_(std::make_unique<State>()) {
  state_->queue_max = std::max<std::size_t>(options.queue_max, 1);
  state_->outer.emplace(std::move(stop), std::function<void()>([s = state_.get()] {
                          s->stop.request_stop();
                          s->space.notify_all();
                        }));
  for (unsigned i = 0; i < std::max(options.worker_count, 1U); ++i) {
    state_->workers.emplace_back([s = state_.get()] { s->run(); });
  }
}

TaskGroup::~TaskGroup() {
  state_->stop.request_stop();
  {
    const std::lock_guard lock(state_->mutex);
    state_->closing = true;
  }
  state_->work.notify_all();
  state_->workers.clear();
}

bool TaskGroup::submit(Task task) {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  s.space.wait(lock, [&] { return s.queue.size() < s.queue_max || s.stopped(); });
  if (s.stopped()) {
    return false;
  }
  s.queue.push_back(std::move(task));
  lock.unlock();
  s.work.notify_one();
  return true;
}

bool TaskGroup::submit_unbounded(Task task) {
  State& s = *state_;
  {
    const std::lock_guard lock(s.mutex);
    if (s.stopped()) {
      return false;
    }
    s.queue.push_back(std::move(task));
  }
  s.work.notify_one();
  return true;
}

Status TaskGroup::join() {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  s.space.wait(lock, [&] { return s.queue.empty() && s.running == 0; });
  if (s.first_error.ok() && s.stopped()) {
    return Status(Code::cancelled, "cancelled");
  }
  return s.first_error;
}

std::stop_token TaskGroup::stop_token() const { return state_->stop.get_token(); }

Status parallel_for(std::size_t n, unsigned workers, std::stop_token stop,
                    const std::function<Status(std::size_t, std::stop_token)>& fn) {
  if (workers <= 1 || n <= 1) {
    for (std::size_t i = 0; i < n; ++i) {
      if (stop.stop_requested()) {
        return Status(Code::cancelled, "cancelled");
      }
      TRY(fn(i, stop));
    }
    return {};
  }
  std::atomic<std::size_t> next{0};
  TaskGroup group({.worker_count = std::min<unsigned>(workers, static_cast<unsigned>(n)), .queue_max = workers}, stop);
  for (unsigned w = 0; w < workers; ++w) {
    group.submit([&](std::stop_token s) -> Status {
      for (std::size_t i = next++; i < n; i = next++) {
        if (s.stop_requested()) {
          return Status(Code::cancelled, "cancelled");
        }
        TRY(fn(i, s));
      }
      return {};
    });
  }
  return group.join();
}

}  // namespace cairn
