// Expressions inside {{ }}: pipelines of operands and functions. For notify/template.cc.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace cairn::notify {

struct ExpressionScope {
  const Json& dot;
  std::function<const Json*(std::string_view name)> variable;  // "$", "$x"; null when there is none
};

// "a b | f c": each function gets the value of the one before as its last argument. Errors: invalid_argument.
Result<Json> evaluate_pipeline(std::string_view text, const ExpressionScope& scope);

// Go's truth: not false, 0, "", null, nor empty.
bool is_true(const Json& value);
// As {{ value }} prints it.
std::string value_text(const Json& value);

}  // namespace cairn::notify
