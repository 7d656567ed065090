# Two commands are enough: `make run` and `make test`. Each makes the environment by itself.
# The environment is .venv, with the exact versions of constraints.txt, from whatever package index pip is configured for.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= 4

.DEFAULT_GOAL := help
.PHONY: help setup run test test-long chaos check format permissions bench constraints clean

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(READY) ## make the environment: .venv with .venv/bin/keepwell

run: $(READY) ## start everything with embedded PostgreSQL and Valkey and demo data; Ctrl-C stops it
	@exec $(BIN)/keepwell serve --demo

test: $(READY) ## every test, on real parts
	@exec $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

test-long: $(READY) ## the same, with the targets that take minutes
	@KEEPWELL_LONG=1 exec $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

chaos: $(READY) ## kill every part at random moments, KEEPWELL_CHAOS_ROUNDS times (50)
	@KEEPWELL_LONG=1 exec $(BIN)/python -m pytest tests/chaos -s

check: $(READY) ## formatting, lint, types, import contracts, migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/squawk migrations/sql/*.up.sql

format: $(READY) ## put the code in the one form
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

permissions: $(READY) ## print who may do what into docs/permissions.md
	@$(BIN)/python -m tests.support.permissions_page > docs/permissions.md.new && mv docs/permissions.md.new docs/permissions.md

bench: $(READY) ## measure the command path against bare PostgreSQL
	@exec $(BIN)/python -m bench

constraints: ## find the newest versions pyproject.toml allows and pin them
	@PYTHON="$(PYTHON)" sh scripts/constraints

clean: ## remove what the tools made; never the data directory
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist

$(READY): constraints.txt pyproject.toml scripts/setup
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh scripts/setup
	@touch $@
