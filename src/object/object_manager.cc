#include "object/object_manager.h"

#include <algorithm>
#include <mutex>

#include "object/indirect.h"
#include "object/object_writer.h"
#include "split/splitter.h"

namespace cairn::object {
namespace {

constexpr std::size_t kIndexObjectSizeMax = std::size_t{1} << 30;
constexpr int kIndirectionMax = 16;

// Data up to this size is one chunk whatever it holds: a dynamic splitter's minimum is a quarter of its maximum, and a
// cut at the very end changes nothing.
std::size_t single_chunk_max(const std::string& splitter) {
  const std::size_t max = split::chunk_size_max(splitter.empty() ? "FIXED" : splitter);
  return splitter.starts_with("DYNAMIC") ? max / 4 : max;
}

class Reader final : public ObjectReader {
 public:
  Reader(ObjectManager& manager, std::vector<IndirectEntry> chunks) : manager_(manager), chunks_(std::move(chunks)) {
    length_ = chunks_.back().start + chunks_.back().length;
  }
  std::int64_t length() const override { return length_; }

  Result<std::size_t> read_at(std::int64_t offset, MutByteView out, std::stop_token stop) override {
    if (offset < 0) {
      return error(Code::invalid_argument, "negative offset");
    }
    std::size_t done = 0;
    auto it = std::upper_bound(chunks_.begin(), chunks_.end(), offset,
                               [](std::int64_t at, const IndirectEntry& e) { return at < e.start + e.length; });
    for (; it != chunks_.end() && done < out.size(); ++it) {
      if (it->length == 0) {
        continue;
      }
      TRY_ASSIGN(const std::shared_ptr<const Buffer> bytes, chunk(it->object, it->length, stop));
      const auto from = static_cast<std::size_t>(offset + static_cast<std::int64_t>(done) - it->start);
      const std::size_t n = std::min(out.size() - done, bytes->size() - from);
      std::copy_n(bytes->data() + from, n, out.data() + done);
      done += n;
    }
    return done;
  }

 private:
  Result<std::shared_ptr<const Buffer>> chunk(const ObjectId& id, std::int64_t length, std::stop_token stop) {
    {
      const std::lock_guard lock(mutex_);
      if (last_ != nullptr && last_id_ == id) {
        return last_;
      }
    }
    TRY_ASSIGN(Buffer bytes, manager_.read_chunk(id, stop));
    if (static_cast<std::int64_t>(bytes.size()) != length) {
      return error(Code::corrupt, "object {} has {} bytes, expected {}", id.text(), bytes.size(), length);
    }
    auto shared = std::make_shared<const Buffer>(std::move(bytes));
    const std::lock_guard lock(mutex_);
    last_id_ = id;
    last_ = shared;
    return shared;
  }

  ObjectManager& manager_;
  const std::vector<IndirectEntry> chunks_;
  std::int64_t length_ = 0;
  std::mutex mutex_;
  ObjectId last_id_;
  std::shared_ptr<const Buffer> last_;
};

// The entry list of an indirect object.
Result<std::vector<IndirectEntry>> load_entries(ObjectManager& m, const ObjectId& id, std::stop_token stop) {
  if (id.indirection > kIndirectionMax) {
    return error(Code::corrupt, "object {} has too many levels", id.text());
  }
  ObjectId index = id;
  --index.indirection;
  TRY_ASSIGN(const Buffer json, m.read_all(index, kIndexObjectSizeMax, stop), "index of object {}", id.text());
  auto entries = decode_indirect(json.text());
  TRY(entries, "object {}", id.text());
  return entries;
}

Status walk(ObjectManager& m, const ObjectId& id, std::int64_t start, std::int64_t expected,
            const std::function<Status(const IndirectEntry&)>& fn, std::stop_token stop) {
  if (id.indirection == 0) {
    return fn({start, expected, id});
  }
  TRY_ASSIGN(const auto entries, load_entries(m, id, stop));
  if (expected >= 0 && entries.back().start + entries.back().length != expected) {
    return error(Code::corrupt, "object {} has {} bytes, expected {}", id.text(),
                 entries.back().start + entries.back().length, expected);
  }
  for (const IndirectEntry& e : entries) {
    TRY(walk(m, e.object, start + e.start, e.length, fn, stop));
  }
  return {};
}

Status verify_contents(ObjectManager& m, const ObjectId& id, const std::function<Status(const ContentId&)>& fn,
                       std::stop_token stop) {
  if (id.indirection == 0) {
    TRY(m.contents().info(id.content, stop));
    return fn(id.content);
  }
  ObjectId index = id;
  --index.indirection;
  TRY(verify_contents(m, index, fn, stop), "index of object {}", id.text());
  TRY_ASSIGN(const auto entries, load_entries(m, id, stop));
  for (const IndirectEntry& e : entries) {
    TRY(verify_contents(m, e.object, fn, stop));
  }
  return {};
}

}  // namespace

ObjectManager::ObjectManager(content::ContentManager& contents, std::string default_splitter)
    : contents_(contents), default_splitter_(std::move(default_splitter)) {}
ObjectManager::~ObjectManager() = default;

Result<ObjectId> ObjectManager::write(ByteView data, WriterOptions options, std::stop_token stop) {
  const std::string& splitter = split::is_known(options.splitter) ? options.splitter : default_splitter_;
  if (data.size() <= single_chunk_max(splitter)) {
    return store_chunk(contents_, data, options.prefix, options.compressor, stop);
  }
  auto writer = new_writer(std::move(options));
  TRY(writer->write(data, stop));
  return writer->result(stop);
}

Result<Buffer> ObjectManager::read_chunk(const ObjectId& id, std::stop_token stop) {
  if (id.indirection != 0 || id.content.empty()) {
    return error(Code::invalid_argument, "object {} is not a chunk", id.text());
  }
  auto content = contents_.read(id.content, stop);
  if (!content.ok()) {
    if (content.code() == Code::not_found) {
      return error(Code::not_found, "object not found: {}", std::move(content).status().message());
    }
    return std::move(content).status();
  }
  if (!id.compressed) {
    return std::move(*content);
  }
  if (content->size() < 4) {
    return error(Code::corrupt, "compressed object {} is too short", id.text());
  }
  Buffer out;
  TRY(compress::decompress(load_be32(content->data()), content->view(), out), "object {}", id.text());
  return out;
}

Status ObjectManager::for_each_chunk(const ObjectId& id, const std::function<Status(const IndirectEntry&)>& fn,
                                     std::stop_token stop) {
  if (id.indirection > 0) {
    return walk(*this, id, 0, -1, fn, stop);
  }
  if (id.compressed) {
    TRY_ASSIGN(const Buffer bytes, read_chunk(id, stop));
    return fn({0, static_cast<std::int64_t>(bytes.size()), id});
  }
  TRY_ASSIGN(const content::ContentInfo info, contents_.info(id.content, stop));
  return fn({0, info.original_length, id});
}

Status ObjectManager::read(const ObjectId& id, const std::function<Status(ByteView)>& sink, std::stop_token stop) {
  const auto chunk = [&](const IndirectEntry& e) -> Status {
    TRY_ASSIGN(const Buffer bytes, read_chunk(e.object, stop));
    if (e.length >= 0 && static_cast<std::int64_t>(bytes.size()) != e.length) {
      return error(Code::corrupt, "object {} has {} bytes, expected {}", e.object.text(), bytes.size(), e.length);
    }
    return sink(bytes.view());
  };
  return walk(*this, id, 0, -1, chunk, stop);
}

Result<Buffer> ObjectManager::read_all(const ObjectId& id, std::size_t size_max, std::stop_token stop) {
  if (id.indirection == 0) {
    TRY_ASSIGN(Buffer bytes, read_chunk(id, stop));
    if (bytes.size() > size_max) {
      return error(Code::resource_exhausted, "object {} is larger than {} bytes", id.text(), size_max);
    }
    return bytes;
  }
  Buffer out;
  TRY(read(
      id,
      [&](ByteView part) -> Status {
        if (out.size() + part.size() > size_max) {
          return error(Code::resource_exhausted, "object {} is larger than {} bytes", id.text(), size_max);
        }
        out.append(part);
        return {};
      },
      stop));
  return out;
}

Result<std::unique_ptr<ObjectReader>> ObjectManager::open(const ObjectId& id, std::stop_token stop) {
  std::vector<IndirectEntry> chunks;
  TRY(for_each_chunk(
      id,
      [&](const IndirectEntry& e) -> Status {
        chunks.push_back(e);
        return {};
      },
      stop));
  return std::unique_ptr<ObjectReader>(std::make_unique<Reader>(*this, std::move(chunks)));
}

Status ObjectManager::verify(const ObjectId& id, const std::function<Status(const ContentId&)>& fn,
                             std::stop_token stop) {
  return verify_contents(*this, id, fn, stop);
}

Result<ObjectId> ObjectManager::concatenate(const std::vector<ObjectId>& ids, compress::HeaderId metadata_compressor,
                                            std::stop_token stop) {
  if (ids.empty()) {
    return error(Code::invalid_argument, "nothing to concatenate");
  }
  if (ids.size() == 1) {
    return ids[0];
  }
  std::vector<IndirectEntry> all;
  std::int64_t total = 0;
  for (const ObjectId& id : ids) {
    if (id.indirection > 0) {
      TRY_ASSIGN(const auto entries, load_entries(*this, id, stop));
      for (const IndirectEntry& e : entries) {
        all.push_back({total + e.start, e.length, e.object});
      }
      total += entries.back().start + entries.back().length;
      continue;
    }
    std::int64_t length = 0;
    TRY(for_each_chunk(
        id,
        [&](const IndirectEntry& e) -> Status {
          length = e.length;
          return {};
        },
        stop));
    all.push_back({total, length, id});
    total += length;
  }
  return write_indirect(contents_, default_splitter_, all, 0, metadata_compressor, stop);
}

}  // namespace cairn::object
