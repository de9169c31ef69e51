#include "snapshot/policy.h"

#include <gtest/gtest.h>

#include "tests/support/golden.h"
#include "tests/support/memory_manifests.h"

namespace cairn::snapshot {
namespace {

constexpr std::string_view kEmpty =
    R"({"retention":{},"files":{},"errorHandling":{},"scheduling":{},"compression":{},"metadataCompression":{},"splitter":{},"actions":{},"osSnapshots":{"volumeShadowCopy":{}},"logging":{"directories":{},"entries":{}},"upload":{}})";
constexpr std::string_view kDefault =
    R"({"retention":{"keepLatest":10,"keepHourly":48,"keepDaily":7,"keepWeekly":4,"keepMonthly":24,"keepAnnual":3,"ignoreIdenticalSnapshots":false},"files":{"ignoreDotFiles":[".kopiaignore"]},"errorHandling":{"ignoreFileErrors":false,"ignoreDirectoryErrors":false,"ignoreUnknownTypes":true},"scheduling":{"runMissed":true},"compression":{"compressorName":"none"},"metadataCompression":{"compressorName":"zstd-fastest"},"splitter":{},"actions":{},"osSnapshots":{"volumeShadowCopy":{"enable":0}},"logging":{"directories":{"snapshotted":5,"ignored":5},"entries":{"snapshotted":0,"ignored":5,"cacheHit":0,"cacheMiss":0}},"upload":{"maxParallelSnapshots":1,"parallelUploadAboveSize":2147483648}})";
constexpr std::string_view kAll =
    R"({"retention":{"keepLatest":1,"keepHourly":1,"keepDaily":1,"keepWeekly":1,"keepMonthly":1,"keepAnnual":1,"ignoreIdenticalSnapshots":true},"files":{"ignore":["*.tmp"],"noParentIgnore":true,"ignoreDotFiles":[".kopiaignore"],"noParentDotFiles":true,"ignoreCacheDirs":true,"maxFileSize":1000,"oneFileSystem":true},"errorHandling":{"ignoreFileErrors":true,"ignoreDirectoryErrors":true,"ignoreUnknownTypes":true},"scheduling":{"intervalSeconds":3600,"timeOfDay":[{"hour":8,"min":5},{"hour":20,"min":30}],"noParentTimeOfDay":true,"cron":["0 23 * * *"],"runMissed":true},"compression":{"compressorName":"zstd","onlyCompress":[".txt"],"noParentOnlyCompress":true,"neverCompress":[".jpg"],"noParentNeverCompress":true,"minSize":1024,"maxSize":1048576},"metadataCompression":{"compressorName":"zstd-fastest"},"splitter":{"algorithm":"FIXED-1M"},"actions":{"beforeFolder":{"path":"/bin/a","args":["x"],"timeout":300,"mode":"essential"},"afterFolder":{"script":"echo hi\n","timeout":10,"mode":"optional"},"beforeSnapshotRoot":{"path":"b"},"afterSnapshotRoot":{"path":"c"}},"osSnapshots":{"volumeShadowCopy":{"enable":1}},"logging":{"directories":{"snapshotted":7,"ignored":7},"entries":{"snapshotted":7,"ignored":7,"cacheHit":7,"cacheMiss":7}},"upload":{"maxParallelSnapshots":1,"maxParallelFileReads":1,"parallelUploadAboveSize":1048576},"noParent":true})";

Policy policy_of(std::string_view json, bool strict = false) {
  auto p = Policy::from_json(Json::parse(json).value(), strict);
  EXPECT_TRUE(p.ok()) << p.status().message();
  return p.ok() ? *p : Policy{};
}

TEST(Policy, IsWrittenExactlyAsKopiaDoes) {
  EXPECT_EQ(Policy{}.to_json().dump(), kEmpty);
  EXPECT_EQ(default_policy().to_json().dump(), kDefault);
  for (const std::string_view text : {kEmpty, kDefault, kAll}) {
    EXPECT_EQ(policy_of(text, true).to_json().dump(), text);
  }
}

TEST(Policy, ReadsAnyCaseAndIgnoresUnknownFields) {
  const Policy p = policy_of(R"({"Retention":{"KEEPLATEST":5,"x":1},"y":[1],"logging":null})");
  EXPECT_EQ(p.retention.keep_latest, 5);
  auto strict = Policy::from_json(Json::parse(R"({"retention":{"keepLast":5}})").value(), true);
  EXPECT_EQ(strict.status().message(), "unknown field \"keepLast\"");
  EXPECT_FALSE(Policy::from_json(Json::parse(R"({"scheduling":{"timeOfDay":[{"sec":5}]}})").value(), true).ok());
  EXPECT_FALSE(Policy::from_json(Json::parse(R"({"actions":{"beforeFolder":{"x":5}}})").value(), true).ok());
}

TEST(Policy, RefusesWrongTypes) {
  for (const char* bad :
       {R"([])", R"({"retention":[]})", R"({"retention":{"keepLatest":"1"}})", R"({"files":{"ignore":"x"}})",
        R"({"files":{"ignore":[1]}})", R"({"scheduling":{"manual":1}})", R"({"scheduling":{"timeOfDay":[1]}})",
        R"({"actions":{"beforeFolder":"x"}})", R"({"noParent":"yes"})", R"({"files":{"maxFileSize":1.5}})"}) {
    EXPECT_EQ(Policy::from_json(Json::parse(bad).value()).code(), Code::invalid_argument) << bad;
  }
}

TEST(Policy, ValidatesPaths) {
  for (const char* good : {"/", "/home", "c:\\", "D:\\", "D:\\foo", "D:\\foo/bar\\baz"}) {
    EXPECT_TRUE(validate_policy({"h", "u", good}, {}).ok()) << good;
  }
  for (const char* bad : {"/home/", "//", "\\", "c:\\users\\", "c:/users/"}) {
    EXPECT_EQ(validate_policy({"h", "u", bad}, {}).message(),
              "invalid policy path: path cannot end with a slash or a backslash")
        << bad;
  }
}

TEST(Policy, ValidatesSchedulesAndLimits) {
  Policy p;
  p.scheduling.manual = true;
  EXPECT_TRUE(validate_policy({}, p).ok());
  p.scheduling.run_missed = false;
  EXPECT_FALSE(validate_policy({}, p).ok());
  p = {};
  p.scheduling.cron = {"0 23 * * * # nightly", "# nothing", ""};
  EXPECT_TRUE(validate_policy({}, p).ok());
  p.scheduling.cron = {"rubbish"};
  EXPECT_EQ(validate_policy({}, p).message(),
            "failed to validate policy: invalid scheduling policy: invalid cron expression \"rubbish\"");
  p = {};
  p.upload.max_parallel_snapshots = 2;
  EXPECT_TRUE(validate_policy({"h", "u", ""}, p).ok());
  EXPECT_EQ(validate_policy({"h", "u", "/p"}, p).message(),
            "failed to validate policy: invalid upload policy: max parallel snapshots cannot be specified for paths, "
            "only global, username@hostname or @hostname");
}

TEST(Policy, LabelsAndTargetsBelongTogether) {
  for (const SourceInfo& t : {SourceInfo{}, SourceInfo{"h", "", ""}, SourceInfo{"h", "u", ""},
                              SourceInfo{"h", "u", "/p"}, SourceInfo{"", "u", "/p"}}) {
    EXPECT_EQ(*policy_target(policy_labels(t)), t);
  }
  EXPECT_EQ(policy_target({{"type", "policy"}, {"policyType", "moon"}}).code(), Code::corrupt);
}

TEST(Policy, ParentPaths) {
  const std::pair<const char*, const char*> cases[] = {{"/x/a/", "/x"},
                                                       {"/x", "/"},
                                                       {"/", "/"},
                                                       {"x", "x"},
                                                       {"X:\\Program Files\\Blah", "X:\\Program Files"},
                                                       {"X:\\Program Files", "X:\\"},
                                                       {"X:/Program Files\\", "X:/"}};
  for (const auto& [path, parent] : cases) {
    EXPECT_EQ(parent_path(path), parent) << path;
  }
}

PolicyRecord record(const SourceInfo& target, const Policy& policy) { return {"", target, policy, {}}; }

const SourceInfo kSource{"h", "u", "/p"};

TEST(Merge, NearestValueWinsAlsoWhenItIsFalse) {
  Policy own;
  own.error_handling.ignore_file_errors = false;
  Policy host;
  host.error_handling.ignore_file_errors = true;
  host.error_handling.ignore_directory_errors = true;
  host.files.ignore = {"b"};
  const std::vector<PolicyRecord> all{record({"h", "", ""}, host), record(kSource, own)};
  const EffectivePolicy e = effective_policy(all, kSource);
  EXPECT_EQ(e.policy.error_handling.ignore_file_errors, false);
  EXPECT_EQ(e.policy.error_handling.ignore_directory_errors, true);
  EXPECT_EQ(e.policy.error_handling.ignore_unknown_types, true);
  EXPECT_EQ(*e.definition.find("errorHandling.ignoreFileErrors"), kSource);
  EXPECT_EQ(e.definition.find("errorHandling.ignoreDirectoryErrors")->text(), "@h");
  EXPECT_EQ(e.definition.find("errorHandling.ignoreUnknownTypes"), nullptr);
  EXPECT_EQ(e.definition.find("files.ignore")->text(), "@h");
}

// The first n of {a,c,e}, {b,d}, {f,g}, the n-th with noParent.
std::vector<std::string> only_compress(std::size_t no_parent_at, std::size_t flag_at) {
  std::vector<std::vector<std::string>> lists{{"a", "c", "e"}, {"b", "d"}, {"f", "g"}};
  std::vector<PolicyRecord> chain;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    Policy p;
    p.compression.only_compress = lists[i];
    p.no_parent = no_parent_at == i;
    p.compression.no_parent_only_compress = flag_at == i;
    chain.push_back(record(i == 0 ? kSource : SourceInfo{"h", i == 1 ? "u" : "", ""}, p));
  }
  return merge_policies(chain, kSource).policy.compression.only_compress;
}

TEST(Merge, ListsOfExtensionsAreUnited) {
  using V = std::vector<std::string>;
  EXPECT_EQ(only_compress(9, 9), (V{"a", "b", "c", "d", "e", "f", "g"}));
  EXPECT_EQ(only_compress(2, 9), (V{"a", "b", "c", "d", "e", "f", "g"}));
  EXPECT_EQ(only_compress(1, 9), (V{"a", "b", "c", "d", "e"}));
  EXPECT_EQ(only_compress(0, 9), (V{"a", "c", "e"}));
  EXPECT_EQ(only_compress(9, 1), (V{"a", "b", "c", "d", "e"}));
  EXPECT_EQ(only_compress(9, 0), (V{"a", "c", "e"}));
}

TEST(Merge, TimesOfDayAreUnitedUntilStopped) {
  Policy a;
  a.scheduling.times_of_day = {{10, 0}, {12, 0}, {14, 0}};
  Policy b;
  b.scheduling.times_of_day = {{11, 0}, {13, 0}, {12, 0}};
  const auto hours_of = [&] {
    std::string out;
    for (const TimeOfDay& t :
         merge_policies({record(kSource, a), record({}, b)}, kSource).policy.scheduling.times_of_day) {
      out += t.text() + " ";
    }
    return out;
  };
  EXPECT_EQ(hours_of(), "10:00 11:00 12:00 13:00 14:00 ");
  a.scheduling.no_parent_times_of_day = true;
  EXPECT_EQ(hours_of(), "10:00 12:00 14:00 ");
  a.scheduling.times_of_day.clear();
  EXPECT_EQ(hours_of(), "");
}

TEST(Merge, NoParentStopsTheDefaultsAndTheFolderActions) {
  Policy own;
  own.actions.before_folder = ActionCommand{.path = "x", .args = {}, .script = "", .mode = ""};
  EffectivePolicy e = merge_policies({record(kSource, own)}, kSource);
  EXPECT_TRUE(e.policy.actions.before_folder);
  EXPECT_EQ(e.policy.retention.keep_latest, 10);
  own.no_parent = true;
  e = merge_policies({record(kSource, own)}, kSource);
  EXPECT_FALSE(e.policy.actions.before_folder);
  EXPECT_FALSE(e.policy.retention.keep_latest);
}

TEST(Merge, FolderActionsAreNotInherited) {
  Policy host;
  host.actions.before_folder = ActionCommand{.path = "x", .args = {}, .script = "", .mode = ""};
  host.actions.before_snapshot_root = host.actions.before_folder;
  const EffectivePolicy e = effective_policy(std::vector{record({"h", "", ""}, host)}, kSource);
  EXPECT_FALSE(e.policy.actions.before_folder);
  EXPECT_TRUE(e.policy.actions.before_snapshot_root);
  ASSERT_EQ(e.chain.size(), 2U);
  EXPECT_EQ(e.chain[0].target, kSource);
}

TEST(Merge, DefinitionHasKopiasShape) {
  const EffectivePolicy e = merge_policies({}, kSource);
  const Json j = e.definition.to_json();
  const std::string source = R"({"host":"","userName":"","path":""})";
  EXPECT_EQ(j["scheduling"].dump(), R"({"intervalSeconds":)" + source + R"(,"timeOfDay":)" + source + R"(,"cron":)" +
                                        source + R"(,"manual":)" + source + R"(,"runMissed":)" + source + "}");
  EXPECT_EQ(j["actions"].dump(), R"({"beforeSnapshotRoot":)" + source + R"(,"afterSnapshotRoot":)" + source + "}");
  EXPECT_EQ(j["osSnapshots"].dump(), R"({"volumeShadowCopy":{"enable":)" + source + "}}");
}

TEST(PolicyTree, LooksUpLikeKopia) {
  Policy a;
  a.files.max_file_size = 1;
  Policy b;
  b.files.max_file_size = 2;
  Policy c;
  c.files.max_file_size = 3;
  const std::vector<PolicyRecord> all{record({"h", "u", "/p/bar/baz/bleh"}, c), record({"h", "u", "/p/foo"}, b),
                                      record(kSource, a), record({"h", "u", "/px"}, c), record({"g", "u", "/p/no"}, c)};
  const PolicyTree root = PolicyTree::build(all, kSource);
  const auto size = [](const PolicyTree& t) { return t.policy().files.max_file_size; };
  EXPECT_FALSE(root.inherited());
  EXPECT_EQ(size(root), 1);
  EXPECT_EQ(root.policy().retention.keep_latest, 10);  // effective
  const PolicyTree foo = root.child("foo");
  EXPECT_EQ(size(foo), 2);
  ASSERT_NE(foo.defined_policy(), nullptr);
  EXPECT_FALSE(foo.policy().retention.keep_latest);  // as stored
  EXPECT_EQ(size(foo.child("bar")), 2);
  EXPECT_EQ(foo.child("bar").defined_policy(), nullptr);
  EXPECT_EQ(size(root.child("bar")), 1);
  EXPECT_TRUE(root.child("bar").inherited());
  const PolicyTree bleh = root.child("bar").child("baz").child("bleh");
  EXPECT_EQ(size(bleh.child(".").child(".")), 3);
  EXPECT_FALSE(bleh.inherited());
  EXPECT_EQ(size(bleh.child("x")), 3);
  EXPECT_TRUE(bleh.child("x").inherited());
  EXPECT_EQ(size(root.child("no")), 1);
}

TEST(PolicyStore, SetsReplacesFindsAndRemoves) {
  testing::MemoryManifests m;
  Policy p;
  p.retention.keep_latest = 1;
  ASSERT_TRUE(set_policy(m, kSource, p, {}).ok());
  p.retention.keep_latest = 2;
  auto id = set_policy(m, kSource, p, {});
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(list_policies(m, {})->size(), 1U);
  EXPECT_EQ(defined_policy(m, kSource, {})->policy.retention.keep_latest, 2);
  EXPECT_EQ(policy_by_id(m, *id, {})->target, kSource);
  EXPECT_EQ(defined_policy(m, {}, {}).status().message(), "policy not found");
  EXPECT_EQ(set_policy(m, {"h", "u", "/p/"}, p, {}).code(), Code::invalid_argument);
  EXPECT_TRUE(remove_policy(m, kSource, {}).ok());
  EXPECT_TRUE(remove_policy(m, kSource, {}).ok());
  EXPECT_EQ(list_policies(m, {})->size(), 0U);
}

TEST(Compressor, IsChosenByTheRules) {
  CompressionPolicy p;
  EXPECT_EQ(compressor_for_file(p, "a.txt", 10), "");
  p.compressor_name = "zstd";
  p.min_size = 10;
  p.max_size = 100;
  p.never_compress = {".jpg", ".zip"};
  EXPECT_EQ(compressor_for_file(p, "a.txt", 9), "");
  EXPECT_EQ(compressor_for_file(p, "a.txt", 10), "zstd");
  EXPECT_EQ(compressor_for_file(p, "a.txt", 101), "");
  EXPECT_EQ(compressor_for_file(p, "a.jpg", 50), "");
  EXPECT_EQ(compressor_for_file(p, "a.tar.jpg", 50), "");
  EXPECT_EQ(compressor_for_file(p, "jpg", 50), "zstd");
  p.only_compress = {".jpg"};
  EXPECT_EQ(compressor_for_file(p, "a.jpg", 50), "zstd");
  EXPECT_EQ(compressor_for_file(p, "a.other", 50), "zstd");
  p.compressor_name = "none";
  EXPECT_EQ(compressor_for_file(p, "a.jpg", 50), "");
}

TEST(TimeOfDay, TextForms) {
  EXPECT_EQ(TimeOfDay::parse("01:05")->text(), "1:05");
  EXPECT_EQ(TimeOfDay::parse("08:15")->text(), "8:15");
  EXPECT_EQ(TimeOfDay::parse("25:00").status().message(), "invalid hour \"25:00\", must be between 0 and 23");
  EXPECT_FALSE(TimeOfDay::parse("10:60").ok());
  EXPECT_FALSE(TimeOfDay::parse("10").ok());
  EXPECT_FALSE(TimeOfDay::parse("a:10").ok());
}

// Effective policies as the real program printed them, from the manifests it had stored.
TEST(PolicyGolden, EffectivePoliciesOfARealRepository) {
  const Json expected = testing::golden_json("repos/history-before.expected.json");
  testing::MemoryManifests m;
  for (const Json& stored : expected["manifests"].items()) {
    manifest::Manifest one;
    one.metadata.id = stored["id"].as_string();
    one.metadata.modified = parse_rfc3339(stored["modified"].as_string()).value();
    for (const auto& [key, value] : stored["labels"].members()) {
      one.metadata.labels[key] = value.as_string();
    }
    one.payload = stored["payload"];
    m.insert(std::move(one));
  }
  const auto policies = list_policies(m, {});
  ASSERT_TRUE(policies.ok());
  EXPECT_EQ(policies->size(), expected["policies"].size());
  for (const PolicyRecord& p : *policies) {
    EXPECT_EQ(p.policy.to_json(), m.get(p.id, {})->payload) << p.target.text();
  }
  std::size_t count = 0;
  for (const auto& [target, policy] : expected["effective_policies"].members()) {
    const SourceInfo source = target == "--global" ? SourceInfo{} : *SourceInfo::parse(target, "", "", "/");
    EXPECT_EQ(effective_policy(m, source, {})->policy.to_json().dump(), policy.dump()) << target;
    ++count;
  }
  EXPECT_GE(count, 12U);
}

}  // namespace
}  // namespace cairn::snapshot
