#include "base/bytes.h"

#include <strings.h>

#include <array>
#include <cstdlib>
#include <mutex>

namespace cairn {

std::size_t gather_size(GatherView parts) {
  std::size_t n = 0;
  for (const ByteView& p : parts) {
    n += p.size();
  }
  return n;
}

Buffer Buffer::copy_of(ByteView bytes) {
  Buffer b;
  b.append(bytes);
  return b;
}

namespace {

// Memory of large buffers, kept for the next one: touching fresh pages costs more here than filling them, and a chunk
// of megabytes is made and dropped thousands of times a run. Bounded, process-wide.
class LargeBlocks {
 public:
  static constexpr std::size_t kSizeMin = std::size_t{256} << 10;

  // At least `size` bytes; `size` becomes what was given.
  Byte* take(std::size_t& size) {
    size = (size + kStep - 1) / kStep * kStep;
    {
      const std::lock_guard lock(mutex_);
      auto best = blocks_.end();
      for (auto it = blocks_.begin(); it != blocks_.end(); ++it) {
        if (it->size >= size && it->size <= 2 * size && (best == blocks_.end() || it->size < best->size)) {
          best = it;
        }
      }
      if (best != blocks_.end()) {
        Byte* p = best->data;
        size = best->size;
        kept_bytes_ -= size;
        *best = blocks_.back();
        blocks_.pop_back();
        return p;
      }
    }
    return static_cast<Byte*>(std::malloc(size));
  }
  void give(Byte* data, std::size_t size) {
    {
      const std::lock_guard lock(mutex_);
      if (kept_bytes_ + size <= kKeptBytesMax) {
        blocks_.push_back({data, size});
        kept_bytes_ += size;
        return;
      }
    }
    std::free(data);
  }

 private:
  static constexpr std::size_t kStep = std::size_t{64} << 10;
  static constexpr std::size_t kKeptBytesMax = std::size_t{8} << 20;
  struct Block {
    Byte* data;
    std::size_t size;
  };
  std::mutex mutex_;
  std::vector<Block> blocks_;
  std::size_t kept_bytes_ = 0;
};

LargeBlocks& large_blocks() {
  static auto* blocks = new LargeBlocks();  // never destroyed: buffers may outlive static destruction
  return *blocks;
}

void free_bytes(Byte* data, std::size_t capacity) {
  if (capacity >= LargeBlocks::kSizeMin) {
    large_blocks().give(data, capacity);
  } else {
    std::free(data);
  }
}

}  // namespace

Buffer& Buffer::operator=(Buffer&& o) noexcept {
  if (this != &o) {
    free_bytes(data_, capacity_);
    data_ = o.data_;
    size_ = o.size_;
    capacity_ = o.capacity_;
    o.release();
  }
  return *this;
}

Buffer::~Buffer() { free_bytes(data_, capacity_); }

void Buffer::reserve(std::size_t capacity) {
  if (capacity <= capacity_) {
    return;
  }
  Byte* p = nullptr;
  if (capacity < LargeBlocks::kSizeMin) {
    p = static_cast<Byte*>(std::realloc(data_, capacity));
    CHECK(p != nullptr, "out of memory: {} bytes", capacity);
  } else {
    p = large_blocks().take(capacity);
    CHECK(p != nullptr, "out of memory: {} bytes", capacity);
    if (size_ != 0) {
      std::memcpy(p, data_, size_);
    }
    free_bytes(data_, capacity_);
  }
  data_ = p;
  capacity_ = capacity;
}

void Buffer::resize(std::size_t size) {
  reserve(size);
  size_ = size;
}

void Buffer::append(ByteView bytes) {
  if (bytes.empty()) {
    return;
  }
  if (size_ + bytes.size() > capacity_) {
    reserve(std::max(size_ + bytes.size(), capacity_ + capacity_ / 2));
  }
  std::memcpy(data_ + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

SecretBytes& SecretBytes::operator=(SecretBytes&& o) noexcept {
  if (this != &o) {
    wipe();
    bytes_ = std::move(o.bytes_);
    o.bytes_.clear();
  }
  return *this;
}

void SecretBytes::wipe() noexcept {
  if (!bytes_.empty()) {
    explicit_bzero(bytes_.data(), bytes_.size());
  }
}

void wipe(std::string& text) noexcept {
  if (!text.empty()) {
    explicit_bzero(text.data(), text.size());
  }
  text.clear();
}

std::string hex_encode(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.resize(bytes.size() * 2);
  char* p = out.data();
  for (Byte b : bytes) {
    *p++ = kDigits[b >> 4];
    *p++ = kDigits[b & 15];
  }
  return out;
}

namespace {

// 0xff = not a digit.
constexpr std::array<Byte, 256> kHexValues = [] {
  std::array<Byte, 256> t{};
  t.fill(0xff);
  for (std::size_t i = 0; i < 16; ++i) {
    t[static_cast<Byte>("0123456789abcdef"[i])] = static_cast<Byte>(i);
    t[static_cast<Byte>("0123456789ABCDEF"[i])] = static_cast<Byte>(i);
  }
  return t;
}();

}  // namespace

Status hex_decode_into(std::string_view text, MutByteView out) {
  if (text.size() != out.size() * 2) {
    return error(Code::invalid_argument, "hex text has length {} instead of {}", text.size(), out.size() * 2);
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Byte hi = kHexValues[static_cast<Byte>(text[2 * i])];
    const Byte lo = kHexValues[static_cast<Byte>(text[2 * i + 1])];
    if ((hi | lo) > 15) {
      return error(Code::invalid_argument, "invalid hex digit near offset {}", 2 * i);
    }
    out[i] = static_cast<Byte>(hi << 4 | lo);
  }
  return {};
}

Result<Bytes> hex_decode(std::string_view text) {
  if (text.size() % 2 != 0) {
    return error(Code::invalid_argument, "hex text has odd length {}", text.size());
  }
  Bytes out(text.size() / 2);
  TRY(hex_decode_into(text, out));
  return out;
}

namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode64(ByteView in, std::string_view alphabet, bool pad) {
  std::string out;
  out.reserve((in.size() + 2) / 3 * 4);
  std::size_t i = 0;
  for (; i + 3 <= in.size(); i += 3) {
    const std::uint32_t v = load_be24(in.data() + i);
    for (int shift = 18; shift >= 0; shift -= 6) {
      out.push_back(alphabet[v >> shift & 63]);
    }
  }
  const std::size_t rest = in.size() - i;
  if (rest != 0) {
    const std::uint32_t v = static_cast<std::uint32_t>(in[i]) << 16 | (rest == 2 ? in[i + 1] << 8 : 0);
    out.push_back(alphabet[v >> 18 & 63]);
    out.push_back(alphabet[v >> 12 & 63]);
    if (rest == 2) {
      out.push_back(alphabet[v >> 6 & 63]);
    } else if (pad) {
      out.push_back('=');
    }
    if (pad) {
      out.push_back('=');
    }
  }
  return out;
}

Result<Bytes> decode64(std::string_view in, std::string_view alphabet) {
  std::array<int, 256> value;
  value.fill(-1);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    value[static_cast<unsigned char>(alphabet[i])] = static_cast<int>(i);
  }
  while (!in.empty() && in.back() == '=') {
    in.remove_suffix(1);
  }
  Bytes out;
  out.reserve(in.size() * 3 / 4);
  std::uint32_t acc = 0;
  int bits = 0;
  for (char c : in) {
    if (c == '\n' || c == '\r') {
      continue;
    }
    const int v = value[static_cast<unsigned char>(c)];
    if (v < 0) {
      return error(Code::invalid_argument, "illegal base64 data");
    }
    acc = acc << 6 | static_cast<std::uint32_t>(v);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<Byte>(acc >> bits));
    }
  }
  if (bits >= 6) {
    return error(Code::invalid_argument, "illegal base64 data: truncated");
  }
  return out;
}

}  // namespace

std::string base64_encode(ByteView bytes) { return encode64(bytes, kStandard, true); }
Result<Bytes> base64_decode(std::string_view text) { return decode64(text, kStandard); }
std::string base64url_raw_encode(ByteView bytes) { return encode64(bytes, kUrl, false); }
Result<Bytes> base64url_raw_decode(std::string_view text) { return decode64(text, kUrl); }

void append_uvarint(Buffer& out, std::uint64_t v) {
  while (v >= 0x80) {
    out.push_back(static_cast<Byte>(v | 0x80));
    v >>= 7;
  }
  out.push_back(static_cast<Byte>(v));
}

Result<std::uint64_t> read_uvarint(ByteView& in) {
  std::uint64_t v = 0;
  for (unsigned shift = 0, i = 0; i < 10; ++i, shift += 7) {
    if (i >= in.size()) {
      return error(Code::corrupt, "varint is truncated");
    }
    const Byte b = in[i];
    v |= static_cast<std::uint64_t>(b & 0x7f) << shift;
    if ((b & 0x80) == 0) {
      in = in.subspan(i + 1);
      return v;
    }
  }
  return error(Code::corrupt, "varint is too long");
}

std::uint32_t crc32_ieee(ByteView bytes, std::uint32_t seed) {
  // Slicing-by-4 would be faster; only postambles and ECC frames use it, the latter through isa-l.
  static const auto kTable = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int k = 0; k < 8; ++k) {
        c = (c & 1) != 0 ? 0xEDB88320U ^ (c >> 1) : c >> 1;
      }
      t[i] = c;
    }
    return t;
  }();
  std::uint32_t c = ~seed;
  for (Byte b : bytes) {
    c = kTable[(c ^ b) & 0xff] ^ (c >> 8);
  }
  return ~c;
}

}  // namespace cairn
