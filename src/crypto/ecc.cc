#include "crypto/ecc.h"

#include <isa-l.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace cairn::crypto {
namespace {

constexpr std::size_t kLengthSize = 4;
constexpr std::size_t kCrcSize = 4;
constexpr std::size_t kPlainSizeMax = std::size_t{1} << 31;

struct Parameters {
  int data, parity;
  std::size_t shard_size_max;
};

// In 32-bit floats, because the reference computes so (kopia-format §12.1 gives the table this is tested against).
Parameters parameters_for(int percent) {
  const std::size_t shard = percent == 1 ? 1024 : percent == 2 ? 512 : percent == 3 ? 256 : percent <= 6 ? 128 : 64;
  const float crc_percent = 100.0F * static_cast<float>(kCrcSize) / static_cast<float>(shard);
  const float free_percent = std::max(static_cast<float>(percent) - crc_percent, 0.01F);
  int data = 128;
  int parity = std::clamp(static_cast<int>(static_cast<float>(data) * free_percent / 100), 1, 128);
  if (parity == 1) {
    parity = 2;
    data = std::clamp(static_cast<int>(2 * (100 / free_percent)), 128, 254);
  }
  return {data, parity, shard};
}

std::uint32_t crc32(const Byte* data, std::size_t size) { return crc32_gzip_refl(0, data, size); }

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

}  // namespace

// The code of V·(top of V)⁻¹ with V[r][c] = r^c. Its row r is the Lagrange basis of the points 0…data−1 at the point r.
struct Ecc::Code {
  int data, parity;
  std::vector<Byte> rows;    // parity × data
  std::vector<Byte> tables;  // of all rows, for ec_encode_data

  Code(int d, int p) : data(d), parity(p) {
    for (int i = 0; i < parity; ++i) {
      for (int c = 0; c < data; ++c) {
        rows.push_back(lagrange(c, data + i));
      }
    }
    tables.resize(32 * rows.size());
    ec_init_tables(data, parity, rows.data(), tables.data());
  }

  // `shards`: data pointers, then parity pointers; the latter are written.
  void encode(Byte** shards, std::size_t size) const {
    ec_encode_data(static_cast<int>(size), data, parity, const_cast<Byte*>(tables.data()), shards, shards + data);
  }

 private:
  Byte lagrange(int c, int point) const {
    Byte v = 1;
    for (int j = 0; j < data; ++j) {
      if (j != c) {
        v = gf_mul(v, gf_mul(static_cast<Byte>(point ^ j), gf_inv(static_cast<Byte>(c ^ j))));
      }
    }
    return v;
  }
};

// How one stored unit is cut (kopia-format §12.2).
struct Ecc::Layout {
  const Code* code;
  std::size_t shard_size;
  std::size_t blocks;
  bool padding_stored;

  std::size_t data_shards() const { return static_cast<std::size_t>(code->data); }
  std::size_t parity_shards() const { return static_cast<std::size_t>(code->parity); }
  std::size_t slot() const { return kCrcSize + shard_size; }
  std::size_t parity_size() const { return blocks * parity_shards() * slot(); }
  std::size_t padded_size() const { return blocks * data_shards() * shard_size; }
  std::size_t stored_size(std::size_t plain_size) const {
    const std::size_t length = kLengthSize + plain_size;
    if (padding_stored) {
      return parity_size() + data_shards() * slot();
    }
    return parity_size() + length + ceil_div(length, shard_size) * kCrcSize;
  }
};

Result<Ecc> Ecc::create(int overhead_percent) {
  if (overhead_percent < 1 || overhead_percent > 100) {
    return error(cairn::Code::invalid_argument, "error correction overhead of {} % is not within 1…100",
                 overhead_percent);
  }
  const Parameters p = parameters_for(overhead_percent);
  Ecc e;
  e.small_ = std::make_shared<const Code>(6, 2);
  e.main_ = std::make_shared<const Code>(p.data, p.parity);
  e.shard_size_max_ = p.shard_size_max;
  return e;
}

Ecc::Layout Ecc::layout_for_plain(std::size_t plain_size) const {
  const std::size_t length = kLengthSize + plain_size;
  const auto d = static_cast<std::size_t>(main_->data);
  const auto p = static_cast<std::size_t>(main_->parity);
  if (length <= 8 * (d + p)) {
    return {small_.get(), ceil_div(length, 6), 1, true};
  }
  if (length <= d * shard_size_max_) {
    return {main_.get(), ceil_div(length, d), 1, true};
  }
  return {main_.get(), shard_size_max_, ceil_div(length, d * shard_size_max_), false};
}

Ecc::Layout Ecc::layout_for_stored(std::size_t stored_size) const {
  const auto n = static_cast<std::size_t>(main_->data + main_->parity);
  const std::size_t small_max = 8 * (kCrcSize + ceil_div(8 * n, 6));
  const std::size_t block = n * (kCrcSize + shard_size_max_);
  if (stored_size <= small_max) {
    return {small_.get(), std::max(ceil_div(stored_size, 8), kCrcSize + 1) - kCrcSize, 1, true};
  }
  if (stored_size <= block) {
    return {main_.get(), std::max(ceil_div(stored_size, n), kCrcSize + 1) - kCrcSize, 1, true};
  }
  return {main_.get(), shard_size_max_, ceil_div(stored_size, block), false};
}

std::size_t Ecc::encoded_size(std::size_t plain_size) const {
  return layout_for_plain(plain_size).stored_size(plain_size);
}

Result<Buffer> Ecc::encode(ByteView data) const {
  if (data.size() > kPlainSizeMax) {
    return error(cairn::Code::invalid_argument, "{} bytes are too many to protect", data.size());
  }
  const Layout l = layout_for_plain(data.size());
  Buffer input(l.padded_size());
  store_be32(input.data(), static_cast<std::uint32_t>(data.size()));
  std::copy(data.begin(), data.end(), input.data() + kLengthSize);
  std::fill(input.data() + kLengthSize + data.size(), input.data() + input.size(), Byte{0});

  Buffer out(l.stored_size(data.size()));
  Byte* parity = out.data();
  std::vector<Byte*> shards(l.data_shards() + l.parity_shards());
  for (std::size_t b = 0; b < l.blocks; ++b) {
    for (std::size_t i = 0; i < l.data_shards(); ++i) {
      shards[i] = input.data() + (b * l.data_shards() + i) * l.shard_size;
    }
    for (std::size_t i = 0; i < l.parity_shards(); ++i) {
      shards[l.data_shards() + i] = parity + i * l.slot() + kCrcSize;
    }
    l.code->encode(shards.data(), l.shard_size);
    for (std::size_t i = 0; i < l.parity_shards(); ++i, parity += l.slot()) {
      store_be32(parity, crc32(parity + kCrcSize, l.shard_size));
    }
  }
  Byte* p = parity;
  Byte* const end = out.data() + out.size();
  for (const Byte* shard = input.data(); p < end; shard += l.shard_size) {
    store_be32(p, crc32(shard, l.shard_size));
    p += kCrcSize;
    const std::size_t n = std::min(l.shard_size, static_cast<std::size_t>(end - p));
    std::copy_n(shard, n, p);
    p += n;
  }
  return out;
}

namespace {

// Gives back the data shards listed in `lost` from the good ones and as many good parity shards.
// `rows`: parity rows of the code; `shards`: data shards (lost ones zeroed), `good_parity`: (index, bytes).
struct Repair {
  std::size_t data_shards, shard_size;
  const Byte* rows;

  bool run(Byte** shards, const std::vector<std::size_t>& lost,
           const std::vector<std::pair<std::size_t, const Byte*>>& good_parity) const {
    const std::size_t e = lost.size();
    // Parity as it would be if the lost shards were zero; its difference to the stored parity is due to them alone.
    std::vector<Byte> used_rows;
    std::vector<Byte> square;
    for (std::size_t i = 0; i < e; ++i) {
      const Byte* row = rows + good_parity[i].first * data_shards;
      used_rows.insert(used_rows.end(), row, row + data_shards);
      for (const std::size_t c : lost) {
        square.push_back(row[c]);
      }
    }
    Bytes syndromes(e * shard_size);
    std::vector<Byte*> syndrome_at;
    for (std::size_t i = 0; i < e; ++i) {
      syndrome_at.push_back(syndromes.data() + i * shard_size);
    }
    multiply(used_rows, data_shards, shards, e, syndrome_at.data());
    for (std::size_t i = 0; i < e; ++i) {
      for (std::size_t k = 0; k < shard_size; ++k) {
        syndrome_at[i][k] ^= good_parity[i].second[k];
      }
    }
    std::vector<Byte> inverse(e * e);
    if (gf_invert_matrix(square.data(), inverse.data(), static_cast<int>(e)) != 0) {
      return false;
    }
    std::vector<Byte*> lost_at;
    for (const std::size_t c : lost) {
      lost_at.push_back(shards[c]);
    }
    multiply(inverse, e, syndrome_at.data(), e, lost_at.data());
    return true;
  }

  void multiply(std::vector<Byte>& matrix, std::size_t columns, Byte** in, std::size_t row_count, Byte** out) const {
    std::vector<Byte> tables(32 * columns * row_count);
    ec_init_tables(static_cast<int>(columns), static_cast<int>(row_count), matrix.data(), tables.data());
    ec_encode_data(static_cast<int>(shard_size), static_cast<int>(columns), static_cast<int>(row_count), tables.data(),
                   in, out);
  }
};

}  // namespace

Result<Ecc::Decoded> Ecc::decode(ByteView stored) const {
  if (stored.size() > 4 * kPlainSizeMax) {
    return error(cairn::Code::corrupt, "{} bytes are too many for a protected unit", stored.size());
  }
  const Layout l = layout_for_stored(stored.size());
  if (stored.size() < l.parity_size() + kCrcSize) {
    return error(cairn::Code::corrupt, "{} bytes are too few for a protected unit", stored.size());
  }
  Decoded result;
  Buffer plain(l.padded_size());
  const ByteView data_part = stored.subspan(l.parity_size());
  std::vector<Byte*> shards(l.data_shards());
  std::vector<std::size_t> lost;
  std::vector<std::pair<std::size_t, const Byte*>> good_parity;
  for (std::size_t b = 0; b < l.blocks; ++b) {
    lost.clear();
    for (std::size_t i = 0; i < l.data_shards(); ++i) {
      const std::size_t index = b * l.data_shards() + i;
      shards[i] = plain.data() + index * l.shard_size;
      const std::size_t at = std::min(index * l.slot(), data_part.size());
      const ByteView slot = data_part.subspan(at, std::min(l.slot(), data_part.size() - at));
      const std::size_t have = slot.size() > kCrcSize ? slot.size() - kCrcSize : 0;
      std::copy_n(slot.data() + (have > 0 ? kCrcSize : 0), have, shards[i]);
      std::fill(shards[i] + have, shards[i] + l.shard_size, Byte{0});
      // An empty slot is padding that was left out: zeros.
      if (!slot.empty() && (have == 0 || load_be32(slot.data()) != crc32(shards[i], l.shard_size))) {
        std::fill_n(shards[i], l.shard_size, Byte{0});
        lost.push_back(i);
      }
    }
    if (lost.empty()) {
      continue;
    }
    good_parity.clear();
    for (std::size_t i = 0; i < l.parity_shards(); ++i) {
      const Byte* p = stored.data() + (b * l.parity_shards() + i) * l.slot();
      if (load_be32(p) == crc32(p + kCrcSize, l.shard_size)) {
        good_parity.emplace_back(i, p + kCrcSize);
      }
    }
    if (good_parity.size() < lost.size() ||
        !Repair{l.data_shards(), l.shard_size, l.code->rows.data()}.run(shards.data(), lost, good_parity)) {
      return error(cairn::Code::corrupt, "{} damaged data shards, but only {} intact parity shards", lost.size(),
                   good_parity.size());
    }
    result.shards_repaired += lost.size();
  }
  const std::size_t size = load_be32(plain.data());
  if (size > plain.size() - kLengthSize || encoded_size(size) != stored.size()) {
    return error(cairn::Code::corrupt, "protected unit of {} bytes claims to hold {}", stored.size(), size);
  }
  result.data = Buffer(size);
  std::copy_n(plain.data() + kLengthSize, size, result.data.data());
  return result;
}

}  // namespace cairn::crypto
