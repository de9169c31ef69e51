#include "repo/validate_provider.h"

#include <algorithm>

#include "base/random.h"
#include "base/task_group.h"

namespace cairn::repo {
namespace {

constexpr std::size_t kBlobSize = 1u << 16;
constexpr int kSharedBlobs = 16;

Status expect(bool holds, std::string_view what) {
  return holds ? Status() : error(Code::failed_precondition, "the storage does not keep its promise: {}", what);
}

std::string random_text(std::size_t size) {
  std::string text = random_hex(size / 2);
  text.resize(size, '0');
  return text;
}

class Validation {
 public:
  Validation(const std::vector<std::shared_ptr<blob::Storage>>& connections, const ValidateOptions& options)
      : connections_(connections), options_(options), prefix_("z-validation-" + random_hex(8) + '-') {}

  Status run(const std::function<void(const std::string&)>& on_step, std::stop_token stop) {
    struct Step {
      const char* name;
      Status (Validation::*run)(std::stop_token);
    };
    static constexpr Step kSteps[] = {{"blobs that are not there", &Validation::missing},
                                      {"writing and reading", &Validation::write_and_read},
                                      {"ranges", &Validation::ranges},
                                      {"listing", &Validation::listing},
                                      {"replacing", &Validation::replacing},
                                      {"removing", &Validation::removing},
                                      {"concurrency", &Validation::concurrency}};
    for (const Step& step : kSteps) {
      on_step(step.name);
      TRY((this->*step.run)(stop), "{}", step.name);
    }
    return {};
  }

  // Nothing stays behind, also when the run was stopped.
  Status clean_up() {
    TRY_ASSIGN(const auto left, first().list_all(prefix_, {}), "cleaning up");
    for (const blob::BlobMetadata& each : left) {
      TRY(first().remove(each.id, {}), "cleaning up {}", each.id.text);
    }
    return {};
  }

 private:
  blob::Storage& first() { return *connections_.front(); }
  blob::Storage& last() { return *connections_.back(); }
  BlobId id(std::string_view name) const { return BlobId{prefix_ + std::string(name)}; }
  Status put(blob::Storage& storage, const BlobId& blob, std::string_view text, std::stop_token stop) {
    TRY(storage.put(blob, as_bytes(text), std::move(stop)));
    return {};
  }

  Status missing(std::stop_token stop) {
    TRY(expect(first().get(id("none"), {}, stop).code() == Code::not_found, "reading a missing blob finds none"));
    TRY(expect(first().metadata(id("none"), stop).code() == Code::not_found, "a missing blob has no attributes"));
    TRY_ASSIGN(const auto listed, first().list_all(prefix_, stop));
    return expect(listed.empty(), "a prefix that nobody used lists nothing");
  }
  Status write_and_read(std::stop_token stop) {
    TRY(put(first(), id("a"), text_, stop));
    TRY_ASSIGN(const Buffer read, last().get(id("a"), {}, stop));
    TRY(expect(read.text() == text_, "another connection reads what was written"));
    TRY_ASSIGN(const blob::BlobMetadata metadata, last().metadata(id("a"), stop));
    TRY(expect(metadata.length == std::ssize(text_), "the length is that of what was written"));
    const std::int64_t skew_ns = system_clock().now().ns - metadata.timestamp.ns;
    return expect(skew_ns < minutes(5).ns && skew_ns > -minutes(5).ns, "clocks are at most 5 minutes apart");
  }
  Status ranges(std::stop_token stop) {
    const std::int64_t size = std::ssize(text_);
    for (const blob::ByteRange range : {blob::ByteRange{0, 1}, blob::ByteRange{1, 10}, blob::ByteRange{size - 1, 1},
                                        blob::ByteRange{size / 2, size / 2}, blob::ByteRange{0, size}}) {
      TRY_ASSIGN(const Buffer read, last().get(id("a"), range, stop));
      TRY(expect(read.text() == std::string_view(text_).substr(static_cast<std::size_t>(range.offset),
                                                               static_cast<std::size_t>(range.length)),
                 "a range is exactly the bytes asked for"));
    }
    return expect(!last().get(id("a"), {size + 10, 10}, stop).ok(), "a range outside the blob fails");
  }
  Status listing(std::stop_token stop) {
    TRY(put(first(), id("b"), "", stop));
    TRY_ASSIGN(auto listed, last().list_all(prefix_, stop));
    std::ranges::sort(listed, {}, [](const blob::BlobMetadata& m) { return m.id.text; });
    TRY(expect(listed.size() == 2 && listed[0].id == id("a") && listed[1].id == id("b"),
               "a listing shows what was just written"));
    return expect(listed[0].length == std::ssize(text_) && listed[1].length == 0, "a listing shows lengths");
  }
  Status replacing(std::stop_token stop) {
    TRY(put(last(), id("a"), "replaced", stop));
    TRY_ASSIGN(const Buffer read, first().get(id("a"), {}, stop));
    return expect(read.text() == "replaced", "a blob that was replaced reads as the new one at once");
  }
  Status removing(std::stop_token stop) {
    TRY(first().remove(id("a"), stop));
    TRY(first().remove(id("b"), stop));
    TRY(first().remove(id("b"), stop), "removing a missing blob");
    TRY(expect(last().get(id("a"), {}, stop).code() == Code::not_found, "a removed blob is gone at once"));
    TRY_ASSIGN(const auto listed, last().list_all(prefix_, stop));
    return expect(listed.empty(), "a removed blob is not listed");
  }

  // Everybody replaces and reads the same few blobs: each has one of the forms written, never a mixture or a part.
  Status concurrency(std::stop_token stop) {
    for (int n = 0; n < kSharedBlobs; ++n) {
      TRY(put(first(), id(std::to_string(n)), uniform('a'), stop));
    }
    const std::int64_t end_ns = monotonic_ns() + options_.concurrency_time.ns;
    using Work = Status (Validation::*)(blob::Storage&, const BlobId&, std::stop_token);
    const std::pair<Work, unsigned> kinds[] = {{&Validation::write_shared, options_.put_workers},
                                               {&Validation::read_shared, options_.get_workers},
                                               {&Validation::look_shared, options_.metadata_workers}};
    const unsigned each = options_.put_workers + options_.get_workers + options_.metadata_workers;
    const auto workers = static_cast<unsigned>(connections_.size()) * each;
    TaskGroup group({.worker_count = std::max(workers, 1U), .queue_max = std::max(workers, 1U)}, stop);
    for (const auto& connection : connections_) {
      for (const auto& [work, count] : kinds) {
        for (unsigned n = 0; n < count; ++n) {
          group.submit([this, end_ns, work = work, storage = connection.get()](std::stop_token s) -> Status {
            while (monotonic_ns() < end_ns && !s.stop_requested()) {
              TRY((this->*work)(*storage, id(std::to_string(random_u64() % kSharedBlobs)), s));
            }
            return {};
          });
        }
      }
    }
    TRY(group.join());
    return stop.stop_requested() ? error(Code::cancelled, "cancelled") : Status();
  }
  static std::string uniform(char c) { return std::string(kBlobSize, c); }
  Status write_shared(blob::Storage& storage, const BlobId& blob, std::stop_token stop) {
    return put(storage, blob, uniform(static_cast<char>('a' + random_u64() % 26)), std::move(stop));
  }
  Status read_shared(blob::Storage& storage, const BlobId& blob, std::stop_token stop) {
    TRY_ASSIGN(const Buffer read, storage.get(blob, {}, std::move(stop)));
    const std::string_view text = read.text();
    return expect(text.size() == kBlobSize && text.find_first_not_of(text[0]) == std::string_view::npos,
                  "a blob that is being replaced reads whole, as the old or the new one");
  }
  Status look_shared(blob::Storage& storage, const BlobId& blob, std::stop_token stop) {
    TRY_ASSIGN(const blob::BlobMetadata metadata, storage.metadata(blob, std::move(stop)));
    return expect(metadata.length == std::ssize(uniform('a')), "a blob that is being replaced has its length");
  }

  const std::vector<std::shared_ptr<blob::Storage>>& connections_;
  const ValidateOptions& options_;
  const std::string prefix_;
  const std::string text_ = random_text(kBlobSize);
};

}  // namespace

Status validate_provider(const std::vector<std::shared_ptr<blob::Storage>>& connections, const ValidateOptions& options,
                         const std::function<void(const std::string& step)>& on_step, std::stop_token stop) {
  CHECK(!connections.empty());
  Validation validation(connections, options);
  Status status = validation.run(on_step, std::move(stop));
  Status cleaned = validation.clean_up();
  return status.ok() ? std::move(cleaned) : std::move(status);
}

}  // namespace cairn::repo
