// Error correction: any bytes as stored; and what was encoded comes back when one byte is wrong.
#include "crypto/ecc.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto ecc = crypto::Ecc::create(10).value();
  const ByteView bytes{data, size};
  (void)ecc.decode(bytes);
  const auto encoded = ecc.encode(bytes);
  CHECK(encoded.ok());
  CHECK(encoded->size() == ecc.encoded_size(size));
  Buffer stored = Buffer::copy_of(encoded->view());
  if (stored.size() > 0 && size > 0) {
    stored.data()[(data[0] * 131U + size) % stored.size()] ^= 0x10;
  }
  const auto back = ecc.decode(stored.view());
  CHECK(back.ok(), "{}", back.status().message());
  CHECK(as_text(back->data.view()) == as_text(bytes));
  return 0;
}
