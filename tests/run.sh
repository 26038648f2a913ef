#!/bin/sh
# The checks, then every test on SQLite, then on PostgreSQL, where one answers, what hangs on it.
set -e
sh tests/check.sh

run() {
  .venv/bin/python -m pytest -n 2 --maxschedchunk=4 "$@"
}

# The longest test begins first. Browser tests run by themselves: playwright leaves an event loop
# running in its process.
run tests/test_random_walk.py tests --ignore=tests/browser "$@"
run tests/browser "$@"

# What these tell is the same on every database.
told=""
for path in browser egress servers vault demo test_house.py test_permissions.py \
  test_presentation.py test_secrets_never_leak.py test_settings.py test_start.py \
  connections/auth connections/calling connections/databases connections/test_assertions.py \
  connections/test_bad_input.py connections/test_every_service.py services/test_anything_typed.py \
  services/test_catalogue.py services/test_duplicates.py services/test_openapi.py; do
  told="$told --ignore=tests/$path"
done

url="${TEST_POSTGRES_URL:-$(.venv/bin/python -m tests.postgresql_url || true)}"
if [ -n "$url" ]; then
  export DATABASE_URL="$url"
  run $told "$@"
elif [ -n "$CI" ]; then
  echo "connhub: no PostgreSQL answers at 127.0.0.1:5432; set TEST_POSTGRES_URL." >&2
  exit 1
else
  echo "No PostgreSQL answers at 127.0.0.1:5432: the tests ran on SQLite alone. Set TEST_POSTGRES_URL."
fi
