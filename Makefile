# Everything a person does here, on a machine that has only python3 (3.11+), venv, pip and make.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup run test quick demo check lint types format bench bench-smoke lock audit fuzz sweep clean

help:  ## Show this help
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: .venv/.ready  ## Create .venv and install everything, pinned by hash (once)

.venv/.ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try: make $(MAKECMDGOALS) PYTHON=python3.11")'
	@echo "Setting up .venv (about half a minute, once) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: setup  ## Set up, then run the daemon on ./inbox (Ctrl-C drains and stops)
	@exec $(BIN)/harmonizer run --config config/harmonizer.yaml --adopt

test: setup  ## Set up, then run every test (real processes, real kills)
	$(BIN)/python -m pytest -n 3 --dist worksteal

quick: setup  ## Only the fast tests (seconds)
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not slow"

demo: setup  ## Harmonize the example files in a temporary folder and show every outcome
	@$(BIN)/python -m examples.demo

check: lint types test  ## What CI runs

lint: setup  ## Ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup  ## Mypy, strict
	$(BIN)/mypy

format: setup  ## Let ruff rewrite what it can
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: .venv-bench/.ready  ## Measure against pandas, polars and DuckDB; writes benchmarks/results/ (10 min)
	@.venv-bench/bin/python -m benchmarks --folder "$${TMPDIR:-/tmp}/harmonizer-bench"

bench-smoke: .venv-bench/.ready  ## Does every benchmark work, and do all engines agree? (no times count)
	@.venv-bench/bin/python -m benchmarks --smoke --results build/bench-smoke

.venv-bench/.ready: requirements-bench.lock
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-bench.lock
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock: setup  ## Maintainers: resolve pyproject.toml anew into the two lock files (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group dev pyproject.toml -o requirements-dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group bench -c requirements.lock pyproject.toml -o requirements-bench.lock

audit:  ## Maintainers: ask for known vulnerabilities of what is pinned (needs pip-audit, network)
	pip-audit --require-hashes --disable-pip -r requirements.lock

fuzz: setup  ## Damage files of every format by the thousand; every reader must survive it (10 min)
	nice -n 10 $(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS_OF_CPU),600) --first $(or $(FIRST),0)

sweep: setup  ## Kill and refuse at every system call, one by one (hours)
	$(BIN)/python -m tests.crash.sweep --kind kill-before --double
	$(BIN)/python -m tests.crash.sweep --kind kill-after
	$(BIN)/python -m tests.crash.sweep --kind kill-before --workers pool --whose worker --victim self
	$(BIN)/python -m tests.crash.sweep --kind error --looks
	$(BIN)/python -m tests.crash.sweep --kind error --for-s 2

clean:  ## Remove the environment and caches (never data)
	rm -rf .venv .venv-bench .mypy_cache .ruff_cache .pytest_cache .hypothesis build ./*.egg-info
