#include "compress/codec.h"

#include <algorithm>
#include <array>

#include "compress/streams.h"

namespace cairn::compress {
namespace {

constexpr std::size_t kHeaderSize = 4;
constexpr std::size_t kSizeMax = SIZE_MAX / 4;  // far from overflow

constexpr std::array<Algorithm, 18> kAlgorithms = {{
    {"deflate-best-compression", 0x1502, false, true},
    {"deflate-best-speed", 0x1501, false, true},
    {"deflate-default", 0x1500, false, true},
    {"gzip", 0x1000, false, true},
    {"gzip-best-compression", 0x1002, false, true},
    {"gzip-best-speed", 0x1001, false, true},
    {"lz4", 0x1400, true, false},
    {"pgzip", 0x1300, false, true},
    {"pgzip-best-compression", 0x1302, false, true},
    {"pgzip-best-speed", 0x1301, false, true},
    {"s2-better", 0x1201, false, true},
    {"s2-default", 0x1200, false, true},
    {"s2-parallel-4", 0x1202, false, true},
    {"s2-parallel-8", 0x1203, false, true},
    {"zstd", 0x1100, false, true},
    {"zstd-best-compression", 0x1103, true, true},
    {"zstd-better-compression", 0x1102, false, true},
    {"zstd-fastest", kZstdFastest, false, true},
}};

Status write_stream(HeaderId id, ByteView data, Buffer& out) {
  switch (id) {
    case 0x1000:
    case 0x1300:
      return deflate_write(Container::gzip, Effort::normal, data, out);
    case 0x1001:
    case 0x1301:
      return deflate_write(Container::gzip, Effort::fast, data, out);
    case 0x1002:
    case 0x1302:
      return deflate_write(Container::gzip, Effort::best, data, out);
    case 0x1100:
      return zstd_write(3, data, out);
    case 0x1101:
      return zstd_write(1, data, out);
    case 0x1102:
      return zstd_write(7, data, out);
    case 0x1103:
      return zstd_write(11, data, out);
    case 0x1200:
    case 0x1201:
    case 0x1202:
    case 0x1203:
      return s2_write(data, out);
    case 0x1500:
      return deflate_write(Container::raw, Effort::normal, data, out);
    case 0x1501:
      return deflate_write(Container::raw, Effort::fast, data, out);
    case 0x1502:
      return deflate_write(Container::raw, Effort::best, data, out);
    default:
      return error(Code::unsupported, "compression 0x{:x} cannot be written", id);
  }
}

Status read_stream(HeaderId id, ByteView in, Buffer& out, OutputLimits limits) {
  switch (id >> 8) {
    case 0x10:
    case 0x13:
      return deflate_read(Container::gzip, in, out, limits);
    case 0x11:
      return zstd_read(in, out, limits);
    case 0x12:
      return s2_read(in, out, limits);
    case 0x14:
      return lz4_read(in, out, limits);
    case 0x15:
      return deflate_read(Container::raw, in, out, limits);
    default:
      return error(Code::unsupported, "unknown compression 0x{:x}", id);
  }
}

}  // namespace

std::span<const Algorithm> algorithms() { return kAlgorithms; }

const Algorithm* find_by_name(std::string_view name) {
  const auto* a =
      std::find_if(kAlgorithms.begin(), kAlgorithms.end(), [&](const Algorithm& x) { return x.name == name; });
  return a == kAlgorithms.end() ? nullptr : a;
}

const Algorithm* find_by_id(HeaderId id) {
  const auto* a = std::find_if(kAlgorithms.begin(), kAlgorithms.end(), [&](const Algorithm& x) { return x.id == id; });
  return a == kAlgorithms.end() ? nullptr : a;
}

Status compress(HeaderId id, ByteView data, Buffer& out) {
  const Algorithm* a = find_by_id(id);
  if (a == nullptr) {
    return error(Code::unsupported, "unknown compression 0x{:x}", id);
  }
  const std::size_t begin = out.size();
  Byte header[kHeaderSize];
  store_be32(header, id);
  out.append(header);
  Status s = write_stream(id, data, out);
  if (!s.ok()) {
    out.resize(begin);
    return std::move(s).with_frame(a->name);
  }
  return s;
}

Status decompress(HeaderId id, ByteView stored, Buffer& out, std::size_t size_hint, std::size_t size_max) {
  const Algorithm* a = find_by_id(id);
  if (a == nullptr) {
    return error(Code::unsupported, "unknown compression 0x{:x}", id);
  }
  if (stored.size() < kHeaderSize) {
    return error(Code::corrupt, "compressed data of {} bytes has no header", stored.size());
  }
  if (load_be32(stored.data()) != id) {
    return error(Code::corrupt, "compression header is 0x{:x} instead of 0x{:x}", load_be32(stored.data()), id);
  }
  size_max = std::min(size_max, kSizeMax);
  const std::size_t begin = out.size();
  Status s = read_stream(id, stored.subspan(kHeaderSize), out, {std::min(size_hint, size_max), size_max});
  if (!s.ok()) {
    out.resize(begin);
    return std::move(s).with_frame(a->name);
  }
  return s;
}

Status gzip(ByteView data, Buffer& out) { return deflate_write(Container::gzip, Effort::normal, data, out); }

Status gunzip(ByteView data, Buffer& out, std::size_t size_max) {
  const std::size_t begin = out.size();
  Status s = deflate_read(Container::gzip, data, out, {0, std::min(size_max, kSizeMax)});
  if (!s.ok()) {
    out.resize(begin);
  }
  return s;
}

}  // namespace cairn::compress
