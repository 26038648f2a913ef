#!/bin/sh
# A browser, Node.js and curl for the tests: those that are here, else Debian's packages, else a
# line that says so.
missing=""
has() {
  for name in "$@"; do command -v "$name" >/dev/null 2>&1 && return; done
  return 1
}
has chromium chromium-browser google-chrome google-chrome-stable || missing="chromium"
has node || missing="$missing nodejs"
has curl || missing="$missing curl"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && has apt-get; then
  apt-get update -qq >/dev/null 2>&1
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null 2>&1 && exit 0
fi
echo "connhub: some tests need a browser, Node.js and curl; on Debian: apt-get install $missing" >&2
[ -z "$CI" ]
