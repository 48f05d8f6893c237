#!/bin/bash
# Fails if a process uses one of the folders, and names it: `make clean` would remove files that it needs. Works without
# node_modules. Sees the processes that /proc shows to this user, or lsof where there is no /proc.
set -euo pipefail

# The ids of the processes that have files in the folder open, or run a program from there.
users_of() {
  if [ -d /proc/self/fd ]; then
    { ls -l /proc/[0-9]*/fd /proc/[0-9]*/exe 2>/dev/null || true; } | awk -v folder="$1/" '
      /^\/proc\/[0-9]+\/fd:$/ { split($0, part, "/"); id = part[3]; next }
      { at = index($0, " -> "); if (at == 0 || index(substr($0, at + 4), folder) != 1) next }
      match($0, /\/proc\/[0-9]+\/exe -> /) { split(substr($0, RSTART), part, "/"); print part[3]; next }
      { print id }' | sort -un
  elif command -v lsof >/dev/null; then
    lsof -t +D "$1" 2>/dev/null | sort -un || true
  fi
}

used=0
for folder in "$@"; do
  [ -d "$folder" ] || continue
  for id in $(users_of "$(cd "$folder" && pwd -P)"); do
    [ "$id" = "$$" ] && continue
    echo "make: $folder is in use by process $id ($(ps -o args= -p "$id" 2>/dev/null | cut -c 1-120)): stop it first" >&2
    used=1
  done
done
exit "$used"
