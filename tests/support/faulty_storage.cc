#include "tests/support/faulty_storage.h"

#include <algorithm>

#include "base/sleep.h"

namespace cairn::test {
namespace {

Code code_of(const Status& s) { return s.code(); }
template <class T>
Code code_of(const Result<T>& r) {
  return r.code();
}

}  // namespace

Bytes flatten(GatherView data) {
  Bytes all;
  for (const ByteView part : data) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

void FaultyStorage::add(Fault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}

void FaultyStorage::fail_nth(Op op, int n, Status status, std::string prefix) {
  add({.op = op, .prefix = std::move(prefix), .skip = n - 1, .times = 1, .status = std::move(status)});
}

void FaultyStorage::deny(Op op, std::string prefix) {
  add({.op = op, .prefix = std::move(prefix), .status = error(Code::permission_denied, "access denied")});
}

void FaultyStorage::delay(std::optional<Op> op, Duration d) { add({.kind = Fault::Kind::delay, .op = op, .delay = d}); }

void FaultyStorage::lose_puts(std::string prefix, int times) {
  add({.kind = Fault::Kind::lost_put, .op = Op::put, .prefix = std::move(prefix), .times = times});
}

void FaultyStorage::tear_puts(std::string prefix, int times) {
  add({.kind = Fault::Kind::torn_put, .op = Op::put, .prefix = std::move(prefix), .times = times});
}

void FaultyStorage::cut_after_changes(int n) {
  const std::lock_guard lock(mutex_);
  changes_left_ = n;
}

Status FaultyStorage::freeze_lists() {
  TRY_ASSIGN(auto now, inner().list_all("", {}));
  const std::lock_guard lock(mutex_);
  frozen_ = std::move(now);
  return {};
}

void FaultyStorage::thaw_lists() {
  const std::lock_guard lock(mutex_);
  frozen_.reset();
}

void FaultyStorage::heal() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
  changes_left_.reset();
  frozen_.reset();
}

std::vector<Call> FaultyStorage::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

int FaultyStorage::count(Op op, std::string_view prefix) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count_if(calls_.begin(), calls_.end(), [&](const Call& c) {
    return c.op == op && std::string_view(c.id).starts_with(prefix);
  }));
}

void FaultyStorage::clear_calls() {
  const std::lock_guard lock(mutex_);
  calls_.clear();
}

bool FaultyStorage::is_cut() const {
  const std::lock_guard lock(mutex_);
  return changes_left_ && *changes_left_ <= 0;
}

FaultyStorage::Verdict FaultyStorage::judge(Op op, std::string_view id) {
  const std::lock_guard lock(mutex_);
  Verdict verdict;
  if (changes_left_) {
    const bool change = op == Op::put || op == Op::remove;
    if (*changes_left_ <= 0) {
      verdict.cut = true;
      return verdict;
    }
    *changes_left_ -= change ? 1 : 0;
  }
  for (Fault& fault : faults_) {
    if ((fault.op && *fault.op != op) || !id.starts_with(fault.prefix) || fault.times == 0) {
      continue;
    }
    if (fault.skip > 0) {
      --fault.skip;
      continue;
    }
    if (fault.kind != Fault::Kind::delay && verdict.fault) {
      continue;  // one at a time; the other waits for the next call
    }
    fault.times -= fault.times > 0 ? 1 : 0;
    if (fault.kind == Fault::Kind::delay) {
      verdict.delay = verdict.delay + fault.delay;
    } else {
      verdict.fault = fault;
    }
  }
  return verdict;
}

void FaultyStorage::record(Call call) {
  const std::lock_guard lock(mutex_);
  calls_.push_back(std::move(call));
}

template <class R, class F>
R FaultyStorage::run(Call call, const std::stop_token& stop, F&& inner_call) {
  const Verdict verdict = judge(call.op, call.id);
  const auto answer = [&]() -> R {
    if (verdict.cut) {
      return error(Code::unavailable, "storage was cut off");
    }
    if (verdict.delay.ns > 0 && !sleep_for(verdict.delay, stop)) {
      return error(Code::cancelled, "stopped");
    }
    if (verdict.fault && verdict.fault->kind == Fault::Kind::fail) {
      return verdict.fault->status;
    }
    R result = inner_call(verdict);
    if (verdict.fault && verdict.fault->kind == Fault::Kind::fail_after) {
      return verdict.fault->status;
    }
    return result;
  };
  R result = answer();
  call.code = code_of(result);
  record(std::move(call));
  return result;
}

Result<Buffer> FaultyStorage::get(const BlobId& id, blob::ByteRange range, std::stop_token stop) {
  return run<Result<Buffer>>({.op = Op::get, .id = id.text, .range = range}, stop,
                             [&](const Verdict&) { return inner().get(id, range, stop); });
}

Result<blob::BlobMetadata> FaultyStorage::metadata(const BlobId& id, std::stop_token stop) {
  return run<Result<blob::BlobMetadata>>({.op = Op::metadata, .id = id.text}, stop,
                                         [&](const Verdict&) { return inner().metadata(id, stop); });
}

Status FaultyStorage::list(std::string_view prefix, const blob::ListCallback& callback, std::stop_token stop) {
  return run<Status>({.op = Op::list, .id = std::string(prefix)}, stop, [&](const Verdict&) -> Status {
    std::optional<std::vector<blob::BlobMetadata>> frozen;
    {
      const std::lock_guard lock(mutex_);
      frozen = frozen_;
    }
    if (!frozen) {
      return inner().list(prefix, callback, stop);
    }
    for (const blob::BlobMetadata& blob : *frozen) {
      if (blob.id.starts_with(prefix)) {
        TRY(callback(blob));
      }
    }
    return {};
  });
}

Result<blob::BlobMetadata> FaultyStorage::put(const BlobId& id, GatherView data, const blob::PutOptions& options,
                                              std::stop_token stop) {
  const auto size = static_cast<std::int64_t>(gather_size(data));
  return run<Result<blob::BlobMetadata>>({.op = Op::put, .id = id.text, .options = options, .size = size}, stop,
                                         [&](const Verdict& verdict) -> Result<blob::BlobMetadata> {
                                           const auto kind =
                                               verdict.fault ? std::optional(verdict.fault->kind) : std::nullopt;
                                           if (kind == Fault::Kind::lost_put) {
                                             return blob::BlobMetadata{id, size, system_clock().now()};
                                           }
                                           if (kind == Fault::Kind::torn_put) {
                                             const Bytes all = flatten(data);
                                             const ByteView half = ByteView(all).first(all.size() / 2);
                                             TRY(inner().put(id, GatherView(&half, 1), options, stop));
                                             return verdict.fault->status;
                                           }
                                           return inner().put(id, data, options, stop);
                                         });
}

Status FaultyStorage::remove(const BlobId& id, std::stop_token stop) {
  return run<Status>({.op = Op::remove, .id = id.text}, stop, [&](const Verdict&) { return inner().remove(id, stop); });
}

Status FaultyStorage::extend_retention(const BlobId& id, const std::string& mode, Duration period,
                                       std::stop_token stop) {
  return run<Status>({.op = Op::extend_retention, .id = id.text}, stop,
                     [&](const Verdict&) { return inner().extend_retention(id, mode, period, stop); });
}

}  // namespace cairn::test
