// SFTP version 3 (draft-ietf-secsh-filexfer-02) with OpenSSH's extensions, over any byte channel. Requests are sent
// without waiting for earlier answers, so that a file, or many directories, cost few round trips.
#pragma once

#include <functional>

#include "blob/remote_tree.h"
#include "blob/sftp/byte_channel.h"

namespace cairn::blob {

struct SftpVolume {
  Capacity capacity;
  bool read_only = false;
};

// One connection, for one thread at a time. Paths are the server's. Errors of the server: not_found,
// permission_denied, unsupported, and unavailable for its "failure", which says nothing more.
class SftpSession {
 public:
  static Result<std::unique_ptr<SftpSession>> open(std::unique_ptr<ByteChannel> channel, CallWait& wait);

  Result<TreeEntry> stat(const std::string& path, CallWait& wait);
  Result<Buffer> read_file(const std::string& path, ByteRange range, CallWait& wait);
  // One result a directory, in order.
  Result<std::vector<Result<RemoteTree::Listing>>> list(const std::vector<std::string>& paths, CallWait& wait);
  // A new file (already there: unavailable), durable where the server can; returns its time. On failure it may stay.
  Result<Timestamp> write_new_file(const std::string& path, GatherView data, std::optional<Timestamp> mtime,
                                   CallWait& wait);
  // In one step, which takes OpenSSH's extension: without it unsupported.
  Status rename_over(const std::string& from, const std::string& to, CallWait& wait);
  // Fails with unavailable when `to` exists.
  Status rename_if_absent(const std::string& from, const std::string& to, CallWait& wait);
  Status remove(const std::string& path, CallWait& wait);
  Status make_directory(const std::string& path, CallWait& wait);
  Result<SftpVolume> volume(const std::string& path, CallWait& wait);
  // After an error of the channel, of the protocol, or a stop: the answers can no longer be told apart.
  bool broken() const { return broken_; }

 private:
  struct Packet;
  struct Reply;
  using Encode = std::function<Packet(std::size_t index)>;
  using Take = std::function<Status(std::size_t index, const Reply& reply)>;

  explicit SftpSession(std::unique_ptr<ByteChannel> channel) : channel_(std::move(channel)) {}
  Status greet(CallWait& wait);
  Status exchange(std::size_t count, const Encode& encode, const Take& take, CallWait& wait);
  Status receive_one(std::uint32_t first_id, std::size_t sent, const Take& take, Status& failed, CallWait& wait);
  Status send(Packet packet, std::uint32_t id, CallWait& wait);
  Result<Reply> receive(CallWait& wait);
  Result<std::uint32_t> receive_header(Reply& reply, CallWait& wait);
  Status simple(Packet packet, std::string_view what, CallWait& wait);
  Result<std::string> open_handle(Packet packet, std::string_view what, CallWait& wait);
  Status read_pieces(const std::string& handle, std::int64_t offset, MutByteView out, CallWait& wait);
  Status write_pieces(const std::string& handle, GatherView data, CallWait& wait);
  Result<Timestamp> finish_file(const std::string& handle, std::optional<Timestamp> mtime, CallWait& wait);
  Status forget(Packet packet, CallWait& wait);

  std::unique_ptr<ByteChannel> channel_;
  std::uint32_t next_id_ = 1;
  std::vector<std::uint32_t> forgotten_;  // requests whose answers nobody waits for
  bool fsync_ = false, statvfs_ = false;
  bool broken_ = false;
};

}  // namespace cairn::blob
