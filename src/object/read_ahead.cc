#include "object/read_ahead.h"

#include <algorithm>

#include "base/task_group.h"

namespace cairn::object {
namespace {

// Of one window: plaintext, and actions without any.
constexpr std::size_t kWindowBytes = std::size_t{12} << 20;
constexpr std::size_t kWindowActions = 4096;

}  // namespace

struct ReadAhead::Window {
  struct Item {
    Action action;
    Buffer content;
    bool read = false;
  };
  std::vector<Item> items;
  std::vector<content::ContentPlace> places;  // owner: the item
  std::size_t bytes = 0;
  std::vector<content::PackRange> ranges;
  std::unique_ptr<TaskGroup> requests;  // goes first: its tasks use all of the above
};

ReadAhead::ReadAhead(content::ContentManager& contents, const content::ReadStyle& style, std::stop_token stop)
    : contents_(contents), style_(style), stop_(std::move(stop)), filling_(std::make_unique<Window>()) {}

ReadAhead::~ReadAhead() = default;

void ReadAhead::add(Action action) {
  filling_->items.push_back({std::move(action), {}, false});
  if (filling_->items.size() >= kWindowActions || filling_->bytes >= kWindowBytes) {
    full();
  }
}

void ReadAhead::add(const ObjectId& object, Action action) {
  if (object.indirection == 0 && !object.compressed) {
    if (const auto info = contents_.info(object.content, stop_); info.ok()) {
      if (filling_->bytes != 0 && filling_->bytes + info->original_length > kWindowBytes) {
        full();
      }
      filling_->places.push_back(content::place_of(*info, packs_, static_cast<std::uint32_t>(filling_->items.size())));
      filling_->bytes += info->original_length;
    }
  }
  add(std::move(action));
}

void ReadAhead::full() {
  fetch(*filling_);
  work_off(std::exchange(fetching_, std::exchange(filling_, std::make_unique<Window>())));
}

void ReadAhead::drain() {
  full();
  work_off(std::move(fetching_));
}

void ReadAhead::fetch(Window& window) {
  window.ranges = content::merge_into_ranges(window.places, style_.limits);
  const auto workers =
      std::min<std::size_t>(std::max(style_.requests, 1U), std::max<std::size_t>(window.ranges.size(), 1));
  window.requests =
      std::make_unique<TaskGroup>(TaskGroup::Options{.worker_count = static_cast<unsigned>(workers)}, stop_);
  for (const content::PackRange& range : window.ranges) {
    window.requests->submit_unbounded([this, &window, &range](std::stop_token stop) {
      const auto keep = [&](std::size_t first, const Buffer* plain) -> Status {
        for (std::size_t i = first; i < range.last && window.places[i].id == window.places[first].id; ++i) {
          if (plain != nullptr) {
            Window::Item& item = window.items[window.places[i].owner];
            item.content = Buffer::copy_of(plain->view());
            item.read = true;
          }
        }
        return {};
      };
      return content::read_range(contents_, packs_, window.places, range, style_.limits, keep, std::move(stop));
    });
  }
}

void ReadAhead::work_off(std::unique_ptr<Window> window) {
  if (window == nullptr) {
    return;
  }
  (void)window->requests->join();  // it fails only when all is stopped, which the actions see for themselves
  for (Window::Item& item : window->items) {
    item.action(item.read ? &item.content : nullptr);
    item = {};
  }
}

Status read_ahead(ObjectManager& objects, const ObjectId& id, const std::function<Status(ByteView)>& sink,
                  std::stop_token stop) {
  const content::ReadStyle style = content::read_style(objects.contents().storage());
  if (!style.together || id.indirection == 0) {
    return objects.read(id, sink, stop);
  }
  Status result;
  ReadAhead ahead(objects.contents(), style, stop);
  const auto give = [&](const IndirectEntry& e, const Buffer& bytes) -> Status {
    if (e.length >= 0 && static_cast<std::int64_t>(bytes.size()) != e.length) {
      return error(Code::corrupt, "object {} has {} bytes, expected {}", e.object.text(), bytes.size(), e.length);
    }
    return sink(bytes.view());
  };
  const auto ask = [&](const IndirectEntry& e) -> Status {
    TRY_ASSIGN(const Buffer bytes, objects.read_chunk(e.object, stop));
    return give(e, bytes);
  };
  const auto chunk = [&](const IndirectEntry& e) -> Status {
    ahead.add(e.object, [&, e](const Buffer* read) {
      if (result.ok()) {
        result = read != nullptr ? give(e, *read) : ask(e);
      }
    });
    return result;
  };
  Status walked = objects.for_each_chunk(id, chunk, stop);
  if (result.ok()) {
    ahead.drain();
  }
  return result.ok() ? walked : result;
}

}  // namespace cairn::object
