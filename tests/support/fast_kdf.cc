// Linked in with --wrap: a password's key is derived once per salt and process. A test that opens hundreds of
// repositories would else spend its time in scrypt.
#include <map>
#include <mutex>
#include <string>

#include "crypto/kdf.h"

namespace cairn::test {

// clang-format off
Result<SecretBytes> real_derive(std::string_view algorithm, std::string_view password, ByteView salt)
    asm("__real__ZN5cairn6crypto20derive_from_passwordESt17basic_string_viewIcSt11char_traitsIcEES4_St4spanIKhLm18446744073709551615EE");
Result<SecretBytes> wrapped_derive(std::string_view algorithm, std::string_view password, ByteView salt)
    asm("__wrap__ZN5cairn6crypto20derive_from_passwordESt17basic_string_viewIcSt11char_traitsIcEES4_St4spanIKhLm18446744073709551615EE");
// clang-format on

Result<SecretBytes> wrapped_derive(std::string_view algorithm, std::string_view password, ByteView salt) {
  static std::mutex mutex;
  static std::map<std::string, Bytes> known;
  const std::string key = fmt::format("{}\n{}\n{}", algorithm, password, hex_encode(salt));
  const std::lock_guard lock(mutex);
  const auto it = known.find(key);
  if (it != known.end()) {
    return SecretBytes(ByteView(it->second));
  }
  TRY_ASSIGN(SecretBytes derived, real_derive(algorithm, password, salt));
  known.emplace(key, Bytes(derived.view().begin(), derived.view().end()));
  return derived;
}

}  // namespace cairn::test
