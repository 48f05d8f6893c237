#!/bin/bash
# Installs the dependencies. Says what it waits for, and gives up after a minute or two if the registry does not respond:
# with its defaults, npm is silent for 80 seconds or longer.
set -euo pipefail

command -v npm >/dev/null || { echo 'make: npm not found: install Node.js 20 or newer, which includes it' >&2; exit 1; }

unreachable='code (ECONN[A-Z]+|E[A-Z]*TIMEDOUT|ETIMEOUT|ENOTFOUND|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|FETCH_ERROR)'
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
echo 'Installing dependencies (npm ci): this needs the network, and may take some minutes.'
# npm ci would repeat the requests for each of the packages, for minutes in all. Not every registry knows this request.
offline=
if ! npm ping --loglevel=error --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=30000 >/dev/null 2>"$errors" &&
  grep -qE "$unreachable" "$errors"; then
  cat "$errors" >&2
  echo 'The npm registry does not respond; trying the packages in the cache of npm.' >&2
  offline=1
fi
# Older npm ignores allowScripts and would install Git hooks through lefthook; CI=true prevents that.
if ! { CI=true npm ci --loglevel=error --fetch-retries=2 --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=5000 \
  --fetch-timeout=30000 ${offline:+--offline} 2>&1 >&3 | tee "$errors" >&2; } 3>&1; then
  if [ -n "$offline" ] || grep -qE "$unreachable" "$errors"; then
    echo 'make: the npm registry cannot be reached: check the network, the proxy and "npm config get registry", then try again' >&2
  else
    echo 'make: the dependencies cannot be installed; npm says above why' >&2
  fi
  exit 1
fi
