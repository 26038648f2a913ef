PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
.DEFAULT_GOAL := help
.PHONY: help run demo test check format bench faults lock browser

help:  ## What there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: $(VENV)/.installed  ## Start ConnHub at http://127.0.0.1:8000 (PORT=… for another port)
	@$(RUN) -m connhub.bootstrap
	@exec $(RUN) manage.py serve

demo: export CONNHUB_HOME := $(or $(CONNHUB_HOME),$(CURDIR)/var/demo)
demo: export CONNHUB_ENV_FILE := $(or $(CONNHUB_ENV_FILE),$(CONNHUB_HOME)/.env)
demo: $(VENV)/.installed  ## Start a copy full of sample data, with an OAuth 2.0 provider beside it
	@$(RUN) -m connhub.bootstrap
	@exec $(RUN) manage.py demo

test: $(VENV)/.tests browser  ## Check the code and run every test, on SQLite and on PostgreSQL
	@sh tests/run.sh

check: $(VENV)/.tests  ## Format, lint, types, templates, migrations, deployment settings
	@sh tests/check.sh

format: $(VENV)/.tests  ## Format the code
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

bench: $(VENV)/.tests  ## Measure the proxy beside its upstream and nginx
	@$(RUN) -m tests.bench

faults: $(VENV)/.tests  ## Kill a key rotation over and over under load (minutes)
	@FAULTS=long $(RUN) -m pytest -p no:cacheprovider tests/faults

lock:  ## Pin the requirements again from pyproject.toml (needs uv)
	uv pip compile -q pyproject.toml --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -o requirements.txt
	uv pip compile -q pyproject.toml --extra tests -c requirements.txt --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -o tests/requirements.txt

browser:
	@sh tests/browser.sh

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "connhub: Python 3.11 or newer is needed; try make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	@echo "Installing what ConnHub needs…"
	@$(RUN) -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.tests: tests/requirements.txt | $(VENV)/bin/python
	@echo "Installing what the tests need…"
	@$(RUN) -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r tests/requirements.txt
	@touch $@ $(VENV)/.installed
