// What only an SFTP server can show: authentication, known hosts, lost connections, full and read-only volumes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cstdlib>

#include "base/time.h"
#include "blob/sftp/sftp_tree.h"
#include "blob/storage.h"
#include "sys/directory.h"
#include "tests/support/gen.h"
#include "tests/support/ssh_server.h"

namespace cairn::test {
namespace {

using blob::OpenOptions;
using testing::HasSubstr;
using StoragePtr = std::shared_ptr<blob::Storage>;

constexpr const char* kPack = "p06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124";
constexpr OpenOptions kCreate = {.create = true};

class SftpContract : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = SshServer::missing(); !missing.empty()) {
      GTEST_SKIP() << missing;
    }
    server_.emplace();
    dir_ = sys::TempDir::make().value();
    root_ = dir_.path() + "/deep/repo";
  }
  static Result<StoragePtr> open(const Json& config, OpenOptions options = kCreate) {
    return blob::open_storage({"sftp", config}, options, {});
  }
  StoragePtr create() {
    auto storage = open(server_->config(root_));
    EXPECT_TRUE(storage.ok()) << storage.status().message();
    return storage.ok() ? *storage : nullptr;
  }
  std::size_t files_in_root() {
    sys::DirectoryListing listing;
    auto fd = sys::open_directory(root_);
    EXPECT_TRUE(fd.ok() && sys::read_directory(fd->get(), false, listing, {}).ok());
    return listing.entries().size();
  }
  std::optional<SshServer> server_;
  sys::TempDir dir_;
  std::string root_;
};

TEST_F(SftpContract, CreateMakesTheRootAndTheTreeIsThatOfADirectory) {
  const StoragePtr storage = create();
  ASSERT_TRUE(storage->put(BlobId(kPack), as_bytes("x"), {}).ok());
  EXPECT_EQ(sys::read_file(root_ + "/.shards", 1000)->text(), "{\"default\":[1,3],\"maxNonShardedLength\":20}\n");
  EXPECT_EQ(sys::read_file(root_ + "/p/06b/242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124.f", 9)->text(), "x");
  EXPECT_EQ(storage->display_name(), "SFTP " + server_->user() + "@127.0.0.1");
}

TEST_F(SftpContract, OpenNeedsTheRootAndMakesNothing) {
  const auto missing = open(server_->config(root_), {});
  EXPECT_EQ(missing.code(), Code::not_found);
  EXPECT_THAT(missing.status().message(), HasSubstr("cannot access storage path"));
  EXPECT_FALSE(sys::file_exists(dir_.path() + "/deep"));
}

TEST_F(SftpContract, HostsThatAreNotKnownAreRefused) {
  server_->make_key(server_->path("other"));
  Json config = server_->config(root_);
  config.erase("knownHostsFile");
  config.set("knownHostsData", "example.com " + std::string(sys::read_file(server_->path("other.pub"), 4096)->text()));
  auto unknown = open(config);
  EXPECT_EQ(unknown.code(), Code::failed_precondition);
  EXPECT_THAT(unknown.status().message(), HasSubstr("knownhosts: key is unknown"));
  config.set("knownHostsData", server_->known_hosts_line(server_->path("other.pub")));
  auto changed = open(config);
  EXPECT_EQ(changed.code(), Code::failed_precondition);
  EXPECT_THAT(changed.status().message(), HasSubstr("knownhosts: key mismatch"));
  config.set("knownHostsData", "");
  config.set("knownHostsFile", server_->path("nowhere"));
  EXPECT_THAT(open(config).status().message(), HasSubstr("unable to read known hosts"));
  EXPECT_FALSE(sys::file_exists(dir_.path() + "/deep"));
  config.set("knownHostsData", server_->known_hosts_line(server_->host_key() + ".pub"));
  EXPECT_TRUE(open(config).ok());
}

TEST_F(SftpContract, KeysAsDataAndKeysThatDoNotFit) {
  Json config = server_->config(root_);
  config.erase("keyfile");
  config.set("keyData", sys::read_file(server_->key_file(), 1 << 16)->text());
  EXPECT_TRUE(open(config).ok());
  server_->make_key(server_->path("other"));
  config.set("keyData", sys::read_file(server_->path("other"), 1 << 16)->text());
  auto refused = open(config);
  EXPECT_EQ(refused.code(), Code::permission_denied);
  EXPECT_THAT(refused.status().message(), HasSubstr("unable to authenticate"));
  config.set("keyData", "-----BEGIN OPENSSH PRIVATE KEY-----\nrubbish");
  auto unreadable = open(config);
  EXPECT_EQ(unreadable.code(), Code::failed_precondition);
  EXPECT_THAT(unreadable.status().message(), testing::Not(HasSubstr("rubbish")));
}

TEST_F(SftpContract, KeysOfAnAgent) {
  const std::string agent = find_program("ssh-agent"), add = find_program("ssh-add");
  sys::ProcessOptions options;
  options.argv = {agent, "-D", "-a", server_->path("agent")};
  options.die_with_thread = true;
  auto running = sys::ChildProcess::start(options, false, true, false);
  ASSERT_TRUE(running.ok());
  for (int i = 0; i < 250 && !sys::file_exists(server_->path("agent")); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  Json config = server_->config(root_);
  config.erase("keyfile");
  ::setenv("SSH_AUTH_SOCK", server_->path("agent").c_str(), 1);
  EXPECT_EQ(open(config).code(), Code::permission_denied);
  sys::ProcessOptions adding;
  adding.argv = {add, "-q", server_->key_file()};
  EXPECT_TRUE(sys::run_process(adding, {})->ok());
  EXPECT_TRUE(open(config).ok());
  ::unsetenv("SSH_AUTH_SOCK");
  EXPECT_EQ(open(config).code(), Code::failed_precondition);
}

TEST_F(SftpContract, Passwords) {
  const std::string rclone = find_program("rclone");
  if (rclone.empty()) {
    GTEST_SKIP() << "rclone is not installed";
  }
  const int port = free_port();
  auto serving = ServerProcess::start({rclone, "serve", "sftp", "--addr", fmt::format("127.0.0.1:{}", port), "--user",
                                       "test", "--pass", "testsecret", "--key", server_->host_key(), dir_.path()},
                                      port);
  ASSERT_TRUE(serving.ok()) << serving.status().message();
  Json config = Json::object({{"path", "/repo"}, {"host", "127.0.0.1"}, {"port", port}, {"username", "test"}});
  config.set("knownHostsData",
             fmt::format("[127.0.0.1]:{} {}", port, sys::read_file(server_->host_key() + ".pub", 1 << 16)->text()));
  config.set("password", "wrongsecret");
  auto wrong = open(config);
  EXPECT_EQ(wrong.code(), Code::permission_denied);
  EXPECT_THAT(wrong.status().message(), HasSubstr("unable to authenticate test by password"));
  EXPECT_THAT(wrong.status().message(), testing::Not(HasSubstr("wrongsecret")));
  config.set("password", "testsecret");
  config.set("keyfile", "/password/wins");
  auto right = open(config);
  ASSERT_TRUE(right.ok()) << right.status().message();
  ASSERT_TRUE((*right)->put(BlobId(kPack), as_bytes("x"), {}).ok());
  EXPECT_EQ((*right)->get(BlobId(kPack), {}, {})->text(), "x");
}

TEST_F(SftpContract, ServersThatAreNotThere) {
  Json config = server_->config(root_);
  config.set("port", free_port());
  EXPECT_THAT(open(config).status().message(), HasSubstr("connect: connection refused"));
  config.set("host", "no-such-host.invalid");
  EXPECT_THAT(open(config).status().message(), HasSubstr("no such host"));
  EXPECT_EQ(open(config).code(), Code::unavailable);
  Json external = server_->external_config(root_);
  external.set("sshCommand", "/no/such/ssh");
  EXPECT_EQ(open(external).code(), Code::failed_precondition);
  external.set("host", "-oProxyCommand=touch /tmp/x");
  EXPECT_EQ(open(external).code(), Code::invalid_argument);
}

TEST_F(SftpContract, LostConnectionsAreMadeAgain) {
  const StoragePtr storage = create();
  ASSERT_TRUE(storage->put(BlobId(kPack), as_bytes("x"), {}).ok());
  for (int round = 0; round < 3; ++round) {
    server_->cut_connections();
    EXPECT_EQ(storage->get(BlobId(kPack), {}, {})->text(), "x");
    server_->cut_connections();
    EXPECT_EQ(storage->list_all("", {})->size(), 1u);
    server_->cut_connections();
    EXPECT_TRUE(storage->put(BlobId(kPack), as_bytes("x"), {}).ok());
  }
  server_->cut_connections();
  server_->stop();
  std::jthread writer([&] { EXPECT_TRUE(storage->put(BlobId(kPack), as_bytes("y"), {}).ok()); });
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  server_->start();
  writer.join();
  EXPECT_EQ(storage->get(BlobId(kPack), {}, {})->text(), "y");
}

// The connection breaks while much is under way: what was there before stays.
TEST_F(SftpContract, CutInTheMiddleOfAPutLeavesTheOldBlob) {
  const StoragePtr storage = create();
  ASSERT_TRUE(storage->put(BlobId(kPack), as_bytes("old"), {}).ok());
  const Bytes data = gen_rand(3, 24 << 20);
  for (int round = 0; round < 4; ++round) {
    std::jthread cutter([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(10 + 25 * round));
      server_->cut_connections();
    });
    const auto done =
        storage->put(BlobId("q06b242d75667d17cbcddfeeaac039fed-s3035f716e3c5b0d9124"), ByteView(data), {});
    EXPECT_TRUE(done.ok()) << done.status().message();  // repeated
    cutter.join();
    const auto all = storage->list_all("", {});
    ASSERT_TRUE(all.ok());
    for (const auto& blob : *all) {
      EXPECT_EQ(storage->get(blob.id, {}, {})->size(), static_cast<std::size_t>(blob.length));
    }
  }
  EXPECT_EQ(storage->get(BlobId(kPack), {}, {})->text(), "old");
}

TEST_F(SftpContract, AStopEndsWhatTheServerDoesNotAnswer) {
  // Accepts, and says nothing.
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener, 5), 0);
  socklen_t size = sizeof address;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  Json config = server_->config(root_);
  config.set("port", ntohs(address.sin_port));
  std::stop_source stop;
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    stop.request_stop();
  });
  const std::int64_t begin = monotonic_ns();
  EXPECT_EQ(blob::open_storage({"sftp", config}, kCreate, stop.get_token()).code(), Code::cancelled);
  EXPECT_LT(monotonic_ns() - begin, seconds(2).ns);
  blob::SftpTreeOptions options;
  options.ssh.host = "127.0.0.1";
  options.ssh.port = ntohs(address.sin_port);
  options.ssh.username = server_->user();
  options.ssh.password = "x";
  options.ssh.known_hosts_file = server_->path("known_hosts");
  options.path = root_;
  options.silence_deadline = milliseconds(300);
  EXPECT_EQ(blob::make_sftp_tree(options)->stat("", {}).code(), Code::deadline);
  ::close(listener);
}

TEST_F(SftpContract, FullAndReadOnlyVolumes) {
  ASSERT_TRUE(sys::make_directories(root_, 0755).ok());
  if (::mount("tmpfs", root_.c_str(), "tmpfs", 0, "size=8m") != 0) {
    GTEST_SKIP() << "may not mount";
  }
  {
    const StoragePtr storage = create();
    ASSERT_TRUE(storage->put(BlobId("xe1"), as_bytes("old"), {}).ok());
    const std::size_t before = files_in_root();
    const auto full = storage->put(BlobId("xe1"), ByteView(gen_rand(1, 20 << 20)), {});
    EXPECT_EQ(full.code(), Code::resource_exhausted) << full.status().message();
    EXPECT_EQ(files_in_root(), before);
    EXPECT_EQ(storage->get(BlobId("xe1"), {}, {})->text(), "old");
    ASSERT_EQ(::mount("tmpfs", root_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr), 0);
    const auto refused = storage->put(BlobId("xe1"), as_bytes("new"), {});
    EXPECT_EQ(refused.code(), Code::permission_denied) << refused.status().message();
    EXPECT_THAT(refused.status().message(), HasSubstr("read-only"));
    EXPECT_EQ(storage->get(BlobId("xe1"), {}, {})->text(), "old");
  }
  ::umount(root_.c_str());
}

TEST_F(SftpContract, TheRootIsNeverMadeByAPut) {
  const StoragePtr storage = create();
  ASSERT_TRUE(sys::remove_tree(root_).ok());
  EXPECT_EQ(storage->put(BlobId(kPack), as_bytes("x"), {}).code(), Code::failed_precondition);
  EXPECT_FALSE(sys::file_exists(root_));
}

TEST_F(SftpContract, DescriptorsAreGivenBack) {
  const auto count = [] {
    sys::DirectoryListing listing;
    auto fd = sys::open_directory("/proc/self/fd");
    EXPECT_TRUE(sys::read_directory(fd->get(), false, listing, {}).ok());
    return listing.entries().size();
  };
  ASSERT_TRUE(open(server_->config(root_)).ok());
  const std::size_t before = count();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(open(server_->config(root_)).ok());
    ASSERT_TRUE(open(server_->external_config(root_)).ok());
  }
  EXPECT_EQ(count(), before);
}

}  // namespace
}  // namespace cairn::test
