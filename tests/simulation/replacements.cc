#include "tests/simulation/replacements.h"

#include <mutex>

#include "base/random.h"
#include "base/sleep.h"
#include "base/task_group.h"
#include "content/committed_index.h"
#include "content/content_manager.h"
#include "content/session.h"
#include "maintenance/ownership.h"
#include "maintenance/safety.h"
#include "snapshot/tree_walk.h"
#include "tests/support/gen.h"

namespace cairn::simulation {
namespace {

std::mutex mutex;
std::uint64_t state = 0;
Mistake current = Mistake::none;
World* world_of_now = nullptr;
bool writing_now = false;

}  // namespace

void seed_random(std::uint64_t seed) {
  const std::lock_guard lock(mutex);
  state = seed;
}
void plant(Mistake mistake) { current = mistake; }
Mistake planted() { return current; }
void set_writing(bool writing) { writing_now = writing; }
void attach(World* world) { world_of_now = world; }

// clang-format off
#define WRAPPED(type, name, symbol, ...) \
  type real_##name(__VA_ARGS__) asm("__real_" symbol); \
  type wrapped_##name(__VA_ARGS__) asm("__wrap_" symbol); \
  type wrapped_##name(__VA_ARGS__)
// clang-format on

WRAPPED(void, random_bytes, "_ZN5cairn12random_bytesESt4spanIhLm18446744073709551615EE", MutByteView out) {
  const std::lock_guard lock(mutex);
  test::gen_rand_into(state, out);
  state = test::SplitMix64(state + 1)();
}

WRAPPED(std::string, random_hex, "_ZN5cairn10random_hexB5cxx11Em", std::size_t count) {
  Bytes b(count);
  wrapped_random_bytes(b);
  return hex_encode(b);
}

WRAPPED(std::uint64_t, random_u64, "_ZN5cairn10random_u64Ev") {
  Byte b[8];
  wrapped_random_bytes(b);
  return load_be64(b);
}

WRAPPED(bool, sleep_for, "_ZN5cairn9sleep_forENS_8DurationESt10stop_token", Duration d, std::stop_token stop) {
  if (world_of_now != nullptr) {
    world_of_now->pause(world_of_now->running(), d);
  }
  return !stop.stop_requested();
}

using Work = std::function<Status(std::size_t, std::stop_token)>;
WRAPPED(Status, parallel_for, "_ZN5cairn12parallel_forEmjSt10stop_tokenRKSt8functionIFNS_6StatusEmS0_EE", std::size_t n,
        unsigned, std::stop_token stop, const Work& work) {
  return real_parallel_for(n, 1, std::move(stop), work);
}

// The constructor: one thread walks.
using snapshot::TreeWalker;
WRAPPED(void, tree_walker,
        "_ZN5cairn8snapshot10TreeWalkerC1ERNS_6object13ObjectManagerENS1_7OptionsESt8functionIFNS_6StatusERKNS0_"
        "12DirEntryViewERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESt10stop_tokenEE",
        TreeWalker* self, object::ObjectManager& objects, TreeWalker::Options options, TreeWalker::OnEntry on_entry) {
  options.parallel = 1;
  real_tree_walker(self, objects, std::move(options), std::move(on_entry));
}

using Opened = Result<std::unique_ptr<content::ContentManager>>;
WRAPPED(Opened, open,
        "_ZN5cairn7content14ContentManager4openESt10shared_ptrINS_4blob7StorageEERNS_6format13FormatManagerENS0_"
        "14ContentOptionsESt10stop_token",
        std::shared_ptr<blob::Storage> storage, format::FormatManager& format, content::ContentOptions options,
        std::stop_token stop) {
  options.upload_threads = 1;
  return real_open(std::move(storage), format, std::move(options), std::move(stop));
}

// From here on: the mistakes.
using SafeTime = std::optional<Timestamp>;
WRAPPED(SafeTime, safe_drop_time, "_ZN5cairn11maintenance14safe_drop_timeERKNS0_8ScheduleERKNS0_6SafetyENS_9TimestampE",
        const maintenance::Schedule& schedule, const maintenance::Safety& safety, Timestamp now) {
  return current == Mistake::one_cycle ? SafeTime(now + seconds(60)) : real_safe_drop_time(schedule, safety, now);
}

WRAPPED(bool, may_delete_blobs, "_ZN5cairn11maintenance16may_delete_blobsERKNS0_8ScheduleERKNS0_6SafetyENS_9TimestampE",
        const maintenance::Schedule& schedule, const maintenance::Safety& safety, Timestamp now) {
  return current == Mistake::rewrite_races_delete || real_may_delete_blobs(schedule, safety, now);
}

WRAPPED(bool, may_rewrite, "_ZN5cairn11maintenance11may_rewriteERKNS0_8ScheduleERKNS0_6SafetyEb",
        const maintenance::Schedule& schedule, const maintenance::Safety& safety, bool full) {
  return current == Mistake::rewrite_races_delete || real_may_rewrite(schedule, safety, full);
}

using Found = Result<std::optional<content::CommittedIndex::Found>>;
WRAPPED(Found, find, "_ZNK5cairn7content14CommittedIndex4findERKNS_9ContentIdE", const content::CommittedIndex* self,
        const ContentId& id) {
  Found found = real_find(self, id);
  if (current == Mistake::reuse_of_marked && writing_now && found.ok() && *found) {
    (*found)->entry.deleted = false;
  }
  return found;
}

WRAPPED(Result<BlobId>, put_session_marker,
        "_ZN5cairn7content18put_session_markerERNS_4blob7StorageERKNS_6format10UnitCryptoERKNS0_"
        "11SessionInfoESt10stop_token",
        blob::Storage& storage, const format::UnitCrypto& crypto, const content::SessionInfo& info,
        std::stop_token stop) {
  if (current == Mistake::no_session) {
    return BlobId("s-none");
  }
  return real_put_session_marker(storage, crypto, info, std::move(stop));
}

WRAPPED(SafeTime, wait_for_former_owner,
        "_ZN5cairn11maintenance21wait_for_former_ownerERKNS0_10ParametersERKNS0_8ScheduleENS_9TimestampES7_",
        const maintenance::Parameters& parameters, const maintenance::Schedule& schedule, Timestamp written,
        Timestamp now) {
  return current == Mistake::owner_change ? SafeTime() : real_wait_for_former_owner(parameters, schedule, written, now);
}

}  // namespace cairn::simulation
