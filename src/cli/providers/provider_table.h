// How the flags of a provider become the configuration of its store: one table a provider. Internal to cli/providers.
#pragma once

#include "cli/providers.h"

namespace cairn::cli {

inline const FlagSpec kFlat = {.name = "flat", .help = "Keep all blobs in one directory"};
inline const FlagSpec kListParallelism = {
    .name = "list-parallelism", .type = ValueType::integer, .help = "Parallel listings of directories", .hidden = true};
inline const FlagSpec kPointInTime = {
    .name = "point-in-time", .type = ValueType::text, .help = "Show the storage as of this time (RFC 3339)"};

// Values for ConfigKey::convert. `create`: for `repository create`.
Result<Json> point_in_time(const ParsedCommand& command, bool create);
// Of sharded stores: [] with --flat, [3,3] for a new repository of format 1, otherwise null (the layout file decides).
Result<Json> dir_shards(const ParsedCommand& command, bool create);

Provider azure_provider();
Provider b2_provider();
Provider filesystem_provider();
Provider gcs_provider();
Provider gdrive_provider();
Provider rclone_provider();
Provider s3_provider();
Provider sftp_provider();
Provider webdav_provider();

}  // namespace cairn::cli
