# `make help` lists what can be done. All of it needs Python, make, and PyPI the first time.
SHELL := /bin/sh
# Where this is set, every interpreter would compile the house anew: a third of what most tests cost.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help env demo test check format docs bench clean

BIN := .venv/bin
# Processes for the tests; more than four gain little.
JOBS ?= $(shell n=$$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); [ $$n -gt 4 ] && echo 4 || echo $$n)
# A user without a home still has this checkout.
UV_SAFE_CACHE = if [ ! -w "$${XDG_CACHE_HOME:-$$HOME}" ] && [ -z "$$UV_CACHE_DIR" ]; then export UV_CACHE_DIR="$$PWD/.venv-uv/cache"; fi
# Compiled once here, not by every interpreter that is started: that is most of what a short notebook costs.
UV_SYNC = uv=$$(.ci/find-uv) && $(UV_SAFE_CACHE) && env -u VIRTUAL_ENV UV_COMPILE_BYTECODE=1 "$$uv" sync --frozen --quiet

help:  ## what can be done
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-12s %s\n", $$1, $$2 }'

env:  ## the environment in .venv, as locked
	@$(UV_SYNC)

demo: env  ## lift, prove, run and publish the example notebook
	@$(BIN)/pilotline demo

test: check  ## everything that must hold: check, then all tests (ONLY=path/or::name)
	$(BIN)/pytest -q -n $(JOBS) --dist worksteal $(ONLY)

check: env  ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-logo

format: env  ## format, and repair what can be repaired
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs:  ## the documentation, into docs/_build/html
	@UV_PROJECT_ENVIRONMENT=.venv-docs; export UV_PROJECT_ENVIRONMENT; $(UV_SYNC) --only-group docs
	.venv-docs/bin/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html

bench: env  ## all benchmarks, or `make bench ONLY=name`
	@$(BIN)/python benchmarks/run.py $(ONLY)

clean:  ## remove what the other targets made
	rm -rf .venv .venv-uv .venv-docs docs/_build .ruff_cache .hypothesis .pytest_cache .import_linter_cache dist
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
