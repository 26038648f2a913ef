#!/bin/sh
# Everything that can be said about the code without running it.
set -e
bin=.venv/bin
export DJANGO_SETTINGS_MODULE=tests.settings
$bin/ruff format --check --quiet . || { echo "Not formatted: run make format."; exit 1; }
$bin/ruff check --quiet .
$bin/djlint --quiet --lint templates
$bin/mypy
(cd clients/python && ../../$bin/mypy)
$bin/python manage.py makemigrations --check --dry-run
CONNHUB_URL=https://connhub.example.com $bin/python manage.py check --deploy --fail-level WARNING
