#include "cli/password.h"

#include <unistd.h>

#include "base/bytes.h"
#include "base/units.h"
#include "cli/context.h"
#include "sys/terminal.h"

namespace cairn::cli {
namespace {

Result<std::string> ask_once(Context& context, const std::string& question) {
  TRY(context.finish());
  if (!sys::is_terminal(STDIN_FILENO)) {
    context.write(question);
    TRY(context.finish());
    return error(Code::failed_precondition, "password prompt error: inappropriate ioctl for device");
  }
  TRY_ASSIGN(std::string line, sys::read_password(question, STDOUT_FILENO, context.stop()), "password prompt error");
  std::string answer(trim(line));
  wipe(line);
  return answer;
}

}  // namespace

Result<std::string> ask_password(Context& context, const std::string& question) {
  constexpr int kTriesMax = 5;
  for (int i = 0; i < kTriesMax; ++i) {
    TRY_ASSIGN(std::string answer, ask_once(context, question));
    if (!answer.empty()) {
      return answer;
    }
  }
  return error(Code::failed_precondition, "can't get password");
}

Result<std::string> ask_new_password(Context& context, const std::string& question) {
  for (;;) {
    TRY_ASSIGN(std::string first, ask_password(context, question));
    TRY_ASSIGN(std::string second, ask_password(context, "Re-enter password for verification: "));
    const bool same = first == second;
    wipe(second);
    if (same) {
      return first;
    }
    wipe(first);
    context.write("Passwords don't match!\n");
  }
}

}  // namespace cairn::cli
