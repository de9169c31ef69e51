#!/bin/bash
# Shows the program at work on a real directory: saves it, changes it, saves it again, lists, verifies every byte,
# restores both snapshots and compares them with what was there. Every step is timed; the first that fails ends it.
#   scripts/demo.sh [directory to save]      (default: this project's own sources and a few generated files)
# All is kept below ./demo (or $DEMO_DIR), which is made anew each time.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cairn=${CAIRN:-$root/build/release/cairn}
demo=${DEMO_DIR:-$root/demo}

# Nobody else's settings, and nothing outside the demo directory.
unset "${!KOPIA_@}"
export KOPIA_PASSWORD=correct-horse-battery-staple
export KOPIA_CONFIG_PATH=$demo/state/repository.config
export KOPIA_CACHE_DIRECTORY=$demo/state/cache
export KOPIA_LOG_DIR=$demo/state/log
export KOPIA_CHECK_FOR_UPDATES=false

say() { printf '\n%s\n' "$*"; }
die() {
  printf '\nDEMO FAILED: %s\n' "$*" >&2
  exit 1
}
summary=()

# step TITLE COMMAND…: says what it runs, runs it, says how long it took. Standard output also goes to $demo/out.
step() {
  local title=$1 started ended took
  shift
  say "== $title"
  printf '   $'
  printf ' %q' "${@/#$cairn/cairn}" | sed "s#$demo#demo#g"
  printf '\n'
  started=$(date +%s%N)
  if ! "$@" > >(tee "$demo/out" | sed 's/^/   /') 2> >(sed 's/^/   /' >&2); then
    die "$title"
  fi
  ended=$(date +%s%N)
  took=$(awk -v ns=$((ended - started)) 'BEGIN { printf "%.2f", ns / 1e9 }')
  sleep 0.1 # the two `sed` finish writing
  printf '   (%s s)\n' "$took"
  summary+=("$(printf '%8s s  %s' "$took" "$title")")
}

# Names, types, permissions, owners, sizes of files, link targets and times to the nanosecond; then every byte.
attributes() { (cd "$1" && find . -printf '%P\t%y\t%m\t%U:%G\t%l\t%T@\t' \( -type f -printf '%s\n' -o -printf '\n' \) | LC_ALL=C sort); }
compare() {
  diff -r --no-dereference "$1" "$2" || return 1
  diff <(attributes "$1") <(attributes "$2") || return 1
  echo "identical: $(find "$2" -type f | wc -l) files, $(find "$2" -mindepth 1 -type d | wc -l) directories," \
    "$(du -sb --apparent-size "$2" | cut -f1) bytes; names, contents, permissions, owners and times"
}

# snapshot TITLE: saves the directory and leaves the id in $id.
snapshot() {
  step "$1" "$cairn" snapshot create --json "$demo/data"
  id=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])' <"$demo/out") || die "no snapshot id in the output"
}

[ -x "$cairn" ] || die "$cairn is missing; run: make build"
case "$demo" in / | "$HOME" | "$root") die "will not clear $demo" ;; esac
if [ -e "$demo" ]; then
  [ -d "$demo/state" ] || [ -z "$(ls -A "$demo")" ] || die "$demo exists and is not a former demo"
  rm -rf "$demo"
fi
mkdir -p "$demo/state" "$demo/data"

if [ $# -gt 0 ]; then
  [ -d "$1" ] || die "no directory $1"
  cp -a "$1/." "$demo/data/"
else
  mkdir "$demo/data/project"
  (cd "$root" && tar cf - --exclude=./build --exclude=./demo --exclude=./.git --exclude=__pycache__ .) |
    tar xf - -C "$demo/data/project"
fi
mkdir -p "$demo/data/generated/empty directory"
head -c 48000000 /dev/urandom >"$demo/data/generated/random.bin"
seq -f '2026-01-01T00:00:00Z INFO request %.0f served in 12 ms' 500000 >"$demo/data/generated/service.log"
truncate -s 32M "$demo/data/generated/sparse.img"
printf 'for my eyes only\n' >"$demo/data/generated/private" && chmod 600 "$demo/data/generated/private"
printf '#!/bin/sh\n' >"$demo/data/generated/run-me" && chmod 755 "$demo/data/generated/run-me"
ln -s ../generated/private "$demo/data/generated/link"
touch -d '1999-12-31 23:59:59.123456789 UTC' "$demo/data/generated/old"
say "The directory to save holds $(find "$demo/data" -type f | wc -l) files, $(du -sh --apparent-size "$demo/data" | cut -f1)."

step "make a repository" "$cairn" repository create filesystem "--path=$demo/repository"
cp -a "$demo/data" "$demo/first"
snapshot "save it for the first time"
first=$id
snapshot "save it again, nothing has changed"
unchanged=$id

say "Now the directory changes: a file grows, one goes, one comes, one gets other permissions, one in the middle is edited."
printf '2026-01-02T00:00:00Z INFO one more\n' >>"$demo/data/generated/service.log"
rm "$demo/data/generated/old"
printf 'new\n' >"$demo/data/generated/new file"
chmod 700 "$demo/data/generated/private"
printf 'edited' | dd of="$demo/data/generated/random.bin" bs=1 seek=20000000 conv=notrunc status=none

snapshot "save the changed directory"
second=$id
if [ "$first" = "$unchanged" ] || [ "$unchanged" = "$second" ]; then
  die "snapshots share an id"
fi
step "list what is saved" "$cairn" snapshot list "$demo/data" --all --show-identical
step "verify every byte of every snapshot" "$cairn" snapshot verify --verify-files-percent=100
step "restore the first snapshot" "$cairn" restore "$first" "$demo/restored-first"
step "compare it with the directory as it was" compare "$demo/first" "$demo/restored-first"
step "restore the last snapshot" "$cairn" restore "$second" "$demo/restored-last"
step "compare it with the directory as it is" compare "$demo/data" "$demo/restored-last"

say "What happened:"
printf '  %s\n' "${summary[@]}"
say "Source: $(du -sh --apparent-size "$demo/data" | cut -f1) in $(find "$demo/data" -type f | wc -l) files, saved three times." \
  "Repository: $(du -sh --apparent-size "$demo/repository" | cut -f1)."
say "DEMO PASSED. Everything is below ${demo/#$root\//}; the password is $KOPIA_PASSWORD. To look around:"
printf '  export KOPIA_CONFIG_PATH=%q\n  %q snapshot list --all\n' "$KOPIA_CONFIG_PATH" "$cairn"
