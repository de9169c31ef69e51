// The part of Go's text/template that messages need: fields, variables, if/else/range/with, pipelines, and the
// functions and, or, not, eq, ne, lt, le, gt, ge, len, index, print, printf, println, html, urlquery. Data is JSON;
// what is missing prints as "<no value>". Templates are text of users: every form of nonsense gives an error, never
// more.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"

namespace cairn::notify {

// Errors: invalid_argument (syntax, unknown function, too deep or too much output).
Result<std::string> render_template(std::string_view text, const Json& data);

}  // namespace cairn::notify
