# Everything one does with a checkout. Needs make, git and a Python 3.11 to 3.13 with venv; the rest is pinned in the locks.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv venv-dev venv-embedded demo test lint format bench docs ui lock clean

VENV ?= .venv
BIN := $(VENV)/bin
export DAGSTER_HOME := $(CURDIR)
export QUANTLAB_HOME ?= $(CURDIR)/lake
export PIP_DISABLE_PIP_VERSION_CHECK := 1

SUPPORTED := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(SUPPORTED)' 2>/dev/null && echo $$python && break; done)

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(VENV)/.runtime  ## make .venv with what quantlab needs to run
venv-dev: $(VENV)/.dev  ## add what its tests and checks need

# Compiled once here: a program that starts for one question would otherwise compile each time where it may not write.
# Locks hold versions and hashes only; where packages come from is pip's own configuration.
$(VENV)/.runtime: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 to 3.13 with venv found; name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Installing the pinned packages into $(VENV) (the first time this takes a few minutes)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index --editable .
	@$(BIN)/python -m compileall -q quantlab_core quantlab_resources quantlab_assets quantlab_cli
	@$(BIN)/python -m quantlab_core.simulation.compiled.precompile
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "Installing the pinned development packages into $(VENV)"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

# The engine alone, as the development lock pins it: all that it needs besides is in the runtime lock.
venv-embedded: $(VENV)/.runtime requirements-dev.lock  ## add the embedded ClickHouse (180 MB) for QUANTLAB_CANDLES=chdb:///folder
	@awk '/^[a-z]/ { wanted = /^chdb(-core)?==/ } wanted' requirements-dev.lock > $(VENV)/embedded.txt
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r $(VENV)/embedded.txt
	@$(BIN)/python -c "import chdb"

demo: $(VENV)/.runtime  ## run the whole main job on a small generated data set
	@$(BIN)/quantlab demo

ui: $(VENV)/.runtime  ## open Dagster on 127.0.0.1:3000, and the pages of experiments that it links to on 3001
	@mkdir -p "$(QUANTLAB_HOME)"
	@$(BIN)/quantlab experiments pages & pages=$$!; trap "kill $$pages 2>/dev/null" EXIT INT TERM; \
	$(BIN)/dagster dev -h 127.0.0.1 -w workspace.yaml

# One more worker than a small machine has cores: tests wait for the disk, for daemons and for a browser. Files in their
# order, because the ones with the fewest tests are the longest, and would come last.
test: lint  ## run every check and every test
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(VENV)/.dev  ## ruff, mypy and the layer contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## put the code into house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev  ## measure speed and memory (NAMES="publish read" for some of it)
	@$(BIN)/python -m benchmarks $(NAMES)

docs: $(VENV)/.runtime  ## render the pages that are made from code
	@$(BIN)/python docs/render_contracts.py

# setuptools is named because the editable install builds without isolation, from what the lock installed. Extras are kept
# because the pip that comes with Python 3.11 refuses hashed locks in which a dependency asks for an extra that is not named.
COMPILE = printf 'setuptools>=80\n' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml -

lock: $(VENV)/.dev  ## refresh both lock files from pyproject.toml (UPGRADE=1 takes newer versions)
	$(COMPILE) $(if $(UPGRADE),--upgrade) --output-file requirements.lock
	$(COMPILE) $(if $(UPGRADE),--upgrade) --all-extras --constraints requirements.lock --output-file requirements-dev.lock

clean:  ## remove caches and build output; .venv and the lake stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
