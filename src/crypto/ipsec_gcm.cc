#include "crypto/ipsec_gcm.h"

#if defined(CAIRN_HAVE_IPSEC_MB)
#include <dlfcn.h>
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

#include <array>

namespace cairn::crypto {
namespace {

constexpr std::size_t kTag = 16;

// The manager holds the functions picked for this CPU; the GCM ones keep their state in what they are given.
struct Library {
  IMB_MGR* manager = nullptr;

  Library() {
    void* handle = dlopen("libIPSec_MB.so.1", RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      return;
    }
    const auto alloc = reinterpret_cast<decltype(&alloc_mb_mgr)>(dlsym(handle, "alloc_mb_mgr"));
    const auto init = reinterpret_cast<decltype(&init_mb_mgr_auto)>(dlsym(handle, "init_mb_mgr_auto"));
    if (alloc == nullptr || init == nullptr) {
      return;
    }
    IMB_MGR* m = alloc(0);
    if (m == nullptr) {
      return;
    }
    IMB_ARCH arch = IMB_ARCH_NONE;
    init(m, &arch);
    if (arch >= IMB_ARCH_SSE && (m->features & IMB_FEATURE_SELF_TEST_PASS) != 0) {
      manager = m;
    }
  }
};

const IMB_MGR* manager() {
  static const Library library;
  return library.manager;
}

// The compiler's builtin does not know these two by name everywhere (clang 14).
constexpr std::uint64_t kVectorAes = IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ;

bool cpu_gains() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && manager() != nullptr && (manager()->features & kVectorAes) == kVectorAes;
}

// 16 zero bytes under the zero key and nonce: test case 14 of the GCM specification.
bool known_answer() {
  constexpr std::array<Byte, 16> kExpected = {0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e,
                                              0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18};
  constexpr std::array<Byte, 16> kTagExpected = {0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0,
                                                 0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19};
  const std::array<Byte, 32> zeros{};
  std::array<Byte, 16> out;
  std::array<Byte, kTag> tag;
  IpsecGcm gcm;
  return gcm.start(true, zeros.data(), zeros.data(), {}) && gcm.update(zeros.data(), out.size(), out.data()) &&
         gcm.finish_seal(tag.data()) && out == kExpected && tag == kTagExpected;
}

}  // namespace

// The library's structures want 64-byte alignment and do not say so.
struct alignas(64) IpsecGcm::State {
  alignas(64) gcm_key_data key;
  alignas(64) gcm_context_data context;
  bool sealing = false;
};

bool IpsecGcm::available(IpsecUse use) {
  if (use == IpsecUse::where_faster && !cpu_gains()) {
    return false;
  }
  static const bool usable = manager() != nullptr && known_answer();
  return usable;
}

IpsecGcm::IpsecGcm() : state_(std::make_unique<State>()) {}
IpsecGcm::~IpsecGcm() { OPENSSL_cleanse(state_.get(), sizeof *state_); }

bool IpsecGcm::start(bool seal, const Byte* key, const Byte* nonce, ByteView aad) {
  const IMB_MGR* m = manager();
  static constexpr Byte kNone = 0;
  state_->sealing = seal;
  IMB_AES256_GCM_PRE(m, key, &state_->key);
  IMB_AES256_GCM_INIT(m, &state_->key, &state_->context, nonce, aad.empty() ? &kNone : aad.data(), aad.size());
  return true;
}

bool IpsecGcm::update(const Byte* in, std::size_t size, Byte* out) {
  const IMB_MGR* m = manager();
  if (state_->sealing) {
    IMB_AES256_GCM_ENC_UPDATE(m, &state_->key, &state_->context, out, in, size);
  } else {
    IMB_AES256_GCM_DEC_UPDATE(m, &state_->key, &state_->context, out, in, size);
  }
  return true;
}

bool IpsecGcm::finish_seal(Byte* tag) {
  const IMB_MGR* m = manager();
  IMB_AES256_GCM_ENC_FINALIZE(m, &state_->key, &state_->context, tag, kTag);
  return true;
}

bool IpsecGcm::finish_open(const Byte* tag) {
  const IMB_MGR* m = manager();
  std::array<Byte, kTag> computed;
  IMB_AES256_GCM_DEC_FINALIZE(m, &state_->key, &state_->context, computed.data(), kTag);
  return CRYPTO_memcmp(computed.data(), tag, kTag) == 0;
}

}  // namespace cairn::crypto

#else

namespace cairn::crypto {

struct IpsecGcm::State {};
bool IpsecGcm::available(IpsecUse) { return false; }
IpsecGcm::IpsecGcm() = default;
IpsecGcm::~IpsecGcm() = default;
bool IpsecGcm::start(bool, const Byte*, const Byte*, ByteView) { return false; }
bool IpsecGcm::update(const Byte*, std::size_t, Byte*) { return false; }
bool IpsecGcm::finish_seal(Byte*) { return false; }
bool IpsecGcm::finish_open(const Byte*) { return false; }

}  // namespace cairn::crypto

#endif
