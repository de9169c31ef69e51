#!/bin/bash
# Installs the program under both its names, with manual pages and shell completion that it writes itself.
#   scripts/install.sh BINARY PREFIX
set -euo pipefail
binary=$1 prefix=$2
install -D -m 0755 "$binary" "$prefix/bin/cairn"
ln -sfn cairn "$prefix/bin/kopia"

write() {  # FILE WORDS…: what the program prints
  local file=$1
  shift
  mkdir -p "$(dirname "$file")"
  "$@" >"$file.new"
  chmod 0644 "$file.new"
  mv "$file.new" "$file"
}
for name in cairn kopia; do
  program="$prefix/bin/$name"
  write "$prefix/share/man/man1/$name.1" "$program" --help-man
  write "$prefix/share/bash-completion/completions/$name" "$program" --completion-script-bash
  write "$prefix/share/zsh/site-functions/_$name" "$program" --completion-script-zsh
  write "$prefix/share/fish/vendor_completions.d/$name.fish" "$program" --completion-script-fish
done
# One page a command, as cairn-snapshot-create(1).
while read -r command; do
  write "$prefix/share/man/man1/cairn-${command// /-}.1" "$prefix/bin/cairn" $command --help-man
done < <("$prefix/bin/cairn" --help-full | sed -n '/^Commands/,$ s/^  \([a-z][a-z-]*\( [a-z-]*\)*\)\( .*\)\?$/\1/p')
