#include "proof/damage.h"

#include <fmt/format.h>

namespace cairn::proof {
namespace {

constexpr std::size_t kPacksNamed = 20;
constexpr const char* kHeal = "cairn heal --from=COPY";
constexpr const char* kRecoverAll = "cairn index recover --delete-indexes --commit --dangerous-commands=enabled";

struct Facts {
  DamageKind kind;
  std::string_view name, words;
  std::vector<std::string> help;  // when something is touched
};

const Facts& facts_of(DamageKind kind) {
  const std::string fix = "cairn snapshot fix invalid-files --verify-files-percent=100 --commit";
  static const Facts kFacts[] = {
      {DamageKind::format_blob, "format-blob", "the format blob", {kHeal, "cairn repository repair"}},
      {DamageKind::index_blob, "index-blob", "index blob", {kHeal, kRecoverAll}},
      {DamageKind::missing_content, "missing-content", "contents that no index knows", {kHeal, fix}},
      {DamageKind::missing_pack, "missing-pack", "missing pack", {kHeal, fix}},
      {DamageKind::corrupt_pack, "corrupt-pack", "damaged pack", {std::string(kHeal) + " --full", fix}},
      {DamageKind::manifest_content, "manifest-content", "unreadable manifests", {std::string(kHeal) + " --full"}},
      {DamageKind::snapshot_manifest, "snapshot-manifest", "snapshot manifest", {"cairn manifest show"}},
      {DamageKind::unreadable_object, "unreadable-object", "unreadable object", {fix}},
  };
  return kFacts[static_cast<std::size_t>(kind)];
}

Json touched_json(const TouchedSnapshot& t) {
  Json paths = Json::array();
  for (const std::string& p : t.paths) {
    paths.push_back(p);
  }
  return Json::object({{"id", t.id},
                       {"source", t.source},
                       {"startTime", rfc3339(t.start)},
                       {"pathCount", t.path_count},
                       {"paths", std::move(paths)}});
}

}  // namespace

std::string_view damage_name(DamageKind kind) { return facts_of(kind).name; }

std::vector<std::string> help_for(const Damage& damage, const std::vector<BlobId>& found_in) {
  if (damage.touches_nothing()) {
    // Without it the repository opens again, and nothing is lost.
    return damage.kind == DamageKind::index_blob
               ? std::vector<std::string>{kHeal, "cairn blob delete --dangerous-commands=enabled " + damage.subject}
               : std::vector<std::string>{std::string(kHeal) + " --full"};
  }
  std::vector<std::string> help = facts_of(damage.kind).help;
  if (damage.kind == DamageKind::snapshot_manifest) {
    help = {"cairn manifest show " + damage.subject,
            "cairn manifest delete --dangerous-commands=enabled " + damage.subject};
  }
  if (damage.kind == DamageKind::missing_content && !found_in.empty()) {
    std::string recover = "cairn index recover --commit --dangerous-commands=enabled";
    for (std::size_t i = 0; i < found_in.size() && found_in.size() <= kPacksNamed; ++i) {
      recover += " --blobs=" + found_in[i].text;
    }
    help.insert(help.begin() + 1, recover);
  }
  return help;
}

Json damage_json(const Damage& d) {
  Json out = Json::object({{"kind", damage_name(d.kind)}, {"subject", d.subject}, {"detail", d.detail}});
  out.set_omitempty("contents", d.contents);
  out.set_omitempty("touchesAllSnapshots", d.touches_all);
  out.set_omitempty("mayTouchOtherSnapshots", d.touches_unknown);
  Json touched = Json::array();
  for (const TouchedSnapshot& t : d.touched) {
    touched.push_back(touched_json(t));
  }
  out.set("snapshots", std::move(touched));
  Json help = Json::array();
  for (const std::string& h : d.help) {
    help.push_back(h);
  }
  out.set("help", std::move(help));
  return out;
}

std::string damage_text(const Damage& d) {
  std::string out =
      fmt::format("DAMAGE {}{}{}: {}", facts_of(d.kind).words, d.subject.empty() ? "" : " ", d.subject, d.detail);
  if (d.touches_all) {
    out += "\n  touches every snapshot";
  }
  if (d.touches_unknown) {
    out += "\n  may touch snapshots that are not listed: what would tell is lost";
  }
  if (d.touches_nothing()) {
    out += "\n  touches no snapshot";
  }
  for (const TouchedSnapshot& t : d.touched) {
    out += fmt::format("\n  touches snapshot {} of {} at {}:", t.id, t.source, display_time(t.start));
    for (const std::string& p : t.paths) {
      out += "\n    " + p;
    }
    if (const std::int64_t more = t.path_count - std::ssize(t.paths); more > 0) {
      out += fmt::format("\n    and {} more", more);
    }
  }
  for (const std::string& h : d.help) {
    out += "\n  try: " + h;
  }
  return out;
}

}  // namespace cairn::proof
