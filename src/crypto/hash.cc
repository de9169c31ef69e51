#include "crypto/hash.h"

#include <blake3.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "crypto/blake2b_many.h"
#include "crypto/hmac_sha256.h"

namespace cairn::crypto {
namespace {

constexpr std::array<std::string_view, 11> kNames = {
    "BLAKE2B-256", "BLAKE2B-256-128", "BLAKE2S-128",     "BLAKE2S-256",   "BLAKE3-256",   "BLAKE3-256-128",
    "HMAC-SHA224", "HMAC-SHA256",     "HMAC-SHA256-128", "HMAC-SHA3-224", "HMAC-SHA3-256"};

class HasherBase : public Hasher {
 public:
  explicit HasherBase(std::size_t size) : size_(size) {}
  std::size_t size() const final { return size_; }
  void hash(ByteView data, HashValue& out) const final { hash(GatherView(&data, 1), out); }
  void hash(GatherView parts, HashValue& out) const final {
    out.size = static_cast<std::uint8_t>(size_);
    digest(parts, out.bytes.data());
  }

 protected:
  // Writes size() bytes; `out` has room for kHashSizeMax.
  virtual void digest(GatherView parts, Byte* out) const = 0;

 private:
  std::size_t size_;
};

template <class Variant>
class Blake2Hasher final : public HasherBase {
 public:
  Blake2Hasher(ByteView key, std::size_t digest_size, std::size_t size) : HasherBase(size), start_(key, digest_size) {}

  void hash_many(std::span<const ByteView> inputs, std::span<HashValue> out) const override {
    if constexpr (std::is_same_v<Variant, Blake2b>) {
      const std::span<const Blake2bEngine> engines = blake2b_engines();
      if (inputs.size() > 1 && !engines.empty()) {
        CHECK(inputs.size() == out.size());
        blake2b_many(engines.front(), start_, inputs, size(), out);
        return;
      }
    }
    Hasher::hash_many(inputs, out);
  }

 private:
  void digest(GatherView parts, Byte* out) const override { blake2_hash(start_, parts, out, size()); }

  Blake2Start<Variant> start_;
};

class Blake3Hasher final : public HasherBase {
 public:
  Blake3Hasher(ByteView key, std::size_t size) : HasherBase(size) {
    if (key.size() >= key_.size()) {
      std::copy_n(key.data(), key_.size(), key_.data());
      return;
    }
    blake3_hasher h;
    blake3_hasher_init_derive_key(&h, "kopia blake3 derived key v1");
    blake3_hasher_update(&h, key.data(), key.size());
    blake3_hasher_finalize(&h, key_.data(), key_.size());
    OPENSSL_cleanse(&h, sizeof h);
  }
  ~Blake3Hasher() override { OPENSSL_cleanse(key_.data(), key_.size()); }

 private:
  void digest(GatherView parts, Byte* out) const override {
    blake3_hasher h;
    blake3_hasher_init_keyed(&h, key_.data());
    for (const ByteView p : parts) {
      blake3_hasher_update(&h, p.data(), p.size());
    }
    blake3_hasher_finalize(&h, out, size());
  }

  std::array<Byte, BLAKE3_KEY_LEN> key_;
};

class HmacSha2Hasher final : public HasherBase {
 public:
  HmacSha2Hasher(ByteView key, bool is_224, std::size_t size) : HasherBase(size), hmac_(key, is_224) {}

 private:
  void digest(GatherView parts, Byte* out) const override {
    hmac_.sign(parts, out);
    std::fill(out + size(), out + hmac_.size(), Byte{0});  // a truncated hash leaves nothing behind its end
  }

  HmacSha256 hmac_;
};

struct MdCtx {
  EVP_MD_CTX* ctx = EVP_MD_CTX_new();
  MdCtx() { CHECK(ctx != nullptr); }
  MdCtx(const MdCtx&) = delete;
  MdCtx& operator=(const MdCtx&) = delete;
  ~MdCtx() { EVP_MD_CTX_free(ctx); }
};

// HMAC over SHA-3, whose block is longer than any key in use. Failures of EVP here are lack of memory only.
class HmacSha3Hasher final : public HasherBase {
 public:
  HmacSha3Hasher(ByteView key, const EVP_MD* md, std::size_t size) : HasherBase(size) {
    std::array<Byte, 144> pad{};  // SHA3-224 has the longest block
    const auto block = static_cast<std::size_t>(EVP_MD_get_block_size(md));
    CHECK(block <= pad.size());
    if (key.size() > block) {
      CHECK(EVP_Digest(key.data(), key.size(), pad.data(), nullptr, md, nullptr) == 1);
    } else {
      std::copy(key.begin(), key.end(), pad.begin());
    }
    absorb(inner_, md, pad, block, 0x36);
    absorb(outer_, md, pad, block, 0x5c);
    OPENSSL_cleanse(pad.data(), pad.size());
  }

 private:
  static void absorb(MdCtx& c, const EVP_MD* md, std::array<Byte, 144> pad, std::size_t block, Byte mask) {
    for (Byte& b : pad) {
      b ^= mask;
    }
    CHECK(EVP_DigestInit_ex(c.ctx, md, nullptr) == 1 && EVP_DigestUpdate(c.ctx, pad.data(), block) == 1);
    OPENSSL_cleanse(pad.data(), pad.size());
  }
  void digest(GatherView parts, Byte* out) const override {
    thread_local MdCtx scratch;
    bool good = EVP_MD_CTX_copy_ex(scratch.ctx, inner_.ctx) == 1;
    for (const ByteView p : parts) {
      good = good && EVP_DigestUpdate(scratch.ctx, p.data(), p.size()) == 1;
    }
    Byte inner[EVP_MAX_MD_SIZE];
    unsigned inner_size = 0;
    good = good && EVP_DigestFinal_ex(scratch.ctx, inner, &inner_size) == 1 &&
           EVP_MD_CTX_copy_ex(scratch.ctx, outer_.ctx) == 1 && EVP_DigestUpdate(scratch.ctx, inner, inner_size) == 1 &&
           EVP_DigestFinal_ex(scratch.ctx, out, nullptr) == 1;
    CHECK(good, "HMAC-SHA3 failed");
  }

  MdCtx inner_;
  MdCtx outer_;
};

Status check_blake2_key(std::string_view name, ByteView key, std::size_t size_min, std::size_t size_max) {
  if (key.size() < size_min || key.size() > size_max) {
    return error(Code::invalid_argument, "key of {} bytes is not legal for hash {}", key.size(), name);
  }
  return {};
}

}  // namespace

std::span<const std::string_view> hash_names() { return kNames; }

void Hasher::hash_many(std::span<const ByteView> inputs, std::span<HashValue> out) const {
  CHECK(inputs.size() == out.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    hash(inputs[i], out[i]);
  }
}

Result<std::unique_ptr<Hasher>> Hasher::create(std::string_view name, ByteView key) {
  std::unique_ptr<Hasher> h;
  if (name == "BLAKE2B-256" || name == "BLAKE2B-256-128") {
    TRY(check_blake2_key(name, key, 0, Blake2b::kKeySizeMax));
    h = std::make_unique<Blake2Hasher<Blake2b>>(key, 32, name == "BLAKE2B-256" ? 32 : 16);
  } else if (name == "BLAKE2S-128") {
    TRY(check_blake2_key(name, key, 1, Blake2s::kKeySizeMax));
    h = std::make_unique<Blake2Hasher<Blake2s>>(key, 16, 16);
  } else if (name == "BLAKE2S-256") {
    TRY(check_blake2_key(name, key, 0, Blake2s::kKeySizeMax));
    h = std::make_unique<Blake2Hasher<Blake2s>>(key, 32, 32);
  } else if (name == "BLAKE3-256" || name == "BLAKE3-256-128") {
    h = std::make_unique<Blake3Hasher>(key, name == "BLAKE3-256" ? 32 : 16);
  } else if (name == "HMAC-SHA224") {
    h = std::make_unique<HmacSha2Hasher>(key, true, 28);
  } else if (name == "HMAC-SHA256") {
    h = std::make_unique<HmacSha2Hasher>(key, false, 32);
  } else if (name == "HMAC-SHA256-128") {
    h = std::make_unique<HmacSha2Hasher>(key, false, 16);
  } else if (name == "HMAC-SHA3-224") {
    h = std::make_unique<HmacSha3Hasher>(key, EVP_sha3_224(), 28);
  } else if (name == "HMAC-SHA3-256") {
    h = std::make_unique<HmacSha3Hasher>(key, EVP_sha3_256(), 32);
  } else {
    return error(Code::unsupported, "unknown hash function {:?}", name);
  }
  return h;
}

std::array<Byte, 32> sha256(ByteView data) {
  std::array<Byte, 32> out;
  SHA256(data.data(), data.size(), out.data());
  return out;
}

}  // namespace cairn::crypto
