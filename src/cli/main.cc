#include "cli/app.h"

int main(int argc, char** argv) { return cairn::cli::run_program({argv, argv + argc}); }
