// A storage that misbehaves on request and remembers what was asked of it. For contract, crash and retry tests.
#pragma once

#include <mutex>
#include <optional>
#include <vector>

#include "blob/forwarding.h"

namespace cairn::test {

// The parts of a put in one piece.
Bytes flatten(GatherView data);

enum class Op { get, metadata, list, put, remove, extend_retention };

struct Call {
  Op op = Op::get;
  std::string id{};  // prefix of a list
  blob::ByteRange range{};
  blob::PutOptions options{};
  std::int64_t size = 0;  // bytes of a put
  Code code = Code::ok;   // what the caller got
};

// One misbehaviour. It concerns the calls of `op` (all operations: nullopt) whose id starts with `prefix`: of these the
// first `skip` pass, the next `times` (−1: all) are hit.
struct Fault {
  enum class Kind {
    fail,        // `status`; the inner storage is not called
    fail_after,  // the inner storage is called, its answer is lost: `status`
    delay,       // `delay` first (ended by a stop), then as usual
    torn_put,    // the first half of the bytes is stored, then `status`: a store that is not atomic
    lost_put,    // success is reported, nothing is stored
  };
  Kind kind = Kind::fail;
  std::optional<Op> op{};
  std::string prefix{};
  int skip = 0;
  int times = -1;
  Status status = error(Code::unavailable, "injected fault");
  Duration delay{};
};

class FaultyStorage final : public blob::ForwardingStorage {
 public:
  using ForwardingStorage::ForwardingStorage;
  using Storage::put;

  void add(Fault fault);
  // The n-th call from now on (1 = the next) of that kind fails, once.
  void fail_nth(Op op, int n, Status status = error(Code::unavailable, "injected fault"), std::string prefix = "");
  void deny(Op op, std::string prefix = "");
  void delay(std::optional<Op> op, Duration d);
  void lose_puts(std::string prefix, int times = -1);
  void tear_puts(std::string prefix, int times = -1);
  // After `n` more changes (put, remove) that pass, everything fails as if the network or the process had gone.
  void cut_after_changes(int n);
  // Lists answer as of now until thawed.
  Status freeze_lists();
  void thaw_lists();
  // No faults any more; the record stays.
  void heal();

  std::vector<Call> calls() const;
  int count(Op op, std::string_view prefix = "") const;
  void clear_calls();
  bool is_cut() const;

  Result<Buffer> get(const BlobId& id, blob::ByteRange range, std::stop_token stop) override;
  Result<blob::BlobMetadata> metadata(const BlobId& id, std::stop_token stop) override;
  Status list(std::string_view prefix, const blob::ListCallback& callback, std::stop_token stop) override;
  Result<blob::BlobMetadata> put(const BlobId& id, GatherView data, const blob::PutOptions& options,
                                 std::stop_token stop) override;
  Status remove(const BlobId& id, std::stop_token stop) override;
  Status extend_retention(const BlobId& id, const std::string& mode, Duration period, std::stop_token stop) override;

 private:
  // What happens to this call. Counts the faults down.
  struct Verdict {
    std::optional<Fault> fault;  // of the kinds that replace the answer
    Duration delay{};
    bool cut = false;
  };
  Verdict judge(Op op, std::string_view id);
  void record(Call call);
  template <class R, class F>
  R run(Call call, const std::stop_token& stop, F&& inner_call);

  mutable std::mutex mutex_;
  std::vector<Fault> faults_;
  std::vector<Call> calls_;
  std::optional<int> changes_left_;
  std::optional<std::vector<blob::BlobMetadata>> frozen_;
};

}  // namespace cairn::test
