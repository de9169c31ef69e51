// What happens when a mapped page (sys/mapped.h) can no longer be read.
#pragma once

namespace cairn::sys {

// From now on such a page ends the process with a line on standard error that says where and what to do, and exit code
// 1, instead of a signal (SIGBUS). `program` begins the line and must live as long as the process.
void explain_lost_pages(const char* program);

}  // namespace cairn::sys
