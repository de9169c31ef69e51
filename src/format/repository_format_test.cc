#include "format/repository_format.h"

#include <gtest/gtest.h>

#include "blob/memory/memory_storage.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "format/sealing.h"
#include "tests/support/fixture_repo.h"
#include "tests/support/small_repository.h"

namespace cairn::format {
namespace {

namespace small = testing::small_repository;

Bytes seq(std::size_t n, Byte first = 0) {
  Bytes out(n);
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = static_cast<Byte>(first + i);
  }
  return out;
}

Bytes unhex(std::string_view text) {
  auto r = hex_decode(text);
  EXPECT_TRUE(r.ok());
  return r.value();
}

FormatBlob small_blob() {
  auto blob = FormatBlob::parse(as_bytes(small::kFormatBlob));
  EXPECT_TRUE(blob.ok()) << blob.status().message();
  return std::move(*blob);
}

const SecretBytes& small_key() {
  static const SecretBytes key = [] {
    auto k = derive_format_key(small_blob(), small::kPassword);
    EXPECT_TRUE(k.ok()) << k.status().message();
    return std::move(*k);
  }();
  return key;
}

// Inner JSON sealed into a blob with the small repository's key.
FormatBlob blob_of(std::string_view inner) {
  FormatBlob b = small_blob();
  auto sealed = seal_with_format_key(small_key().view(), b.unique_id, as_bytes(inner));
  EXPECT_TRUE(sealed.ok());
  b.sealed.assign(sealed->view().begin(), sealed->view().end());
  return b;
}

Result<Parameters> parameters_of(std::string_view inner) { return open_parameters(blob_of(inner), small_key().view()); }

std::string sealed_text(const Parameters& p) {
  const FormatBlob b = small_blob();
  auto sealed = seal_parameters(p, small_key().view(), b.unique_id);
  EXPECT_TRUE(sealed.ok());
  auto text = open_with_format_key(small_key().view(), b.unique_id, *sealed);
  EXPECT_TRUE(text.ok());
  return std::string(as_text(text->view()));
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(FormatBlob, KeepsEveryByte) {
  const FormatBlob b = small_blob();
  EXPECT_EQ(b.tool, "https://github.com/kopia/kopia");
  EXPECT_EQ(b.unique_id, seq(32));
  EXPECT_EQ(b.key_algorithm, "scrypt-65536-8-1");
  EXPECT_EQ(b.serialize(), small::kFormatBlob);
  FormatBlob fresh = small_blob();
  fresh.raw.clear();  // as a new repository's
  EXPECT_EQ(fresh.serialize(), small::kFormatBlob);
}

TEST(FormatBlob, KeepsUnknownKeysAndAnyCase) {
  std::string text = replaced(small::kFormatBlob, "\"keyAlgo\"", "\"KEYALGO\"");
  text = replaced(text, "  \"encryption\"", "  \"future\": {\n    \"a\": 1\n  },\n  \"encryption\"");
  auto b = FormatBlob::parse(as_bytes(text));
  ASSERT_TRUE(b.ok()) << b.status().message();
  EXPECT_EQ(b->key_algorithm, "scrypt-65536-8-1");
  EXPECT_EQ(b->serialize(), text);
}

TEST(FormatBlob, RejectsWhatIsNotOne) {
  for (const std::string& text :
       {std::string(), std::string("x"), std::string("[]"), std::string("{}"), std::string("null"),
        replaced(small::kFormatBlob, "AAECAwQ", "AAEC!wQ"), replaced(small::kFormatBlob, "\"uniqueID\"", "\"other\""),
        replaced(small::kFormatBlob, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AAEC"),
        replaced(small::kFormatBlob, "\"scrypt-65536-8-1\"", "\"\""),
        replaced(small::kFormatBlob, "\"encryptedBlockFormat\": \"", "\"encryptedBlockFormat\": 5, \"x\": \"")}) {
    EXPECT_EQ(FormatBlob::parse(as_bytes(text)).code(), Code::corrupt) << text;
  }
}

TEST(FormatKey, IsThePublishedOne) {
  EXPECT_EQ(hex_encode(small_key().view()), "c25bccae074678f4ce6443ce46b56229e112e00ee0e52a53ff3ab35aeec3bac7");
  FormatBlob b = small_blob();
  b.key_algorithm = "pbkdf2-sha256-600000";
  EXPECT_EQ(hex_encode(derive_format_key(b, small::kPassword)->view()),
            "8aba72dadfcd3b59e16a4f57d805f18dcf81b29fa8c9046e8fa8a899ea4f1248");
}

TEST(FormatKey, RefusesUnknownAndTestAlgorithms) {
  FormatBlob b = small_blob();
  for (const char* name : {"testing-only-insecure", "scrypt-1-1-1", "none"}) {
    b.key_algorithm = name;
    EXPECT_EQ(derive_format_key(b, "x").code(), Code::unsupported) << name;
  }
  b = small_blob();
  b.encryption = "NONE";
  EXPECT_EQ(derive_format_key(b, "x").code(), Code::unsupported);
}

TEST(Parameters, OpensTheSmallRepository) {
  auto p = open_parameters(small_blob(), small_key().view());
  ASSERT_TRUE(p.ok()) << p.status().message();
  EXPECT_EQ(p->hash, "BLAKE2B-256-128");
  EXPECT_EQ(p->encryption, "AES256-GCM-HMAC-SHA256");
  EXPECT_EQ(hex_encode(p->master_key.view()), hex_encode(seq(32, 0x40)));
  EXPECT_EQ(hex_encode(p->secret.view()), hex_encode(seq(32, 0x80)));
  EXPECT_EQ(p->version, 3);
  EXPECT_EQ(p->max_pack_size, 20971520);
  EXPECT_EQ(p->index_version, 2);
  EXPECT_EQ(p->epoch, EpochParameters::defaults());
  EXPECT_TRUE(p->enable_password_change);
  EXPECT_EQ(p->splitter, "DYNAMIC-4M-BUZHASH");
  EXPECT_FALSE(p->upgrade_lock.has_value());
  EXPECT_EQ(sealed_text(*p), small::kInnerJson);
  EXPECT_EQ(p->raw.dump().find("masterKey"), std::string::npos);
}

TEST(Parameters, WrongPasswordOrDamage) {
  const SecretBytes wrong(seq(32));
  auto p = open_parameters(small_blob(), wrong.view());
  EXPECT_EQ(p.code(), Code::unauthenticated);
  EXPECT_EQ(p.status().message(), "invalid repository password");
  for (const std::size_t at : {std::size_t{0}, std::size_t{12}, small_blob().sealed.size() - 1}) {
    FormatBlob b = small_blob();
    b.sealed[at] ^= 1;
    EXPECT_EQ(open_parameters(b, small_key().view()).code(), Code::unauthenticated);
  }
  FormatBlob b = small_blob();
  b.sealed.resize(5);
  EXPECT_EQ(open_parameters(b, small_key().view()).code(), Code::unauthenticated);
}

TEST(Parameters, UnknownKeysSurvive) {
  std::string inner = replaced(small::kInnerJson, "\"version\":3", "\"version\":3,\"zeta\":[1,{\"b\":null}]");
  inner = replaced(inner, "\"DeleteParallelism\":4", "\"DeleteParallelism\":4,\"Later\":true");
  inner.back() = ',';
  inner += "\"other\":\"x\"}";
  auto p = parameters_of(inner);
  ASSERT_TRUE(p.ok()) << p.status().message();
  const std::string out = sealed_text(*p);
  EXPECT_NE(out.find("\"DeleteParallelism\":4,\"Later\":true}"), std::string::npos) << out;
  EXPECT_NE(out.find("\"splitter\":\"DYNAMIC-4M-BUZHASH\",\"zeta\":[1,{\"b\":null}]},\"other\":\"x\"}"),
            std::string::npos)
      << out;
}

TEST(Parameters, KeysInAnyCaseAreRead) {
  std::string inner = replaced(small::kInnerJson, "\"format\"", "\"FORMAT\"");
  inner = replaced(inner, "\"masterKey\"", "\"MASTERKEY\"");
  inner = replaced(inner, "\"indexVersion\"", "\"indexversion\"");
  inner = replaced(inner, "\"Enabled\"", "\"enabled\"");
  auto p = parameters_of(inner);
  ASSERT_TRUE(p.ok()) << p.status().message();
  EXPECT_EQ(p->master_key.size(), 32u);
  EXPECT_EQ(p->index_version, 2);
  EXPECT_TRUE(p->epoch.enabled);
}

TEST(Parameters, AbsentSizesHaveTheirDefaultsAndStayAbsent) {
  std::string inner = replaced(small::kInnerJson, "\"maxPackSize\":20971520,\"indexVersion\":2,", "");
  auto p = parameters_of(inner);
  ASSERT_TRUE(p.ok()) << p.status().message();
  EXPECT_EQ(p->max_pack_size, 20 << 20);
  EXPECT_EQ(p->index_version, 1);
  EXPECT_EQ(sealed_text(*p), inner);
  p->index_version = 2;
  p->max_pack_size = 30 << 20;
  EXPECT_NE(sealed_text(*p).find("\"maxPackSize\":31457280,\"indexVersion\":2,\"epochParameters\""), std::string::npos);
}

TEST(Parameters, RefusesWhatItCannotHandle) {
  const auto code = [](std::string_view from, std::string_view to) {
    return parameters_of(replaced(small::kInnerJson, from, to)).code();
  };
  EXPECT_EQ(code("\"version\":3", "\"version\":4"), Code::unsupported);
  EXPECT_EQ(code("\"version\":3", "\"version\":0"), Code::unsupported);
  EXPECT_EQ(code("\"version\":3", "\"version\":\"3\""), Code::unsupported);
  EXPECT_EQ(code("\"indexVersion\":2", "\"indexVersion\":3"), Code::unsupported);
  EXPECT_EQ(code("\"indexVersion\":2", "\"indexVersion\":-2"), Code::unsupported);
  EXPECT_EQ(code("\"masterKey\"", "\"noKey\""), Code::corrupt);
  EXPECT_EQ(code("\"secret\"", "\"noSecret\""), Code::corrupt);
  EXPECT_EQ(code("QEFC", "QE!C"), Code::corrupt);
  EXPECT_EQ(code("\"maxPackSize\":20971520", "\"maxPackSize\":-1"), Code::corrupt);
  EXPECT_EQ(code("\"maxPackSize\":20971520", "\"maxPackSize\":20971520000"), Code::corrupt);
  EXPECT_EQ(code("\"indexVersion\":2", "\"indexVersion\":1,\"ecc\":\"REED-SOLOMON-CRC32\",\"eccOverheadPercent\":2"),
            Code::unsupported);
  EXPECT_EQ(parameters_of("{}").code(), Code::corrupt);
  EXPECT_EQ(parameters_of("{\"format\":3}").code(), Code::corrupt);
  EXPECT_EQ(parameters_of("not JSON").code(), Code::corrupt);
}

TEST(Parameters, RequiredFeatures) {
  const auto with = [](std::string_view list) {
    return parameters_of(
        replaced(small::kInnerJson, "\"splitter\"", fmt::format("\"requiredFeatures\":{},\"splitter\"", list)));
  };
  auto known = with(R"([{"feature":"index-v1","ifNotUnderstood":{"warn":false}},{"feature":"index-v2"}])");
  ASSERT_TRUE(known.ok()) << known.status().message();
  ASSERT_EQ(known->required_features.size(), 2u);
  auto warned = with(R"([{"feature":"magic","ifNotUnderstood":{"warn":true,"message":"m","x":1}}])");
  ASSERT_TRUE(warned.ok()) << warned.status().message();
  EXPECT_NE(sealed_text(*warned).find(
                R"("requiredFeatures":[{"feature":"magic","ifNotUnderstood":{"warn":true,"message":"m","x":1}}])"),
            std::string::npos);
  auto refused = with(R"([{"feature":"magic","ifNotUnderstood":{"warn":false,"message":"m","upgradeToVersion":"9"}}])");
  EXPECT_EQ(refused.code(), Code::unsupported);
  EXPECT_NE(refused.status().message().find("\"magic\""), std::string::npos);
  EXPECT_EQ(with(R"([{"feature":"magic"}])").code(), Code::unsupported);
}

TEST(UpgradeLock, RoundTrip) {
  const std::string lock =
      R"("upgradeLock":{"ownerID":"owner1","creationTime":"2026-01-02T03:04:05Z","advanceNoticeDuration":3600000000000,)"
      R"("ioDrainTimeout":900000000000,"statusPollInterval":60000000000,"message":"Upgrading","maxPermittedClockDrift":300000000000})";
  const std::string inner = replaced(small::kInnerJson, "\"DYNAMIC-4M-BUZHASH\"", "\"DYNAMIC-4M-BUZHASH\"," + lock);
  auto p = parameters_of(inner);
  ASSERT_TRUE(p.ok()) << p.status().message();
  ASSERT_TRUE(p->upgrade_lock.has_value());
  EXPECT_EQ(p->upgrade_lock->owner_id, "owner1");
  EXPECT_EQ(p->upgrade_lock->io_drain_timeout, minutes(15));
  EXPECT_EQ(sealed_text(*p), inner);
  p->upgrade_lock.reset();
  EXPECT_EQ(sealed_text(*p), small::kInnerJson);
}

TEST(UpgradeLock, Times) {
  UpgradeLock lock;
  lock.creation_time = Timestamp::from_seconds(1'000'000);
  lock.io_drain_timeout = minutes(15);
  lock.max_permitted_clock_drift = minutes(5);  // drain = 35 min
  const Timestamp t0 = lock.creation_time;
  EXPECT_TRUE(lock.locked(t0));
  EXPECT_EQ(lock.upgrade_time(), t0 + minutes(35));
  lock.advance_notice = minutes(34);  // shorter than the drain time: in force at once
  EXPECT_TRUE(lock.locked(t0));
  EXPECT_EQ(lock.upgrade_time(), t0 + minutes(35));
  lock.advance_notice = hours(2);
  EXPECT_FALSE(lock.locked(t0 + minutes(84)));
  EXPECT_TRUE(lock.locked(t0 + minutes(85)));
  EXPECT_EQ(lock.upgrade_time(), t0 + hours(2));
  EXPECT_FALSE(lock.writers_drained(t0 + minutes(119)));
  EXPECT_TRUE(lock.writers_drained(t0 + hours(2)));
  // Absurd values overflow nothing.
  lock.advance_notice = {std::numeric_limits<std::int64_t>::max()};
  lock.io_drain_timeout = lock.advance_notice;
  lock.creation_time = {std::numeric_limits<std::int64_t>::max() - 1};
  EXPECT_GE(lock.upgrade_time(), lock.creation_time);
}

TEST(EpochParameters, Validation) {
  const auto with = [](auto change) {
    EpochParameters p = EpochParameters::defaults();
    change(p);
    return p.validate().code();
  };
  EXPECT_EQ(with([](auto&) {}), Code::ok);
  EXPECT_EQ(EpochParameters{}.validate().code(), Code::ok);  // off
  EXPECT_EQ(with([](auto& p) { p.min_epoch_duration = minutes(10) - Duration{1}; }), Code::invalid_argument);
  EXPECT_EQ(with([](auto& p) { p.refresh_frequency = hours(8) + Duration{1}; }), Code::invalid_argument);
  EXPECT_EQ(with([](auto& p) { p.refresh_frequency = {0}; }), Code::invalid_argument);
  EXPECT_EQ(with([](auto& p) { p.full_checkpoint_frequency = 0; }), Code::invalid_argument);
  EXPECT_EQ(with([](auto& p) { p.cleanup_safety_margin = hours(1) - Duration{1}; }), Code::invalid_argument);
  EXPECT_EQ(with([](auto& p) { p.advance_on_count = 9; }), Code::invalid_argument);
  EXPECT_EQ(with([](auto& p) { p.advance_on_total_size_bytes = (1 << 20) - 1; }), Code::invalid_argument);
}

TEST(BlobConfig, TheStoredForms) {
  const Bytes uid = seq(32);
  auto empty = open_blob_config(unhex(small::kBlobConfig), small_key().view(), uid);
  ASSERT_TRUE(empty.ok()) << empty.status().message();
  EXPECT_FALSE(empty->enabled());
  EXPECT_TRUE(
      open_blob_config(unhex("000102030405060708090a0bded7d2519959fae770cef2bc3a751bee0a71"), small_key().view(), uid)
          .ok());
  EXPECT_EQ(seal_blob_config({}, small_key().view(), uid)->size(), 30u);
  const BlobConfig c{"GOVERNANCE", hours(720)};
  auto sealed = seal_blob_config(c, small_key().view(), uid);
  EXPECT_EQ(as_text(open_with_format_key(small_key().view(), uid, *sealed)->view()),
            R"({"retentionMode":"GOVERNANCE","retentionPeriod":2592000000000000})");
  EXPECT_EQ(open_blob_config(*sealed, small_key().view(), uid).value(), c);
  Bytes damaged = unhex(small::kBlobConfig);
  damaged[15] ^= 1;
  auto bad = open_blob_config(damaged, small_key().view(), uid);
  EXPECT_EQ(bad.code(), Code::corrupt);
  EXPECT_EQ(bad.status().message(), "unable to decrypt repository blobcfg blob");
}

TEST(BlobConfig, Validation) {
  EXPECT_TRUE(BlobConfig{}.validate().ok());
  EXPECT_TRUE((BlobConfig{"COMPLIANCE", hours(24)}).validate().ok());
  EXPECT_FALSE((BlobConfig{"COMPLIANCE", hours(23)}).validate().ok());
  EXPECT_FALSE((BlobConfig{"COMPLIANCE", {}}).validate().ok());
  EXPECT_FALSE((BlobConfig{"", hours(24)}).validate().ok());
  EXPECT_FALSE((BlobConfig{"other", hours(24)}).validate().ok());
}

TEST(NewParameters, DefaultsOfEachVersion) {
  for (const int version : {0, 1, 2, 3}) {
    CreateOptions o;
    o.version = version;
    auto p = new_parameters(o);
    ASSERT_TRUE(p.ok()) << p.status().message();
    EXPECT_EQ(p->version, version == 0 ? 3 : version);
    EXPECT_EQ(p->index_version, version == 1 ? 1 : 2);
    EXPECT_EQ(p->epoch.enabled, version != 1);
    EXPECT_EQ(p->enable_password_change, version != 1);
    EXPECT_EQ(p->secret.size(), 32u);
    EXPECT_EQ(p->master_key.size(), 32u);
    EXPECT_TRUE(p->ecc.empty());
  }
  CreateOptions o;
  o.unique_id = seq(32);
  o.master_key = seq(32, 0x40);
  o.secret = seq(32, 0x80);
  EXPECT_EQ(sealed_text(*new_parameters(o)), small::kInnerJson);
  o.ecc_overhead_percent = 2;
  EXPECT_EQ(new_parameters(o)->ecc, "REED-SOLOMON-CRC32");
  o.version = 1;
  EXPECT_EQ(new_parameters(o).code(), Code::invalid_argument);
  o = {};
  o.version = 4;
  EXPECT_EQ(new_parameters(o).code(), Code::invalid_argument);
  o = {};
  o.hash = "MD5";
  EXPECT_EQ(new_parameters(o).code(), Code::unsupported);
  o = {};
  o.encryption = "NONE";
  EXPECT_EQ(new_parameters(o).code(), Code::unsupported);
}

TEST(Replica, FramingIsThePublishedOne) {
  EXPECT_EQ(hex_encode(frame_replica(as_bytes("aadsdasdas"))),
            "2a0061616473646173646173"
            "5d248ba07bde060f500ae9b489ff46358544ada66b4737a879ec5f0c9cc257ef2a00");
}

TEST(Replica, IsFoundAtEitherEnd) {
  const Buffer framed = frame_replica(as_bytes(small::kFormatBlob));
  Buffer head = Buffer::copy_of(framed.view());
  head.append("data data data");
  Buffer tail = Buffer::copy_of("data data data");
  tail.append(framed.view());
  for (const auto& [h, t] :
       {std::pair{head.view(), ByteView{}}, {tail.view(), tail.view()}, {ByteView{}, tail.view()}}) {
    auto found = recover_replica(h, t);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(as_text(*found), small::kFormatBlob);
  }
  EXPECT_EQ(recover_replica(tail.view(), head.view()).code(), Code::not_found);
  head[100] ^= 1;
  EXPECT_EQ(recover_replica(head.view(), head.view()).code(), Code::not_found);
  for (std::size_t n = 0; n + 2 < framed.size(); ++n) {  // the second length only matters at the tail
    EXPECT_EQ(recover_replica(framed.view().first(n), framed.view().first(n)).code(), Code::not_found) << n;
  }
  const Bytes ones(70000, 0xff);
  EXPECT_EQ(recover_replica(ByteView(ones).first(65536), ByteView(ones).last(65536)).code(), Code::not_found);
}

TEST(Replica, StorageIsSearched) {
  auto storage = blob::make_memory_storage();
  const auto put = [&](const char* id, ByteView bytes) { ASSERT_TRUE(storage->put(BlobId(id), bytes, {}).ok()); };
  put("p1", as_bytes("abcd"));
  put("p2", as_bytes("no replica in here at all"));
  std::vector<std::string> seen;
  const auto note = [&](const BlobId& id) { seen.push_back(id.text); };
  EXPECT_EQ(find_replica(*storage, {"p", "q"}, note, {}).code(), Code::not_found);
  EXPECT_EQ(seen.size(), 2u);
  Buffer pack = frame_replica(as_bytes(small::kFormatBlob));
  pack.resize(100'000);
  put("q3", pack.view());
  auto found = find_replica(*storage, {"p", "q"}, nullptr, {});
  ASSERT_TRUE(found.ok()) << found.status().message();
  EXPECT_EQ(found->found_in.text, "q3");
  EXPECT_EQ(as_text(found->format_blob), small::kFormatBlob);
}

// Every repository of the golden data opens with its password and says what the real program says.
class FixtureFormat : public ::testing::TestWithParam<std::string> {};

TEST_P(FixtureFormat, IsRead) {
  auto repo = testing::FixtureRepo::open(GetParam());
  ASSERT_TRUE(repo.ok()) << repo.status().message();
  const Json& expected = repo->expected()["format"];
  ASSERT_TRUE(expected.is_object());
  auto stored = sys::read_file(repo->path() + "/kopia.repository.f", 1 << 20);
  ASSERT_TRUE(stored.ok());
  auto blob = FormatBlob::parse(*stored);
  ASSERT_TRUE(blob.ok()) << blob.status().message();
  EXPECT_EQ(hex_encode(blob->unique_id), expected["uniqueIDHex"].as_string());
  EXPECT_EQ(blob->serialize(), stored->text());
  auto key = derive_format_key(*blob, repo->password());
  ASSERT_TRUE(key.ok()) << key.status().message();
  auto p = open_parameters(*blob, key->view());
  ASSERT_TRUE(p.ok()) << p.status().message();
  EXPECT_EQ(p->content_format_json().dump(), expected["contentFormat"].dump());
  EXPECT_EQ(p->splitter, expected["objectFormat"]["splitter"].as_string());
  // Rewriting changes no byte of the inner document.
  auto inner = open_with_format_key(key->view(), blob->unique_id, blob->sealed);
  auto again = seal_parameters(*p, key->view(), blob->unique_id);
  ASSERT_TRUE(again.ok());
  if (GetParam() != "old-0.8.4") {  // which had its own order of keys and no epochs
    EXPECT_EQ(as_text(open_with_format_key(key->view(), blob->unique_id, *again)->view()), as_text(inner->view()));
  }
  if (auto config = sys::read_file(repo->path() + "/kopia.blobcfg.f", 1 << 20); config.ok()) {
    EXPECT_TRUE(open_blob_config(*config, key->view(), blob->unique_id).ok());
  } else {
    EXPECT_EQ(GetParam(), "old-0.8.4");
  }
}

std::vector<std::string> readable_fixtures() {
  std::vector<std::string> names;
  for (const std::string& name : testing::fixture_names()) {
    auto expected = testing::fixture_expectation(name);
    if (expected.ok() && (*expected)["format"].is_object()) {
      names.push_back(name);
    }
  }
  return names;
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Golden, FixtureFormat, ::testing::ValuesIn(readable_fixtures()), test_name);

TEST(FixtureRecovery, Format1GivesItsFormatBlobBack) {
  auto repo = testing::FixtureRepo::open("format-1");
  ASSERT_TRUE(repo.ok()) << repo.status().message();
  auto stored = sys::read_file(repo->path() + "/kopia.repository.f", 1 << 20);
  ASSERT_TRUE(stored.ok());
  int packs = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(repo->path())) {
    const std::string relative = entry.path().lexically_relative(repo->path()).string();
    if (!entry.is_regular_file() || (relative[0] != 'p' && relative[0] != 'q')) {
      continue;
    }
    auto pack = sys::read_file(entry.path().string(), 64 << 20);
    ASSERT_TRUE(pack.ok());
    auto found = recover_replica(pack->view().first(std::min<std::size_t>(pack->size(), 65536)), {});
    ASSERT_TRUE(found.ok()) << relative;
    EXPECT_EQ(as_text(*found), stored->text());
    ++packs;
  }
  EXPECT_EQ(packs, 5);
}

}  // namespace
}  // namespace cairn::format
