#!/bin/bash
# Builds the servers that tests talk to and that Debian does not have, into a cache outside the source tree (slow once).
# What cannot be built is said and skipped: the tests that need it skip too.
#   scripts/test-servers.sh           builds what is missing
#   scripts/test-servers.sh --missing only names what is missing, and why
# CAIRN_TEST_SERVERS: the cache, default ~/.cache/cairn-test-servers. A server is CACHE/NAME-VERSION/NAME.
set -uo pipefail

# name, version, kind, source
servers='
versitygw v1.8.0 go github.com/versity/versitygw/cmd/versitygw
fake-gcs-server v1.56.1 go github.com/fsouza/fake-gcs-server
azurite 3.35.0 npm azurite-blob
b2sdk 2.13.2 pip b2sdk
'

cache=${CAIRN_TEST_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/cairn-test-servers}
only_name=${1:-}
mkdir -p "$cache" || exit 1

# why NAME FOLDER TEXT: remembers why a server is missing.
why() {
  echo "NOTE: tests with $1 are skipped: $3" >&2
  mkdir -p "$2" && echo "$3" >"$2/missing"
}

build_go() {
  local name=$1 version=$2 module=$3 folder=$4
  if ! command -v go >/dev/null; then
    why "$name" "$folder" "there is no Go on this machine"
    return
  fi
  echo "test-servers: building $name $version (once)" >&2
  mkdir -p "$folder"
  if GOBIN="$folder" go install "$module@$version" >"$folder/build.log" 2>&1; then
    rm -f "$folder/missing"
  else
    why "$name" "$folder" "building it failed, see $folder/build.log"
  fi
}

build_npm() {
  local name=$1 version=$2 binary=$3 folder=$4
  if ! command -v npm >/dev/null; then
    why "$name" "$folder" "there is no npm on this machine"
    return
  fi
  echo "test-servers: installing $name $version (once)" >&2
  mkdir -p "$folder"
  if npm install --prefix "$folder" --no-audit --no-fund "$name@$version" >"$folder/build.log" 2>&1; then
    ln -sfn "node_modules/.bin/$binary" "$folder/$name"
    rm -f "$folder/missing"
  else
    why "$name" "$folder" "installing it failed, see $folder/build.log"
  fi
}

# The program is a Python that has the package: tests give it their script.
build_pip() {
  local name=$1 version=$2 package=$3 folder=$4
  echo "test-servers: installing $name $version (once)" >&2
  mkdir -p "$folder"
  if python3 -m venv "$folder/venv" >"$folder/build.log" 2>&1 &&
    "$folder/venv/bin/pip" install --disable-pip-version-check "$package==$version" >>"$folder/build.log" 2>&1; then
    # No link: Python looks for its packages beside the name it was called by.
    printf '#!/bin/sh\nexec "%s/venv/bin/python" "$@"\n' "$folder" >"$folder/$name" && chmod +x "$folder/$name"
    rm -f "$folder/missing"
  else
    why "$name" "$folder" "installing it failed, see $folder/build.log"
  fi
}

exec 9>"$cache/lock"
flock 9
while read -r name version kind source; do
  [ -n "$name" ] || continue
  folder=$cache/$name-$version
  [ -x "$folder/$name" ] && continue
  if [ "$only_name" = --missing ]; then
    echo "NOTE: tests with $name were skipped: $(cat "$folder/missing" 2>/dev/null || echo "it was not built")" >&2
  else
    "build_$kind" "$name" "$version" "$source" "$folder"
  fi
done <<<"$servers"
