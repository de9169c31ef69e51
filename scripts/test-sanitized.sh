#!/bin/bash
# Builds one sanitizer preset (asan or tsan) and runs its tests, without those labelled slow.
#   scripts/test-sanitized.sh asan|tsan [ctest arguments…]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
shift
jobs=${JOBS:-$(nproc)}

scripts/install-deps.sh build test
started=$SECONDS
cmake --preset "$preset" --log-level=WARNING >/dev/null
cmake --build "build/$preset" -j "$jobs"
echo "$preset build: $((SECONDS - started)) s"
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}
export UBSAN_OPTIONS=print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
export TSAN_OPTIONS=halt_on_error=0:second_deadlock_stack=1${TSAN_OPTIONS:+:$TSAN_OPTIONS}
ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "${TEST_JOBS:-2}" -LE 'slow|check' "$@"
