#!/bin/sh
# Writes .env for docker-compose.yml, readable by its owner alone: random values for the passwords in .env.example that have
# none there. What has a value, there or in the environment, stays as it is.
set -eu
cd "$(dirname "$0")/.."
umask 077
file=.env
[ -e "$file" ] || cp .env.example "$file"
chmod 600 "$file"
for name in $(sed -n 's/^\([A-Z_]*PASSWORD\)=$/\1/p' .env.example); do
  if grep -Eq "^(export )?$name=." "$file" || [ -n "$(printenv "$name" || true)" ]; then continue; fi
  # 48 hexadecimal digits: nothing that a shell, a URL or Compose would interpret.
  value=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
  awk -v name="$name" -v value="$value" '
    $0 == name "=" { print name "=" value; found = 1; next }
    { print }
    END { if (!found) print name "=" value }' "$file" >"$file.new"
  mv "$file.new" "$file"
  echo "$file: wrote a random $name"
done
