#!/bin/sh
# The checks, then every test on SQLite, then on PostgreSQL where one answers.
set -e
sh tests/check.sh

# Browser tests run by themselves: playwright leaves an event loop running in its process.
every_test() {
  .venv/bin/python -m pytest -n 2 --maxschedchunk=4 --ignore=tests/browser "$@"
  .venv/bin/python -m pytest -n 2 --maxschedchunk=4 tests/browser "$@"
}

every_test "$@"
url="${TEST_POSTGRES_URL:-$(.venv/bin/python -m tests.postgresql_url || true)}"
if [ -n "$url" ]; then
  export DATABASE_URL="$url"
  every_test "$@"
elif [ -n "$CI" ]; then
  echo "connhub: no PostgreSQL answers at 127.0.0.1:5432; set TEST_POSTGRES_URL." >&2
  exit 1
else
  echo "No PostgreSQL answers at 127.0.0.1:5432: the tests ran on SQLite alone. Set TEST_POSTGRES_URL."
fi
