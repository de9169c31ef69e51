// What must exist, and whether it does: two fresh readers, ours and one by Kopia's rules, look at the storage after
// every step. What is missing is traced to its cause.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "maintenance/schedule.h"
#include "repo/repository.h"
#include "snapshot/types.h"
#include "tests/simulation/kopia_client.h"
#include "tests/simulation/world.h"

namespace cairn::simulation {

inline constexpr std::string_view kPassword = "test-password";
inline constexpr std::size_t kFileSize = 200;

using Versions = std::vector<std::uint64_t>;
Bytes file_content(std::uint64_t source, std::size_t file, std::uint64_t version);

// Why something cannot be had any more, or which rule was broken.
enum class Cause {
  none,
  not_listed,             // an acknowledged snapshot is in no list
  made_final_early,       // a mark became final before two collections had seen it
  relied_on_mark,         // the snapshot took over a content that was marked already
  made_final,             // a mark became final by the rules, and a snapshot needs the content
  pack_before_index,      // the pack was removed before the first index blob named it
  mark_of_moved,          // a mark names a pack that is gone: it was made by what its maker knew before a move
  pack_removed,           // removed while an index blob named it
  never_indexed,          // no index blob knows the content
  damaged,                // other bytes, or bytes that do not decode
  reader_overtaken,       // a restore failed: what its reader knew had been removed
  removed_by_superseded,  // a maintainer removed blobs after another one had begun
  program,                // the readers themselves failed
};
std::string_view name_of(Cause cause);

struct Violation {
  Cause cause = Cause::none;
  std::string text;
};

class Oracle {
 public:
  explicit Oracle(World& world) : world_(world) {}
  Status open();

  // The model. Identities are "source@start".
  static std::string identity(const snapshot::SnapshotManifest& m);
  // Saving has begun: from now on it may be listed. `excused` tells of what nobody can be held to: a store that lied to
  // its writer, a writer that stood still for longer than its own program's rules bear. A loss is counted then.
  void begun(const std::string& snapshot, const Versions& files, std::set<ContentId> marked_when_used,
             std::function<bool()> excused);
  void acknowledged(const std::string& snapshot);
  void given_up(const std::string& snapshot);
  bool is_given_up(const std::string& snapshot) const { return given_up_.contains(snapshot); }
  const Versions* files_of(const std::string& snapshot) const;

  std::optional<Violation> look();
  // Is the entry in force of the content a mark, for one who lists now?
  bool marked(const ContentId& id);
  std::int64_t checks = 0, excused_losses = 0;

 private:
  // Where a reader found the contents of a snapshot when it last read them, all of them right. A pack's name is never
  // used again, and it is stored whole or torn: the same places in packs of the same lengths are the same bytes.
  struct Place {
    content::ContentInfo info;
    std::int64_t pack_length = 0;
  };
  using Places = std::vector<Place>;

  std::optional<Violation> read_all(object::ObjectManager& objects, content::ContentManager& contents,
                                    manifest::ManifestManager& manifests, const char* reader);
  // `read`: the contents, the root first.
  Status read_back(object::ObjectManager& objects, const snapshot::SnapshotManifest& m, std::vector<ContentId>& read,
                   std::optional<ContentId>& bad);
  std::optional<Place> place_of(content::ContentManager& contents, const ContentId& id);
  bool still_there(content::ContentManager& contents, const snapshot::SnapshotManifest& m, const Places& places);
  Places places_of(content::ContentManager& contents, const std::vector<ContentId>& ids);
  bool is_excused(const std::string& snapshot) const {
    const auto it = excused_.find(snapshot);
    return it != excused_.end() && it->second();
  }
  Cause cause_of(const ContentId& id, const std::string& snapshot);
  Cause cause_of_manifests();
  std::optional<Timestamp> first_named(const std::string& pack);

  World& world_;
  std::optional<std::uint64_t> seen_;  // changes of the world at the last look
  std::unique_ptr<KopiaProcess> kopia_;
  std::unique_ptr<repo::Repository> ours_;
  std::map<std::string, std::map<std::string, Places, std::less<>>, std::less<>> right_;  // by reader and snapshot
  std::map<std::string, Versions> files_;
  std::map<std::string, std::set<ContentId>> marked_when_used_;
  std::map<std::string, std::function<bool()>> excused_;
  std::set<std::string> must_, given_up_, gone_, counted_;
};

}  // namespace cairn::simulation
