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

# What hangs on the database: locks and races, constraints, queries, what is written down for good.
hanging="sharing/test_races.py accounts/test_people.py accounts/test_teams.py
  audit/test_fail_closed.py audit/test_ledger.py audit/test_log.py audit/test_verify.py
  backups/test_at_work.py
  connections/bundles/test_applying.py connections/connect_links/test_racing.py
  connections/telling connections/test_lifecycle.py connections/test_meanwhile.py
  connections/test_own_settings.py connections/test_query_counts.py connections/test_races.py
  connections/test_refresh.py connections/test_restoring.py
  usage/test_availability.py usage/test_next_call.py usage/test_registration.py usage/test_renewal.py
  usage/test_replacing.py vault/test_rotation.py faults"

url="${TEST_POSTGRES_URL:-$(.venv/bin/python -m tests.postgresql_url || true)}"
if [ -n "$url" ]; then
  export DATABASE_URL="$url"
  run $(for path in $hanging; do echo "tests/$path"; done) "$@"
elif [ -n "$CI" ]; then
  echo "connhub: no PostgreSQL answers at 127.0.0.1:5432; set TEST_POSTGRES_URL." >&2
  exit 1
else
  echo "No PostgreSQL answers at 127.0.0.1:5432: the tests ran on SQLite alone. Set TEST_POSTGRES_URL."
fi
