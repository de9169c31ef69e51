// AES-256-GCM of Intel's multi-buffer library, four times as fast as OpenSSL 3.0's where the CPU has AVX-512 and VAES.
// The library is loaded at run time, and only there: elsewhere it is no faster and takes 10 ms to start. Internal to
// crypto/.
#pragma once

#include <memory>

#include "base/bytes.h"

namespace cairn::crypto {

enum class IpsecUse {
  where_faster,  // only on CPUs that gain from it
  always,        // for tests: if the library is there
};

// One message at a time; keep one per thread.
class IpsecGcm {
 public:
  // Whether instances may be made. The library is loaded and checked against OpenSSL's result once.
  static bool available(IpsecUse use = IpsecUse::where_faster);

  IpsecGcm();
  ~IpsecGcm();
  IpsecGcm(const IpsecGcm&) = delete;
  IpsecGcm& operator=(const IpsecGcm&) = delete;

  bool start(bool seal, const Byte* key, const Byte* nonce, ByteView aad);
  bool update(const Byte* in, std::size_t size, Byte* out);
  bool finish_seal(Byte* tag);        // writes 16 bytes
  bool finish_open(const Byte* tag);  // true: authentic

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cairn::crypto
