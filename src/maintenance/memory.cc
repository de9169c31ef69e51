#include "maintenance/memory.h"

#include <functional>

namespace cairn::maintenance {

ContentIdSorter::ContentIdSorter(const content::ContentManager& contents, const MemoryBudget& budget)
    : hash_size_(contents.crypto().hasher().size()),
      sorter_(1 + hash_size_, budget.per_set(), contents.scratch_directory()) {}

Status ContentIdSorter::add(const ContentId& id) {
  if (id.size != hash_size_) {
    return error(Code::corrupt, "content id {} has another length than the contents of this repository", id.text());
  }
  Byte record[1 + kHashSizeMax];
  record[0] = id.prefix;
  std::memcpy(record + 1, id.hash.data(), hash_size_);
  return sorter_.add(ByteView{record, 1 + hash_size_});
}

ContentId content_id_of(ByteView record) {
  ContentId id;
  id.prefix = record[0];
  id.size = static_cast<std::uint8_t>(record.size() - 1);
  std::memcpy(id.hash.data(), record.data() + 1, id.size);
  return id;
}

std::uint64_t PackTable::key_of(std::string_view pack) {
  const std::uint64_t letter = pack.empty() ? 1 : static_cast<unsigned char>(pack.front());
  std::uint64_t h = std::hash<std::string_view>()(pack);
  h = (h ^ h >> 32) * 0x9e3779b97f4a7c15ULL;
  return letter << 56 | h >> 8;
}

std::size_t PackTable::slot_of(std::uint64_t key) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = key & mask;
  while (slots_[i].key != 0 && slots_[i].key != key) {
    i = (i + 1) & mask;
  }
  return i;
}

std::int64_t& PackTable::operator[](std::string_view pack) {
  if ((used_ + 1) * 4 > slots_.size() * 3) {
    std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& s : old) {
      if (s.key != 0) {
        slots_[slot_of(s.key)] = s;
      }
    }
  }
  const std::uint64_t key = key_of(pack);
  Slot& slot = slots_[slot_of(key)];
  used_ += slot.key == 0 ? 1 : 0;
  slot.key = key;
  return slot.value;
}

const std::int64_t* PackTable::find(std::string_view pack) const {
  if (slots_.empty()) {
    return nullptr;
  }
  const Slot& slot = slots_[slot_of(key_of(pack))];
  return slot.key == 0 ? nullptr : &slot.value;
}

}  // namespace cairn::maintenance
