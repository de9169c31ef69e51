// The file that remembers what was read back: bytes without a proof count as nothing; rows that authenticate are taken
// or refused whole, and what was taken is written and read again as it was.
#include <fstream>

#include "crypto/kdf.h"
#include "proof/ledger.h"
#include "sys/file.h"

using namespace cairn;

namespace {

void write(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto directory = sys::TempDir::make("cairn-fuzz-", "/dev/shm").value();
  static const Bytes key(32, 7);
  const std::string path = directory.path() + "/ledger";
  const std::string_view input = as_text({data, size});
  write(path, input);
  const auto unproven = proof::Ledger::load(path, key);
  CHECK(unproven.size() == 0 && !unproven.problem().empty(), "bytes without a proof were taken");

  std::string text = "cairn-ledger 1\n";
  text += input;
  write(path, text + "hmac " + hex_encode(crypto::hmac_sha256(key, as_bytes(text))) + "\n");
  auto proven = proof::Ledger::load(path, key);
  if (!proven.problem().empty()) {
    CHECK(proven.size() == 0);
    return 0;
  }
  CHECK(proven.save([](const std::string&, const proof::LedgerRow&) { return true; }).ok());
  const auto again = proof::Ledger::load(path, key);
  CHECK(again.problem().empty() && again.size() == proven.size(), "{}: {} rows of {}", again.problem(), again.size(),
        proven.size());
  return 0;
}
