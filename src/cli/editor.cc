#include "cli/editor.h"

#include "sys/process.h"

namespace cairn::cli {
namespace {

std::string editor_of(const Context& context) {
  for (const char* name : {"VISUAL", "EDITOR"}) {
    if (std::string editor = context.env(name); !editor.empty()) {
      return editor;
    }
  }
  return "vi";
}

}  // namespace

// $VISUAL or $EDITOR may carry arguments, hence the shell.
Status run_editor(Context& context, const std::string& file) {
  const std::string editor = editor_of(context);
  sys::ProcessOptions options;
  options.argv = {"/bin/sh", "-c", editor + " \"$1\"", "sh", file};
  options.capture_stdout = false;
  options.null_stdin = false;
  options.own_group = false;
  TRY_ASSIGN(const sys::ProcessResult result, sys::run_process(options, context.stop()), "unable to launch editor {}",
             editor);
  if (!result.ok()) {
    return error(Code::failed_precondition, "unable to launch editor {}: {}", editor, result.text());
  }
  return {};
}

}  // namespace cairn::cli
