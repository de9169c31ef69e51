#!/bin/bash
# Installs the Debian packages of the given groups of packages.txt (default: build test) that are missing.
# As root, or through sudo where it asks for no password; otherwise says what is missing and stops.
set -euo pipefail
cd "$(dirname "$0")/.."

groups=("$@")
if [ ${#groups[@]} -eq 0 ]; then
  groups=(build test)
fi

if ! command -v dpkg-query >/dev/null; then
  echo "install-deps: not a Debian system; install the packages of packages.txt (groups: ${groups[*]}) by your own means" >&2
  exit 0
fi

missing=()
while read -r package version group _; do
  case "$package" in '' | '#'*) continue ;; esac
  for wanted in "${groups[@]}"; do
    if [ "$group" = "$wanted" ]; then
      state=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$package" 2>/dev/null || true)
      if [ "${state%% *}" != installed ]; then
        missing+=("$package")
      elif dpkg --compare-versions "${state#* }" lt "$version"; then
        echo "install-deps: $package ${state#* } is older than $version" >&2
        missing+=("$package")
      fi
    fi
  done
done <packages.txt

if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

if [ "$(id -u)" -eq 0 ]; then
  run=(env)
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  run=(sudo -n env)
else
  echo "install-deps: missing Debian packages, and no right to install them. As root:" >&2
  echo "  apt-get install ${missing[*]}" >&2
  exit 1
fi

echo "install-deps: installing ${missing[*]}" >&2
apt=("${run[@]}" DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -y)
# The lists of a machine may be empty or old: try what is there, refresh once, try again.
if ! "${apt[@]}" install --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then
  "${apt[@]}" update -q >&2
  "${apt[@]}" install -q --no-install-recommends "${missing[@]}" >&2
fi
