// Restoring one entry after the other, with their contents read ahead.
#include "snapshot/restore_engine.h"
#include "snapshot/tree_walk.h"

namespace cairn::snapshot {

void RestoreEngine::begin_in_order(const NodePtr& node) {
  ++node->pending;
  ahead_->add([this, node](const Buffer*) {
    if (!stop().stop_requested() && (node->parent == nullptr || node->parent->handle != nullptr)) {
      (void)begin(*node);  // what is in a directory without a handle is left out
    }
    release(node);
  });
}

void RestoreEngine::restore_in_order(const NodePtr& node, const DirEntryView& entry) {
  if (node != nullptr) {
    ++node->pending;
  }
  if (entry.type == EntryType::file && entry.obj.indirection != 0) {
    restore_chunked_in_order(node, entry);
    return;
  }
  ahead_->add(entry.obj, [this, node, e = entry.to_entry()](const Buffer* content) {
    if (!stop().stop_requested() && (node == nullptr || node->handle != nullptr)) {
      const bool usable = content != nullptr && (e.type == EntryType::file || content->size() <= kRestoredLinkMax);
      if (usable) {
        write_gathered(node, view_of(e), *content);
      } else {
        restore_now(node, view_of(e));
      }
    }
    release(node);
  });
}

void RestoreEngine::restore_chunked_in_order(const NodePtr& node, const DirEntryView& entry) {
  auto big = std::make_shared<BigFile>();
  big->node = node;
  big->entry = entry.to_entry();
  auto reader = objects_.open(entry.obj, stop());
  if (!reader.ok()) {
    fail(node.get(), entry.name, source_error(node, entry, std::move(reader).status()));
    release(node);
    return;
  }
  big->length = (*reader)->length();
  reader->reset();
  ahead_->add([this, big](const Buffer*) {
    const NodePtr& parent = big->node;
    Status created(Code::cancelled, "cancelled");
    if (!stop().stop_requested() && (parent == nullptr || parent->handle != nullptr)) {
      auto file = output_.create_file(parent ? parent->handle : nullptr, view_of(big->entry), big->length);
      created = file.ok() ? Status() : std::move(file).status();
      if (created.ok()) {
        big->file = std::move(*file);
        return;
      }
      fail(parent.get(), big->entry.name, created.with_frame("copy file"));
    }
    big->set_error(Status(Code::cancelled, "cancelled"));  // said already
  });
  const auto each = [&](const object::IndirectEntry& chunk) -> Status {
    if (big->failed || stop().stop_requested()) {
      return Status(Code::cancelled, "cancelled");
    }
    ahead_->add(chunk.object, [this, big, chunk](const Buffer* content) {
      if (big->failed || stop().stop_requested()) {
        return;
      }
      Status s = content != nullptr ? write_chunk(*big, chunk, content->view()) : restore_chunk(*big, chunk);
      if (!s.ok()) {
        big->set_error(std::move(s));
      }
    });
    return {};
  };
  Status s = objects_.for_each_chunk(entry.obj, each, stop());
  ahead_->add([this, big, s](const Buffer*) {
    if (!s.ok() && !big->failed) {
      big->set_error(s);
    }
    big_file_part_done(big);
  });
}

}  // namespace cairn::snapshot
