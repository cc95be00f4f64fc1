# Every target sets up what it needs: on a machine with git, make and Python 3.11 (with pip and venv) there is nothing to install by hand.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test modes chaos bench bench-scan bench-typing soak lint format types generated ci constraints clean

# Another active environment must not leak into ours.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONHOME PYTHONPATH UV_PYTHON UV_PROJECT_ENVIRONMENT UV_CONSTRAINT
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# uv trusts what the system trusts (behind a company's proxy that is more than what it brings).
export UV_SYSTEM_CERTS := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
# uv takes seconds where pip takes a minute, but it knows nothing of pip's settings (an index of the company's).
define install
	@echo 'Installing upnext and the $(1) dependencies'
	@$(UV) pip install --quiet --python $(PY) --constraint constraints.txt --build-constraint constraints.txt --editable '.[all]' --group $(1) || { \
	  echo 'uv could not, so pip does it' && \
	  $(PY) -m pip install --quiet --upgrade pip && \
	  $(PY) -m pip install --quiet --constraint constraints.txt --editable '.[all]' --group $(1); }
endef
WORKERS ?= 2
MINUTES ?= 2
SEED ?= 1
JOBS ?= 1000000
RUNS ?= 3
PYTHON ?=
ARGS ?=

help:
	@echo 'make demo         the example application, from scan to delivery'
	@echo 'make test         the tests, against real Valkey and Redis servers (ARGS="-k name" for some of them)'
	@echo 'make modes        the mypy plugin in every mode of mypy, and in the oldest one supported'
	@echo 'make chaos        random faults under load, checked by a ledger (MINUTES=2 SEED=1 ARGS="--scenario kill --runs 100")'
	@echo 'make bench-scan   upnext gen on ten thousand files (ARGS="--mypy" beside mypy, which takes minutes)'
	@echo 'make bench-typing  what the catalog and the mypy plugin cost type checkers, into docs/conformance.md (RUNS=3)'
	@echo 'make bench        what a second holds, beside the bare ceilings of the client (RUNS=3)'
	@echo 'make soak         memory over many jobs (JOBS=1000000)'
	@echo 'make lint         ruff: rules and format'
	@echo 'make format       let ruff mend what it can'
	@echo 'make types        mypy strict and pyright strict on our own code'
	@echo 'make generated    generated files are what their sources give'
	@echo 'make ci           test, lint, types'
	@echo 'make constraints  pin the newest versions in constraints.txt'
	@echo 'make clean        remove the environment, caches and builds'
	@echo 'The environment is made with Python 3.11, or with PYTHON=python3.13 after a make clean.'

demo: $(VENV)/.demo
	@$(PY) examples/demo.py

test: $(VENV)/.dev generated
	@$(PY) -m pytest --quiet --numprocesses $(WORKERS) --dist loadgroup $(ARGS)

modes: $(VENV)/.dev
	@$(PY) -m pytest --quiet --numprocesses $(WORKERS) -m modes tests/plugin $(ARGS)

chaos: $(VENV)/.dev
	@$(PY) -m tests.chaos --minutes $(MINUTES) --seed $(SEED) $(ARGS)

bench-scan: $(VENV)/.dev
	@$(PY) benchmarks/scan.py $(ARGS)

bench-typing: $(VENV)/.dev
	@$(PY) -m benchmarks.type_checking --runs $(RUNS) --write

bench: $(VENV)/.dev
	@$(PY) benchmarks/bench.py --runs $(RUNS)

soak: $(VENV)/.dev
	@$(PY) benchmarks/soak.py --jobs $(JOBS)

lint: $(VENV)/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: $(VENV)/.dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

types: $(VENV)/.dev
	$(PY) -m mypy
	$(PY) -m pyright --warnings

# Freshness checks of generated files go here, one line each.
generated: $(VENV)/.dev
	@$(VENV)/bin/upnext gen examples/shop --check
	@$(PY) docs/pictures.py --check
	@$(PY) docs/tables.py --check
	@$(PY) benchmarks/curves.py --check

ci:
	.ci/run

constraints: $(VENV)/.uv
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --group dev --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --no-emit-package upnext --output-file constraints.txt pyproject.toml

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps below stand for what is installed, and are older than pyproject.toml or constraints.txt when it has to be done again.

$(VENV)/.uv: constraints.txt
	@set -e; found=; \
	if ! $(PY) -c 'import pip' 2>/dev/null; then \
	  for python in $(PYTHON) python3.11 python3 python3.12 python3.13 python3.14; do \
	    if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then echo 'No Python 3.11 or newer with pip and venv found. Install one, so that python3.11 or python3 runs it.' >&2; exit 1; fi; \
	  echo "Creating $(VENV) with $$($$found --version)"; \
	  $$found -m venv --clear $(VENV); \
	fi; \
	$(PY) -m pip install --quiet --constraint constraints.txt uv
	@touch $@

$(VENV)/.demo: $(VENV)/.uv pyproject.toml
	$(call install,demo)
	@touch $@

$(VENV)/.dev: $(VENV)/.uv pyproject.toml
	$(call install,dev)
	@touch $(VENV)/.demo $@
