#pragma once

#include <string>

namespace cairn::cli {

// "<version> build: <revision> from: <project>", the form that scripts know.
std::string version_text();

}  // namespace cairn::cli
