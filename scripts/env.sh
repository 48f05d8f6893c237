#!/bin/sh
# Writes what docker-compose.yml needs and does not exist yet: .env, readable by its owner alone, with random values for the
# passwords and the audit key that have none there or in the environment; and deploy/keys/api-keys, with the SHA-256 of the API key in .env. What
# exists stays as it is.
set -eu
cd "$(dirname "$0")/.."
umask 077
file=.env
keys=deploy/keys/api-keys
[ -e "$file" ] || cp .env.example "$file"
chmod 600 "$file"

has_value() { grep -Eq "^(export )?$1=." "$file" || [ -n "$(printenv "$1" || true)" ]; }

write_value() {
  awk -v name="$1" -v value="$2" '
    $0 == name "=" { print name "=" value; found = 1; next }
    { print }
    END { if (!found) print name "=" value }' "$file" >"$file.new"
  mv "$file.new" "$file"
  echo "$file: wrote a random $1"
}

for name in $(sed -n 's/^\([A-Z_]*PASSWORD\)=$/\1/p' .env.example); do
  # 48 hexadecimal digits: nothing that a shell, a URL or Compose would interpret.
  has_value "$name" || write_value "$name" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"
done

# 256 bits: nobody may guess it, because with it the users in the audit log can be found by trying.
has_value AUDIT_KEY || write_value AUDIT_KEY "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')"

# A line that was removed from the file is a key that was revoked: only a missing file is written.
if [ ! -e "$keys" ]; then
  has_value SHOP_API_KEY || write_value SHOP_API_KEY "shop_$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')"
  key=${SHOP_API_KEY:-$(sed -nE 's/^(export )?SHOP_API_KEY=//p' "$file" | tail -1)}
  if ! printf %s "$key" | grep -Eqx 'shop_[A-Za-z0-9_-]{43}'; then
    echo 'SHOP_API_KEY must be shop_ and 43 characters of A-Z a-z 0-9 _ -, without quotes. Remove it, and a new one is written' >&2
    exit 1
  fi
  sum=$(printf %s "$key" | { sha256sum 2>/dev/null || shasum -a 256; } | cut -c 1-64)
  mkdir -p deploy/keys
  echo "operator $sum products:write baskets:any stock:hold" >"$keys.new"
  # The containers read it as another user. The key cannot be found from its SHA-256.
  chmod 755 deploy/keys
  chmod 644 "$keys.new"
  mv "$keys.new" "$keys"
  echo "$keys: accepts the SHOP_API_KEY in $file"
fi
