// What an SFTP server sends, whatever is asked of it.
#include "blob/sftp/sftp_session.h"

using namespace cairn;

namespace {

class Answers final : public blob::ByteChannel {
 public:
  explicit Answers(ByteView bytes) : rest_(bytes) {}
  Status write(ByteView, blob::CallWait&) override { return {}; }
  Status read(MutByteView out, blob::CallWait&) override {
    if (out.size() > rest_.size()) {
      return error(Code::unavailable, "connection lost");
    }
    std::copy_n(rest_.begin(), out.size(), out.begin());
    rest_ = rest_.subspan(out.size());
    return {};
  }

 private:
  ByteView rest_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  static blob::CallWait wait(hours(24 * 365), hours(24 * 365), {});
  // A greeting of version 3, so that the rest is reached.
  static constexpr Byte kGreeting[] = {0, 0, 0, 5, 2, 0, 0, 0, 3};
  Bytes bytes;
  if (data[0] < 0xf0) {
    bytes.assign(std::begin(kGreeting), std::end(kGreeting));
  }
  bytes.insert(bytes.end(), data + 1, data + size);
  auto session = blob::SftpSession::open(std::make_unique<Answers>(bytes), wait);
  if (!session.ok()) {
    return 0;
  }
  switch (data[0] % 5) {
    case 0:
      (void)(*session)->stat("a", wait);
      break;
    case 1: {
      const auto read = (*session)->read_file("a", {2, 5}, wait);
      CHECK(!read.ok() || read->size() == 5);
      break;
    }
    case 2:
      (void)(*session)->list({"a", "b"}, wait);
      break;
    case 3: {
      static constexpr Byte kData[] = {1, 2, 3};
      const ByteView parts[] = {kData};
      (void)(*session)->write_new_file("a", parts, Timestamp{0}, wait);
      break;
    }
    default:
      (void)(*session)->volume("a", wait);
      (void)(*session)->read_file("a", {0, -1}, wait);
      (void)(*session)->rename_over("a", "b", wait);
  }
  return 0;
}
