#include "snapshot/create.h"

#include <algorithm>
#include <filesystem>

#include "snapshot/freshness.h"
#include "snapshot/store.h"
#include "sys/file.h"

namespace cairn::snapshot {
namespace {

void apply_request(const CreateRequest& request, SnapshotManifest& manifest) {
  manifest.description = request.description;
  manifest.tags.insert(request.tags.begin(), request.tags.end());
  update_pins(manifest, request.pins, {});
  const Duration taken = manifest.end_time - manifest.start_time;
  if (request.start_time) {
    manifest.start_time = *request.start_time;
    manifest.end_time = request.end_time.value_or(*request.start_time + taken);
  } else if (request.end_time) {
    manifest.end_time = *request.end_time;
    manifest.start_time = *request.end_time - taken;
  }
}

bool is_identical(const SnapshotManifest& manifest, const std::vector<SnapshotManifest>& previous) {
  return !previous.empty() && previous.front().root && manifest.root &&
         previous.front().root->obj == manifest.root->obj;
}

Json default_maintenance_parameters(const std::string& owner) {
  const auto cycle = [](Duration interval) { return Json::object({{"enabled", true}, {"interval", interval.ns}}); };
  return Json::object(
      {{"owner", owner},
       {"quick", cycle(hours(1))},
       {"full", cycle(hours(24))},
       {"logRetention",
        Json::object({{"maxTotalSize", std::int64_t{1} << 30}, {"maxCount", 10000}, {"maxAge", hours(30 * 24).ns}})},
       {"extendObjectLocks", false},
       {"listParallelism", 0}});
}

Status check_request(const CreateRequest& request) {
  if (request.description.size() > kDescriptionMax) {
    return error(Code::invalid_argument, "description too long");
  }
  if (request.start_time && request.end_time && *request.start_time > *request.end_time) {
    return error(Code::invalid_argument, "start time override cannot be after the end time override");
  }
  return {};
}

}  // namespace

Result<CreateResult> create_snapshot(repo::Repository& repository, const CreateRequest& request, std::stop_token stop) {
  TRY_ASSIGN(const PolicyTree policies, PolicyTree::load(repository.manifests(), request.source.info, stop),
             "unable to get policy tree");
  return create_snapshot(repository, request, policies, stop);
}

Result<CreateResult> create_snapshot(repo::Repository& repository, const CreateRequest& request,
                                     const PolicyTree& policies, std::stop_token stop) {
  TRY(check_request(request));
  manifest::ManifestManager& manifests = repository.manifests();
  TRY_ASSIGN(const auto previous, previous_snapshots(manifests, request.source.info, std::nullopt, stop));
  Freshness fresh(repository.clock());
  const std::int64_t uploaded_before = repository.contents().stats().bytes_uploaded;
  CreateResult result;
  TRY_ASSIGN(result.manifest, upload(repository, request.source, policies, previous, request.upload, stop),
             "upload error");
  apply_request(request, result.manifest);
  // A stop cancels the upload, not the saving of what it has stored.
  const std::stop_token never;
  Status manual;
  if (policies.policy().retention.ignore_identical_snapshots.value_or(false) && result.manifest.incomplete.empty() &&
      is_identical(result.manifest, previous)) {
    return result;
  }
  const auto same_commit = [&]() -> Status {
    TRY(apply_retention(manifests, request.source.info, true, never), "unable to apply retention policy");
    if (request.set_manual) {
      manual = mark_source_manual(repository, request.source.info, never);
    }
    return ensure_maintenance_parameters(repository, never);
  };
  if (request.before_save) {
    request.before_save();
  }
  TRY(fresh.save(repository, result.manifest, same_commit, never));
  result.saved = true;
  TRY(std::move(manual));
  if (request.upload.progress != nullptr) {
    request.upload.progress->counters.uploaded_bytes.store(repository.contents().stats().bytes_uploaded -
                                                           uploaded_before);
  }
  return result;
}

Result<ResolvedPath> resolve_source_path(const std::string& path) {
  TRY_ASSIGN(std::string absolute, sys::absolute_path(path));
  const auto info = sys::lstat_path(absolute);
  if (!info.ok()) {
    return info.status().with_frame("resolveSymlink: stat");
  }
  if (info->type != sys::FileType::symlink) {
    return ResolvedPath{std::move(absolute), false};
  }
  std::error_code ec;
  const std::filesystem::path target = std::filesystem::canonical(absolute, ec);
  if (ec) {
    return errno_status(ec.value(), "resolveSymlink: lstat " + absolute);
  }
  return ResolvedPath{target.string(), true};
}

Result<std::vector<SourceInfo>> automatic_sources(repo::Repository& repository, std::stop_token stop) {
  TRY_ASSIGN(const auto all, list_sources(repository.manifests(), stop));
  std::vector<SourceInfo> sources;
  for (const SourceInfo& source : all) {
    if (source.host != repository.client().hostname || source.user_name != repository.client().username) {
      continue;
    }
    TRY_ASSIGN(const EffectivePolicy effective, effective_policy(repository.manifests(), source, stop),
               "unable to get policy for {}", source.text());
    if (!effective.policy.scheduling.manual) {
      sources.push_back(source);
    }
  }
  return sources;
}

Status mark_source_manual(repo::Repository& repository, const SourceInfo& source, std::stop_token stop) {
  constexpr std::string_view kFrame = "unable to set manual field in scheduling policy for source";
  Policy policy;
  auto defined = defined_policy(repository.manifests(), source, stop);
  if (defined.ok()) {
    policy = std::move(defined->policy);
  } else if (defined.code() != Code::not_found) {
    return std::move(defined).status().with_frame(kFrame);
  }
  if (policy.scheduling.manual) {
    return {};
  }
  policy.scheduling.manual = true;
  Status status = set_policy(repository.manifests(), source, policy, stop).status();
  return std::move(status).with_frame("can't save policy for " + source.text()).with_frame(kFrame);
}

Status ensure_maintenance_parameters(repo::Repository& repository, std::stop_token stop) {
  if (repository.config() != nullptr && !repository.config()->api_server.is_null()) {
    return {};  // the server's business
  }
  const manifest::Labels labels{{"type", "maintenance"}};
  TRY_ASSIGN(const auto found, repository.manifests().find(labels, stop), "unable to get maintenance parameters");
  if (!found.empty()) {
    return {};
  }
  const std::string owner = repository.client().username + '@' + repository.client().hostname;
  TRY(repository.manifests().put(labels, default_maintenance_parameters(owner), stop),
      "unable to set maintenance parameters");
  return {};
}

}  // namespace cairn::snapshot
