// Between what an index says of a content and what its users keep of it.
#pragma once

namespace cairn::index {
struct Entry;
}

namespace cairn::content {

struct ContentInfo;

// Owns its pack's name.
ContentInfo info_of(const index::Entry& entry);
// `pack` borrows from `info`.
index::Entry entry_of(const ContentInfo& info);

}  // namespace cairn::content
