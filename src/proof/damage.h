// What is wrong with a repository, whom it touches, and what helps.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/json.h"
#include "base/time.h"

namespace cairn::proof {

enum class DamageKind : unsigned char {
  format_blob,
  index_blob,
  missing_content,
  missing_pack,
  corrupt_pack,
  manifest_content,
  snapshot_manifest,
  unreadable_object,
};

inline constexpr std::size_t kPathsMax = 100;  // listed of one snapshot; the rest is counted

struct TouchedSnapshot {
  std::string id, source;
  Timestamp start;
  std::vector<std::string> paths;  // within the snapshot; "." is its root
  std::int64_t path_count = 0;
};

struct Damage {
  DamageKind kind{};
  std::string subject;        // the blob, content or manifest
  std::string detail;         // what is wrong with it
  BlobId pack;                // that should be replaced, where one is to blame
  std::int64_t contents = 0;  // that cannot be read
  bool touches_all = false;   // every snapshot
  // Snapshots beyond those listed may be touched: what would tell is itself lost.
  bool touches_unknown = false;
  std::vector<TouchedSnapshot> touched;
  std::vector<std::string> help;  // commands, the best first

  bool touches_nothing() const { return !touches_all && !touches_unknown && touched.empty(); }
};

std::string_view damage_name(DamageKind kind);  // "missing-pack", as in JSON
// What to do about it, by what it touches. `found_in`: packs whose own index still knows lost contents.
std::vector<std::string> help_for(const Damage& damage, const std::vector<BlobId>& found_in);

Json damage_json(const Damage& damage);
// Lines for people, without a newline at the end.
std::string damage_text(const Damage& damage);

}  // namespace cairn::proof
