#include "blob/sftp/sftp_session.h"

#include <algorithm>

#include "blob/sftp/sftp_packet.h"

namespace cairn::blob {
namespace {

using namespace sftp;  // NOLINT: names of the protocol

constexpr std::uint32_t kPiece = 32 << 10;    // of reads and writes; every server takes it
constexpr std::size_t kUnansweredMax = 64;    // 2 MiB of data under way
constexpr std::uint32_t kReplyMax = 4 << 20;  // a longer one is not SFTP
constexpr std::int64_t kBlobMax = std::int64_t{4} << 30;

Status server_status(PacketReader& in, std::string_view what) {
  const std::uint32_t code = in.u32();
  const std::string_view message = as_text(in.text());
  switch (code) {
    case kOk:
      return {};
    case kEof:
    case kNoSuchFile:
      return error(Code::not_found, "{}: no such file or directory", what);
    case kPermissionDenied:
      return error(Code::permission_denied, "{}: permission denied", what);
    case kUnsupported:
      return error(Code::unsupported, "{}: the server does not support it", what);
    default:
      return error(Code::unavailable, "{}: sftp: \"{}\" (code {})", what, message.substr(0, 200), code);
  }
}

}  // namespace

struct SftpSession::Packet : PacketWriter {
  using PacketWriter::PacketWriter;
  Packet(PacketWriter& w) : PacketWriter(std::move(w)) {}  // NOLINT: ends a chain of additions
};

struct SftpSession::Reply {
  Byte type = 0;
  std::uint32_t id = 0;
  Buffer body;

  PacketReader reader() const { return PacketReader(body); }
  // Of a reply that is a status. Any other type is a mistake of the server.
  Status status(std::string_view what) const {
    PacketReader in = reader();
    return type == kStatus ? server_status(in, what) : unexpected(what);
  }
  // The reply is of the wanted type; else what its status says.
  Status expect(Byte wanted, std::string_view what) const {
    if (type == wanted) {
      return {};
    }
    TRY(status(what));
    return unexpected(what);
  }
  Status unexpected(std::string_view what) const {
    return error(Code::corrupt, "{}: unexpected sftp packet of type {}", what, type);
  }
};

Result<std::unique_ptr<SftpSession>> SftpSession::open(std::unique_ptr<ByteChannel> channel, CallWait& wait) {
  std::unique_ptr<SftpSession> session(new SftpSession(std::move(channel)));
  TRY(session->greet(wait), "sftp: greeting");
  return session;
}

Status SftpSession::greet(CallWait& wait) {
  TRY(send(Packet(kInit), 3, wait));  // where others have their id, this one has the version
  Reply reply;
  TRY_ASSIGN(const std::uint32_t version, receive_header(reply, wait));
  if (reply.type != kVersion || version < 3) {
    return error(Code::unsupported, "the server does not speak SFTP version 3");
  }
  PacketReader in = reply.reader();
  while (in.ok() && !in.at_end()) {
    const std::string_view name = as_text(in.text());
    in.text();
    fsync_ |= name == "fsync@openssh.com";
    statvfs_ |= name == "statvfs@openssh.com";
  }
  return {};
}

Status SftpSession::send(Packet packet, std::uint32_t id, CallWait& wait) {
  Status sent = channel_->write(packet.finish(id), wait);
  broken_ |= !sent.ok();
  return sent;
}

Result<std::uint32_t> SftpSession::receive_header(Reply& reply, CallWait& wait) {
  broken_ = true;  // until all of it is there
  Byte head[9];
  TRY(channel_->read(head, wait));
  const std::uint32_t size = load_be32(head);
  if (size < 5 || size > kReplyMax) {
    return error(Code::corrupt, "the answer is not SFTP");
  }
  reply.type = head[4];
  reply.id = load_be32(head + 5);
  reply.body.resize(size - 5);
  TRY(channel_->read(reply.body.mut(), wait));
  broken_ = false;
  return reply.id;
}

Result<SftpSession::Reply> SftpSession::receive(CallWait& wait) {
  for (;;) {
    Reply reply;
    TRY_ASSIGN(const std::uint32_t id, receive_header(reply, wait));
    if (std::erase(forgotten_, id) == 0) {
      return reply;
    }
  }
}

// Requests 0…count−1, some of them under way at a time. The first error of `take` ends the sending; answers that are
// still to come are taken off the channel.
Status SftpSession::exchange(std::size_t count, const Encode& encode, const Take& take, CallWait& wait) {
  const std::uint32_t first_id = next_id_;
  next_id_ += static_cast<std::uint32_t>(count);
  Status failed;
  std::size_t sent = 0, answered = 0;
  while (answered < sent || (sent < count && failed.ok())) {
    if (sent < count && failed.ok() && sent - answered < kUnansweredMax) {
      TRY(send(encode(sent), first_id + static_cast<std::uint32_t>(sent), wait));
      ++sent;
      continue;
    }
    TRY(receive_one(first_id, sent, take, failed, wait));
    ++answered;
  }
  return failed;
}

Status SftpSession::receive_one(std::uint32_t first_id, std::size_t sent, const Take& take, Status& failed,
                                CallWait& wait) {
  TRY_ASSIGN(const Reply reply, receive(wait));
  const std::uint32_t index = reply.id - first_id;
  if (index >= sent) {
    broken_ = true;
    return error(Code::corrupt, "an answer to no question of ours");
  }
  if (failed.ok()) {
    failed = take(index, reply);
  }
  return {};
}

Status SftpSession::forget(Packet packet, CallWait& wait) {
  const std::uint32_t id = next_id_++;
  forgotten_.push_back(id);
  return send(std::move(packet), id, wait);
}

Status SftpSession::simple(Packet packet, std::string_view what, CallWait& wait) {
  return exchange(
      1, [&](std::size_t) { return std::move(packet); },
      [&](std::size_t, const Reply& reply) { return reply.status(what); }, wait);
}

Result<std::string> SftpSession::open_handle(Packet packet, std::string_view what, CallWait& wait) {
  std::string handle;
  const auto take = [&](std::size_t, const Reply& reply) -> Status {
    TRY(reply.expect(kHandle, what));
    handle = as_text(reply.reader().text());
    return {};
  };
  TRY(exchange(
      1, [&](std::size_t) { return std::move(packet); }, take, wait));
  return handle;
}

Result<TreeEntry> SftpSession::stat(const std::string& path, CallWait& wait) {
  const std::string what = "stat " + path;
  TreeEntry entry;
  const auto take = [&](std::size_t, const Reply& reply) -> Status {
    TRY(reply.expect(kAttributes, what));
    PacketReader in = reply.reader();
    const Attributes found = read_attributes(in);
    if (!in.ok()) {
      return error(Code::corrupt, "{}: attributes cut short", what);
    }
    entry = {"", found.is_directory(), found.size, found.mtime};
    return found.is_directory() || found.is_regular() ? Status()
                                                      : error(Code::not_found, "{}: not a regular file", what);
  };
  TRY(exchange(
      1, [&](std::size_t) { return Packet(Packet(kStat).text(path)); }, take, wait));
  return entry;
}

Result<Buffer> SftpSession::read_file(const std::string& path, ByteRange range, CallWait& wait) {
  const std::string what = "open " + path;
  TRY_ASSIGN(const TreeEntry entry, stat(path, wait));
  if (entry.is_directory) {
    return error(Code::not_found, "{}: not a regular file", what);
  }
  if (range.offset > entry.size || range.length > entry.size - range.offset) {
    return error(Code::invalid_argument, "invalid range");
  }
  const std::int64_t length = range.length < 0 ? entry.size - range.offset : range.length;
  if (length > kBlobMax) {
    return error(Code::corrupt, "{}: {} bytes are too many for a blob", path, length);
  }
  TRY_ASSIGN(const std::string handle, open_handle(Packet(Packet(kOpen).text(path).u32(kForRead).u32(0)), what, wait));
  Buffer out(static_cast<std::size_t>(length));
  const Status read = read_pieces(handle, range.offset, out.mut(), wait);
  if (!broken_) {
    TRY(forget(Packet(Packet(kClose).text(handle)), wait));
  }
  TRY(read, "read {}", path);
  return out;
}

// Answers may be shorter than what was asked for: what is missing is asked for again.
Status SftpSession::read_pieces(const std::string& handle, std::int64_t offset, MutByteView out, CallWait& wait) {
  struct Piece {
    std::size_t at, size;
  };
  std::vector<Piece> wanted;
  for (std::size_t at = 0; at < out.size(); at += kPiece) {
    wanted.push_back({at, std::min<std::size_t>(kPiece, out.size() - at)});
  }
  while (!wanted.empty()) {
    std::vector<Piece> missing;
    const auto encode = [&](std::size_t i) {
      return Packet(Packet(kRead)
                        .text(handle)
                        .u64(static_cast<std::uint64_t>(offset) + wanted[i].at)
                        .u32(static_cast<std::uint32_t>(wanted[i].size)));
    };
    const auto take = [&](std::size_t i, const Reply& reply) -> Status {
      if (reply.type == kStatus && reply.reader().u32() == kEof) {
        return error(Code::unavailable, "unexpected end of file");
      }
      TRY(reply.expect(kData, "read"));
      const ByteView data = reply.reader().text();
      if (data.empty() || data.size() > wanted[i].size) {
        return error(Code::corrupt, "{} bytes instead of {}", data.size(), wanted[i].size);
      }
      std::copy(data.begin(), data.end(), out.begin() + static_cast<std::ptrdiff_t>(wanted[i].at));
      if (data.size() < wanted[i].size) {
        missing.push_back({wanted[i].at + data.size(), wanted[i].size - data.size()});
      }
      return {};
    };
    TRY(exchange(wanted.size(), encode, take, wait));
    wanted = std::move(missing);
  }
  return {};
}

Result<std::vector<Result<RemoteTree::Listing>>> SftpSession::list(const std::vector<std::string>& paths,
                                                                   CallWait& wait) {
  std::vector<Result<RemoteTree::Listing>> out;
  std::vector<std::string> handles(paths.size());
  for (std::size_t i = 0; i < paths.size(); ++i) {
    out.emplace_back(RemoteTree::Listing());
  }
  TRY(exchange(
      paths.size(), [&](std::size_t i) { return Packet(Packet(kOpendir).text(paths[i])); },
      [&](std::size_t i, const Reply& reply) -> Status {
        if (const Status opened = reply.expect(kHandle, "open " + paths[i]); !opened.ok()) {
          out[i] = opened;
        } else {
          handles[i] = as_text(reply.reader().text());
        }
        return {};
      },
      wait));
  std::vector<std::size_t> reading;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (out[i].ok()) {
      reading.push_back(i);
    }
  }
  const std::vector<std::size_t> opened = reading;
  while (!reading.empty()) {
    std::vector<std::size_t> more;
    const auto take = [&](std::size_t k, const Reply& reply) -> Status {
      const std::size_t i = reading[k];
      if (reply.type == kStatus) {
        if (reply.reader().u32() != kEof) {
          out[i] = reply.status("read " + paths[i]);
        }
        return {};
      }
      TRY(reply.expect(kName, "read " + paths[i]));
      PacketReader in = reply.reader();
      for (std::uint32_t n = in.u32(); n > 0 && in.ok(); --n) {
        std::string name(as_text(in.text()));
        in.text();  // the form for people
        const Attributes found = read_attributes(in);
        if (name != "." && name != ".." && (found.is_directory() || found.is_regular())) {
          out[i]->push_back({std::move(name), found.is_directory(), found.size, found.mtime});
        }
      }
      more.push_back(i);
      return in.ok() ? Status() : error(Code::corrupt, "read {}: answer cut short", paths[i]);
    };
    TRY(exchange(
        reading.size(), [&](std::size_t k) { return Packet(Packet(kReaddir).text(handles[reading[k]])); }, take, wait));
    reading = std::move(more);
  }
  for (const std::size_t i : opened) {
    TRY(forget(Packet(Packet(kClose).text(handles[i])), wait));
  }
  return out;
}

Result<Timestamp> SftpSession::write_new_file(const std::string& path, GatherView data, std::optional<Timestamp> mtime,
                                              CallWait& wait) {
  TRY_ASSIGN(
      const std::string handle,
      open_handle(Packet(Packet(kOpen).text(path).u32(kForWrite | kCreate | kExclusive).u32(0)), "open " + path, wait));
  Status written = write_pieces(handle, data, wait);
  if (!written.ok()) {
    if (!broken_) {
      TRY(forget(Packet(Packet(kClose).text(handle)), wait));
    }
    return std::move(written).with_frame("write " + path);
  }
  Result<Timestamp> time = finish_file(handle, mtime, wait);
  TRY(time, "write {}", path);
  return time;
}

Status SftpSession::write_pieces(const std::string& handle, GatherView data, CallWait& wait) {
  const std::size_t size = gather_size(data);
  const std::size_t count = (size + kPiece - 1) / kPiece;
  std::size_t part = 0, at = 0;  // where the next piece begins
  const auto encode = [&](std::size_t i) {
    const std::size_t offset = i * kPiece;
    std::size_t left = std::min<std::size_t>(kPiece, size - offset);
    Packet packet(kWrite);
    packet.text(handle).u64(offset).u32(static_cast<std::uint32_t>(left));
    while (left > 0) {
      const std::size_t n = std::min(left, data[part].size() - at);
      packet.raw(data[part].subspan(at, n));
      left -= n;
      at += n;
      if (at == data[part].size()) {
        ++part;
        at = 0;
      }
    }
    return packet;
  };
  return exchange(
      count, encode, [](std::size_t, const Reply& reply) { return reply.status("write"); }, wait);
}

// Sync, times, the time that the server keeps, close: asked for at once, since servers answer these in order.
Result<Timestamp> SftpSession::finish_file(const std::string& handle, std::optional<Timestamp> mtime, CallWait& wait) {
  std::vector<Packet> packets;
  if (mtime) {
    const auto t = static_cast<std::uint32_t>(std::clamp<std::int64_t>(mtime->unix_seconds(), 0, 0xffffffff));
    packets.emplace_back(Packet(Packet(kFsetstat).text(handle).u32(kHasTimes).u32(t).u32(t)));
  }
  if (fsync_) {
    packets.emplace_back(Packet(Packet(kExtended).text("fsync@openssh.com").text(handle)));
  }
  const std::size_t stat_index = packets.size();
  packets.emplace_back(Packet(Packet(kFstat).text(handle)));
  packets.emplace_back(Packet(Packet(kClose).text(handle)));
  Timestamp time;
  const auto take = [&](std::size_t i, const Reply& reply) -> Status {
    if (i != stat_index) {
      return reply.status("close");
    }
    TRY(reply.expect(kAttributes, "fstat"));
    PacketReader in = reply.reader();
    time = read_attributes(in).mtime;
    return {};
  };
  TRY(exchange(
      packets.size(), [&](std::size_t i) { return std::move(packets[i]); }, take, wait));
  return time;
}

Status SftpSession::rename_over(const std::string& from, const std::string& to, CallWait& wait) {
  return simple(Packet(Packet(kExtended).text("posix-rename@openssh.com").text(from).text(to)), "rename " + from, wait);
}

Status SftpSession::rename_if_absent(const std::string& from, const std::string& to, CallWait& wait) {
  return simple(Packet(Packet(kRename).text(from).text(to)), "rename " + from, wait);
}

Status SftpSession::remove(const std::string& path, CallWait& wait) {
  return simple(Packet(Packet(kRemove).text(path)), "remove " + path, wait);
}

Status SftpSession::make_directory(const std::string& path, CallWait& wait) {
  return simple(Packet(Packet(kMkdir).text(path).u32(0)), "mkdir " + path, wait);
}

Result<SftpVolume> SftpSession::volume(const std::string& path, CallWait& wait) {
  if (!statvfs_) {
    return error(Code::unsupported, "unable to determine capacity: not supported by the server");
  }
  SftpVolume volume;
  const auto take = [&](std::size_t, const Reply& reply) -> Status {
    TRY(reply.expect(kExtendedReply, "statvfs"));
    PacketReader in = reply.reader();
    in.u64();  // block size; counts are in fragments
    const std::uint64_t fragment = in.u64(), total = in.u64();
    in.u64();  // free, those of root included
    const std::uint64_t available = in.u64();
    for (int skipped = 0; skipped < 4; ++skipped) {  // counts of files, id
      in.u64();
    }
    volume.read_only = (in.u64() & 1) != 0;
    volume.capacity = {static_cast<std::int64_t>(fragment * total), static_cast<std::int64_t>(fragment * available)};
    return in.ok() ? Status() : error(Code::corrupt, "statvfs: answer cut short");
  };
  TRY(exchange(
      1, [&](std::size_t) { return Packet(Packet(kExtended).text("statvfs@openssh.com").text(path)); }, take, wait));
  return volume;
}

}  // namespace cairn::blob
