// Work that needs one content after the other, from a storage that answers late.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "content/pack_ranges.h"
#include "object/object_manager.h"

namespace cairn::object {

// Runs actions in the order in which they were added, each with a content that was asked for beforehand: those of a
// window together, in ranges of their packs, while the window before is worked off. Memory: two windows. Not
// thread-safe.
class ReadAhead {
 public:
  // Called with null where nothing was asked for or nothing could be read: whoever asks again learns why.
  using Action = std::function<void(const Buffer*)>;

  ReadAhead(content::ContentManager& contents, const content::ReadStyle& style, std::stop_token stop);
  ~ReadAhead();  // what has not run never will
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // `action` runs in a later call of add() or drain(), on the caller's thread.
  void add(Action action);
  // With the plaintext of the object if it is one content without a compression of its own.
  void add(const ObjectId& object, Action action);
  void drain();

 private:
  struct Window;
  void full();
  void fetch(Window& window);
  void work_off(std::unique_ptr<Window> window);

  content::ContentManager& contents_;
  const content::ReadStyle style_;
  const std::stop_token stop_;
  content::PackTable packs_;
  std::unique_ptr<Window> filling_, fetching_;
};

// As objects.read(id, sink, stop), ahead where the storage answers late.
Status read_ahead(ObjectManager& objects, const ObjectId& id, const std::function<Status(ByteView)>& sink,
                  std::stop_token stop);

}  // namespace cairn::object
