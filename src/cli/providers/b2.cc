#include "cli/providers/provider_table.h"

namespace cairn::cli {

Provider b2_provider() {
  using enum ValueType;
  return {
      .word = "b2",
      .type = "b2",
      .help = "a B2 bucket",
      .flags = {{.name = "bucket", .type = text, .help = "Name of the bucket", .required = true},
                {.name = "key-id", .type = text, .env = "B2_KEY_ID", .help = "Key id", .required = true},
                {.name = "key", .type = text, .env = "B2_KEY", .help = "Secret key", .required = true},
                {.name = "prefix", .type = text, .help = "Prefix of all object names"}},
      .keys = {{"bucket", "bucket", kAlways},
               {"prefix", "prefix"},
               {"keyID", "key-id", kAlways},
               {"key", "key", kAlways}},
      .supported = true,
  };
}

}  // namespace cairn::cli
