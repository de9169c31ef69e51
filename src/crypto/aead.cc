#include "crypto/aead.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/random.h"
#include "crypto/hmac_sha256.h"
#include "crypto/ipsec_gcm.h"

namespace cairn::crypto {
namespace {

constexpr std::size_t kKeySize = 32;
constexpr std::array<std::string_view, 2> kNames = {"AES256-GCM-HMAC-SHA256", "CHACHA20-POLY1305-HMAC-SHA256"};

// A position in a list of pieces that is read or written front to back.
template <class Piece>
class Cursor {
 public:
  explicit Cursor(std::span<const Piece> pieces) : pieces_(pieces) { skip_empty(); }

  std::size_t run() const { return pieces_.empty() ? 0 : pieces_.front().size() - used_; }
  auto* data() const { return pieces_.front().data() + used_; }
  void advance(std::size_t n) {
    used_ += n;
    skip_empty();
  }

 private:
  void skip_empty() {
    while (!pieces_.empty() && used_ == pieces_.front().size()) {
      pieces_ = pieces_.subspan(1);
      used_ = 0;
    }
  }
  std::span<const Piece> pieces_;
  std::size_t used_ = 0;
};
using InCursor = Cursor<ByteView>;
using OutCursor = Cursor<MutByteView>;

void put(OutCursor& out, ByteView bytes) {
  while (!bytes.empty()) {
    const std::size_t n = std::min(out.run(), bytes.size());
    std::copy_n(bytes.data(), n, out.data());
    out.advance(n);
    bytes = bytes.subspan(n);
  }
}
void take(InCursor& in, MutByteView bytes) {
  while (!bytes.empty()) {
    const std::size_t n = std::min(in.run(), bytes.size());
    std::copy_n(in.data(), n, bytes.data());
    in.advance(n);
    bytes = bytes.subspan(n);
  }
}

enum class Algorithm { aes256gcm, chacha20poly1305 };

// One cipher context per thread and algorithm; setting it up anew per item costs more than a small item itself.
class EvpContext {
 public:
  explicit EvpContext(const EVP_CIPHER* cipher) : ctx_(EVP_CIPHER_CTX_new()) {
    ready_ = ctx_ != nullptr && EVP_CipherInit_ex2(ctx_, cipher, nullptr, nullptr, 1, nullptr) == 1;
  }
  EvpContext(const EvpContext&) = delete;
  EvpContext& operator=(const EvpContext&) = delete;
  ~EvpContext() { EVP_CIPHER_CTX_free(ctx_); }

  bool start(bool seal, const Byte* key, const Byte* nonce, ByteView aad) {
    int n = 0;
    return ready_ && EVP_CipherInit_ex2(ctx_, nullptr, key, nonce, seal ? 1 : 0, nullptr) == 1 &&
           (aad.empty() || EVP_CipherUpdate(ctx_, nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1);
  }
  bool update(const Byte* in, std::size_t size, Byte* out) {
    int n = 0;
    return EVP_CipherUpdate(ctx_, out, &n, in, static_cast<int>(size)) == 1 && static_cast<std::size_t>(n) == size;
  }
  bool finish_seal(Byte* tag) {
    return finish() && EVP_CIPHER_CTX_ctrl(ctx_, EVP_CTRL_AEAD_GET_TAG, kTagSize, tag) == 1;
  }
  bool finish_open(const Byte* tag) {
    return EVP_CIPHER_CTX_ctrl(ctx_, EVP_CTRL_AEAD_SET_TAG, kTagSize, const_cast<Byte*>(tag)) == 1 && finish();
  }

 private:
  bool finish() {
    Byte none[16];
    int n = 0;
    return EVP_CipherFinal_ex(ctx_, none, &n) == 1;
  }
  EVP_CIPHER_CTX* ctx_;
  bool ready_ = false;
};

constexpr std::size_t kStep = std::size_t{1} << 30;  // EVP counts in int

Status cipher_failed() {
  ERR_clear_error();
  return error(Code::internal, "encryption failed");
}
Status not_authentic() {
  ERR_clear_error();
  return error(Code::corrupt, "cannot decrypt: message authentication failed");
}
Status too_short(std::size_t size) { return error(Code::corrupt, "cannot decrypt: {} bytes are too few", size); }

template <class Context>
Status seal_in(Context& c, const Byte* key, ByteView nonce, ByteView aad, GatherView plaintext,
               std::span<const MutByteView> out_pieces) {
  if (!c.start(true, key, nonce.data(), aad)) {
    return cipher_failed();
  }
  OutCursor out(out_pieces);
  put(out, nonce);
  for (InCursor in(plaintext); in.run() > 0;) {
    const std::size_t n = std::min({in.run(), out.run(), kStep});
    if (!c.update(in.data(), n, out.data())) {
      return cipher_failed();
    }
    in.advance(n);
    out.advance(n);
  }
  std::array<Byte, kTagSize> tag;
  if (!c.finish_seal(tag.data())) {
    return cipher_failed();
  }
  put(out, tag);
  return {};
}

// `sealed` holds at least kAeadOverhead bytes and `out` the rest.
template <class Context>
Status open_in(Context& c, const Byte* key, ByteView aad, GatherView sealed, MutByteView out) {
  InCursor in(sealed);
  std::array<Byte, kNonceSize> nonce;
  take(in, nonce);
  if (!c.start(false, key, nonce.data(), aad)) {
    return cipher_failed();
  }
  for (std::size_t done = 0; done < out.size();) {
    const std::size_t n = std::min({in.run(), out.size() - done, kStep});
    if (!c.update(in.data(), n, out.data() + done)) {
      return not_authentic();
    }
    in.advance(n);
    done += n;
  }
  std::array<Byte, kTagSize> tag;
  take(in, tag);
  return c.finish_open(tag.data()) ? Status() : not_authentic();
}

constexpr std::size_t kCheckBlock = 16 << 10;  // stays in the first-level cache

// `sealed` holds kAeadOverhead bytes more than `expected`.
template <class Context>
Status check_in(Context& c, const Byte* key, ByteView aad, GatherView sealed, ByteView expected) {
  InCursor in(sealed);
  std::array<Byte, kNonceSize> nonce;
  take(in, nonce);
  if (!c.start(false, key, nonce.data(), aad)) {
    return cipher_failed();
  }
  std::array<Byte, kCheckBlock> block;
  bool equal = true;
  for (std::size_t done = 0; done < expected.size();) {
    const std::size_t n = std::min({in.run(), expected.size() - done, block.size()});
    if (!c.update(in.data(), n, block.data())) {
      return not_authentic();
    }
    equal = equal && std::memcmp(block.data(), expected.data() + done, n) == 0;
    in.advance(n);
    done += n;
  }
  OPENSSL_cleanse(block.data(), std::min(block.size(), expected.size()));
  std::array<Byte, kTagSize> tag;
  take(in, tag);
  if (!c.finish_open(tag.data())) {
    return not_authentic();
  }
  return equal ? Status() : error(Code::corrupt, "decrypted bytes differ from what was encrypted");
}

// Calls `f` with this thread's context for the algorithm.
template <class F>
Status with_context(Algorithm algorithm, F f) {
  if (algorithm == Algorithm::chacha20poly1305) {
    thread_local EvpContext chacha(EVP_chacha20_poly1305());
    return f(chacha);
  }
  static const bool use_ipsec = IpsecGcm::available();
  if (use_ipsec) {
    thread_local IpsecGcm ipsec;
    return f(ipsec);
  }
  thread_local EvpContext aes(EVP_aes_256_gcm());
  return f(aes);
}

Status seal_with(Algorithm algorithm, const Byte* key, ByteView nonce, ByteView aad, GatherView plaintext,
                 std::span<const MutByteView> out) {
  return with_context(algorithm, [&](auto& c) { return seal_in(c, key, nonce, aad, plaintext, out); });
}

Status open_with(Algorithm algorithm, const Byte* key, ByteView aad, GatherView sealed, MutByteView out) {
  return with_context(algorithm, [&](auto& c) { return open_in(c, key, aad, sealed, out); });
}

class HmacKeyEncryptor final : public Encryptor {
 public:
  HmacKeyEncryptor(Algorithm algorithm, ByteView secret) : algorithm_(algorithm), hmac_(secret) {}

  Status seal(ByteView iv, GatherView plaintext, std::span<const MutByteView> out) const override {
    std::array<Byte, kNonceSize> nonce;
    random_bytes(nonce);
    return seal_item(iv, plaintext, nonce, out);
  }

  Status open(ByteView iv, GatherView sealed, MutByteView out) const override {
    const std::size_t size = gather_size(sealed);
    if (size < kAeadOverhead) {
      return too_short(size);
    }
    CHECK(out.size() + kAeadOverhead == size);
    const ItemKey key(hmac_, iv);
    return open_with(algorithm_, key.bytes.data(), iv, sealed, out);
  }

  Status check(ByteView iv, GatherView sealed, ByteView expected) const override {
    const std::size_t size = gather_size(sealed);
    if (size != expected.size() + kAeadOverhead) {
      return error(Code::corrupt, "{} sealed bytes cannot hold {}", size, expected.size());
    }
    const ItemKey key(hmac_, iv);
    return with_context(algorithm_, [&](auto& c) { return check_in(c, key.bytes.data(), iv, sealed, expected); });
  }

  Result<Buffer> seal_with_nonce(ByteView iv, ByteView plaintext, ByteView nonce) const override {
    if (nonce.size() != kNonceSize) {
      return error(Code::invalid_argument, "nonce of {} bytes", nonce.size());
    }
    Buffer out(plaintext.size() + kAeadOverhead);
    const MutByteView whole = out.mut();
    TRY(seal_item(iv, GatherView(&plaintext, 1), nonce, {&whole, 1}));
    return out;
  }

 private:
  struct ItemKey {
    std::array<Byte, kKeySize> bytes;
    ItemKey(const HmacSha256& hmac, ByteView iv) { hmac.sign(iv, bytes.data()); }
    ~ItemKey() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
  };

  Status seal_item(ByteView iv, GatherView plaintext, ByteView nonce, std::span<const MutByteView> out) const {
    std::size_t room = 0;
    for (const MutByteView o : out) {
      room += o.size();
    }
    CHECK(room == gather_size(plaintext) + kAeadOverhead);
    const ItemKey key(hmac_, iv);
    return seal_with(algorithm_, key.bytes.data(), nonce, iv, plaintext, out);
  }

  Algorithm algorithm_;
  HmacSha256 hmac_;
};

}  // namespace

std::span<const std::string_view> encryption_names() { return kNames; }

Result<std::unique_ptr<Encryptor>> Encryptor::create(std::string_view name, ByteView secret) {
  if (name != kNames[0] && name != kNames[1]) {
    return error(Code::unsupported, "unknown encryption algorithm {:?}", name);
  }
  const Algorithm algorithm = name == kNames[0] ? Algorithm::aes256gcm : Algorithm::chacha20poly1305;
  return std::unique_ptr<Encryptor>(std::make_unique<HmacKeyEncryptor>(algorithm, secret));
}

Result<Buffer> Encryptor::seal(ByteView iv, ByteView plaintext) const {
  Buffer out(plaintext.size() + kAeadOverhead);
  const MutByteView whole = out.mut();
  TRY(seal(iv, GatherView(&plaintext, 1), std::span<const MutByteView>(&whole, 1)));
  return out;
}

Result<Buffer> Encryptor::open(ByteView iv, ByteView sealed) const {
  if (sealed.size() < kAeadOverhead) {
    return too_short(sealed.size());
  }
  Buffer out(sealed.size() - kAeadOverhead);
  TRY(open(iv, GatherView(&sealed, 1), out.mut()));
  return out;
}

Result<Buffer> aes256gcm_seal(ByteView key, ByteView nonce, ByteView plaintext, ByteView aad) {
  if (key.size() != kKeySize || nonce.size() != kNonceSize) {
    return error(Code::invalid_argument, "key of {} and nonce of {} bytes", key.size(), nonce.size());
  }
  Buffer out(plaintext.size() + kAeadOverhead);
  const MutByteView whole = out.mut();
  TRY(seal_with(Algorithm::aes256gcm, key.data(), nonce, aad, GatherView(&plaintext, 1), {&whole, 1}));
  return out;
}

Result<Buffer> aes256gcm_open(ByteView key, ByteView sealed, ByteView aad) {
  if (key.size() != kKeySize) {
    return error(Code::invalid_argument, "key of {} bytes", key.size());
  }
  if (sealed.size() < kAeadOverhead) {
    return too_short(sealed.size());
  }
  Buffer out(sealed.size() - kAeadOverhead);
  TRY(open_with(Algorithm::aes256gcm, key.data(), aad, GatherView(&sealed, 1), out.mut()));
  return out;
}

}  // namespace cairn::crypto
