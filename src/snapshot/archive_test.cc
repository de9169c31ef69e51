#include <gmock/gmock.h>

#include "snapshot/restore_archive.h"
#include "snapshot/restore_test_support.h"
#include "sys/process.h"
#include "tests/support/gen.h"

namespace cairn::snapshot {
namespace {

using testing::HasSubstr;
using Archive = test::RestoreFixture;

struct Made : Archive {
  // Restores into an archive and returns its path.
  std::string make(const DirEntry& root, ArchiveFormat format, bool as_kopia = false) {
    flush();
    const std::string path = temp_.path() + "/archive";
    auto sink = open_archive_file(path);
    EXPECT_TRUE(sink.ok()) << sink.status().message();
    const auto output = make_archive_output(format, std::move(*sink), as_kopia, "only");
    RestoreProgress progress;
    const Status s = restore_tree(objects(), root, *output, {}, progress, {}, {});
    EXPECT_TRUE(s.ok()) << s.message();
    return path;
  }
  static std::string run(std::vector<std::string> argv) {
    sys::ProcessOptions options;
    options.argv = std::move(argv);
    options.env = {"TZ=UTC", "LC_ALL=C.UTF-8"};
    options.stdout_max = 64 << 20;
    auto result = sys::run_process(options, {});
    EXPECT_TRUE(result.ok()) << result.status().message();
    EXPECT_TRUE(result->ok()) << result->text();
    return std::string(result->out.text());
  }
  DirEntry sample() {
    long_name_ = std::string(120, 'n');
    return directory("data", {directory("dir", {directory("deep", {file("f", "eff", 04755)}, 0700), file("g", "gee")}),
                              file("a.txt", "alpha"), file("big", big_, 0600, "FIXED-128K"), file("empty", ""),
                              file("\xc3\xa9t\xc3\xa9", "summer"), file(long_name_, "long"), link("link", "a.txt"),
                              directory("nothing", {})});
  }
  std::string big_ = std::string(as_text(cairn::test::gen_text(3, 700'000)));
  std::string long_name_;
};

TEST_F(Made, TarIsReadByTar) {
  for (const ArchiveFormat format : {ArchiveFormat::tar, ArchiveFormat::tgz}) {
    const DirEntry root = sample();
    const std::string path = make(root, format);
    const std::string into = temp_.path() + (format == ArchiveFormat::tar ? "/x1" : "/x2");
    ASSERT_TRUE(sys::make_directories(into, 0700).ok());
    run({"tar", "-C", into, "-xpf", path});
    target_ = into;
    EXPECT_EQ(content("a.txt"), "alpha");
    EXPECT_TRUE(content("big") == big_);
    EXPECT_EQ(content("empty"), "");
    EXPECT_EQ(content("dir/deep/f"), "eff");
    EXPECT_EQ(info("dir/deep/f").mode, 04755U);
    EXPECT_EQ(info("dir/deep").mode, 0700U);
    EXPECT_EQ(info("dir/g").mtime, Timestamp::from_seconds(1'500'000'000));
    EXPECT_EQ(content("\xc3\xa9t\xc3\xa9"), "summer");
    EXPECT_EQ(content(long_name_), "long");
    EXPECT_EQ(*sys::read_link(at("link")), "a.txt");
    EXPECT_TRUE(info("nothing").is_directory());
  }
}

TEST_F(Made, TarValuesThatNeedPaxHeaders) {
  DirEntry f = file("f", "x");
  f.uid = 3'000'000'000U;
  f.mtime = Timestamp::from_seconds(-5);
  const std::string deep(90, 'd');
  const DirEntry root =
      directory("data", {directory(deep, {directory(deep, {directory(deep, {file("leaf", "leaf")})})}), f,
                         link("l", std::string(300, 't'))});
  const std::string path = make(root, ArchiveFormat::tar);
  const std::string program =
      "import tarfile,sys\n"
      "for m in tarfile.open(sys.argv[1]): print(m.name, m.uid, int(m.mtime), m.size, m.linkname, oct(m.mode))\n";
  const std::string listing = run({"python3", "-c", program, path});
  EXPECT_THAT(listing, HasSubstr("f 3000000000 -5 1"));
  EXPECT_THAT(listing, HasSubstr(deep + "/" + deep + "/" + deep + "/leaf "));
  EXPECT_THAT(listing, HasSubstr(std::string(300, 't')));
}

TEST_F(Made, ZipIsReadByPython) {
  const std::string program =
      "import zipfile,sys,hashlib\n"
      "z=zipfile.ZipFile(sys.argv[1])\n"
      "assert z.testzip() is None\n"
      "for i in z.infolist(): print(i.filename, i.compress_type, oct(i.external_attr>>16), i.file_size, "
      "i.date_time[:3], hashlib.sha256(z.read(i)).hexdigest()[:8])\n";
  const DirEntry root = sample();
  for (const ArchiveFormat format : {ArchiveFormat::zip, ArchiveFormat::zip_nocompress}) {
    const int method = format == ArchiveFormat::zip ? 8 : 0;
    const std::string path = make(root, format);
    const std::string listing = run({"python3", "-c", program, path});
    EXPECT_THAT(listing, HasSubstr(fmt::format("a.txt {} 0o100644 5 (2017, 7, 14) ", method)));
    EXPECT_THAT(listing, HasSubstr(fmt::format("big {} 0o100600 700000 ", method)));
    EXPECT_THAT(listing, HasSubstr(fmt::format("dir/deep/f {} 0o104755 3 ", method)));
    EXPECT_THAT(listing, HasSubstr("link 0 0o120777 5 "));
    EXPECT_THAT(listing, HasSubstr("nothing/ 0 0o40755 0 "));
    EXPECT_THAT(listing, HasSubstr("\xc3\xa9t\xc3\xa9 "));
  }
  // The original leaves out links and directories.
  const std::string listing = run({"python3", "-c", program, make(root, ArchiveFormat::zip, true)});
  EXPECT_THAT(listing, testing::Not(HasSubstr("link")));
  EXPECT_THAT(listing, testing::Not(HasSubstr("nothing")));
  EXPECT_THAT(listing, HasSubstr("dir/deep/f 8"));
}

TEST_F(Made, SingleFiles) {
  EXPECT_EQ(run({"tar", "-tf", make(file("name", "x"), ArchiveFormat::tar)}), "name\n");
  EXPECT_EQ(run({"tar", "-tf", make(file("", "x"), ArchiveFormat::tgz)}), "only\n");
}

TEST_F(Made, FormerArchiveStaysUntilTheNewOneIsWhole) {
  const DirEntry bad = file("bad", "some bytes");
  const DirEntry root = directory("data", {bad});
  flush();
  damage(bad.obj);
  reopen();
  const std::string path = temp_.path() + "/archive";
  ASSERT_TRUE(sys::write_file_atomic(path, as_bytes("former"), 0644).ok());
  {
    auto sink = open_archive_file(path);
    ASSERT_TRUE(sink.ok());
    const auto output = make_archive_output(ArchiveFormat::tar, std::move(*sink), false, "");
    RestoreProgress progress;
    EXPECT_TRUE(restore_tree(objects(), root, *output, {}, progress, {}, {}).is(Code::corrupt));
  }
  EXPECT_EQ(sys::read_file(path, 100)->text(), "former");
  EXPECT_THAT(open_archive_file(temp_.path() + "/no/where").status().message(),
              HasSubstr("unable to create output file: open " + temp_.path() + "/no/where: no such file or directory"));
}

}  // namespace
}  // namespace cairn::snapshot
