#!/bin/bash
# Installs what is missing, builds everything and runs every test; the last lines are ctest's own summary.
#   scripts/test.sh [ctest arguments…]
# JOBS, TEST_JOBS: parallel compilers and tests. SANITIZE: "", "asan", "tsan" or both: their unit tests run before the
# release suite, unless the release build alone took longer than SANITIZE_SKIP_SECONDS (a cold machine with little
# time), in which case this is said and the release suite still runs.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
test_jobs=${TEST_JOBS:-3}

scripts/install-deps.sh build test
scripts/test-servers.sh
started=$SECONDS
cmake --preset release -DCAIRN_TESTS=ON --log-level=WARNING >/dev/null
cmake --build build/release -j "$jobs"
echo "release build: $((SECONDS - started)) s"

status=0
for preset in ${SANITIZE:-}; do
  if [ $((SECONDS - started)) -gt "${SANITIZE_SKIP_SECONDS:-1200}" ]; then
    echo "NOTE: no time for the $preset tests in this run; run: make test-$preset" >&2
  else
    JOBS=$jobs TEST_JOBS=$test_jobs scripts/test-sanitized.sh "$preset" || status=1
  fi
done

scripts/test-servers.sh --missing  # which tests will skip, and why
ctest --test-dir build/release --output-on-failure --no-tests=error -j "$test_jobs" "$@" || status=1
exit $status
