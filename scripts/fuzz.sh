#!/bin/bash
# Runs every fuzz target of build/fuzz for the given number of seconds on its corpus (fuzz/corpus/<target>).
#   scripts/fuzz.sh SECONDS
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-30}
found=0
# The canary has a planted defect: a harness that does not find it finds nothing.
if build/fuzz/fuzz/canary_fuzz -max_total_time=120 -use_value_profile=1 -artifact_prefix=build/fuzz/canary- >/dev/null 2>&1; then
  echo "fuzz.sh: the defect planted in canary_fuzz was not found" >&2
  exit 1
fi
for program in build/fuzz/fuzz/*_fuzz; do
  name=$(basename "$program")
  if [ ! -x "$program" ] || [ "$name" = canary_fuzz ]; then
    continue
  fi
  found=1
  corpus=build/fuzz/corpus/$name
  mkdir -p "$corpus"
  seeds=()
  if [ -d "fuzz/corpus/$name" ]; then
    seeds=("fuzz/corpus/$name")
  fi
  echo "== $name, $seconds s"
  "$program" -max_total_time="$seconds" -rss_limit_mb=1024 -print_final_stats=0 -verbosity=0 \
    -artifact_prefix="build/fuzz/$name-" "$corpus" "${seeds[@]}" 2>&1 | sed "/# Uses: /d; /Recommended dictionary/d"
done
if [ $found -eq 0 ]; then
  echo "fuzz.sh: no fuzz target was built" >&2
  exit 1
fi
