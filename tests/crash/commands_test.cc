// Crash points of every command that writes into a repository. The list of commands is the program's own table: one
// that is neither here with words to run it, nor among those that write nothing, fails the test.
//
// The commands run in this process, one after another, on storages in memory that remember every change; the linker
// puts them in the place of the stores. Then for every change of every command the storage is rebuilt as if the process
// had died there: what was saved before must be listed and verify to the last byte, the command must work when it is
// given again, and so must the next backup.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <set>

#include "cli/app.h"
#include "cli/command_table.h"
#include "snapshot/create.h"
#include "snapshot/directory.h"
#include "snapshot/store.h"
#include "snapshot/verify.h"
#include "sys/file.h"
#include "tests/crash/recorded_storage.h"
#include "tests/support/gen.h"

namespace cairn::test {
namespace {

// Stores by the path of their connection.
std::map<std::string, std::shared_ptr<blob::Storage>>& stores() {
  static std::map<std::string, std::shared_ptr<blob::Storage>> all;
  return all;
}

class Connected final : public blob::ForwardingStorage {
 public:
  Connected(std::shared_ptr<blob::Storage> inner, blob::ConnectionInfo info)
      : ForwardingStorage(std::move(inner)), info_(std::move(info)) {}
  blob::ConnectionInfo connection_info() const override { return info_; }

 private:
  const blob::ConnectionInfo info_;
};

}  // namespace

using Opened = Result<std::shared_ptr<blob::Storage>>;
Opened replaced_open(const blob::ConnectionInfo& info, blob::OpenOptions options, std::stop_token stop) asm(
    "__wrap__ZN5cairn4blob12open_storageERKNS0_14ConnectionInfoENS0_11OpenOptionsESt10stop_token");
Opened replaced_open(const blob::ConnectionInfo& info, blob::OpenOptions, std::stop_token) {
  const auto it = stores().find(info.config["path"].as_string());
  if (it == stores().end()) {
    return error(Code::not_found, "no such store");
  }
  return std::shared_ptr<blob::Storage>(std::make_shared<Connected>(it->second, info));
}

namespace {

constexpr const char* kPassword = "test-password";
constexpr const char* kNewPassword = "another-password";

// What writes nothing into a repository: it reads, or changes only this machine. A name stands for its children too.
constexpr std::string_view kWithout[] = {
    "benchmark", "blob list", "blob show", "blob stats", "cache", "content list", "content show", "content stats",
    "content verify", "diff", "index epoch", "index inspect", "index list", "list", "logs list", "logs show",
    "maintenance info", "manifest list", "manifest show", "mount", "notification profile list",
    "notification profile show", "notification profile test", "notification template list",
    "notification template show", "policy export", "policy list", "policy show", "repository connect",
    "repository disconnect", "repository set-client", "repository status", "repository throttle", "restore",
    "server acl list", "server cancel", "server flush", "server pause", "server refresh", "server resume",
    "server shutdown", "server snapshot", "server status", "server throttle", "server users hash-password",
    "server users info", "server users list", "session list", "show", "snapshot estimate", "snapshot list",
    "snapshot restore", "snapshot verify", "status", "verify",
    // Works on a directory tree and on no store; tests/cli/low_level_test.py.
    "blob shards modify",
    // The same function for every store; that of the file system is below.
    "repository create azure", "repository create b2", "repository create from-config", "repository create gcs",
    "repository create gdrive", "repository create rclone", "repository create s3", "repository create sftp",
    "repository create webdav", "repository sync-to azure", "repository sync-to b2", "repository sync-to from-config",
    "repository sync-to gcs", "repository sync-to gdrive", "repository sync-to rclone", "repository sync-to s3",
    "repository sync-to sftp", "repository sync-to webdav"};

// What writes, but cannot be part of this history: it needs repositories of older formats. tests/cli/upgrade_test.py
// kills an upgrade at random moments; repair is one put of a blob that is missing.
constexpr std::string_view kElsewhere[] = {"repository repair", "repository upgrade"};

struct Command {
  std::string path;                  // in the table
  std::vector<std::string> words{};  // flags and arguments; {NAME} is filled in
  std::string store = "/main";       // the one whose changes are cut
  // Given again after a cut it may find that there is nothing left to do, and say so by failing.
  bool may_be_done = false;
  bool checked = true;  // false: sets the stage only
};

std::vector<Command> history() {
  return {
      {"repository create filesystem",
       {"--path=/main", "--content-cache-size-mb=0", "--override-username=alice", "--override-hostname=lab"},
       "/main",
       true,
       false},
      {"snapshot create", {"{dir}/src"}},
      {"snapshot create", {"{dir}/src", "{dir}/victim"}},
      {"policy set", {"--global", "--keep-latest=9"}},
      {"policy set", {"{dir}/src", "--add-ignore=*.tmp"}},
      {"policy import", {"--from-file={dir}/policy.json"}},
      {"policy edit", {"{dir}/src"}},
      {"policy delete", {"{dir}/src"}},
      {"snapshot pin", {"{first}", "--add=keep"}, "/main", true},  // the id has changed
      {"snapshot copy-history", {"alice@lab:{dir}/src", "bob@lab:/copied"}},
      {"snapshot move-history", {"bob@lab:/copied", "carol@lab:/moved"}, "/main", true},
      {"snapshot fix remove-files", {"--commit", "--source=carol@lab:/moved", "--filename=b"}},
      {"repository sync-to filesystem", {"--path=/copy"}, "/copy"},
      {"blob delete", {"{victim_pack}"}, "/main", true, false},
      {"heal", {"--from={copy}"}},
      {"blob delete", {"{victim_pack}"}, "/main", true, false},
      {"snapshot fix invalid-files", {"--commit", "--verify-files-percent=100"}},
      {"repository create filesystem",
       {"--path=/second", "--content-cache-size-mb=0", "--override-username=alice", "--override-hostname=lab",
        "--config-file={dir}/second.config"},
       "/second",
       true,
       false},
      {"repository replicate",
       {"--to-config={dir}/second.config", "--to-password=test-password", "alice@lab:{dir}/src"},
       "/second"},
      {"snapshot create", {"{dir}/other", "--config-file={dir}/second.config"}, "/second", false, false},
      {"snapshot migrate", {"--source-config={dir}/second.config", "--all"}},
      {"notification profile configure email",
       {"--profile-name=mail", "--smtp-server=localhost", "--mail-from=a@b", "--mail-to=c@d"}},
      {"notification profile configure pushover", {"--profile-name=push", "--app-token=a", "--user-key=u"}},
      {"notification profile configure webhook", {"--profile-name=hook", "--endpoint=http://localhost/x"}},
      {"notification profile delete", {"--profile-name=hook"}, "/main", true},
      {"notification template set", {"generic-error.txt", "--from-file={dir}/template"}},
      {"notification template remove", {"generic-error.txt"}, "/main", true},
      {"server users add", {"u@h", "--user-password=x"}, "/main", true},
      {"server users set", {"u@h", "--user-password=y"}},
      {"server users delete", {"u@h"}, "/main", true},
      {"server acl enable", {}, "/main", true},
      {"server acl add", {"--user=a@b", "--target=type=policy", "--access=READ"}, "/main", true},
      {"server acl delete", {"--all", "--delete"}, "/main", true},
      {"manifest delete", {"{manifest}"}, "/main", true},
      {"content delete", {"{unused}"}, "/main", true},
      {"maintenance set", {"--owner=me", "--full-interval=25h"}},
      {"maintenance run", {"--full", "--safety=none"}},
      {"content rewrite", {"--pack-prefix=p", "--safety=none"}},
      {"blob delete", {"{orphan}"}, "/main", true},
      {"blob gc", {"--delete=yes", "--safety=none"}},
      {"index optimize", {}, "/main", true},
      {"index recover", {"--commit"}},
      {"logs cleanup", {"--max-count=1"}},
      {"repository set-parameters", {"--max-pack-size-mb=21"}},
      {"repository validate-provider", {"--num-storage-connections=1", "--concurrency-test-duration=1ms"}},
      {"snapshot delete", {"{first}", "--delete"}, "/main", true},
      {"policy set",
       {"{dir}/src", "--keep-latest=1", "--keep-hourly=0", "--keep-daily=0", "--keep-weekly=0", "--keep-monthly=0",
        "--keep-annual=0"},
       "/main",
       false,
       false},
      {"snapshot expire", {"--all", "--delete"}},
      {"repository change-password", {"--new-password=another-password"}},
  };
}

bool is_below(std::string_view path, std::string_view group) {
  return path == group || (path.starts_with(group) && path[group.size()] == ' ');
}

using Known = std::map<std::string, std::string>;

class Commands : public testing::Test {
 protected:
  void SetUp() override {
    auto made = sys::TempDir::make("cairn-crash-test-", ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ASSERT_TRUE(made.ok()) << made.status().message();
    temp_ = std::move(*made);
    ::setenv("XDG_CACHE_HOME", path("cache").c_str(), 1);
    ::setenv("XDG_CONFIG_HOME", path("config").c_str(), 1);
    ::setenv("EDITOR", "sed -i s/keepDaily/keepDaily/", 1);
    for (const char* name : {"src", "victim", "other"}) {
      write(std::string(name) + "/a", gen_rand(std::hash<std::string>()(name), 5000));
      write(std::string(name) + "/b", gen_rand(std::hash<std::string>()(name) + 1, 6000));
    }
    const std::string policy = R"x({"(global)":{"retention":{"keepLatest":8}}})x";
    write("policy.json", Bytes(policy.begin(), policy.end()));
    const std::string text = "Subject: s\n\nbody\n";
    write("template", Bytes(text.begin(), text.end()));
    for (const char* name : {"/main", "/second", "/copy"}) {
      stores()[name] = recorded_[name] = std::make_shared<RecordedStorage>(blob::make_memory_storage(), system_clock());
    }
  }
  void TearDown() override { stores().clear(); }

  std::string path(const std::string& name) const { return temp_.path() + '/' + name; }
  void write(const std::string& name, const Bytes& content) {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    const auto fd = sys::open_file(path(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ASSERT_TRUE(fd.ok()) << fd.status().message();
    ASSERT_TRUE(sys::write_all(fd->get(), content).ok());
  }

  // One command as the program runs it; what it says goes to a file. Its exit code.
  int run(const std::vector<std::string>& words, const std::string& password, std::string& said) {
    std::vector<std::string> all = {"cairn"};
    all.insert(all.end(), words.begin(), words.end());
    const bool other_config = std::ranges::any_of(words, [](const auto& w) { return w.starts_with("--config-file"); });
    if (!other_config) {
      all.push_back("--config-file=" + path("main.config"));
    }
    all.push_back("--password=" + password);
    all.push_back("--disable-file-logging");
    all.push_back("--dangerous-commands=enabled");
    std::filesystem::remove_all(path("cache"));
    std::fflush(nullptr);
    const auto out = sys::open_file(path("said"), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const int saved[] = {::dup(STDOUT_FILENO), ::dup(STDERR_FILENO)};
    ::dup2(out->get(), STDOUT_FILENO);
    ::dup2(out->get(), STDERR_FILENO);
    const int code = cli::run_program(all);
    std::fflush(nullptr);
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
      ::dup2(saved[fd - 1], fd);
      ::close(saved[fd - 1]);
    }
    said = std::string(sys::read_file(path("said"), 1 << 20)->text());
    return code;
  }

  static Result<std::unique_ptr<repo::Repository>> open(std::shared_ptr<blob::Storage> storage) {
    repo::ClientOptions client;
    client.hostname = "lab";
    client.username = "alice";
    auto opened = repo::Repository::open_direct(storage, kPassword, client, {}, {}, {});
    return opened.code() == Code::unauthenticated
               ? repo::Repository::open_direct(storage, kNewPassword, client, {}, {}, {})
               : std::move(opened);
  }

  // What can only be known when the command's turn comes.
  Result<std::string> fill_in(const std::string& name) {
    if (name == "dir") {
      return temp_.path();
    }
    if (name == "copy") {
      return repo::encode_token({{"filesystem", Json::object({{"path", "/copy"}})}, ""});
    }
    TRY_ASSIGN(const auto r, open(stores()["/main"]));
    TRY_ASSIGN(const auto all, snapshot::list_snapshots(r->manifests(), {}, {}));
    if (name == "first") {
      return all.front().id;
    }
    if (name == "victim_pack") {
      for (const auto& m : all) {
        if (m.source.path.ends_with("/victim")) {
          TRY_ASSIGN(const Buffer text, r->objects().read_all(m.root->obj, 1 << 20, {}));
          TRY_ASSIGN(const auto d, snapshot::parse_directory(text.text()));
          TRY_ASSIGN(const auto info, r->contents().info(d.entries.front().obj.content, {}));
          return info.pack.text;
        }
      }
    }
    if (name == "manifest") {
      TRY_ASSIGN(const auto found, r->manifests().find({{"type", "notificationProfile"}}, {}));
      return found.front().id;
    }
    if (name == "unused") {
      TRY_ASSIGN(const ContentId id, r->contents().write(as_bytes(std::string_view("unused")), 0, 0, {}));
      TRY(r->flush({}));
      return id.text();
    }
    if (name == "orphan") {
      TRY(r->storage().put(BlobId("p00000000000000000000000000000000"), as_bytes(std::string_view("x")), {}));
      return std::string("p00000000000000000000000000000000");
    }
    return error(Code::internal, "nothing is known of {}", name);
  }

  Result<std::vector<std::string>> words_of(const Command& c) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at < c.path.size();) {
      const std::size_t end = std::min(c.path.find(' ', at), c.path.size());
      out.push_back(c.path.substr(at, end - at));
      at = end + 1;
    }
    for (std::string word : c.words) {
      for (std::size_t open = word.find('{'); open != std::string::npos; open = word.find('{')) {
        const std::size_t close = word.find('}', open);
        TRY_ASSIGN(const std::string value, fill_in(word.substr(open + 1, close - open - 1)));
        word.replace(open, close - open + 1, value);
      }
      out.push_back(word);
    }
    return out;
  }

  static Result<Known> complete_snapshots(repo::Repository& repository) {
    Known out;
    TRY_ASSIGN(const auto found,
               snapshot::list_snapshots(repository.manifests(), {.source = {}, .tags = {}, .strict = true}, {}));
    for (const snapshot::SnapshotManifest& m : found) {
      if (m.incomplete.empty()) {
        out[m.source.text() + '@' + rfc3339(m.start_time)] = m.root->obj.text();
      }
    }
    return out;
  }

  // All but what has been damaged on purpose.
  Status verify(repo::Repository& repository) {
    snapshot::VerifyOptions options;
    options.files_percent = 100;
    options.parallel = options.file_parallelism = 1;
    if (damaged_) {
      TRY_ASSIGN(const auto all, snapshot::list_snapshots(repository.manifests(), {}, {}));
      for (const auto& m : all) {
        if (!m.source.path.ends_with("/victim")) {
          options.snapshot_ids.push_back(m.id);
        }
      }
    }
    snapshot::VerifyResult result;
    return snapshot::verify_snapshots(repository, options, {}, result, {});
  }

  Status check(const Command& command, const std::vector<std::string>& words, const std::vector<Change>& changes,
               const CrashPoint& point, const Known& before, const Known& after, const std::string& password) {
    Replay replay;
    for (std::size_t i = 0; i < point.cut; ++i) {
      TRY(replay.apply(changes[i]));
    }
    if (point.extra) {
      TRY(replay.apply(*point.extra));
    }
    if (command.store == "/main") {
      TRY_ASSIGN(const auto r, open(replay.storage()), "open");
      TRY_ASSIGN(const Known known, complete_snapshots(*r), "list");
      for (const auto& [name, root] : before) {
        const auto it = known.find(name);
        const auto later = after.find(name);
        const bool may_go = later == after.end();
        const bool may_change = !may_go && later->second != root;
        if ((it == known.end() && !may_go) || (it != known.end() && it->second != root && !may_change)) {
          return error(Code::not_found, "snapshot {} is lost", name);
        }
      }
      TRY(verify(*r), "verify");
    }
    const auto kept = std::exchange(stores()[command.store], replay.storage());
    const bool changed =
        command.store == "/main" && !repo::Repository::open_direct(replay.storage(), password, {}, {}, {}, {}).ok();
    std::string said;
    const int code = run(words, changed ? kNewPassword : password, said);
    stores()[command.store] = kept;
    if (code != 0 && !command.may_be_done) {
      return error(Code::internal, "given again it fails: {}", said);
    }
    TRY_ASSIGN(const auto r, open(replay.storage()), "open again");
    TRY(verify(*r), "verify again");
    snapshot::CreateRequest request;
    request.source.info = {"lab", "alice", "/data/other"};
    request.source.path = path("other");
    request.upload.parallel = 1;
    TRY(snapshot::create_snapshot(*r, request, {}), "next backup");
    return verify(*r).with_frame("verify at the end");
  }

  sys::TempDir temp_;
  std::map<std::string, std::shared_ptr<RecordedStorage>> recorded_;
  bool damaged_ = false;
};

TEST(CommandTable, EveryCommandHasCrashPointsOrWritesNothing) {
  std::set<std::string> run;
  for (const Command& c : history()) {
    run.insert(c.path);
  }
  for (const cli::CommandSpec& c : cli::command_table().commands()) {
    if (c.run == nullptr || c.later || cli::command_table().is_group(c)) {
      continue;
    }
    const auto below = [&](std::string_view w) { return is_below(c.path, w); };
    const bool without = std::ranges::any_of(kWithout, below) || std::ranges::any_of(kElsewhere, below);
    EXPECT_TRUE(without != run.contains(c.path))
        << c.path << ": a command that writes into a repository has a row in history(), another one in kWithout";
  }
}

TEST_F(Commands, EveryChangeIsTheLastOnce) {
  std::size_t points = 0, commands = 0;
  std::string password = kPassword;
  Known known;
  for (const Command& command : history()) {
    const auto words = words_of(command);
    ASSERT_TRUE(words.ok()) << command.path << ": " << words.status().message();
    const std::size_t from = recorded_[command.store]->changes().size();
    std::string said;
    ASSERT_EQ(run(*words, password, said), 0) << command.path << ": " << said;
    const std::vector<Change> changes = recorded_[command.store]->changes();
    damaged_ = damaged_ || (command.path == "blob delete" && !command.checked);
    const auto opened = open(recorded_["/main"]);
    ASSERT_TRUE(opened.ok()) << command.path << ": " << opened.status().message();
    const auto after = complete_snapshots(**opened);
    ASSERT_TRUE(after.ok()) << command.path << ": " << after.status().message();
    const Status whole = verify(**opened);
    EXPECT_TRUE(whole.ok()) << command.path << ": " << whole.message();
    if (command.checked) {
      EXPECT_GT(changes.size(), from) << command.path << " changed nothing: " << said;
      ++commands;
      for (const CrashPoint& point : crash_points(changes, from, changes.size())) {
        if (point.torn) {
          continue;  // stores keep their promises here; tests/crash/crash_points_test.cc
        }
        const Status bad = check(command, *words, changes, point, known, *after, password);
        EXPECT_TRUE(bad.ok()) << command.path << ", " << point.name << ": " << bad.message();
        ++points;
      }
    }
    damaged_ = damaged_ && command.path != "snapshot fix invalid-files" && command.path != "heal";
    password = command.path == "repository change-password" ? kNewPassword : password;
    known = *after;
    if (command.path == "snapshot create") {
      write("src/b", gen_rand(points + 77, 7000));
    }
  }
  RecordProperty("crash_points", static_cast<int>(points));
  std::cout << points << " crash points of " << commands << " commands\n";
}

}  // namespace
}  // namespace cairn::test
