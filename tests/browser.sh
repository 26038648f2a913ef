#!/bin/sh
# A browser for the tests: one that is here, else Debian's package, else one line that says so.
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq >/dev/null 2>&1
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null 2>&1 && exit 0
fi
echo "connhub: the browser tests need Chromium or Chrome; on Debian: apt-get install chromium" >&2
[ -z "$CI" ]
