#include <malloc.h>

#include "cli/app.h"
#include "sys/lost_pages.h"

int main(int argc, char** argv) {
  // An arena for every thread would multiply the memory held for nothing; large buffers have a pool of their own.
  mallopt(M_ARENA_MAX, 2);
  cairn::sys::explain_lost_pages(argc > 0 ? argv[0] : "cairn");
  return cairn::cli::run_program({argv, argv + argc});
}
