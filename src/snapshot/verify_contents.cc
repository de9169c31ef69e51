#include "snapshot/verify_contents.h"

#include <algorithm>

#include "base/task_group.h"

namespace cairn::snapshot {
namespace {

// Bytes of ranges that are being read, and of the longest content of each once it is decoded.
constexpr std::size_t kBytesInFlightMax = std::size_t{44} << 20;

}  // namespace

ContentVerifier::ContentVerifier(repo::Repository& repository, const Options& options, Callbacks callbacks)
    : repository_(repository),
      options_(options),
      budget_(kBytesInFlightMax),
      callbacks_(std::move(callbacks)),
      batch_(std::make_unique<Batch>()) {}

void ContentVerifier::file_failed(const std::string& path, const object::ObjectId& object, const Status& status) {
  callbacks_.on_error(path, status.with_frame("error reading object " + object.text()));
}

Status ContentVerifier::add(const std::string& path, const object::ObjectId& object, std::int64_t length,
                            const std::vector<content::ContentInfo>& contents, std::stop_token stop) {
  std::vector<content::ContentPlace> items;
  Status known_bad;
  std::unique_ptr<Batch> full;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return batch_->items.size() < options_.batch_max || !working_; });
    if (stop.stop_requested()) {
      return Status(Code::cancelled, "cancelled");
    }
    for (const content::ContentInfo& c : contents) {
      if (const auto it = bad_.find(c.id); it != bad_.end()) {
        known_bad = it->second;
        break;
      }
      if (!good_.contains(object::ObjectId::direct(c.id))) {
        items.push_back(content::place_of(c, packs_, static_cast<std::uint32_t>(batch_->files.size())));
      }
    }
    if (known_bad.ok() && !items.empty()) {
      batch_->files.push_back({path, object, length, static_cast<std::uint32_t>(items.size()), false});
      batch_->items.insert(batch_->items.end(), items.begin(), items.end());
      if (batch_->items.size() >= options_.batch_max && !working_) {
        full = std::exchange(batch_, std::make_unique<Batch>());
        working_ = true;
      }
    }
  }
  if (!known_bad.ok()) {
    file_failed(path, object, known_bad);
    return {};
  }
  if (items.empty()) {
    callbacks_.on_file_read(length);
    return {};
  }
  return full != nullptr ? work_off(std::move(full), stop) : Status();
}

Status ContentVerifier::finish(std::stop_token stop) {
  std::unique_ptr<Batch> rest;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return !working_; });
    rest = std::exchange(batch_, std::make_unique<Batch>());
    working_ = true;
  }
  return work_off(std::move(rest), stop);
}

Status ContentVerifier::work_off(std::unique_ptr<Batch> batch, std::stop_token stop) {
  const auto ranges = content::merge_into_ranges(batch->items, options_.limits);
  const auto verify = [&](std::size_t i, std::stop_token inner) -> Status {
    std::size_t decoded = 0;
    for (std::size_t at = ranges[i].first; at < ranges[i].last; ++at) {
      decoded = std::max<std::size_t>(decoded, batch->items[at].original_length);
    }
    const auto lease = budget_.take(ranges[i].length + decoded);
    const auto each = [&](std::size_t item, const Buffer* plain) -> Status {
      if (plain == nullptr) {
        return verify_slowly(*batch, item, inner);
      }
      settle(*batch, item, {});
      return {};
    };
    return content::read_range(repository_.contents(), packs_, batch->items, ranges[i], options_.limits, each, inner);
  };
  const Status s = parallel_for(ranges.size(), options_.threads, stop, verify);
  {
    const std::lock_guard lock(mutex_);
    working_ = false;
  }
  changed_.notify_all();
  return s;
}

Status ContentVerifier::verify_slowly(Batch& batch, std::size_t item, std::stop_token stop) {
  auto content = repository_.contents().read(batch.items[item].id, stop);
  if (content.code() == Code::cancelled) {
    return std::move(content).status();
  }
  settle(batch, item, std::move(content).status());
  return {};
}

void ContentVerifier::settle(Batch& batch, std::size_t item, const Status& status) {
  const ContentId& id = batch.items[item].id;
  if (status.ok()) {
    good_.insert(object::ObjectId::direct(id));
  } else {
    const std::lock_guard lock(mutex_);
    bad_.emplace(id, status);
  }
  // Files that are done now, or have failed just now.
  std::vector<File*> done;
  {
    const std::lock_guard lock(batch.mutex);
    for (std::size_t i = item; i < batch.items.size() && batch.items[i].id == id; ++i) {
      File& f = batch.files[batch.items[i].owner];
      --f.remaining;
      if (f.failed) {
        continue;
      }
      f.failed = !status.ok();
      if (f.failed || f.remaining == 0) {
        done.push_back(&f);
      }
    }
  }
  for (File* f : done) {
    if (status.ok()) {
      callbacks_.on_file_read(f->length);
    } else {
      file_failed(f->path, f->object, status);
    }
  }
}

}  // namespace cairn::snapshot
