# The commands of every day. Each sets up what it needs first; `make` alone lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

unexport SPARK_HOME # the Spark that runs is the locked one, in .venv
# Each command starts many Python processes. Without compiled modules each of them compiles its imports again, which
# takes longer than the imports themselves.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := deploy/requirements.lock
LOCK_FLAGS ?=
PYTEST_FLAGS ?=
# At a terminal uv shows its progress; in a log it would list a hundred packages.
QUIET := $(if $(MAKE_TERMERR),,--quiet)
# The driver of each Spark session keeps one core busy, so there is a session for each core, up to four. A process runs
# whole files, and starts them in the order of tests/conftest.py.
PYTEST := $(BIN)/pytest -q --durations=15 --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
VERSION := $(shell sed -n 's/^ *version="\(.*\)",$$/\1/p' setup.py)
DELTA_JARS := $(shell sed -n 's/^DELTA_PACKAGE = "\(.*\)"$$/\1/p' jobs/lake/session.py)

.PHONY: help
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- set-up: each step leaves a stamp in .venv and runs again only when what it is made from changes ----

$(VENV)/stamp-made: deploy/prepare_debian.sh
	@PYTHON='$(PYTHON)' sh deploy/prepare_debian.sh
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# uv is installed by pip from its own lines of the lock; everything else is installed by uv.
$(VENV)/stamp-locked: $(VENV)/stamp-made $(LOCK)
	@echo "installing what $(LOCK) names (7 GB on disk)"
	@sed -n '/^uv==/,/[^\\]$$/p' $(LOCK) > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@$(BIN)/uv pip sync $(QUIET) --python $(BIN)/python --require-hashes --build-constraints $(LOCK) $(LOCK)
	@touch $@

$(VENV)/stamp-installed: $(VENV)/stamp-locked setup.py pyproject.toml
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Spark keeps Delta's JARs in the user's Ivy cache, so that later starts need no network.
$(VENV)/stamp-jars: $(VENV)/stamp-locked deploy/ivysettings.xml
	@echo "fetching $(DELTA_JARS)"
	@: > $(VENV)/nothing.py
	@PYSPARK_PYTHON=$(CURDIR)/$(BIN)/python $(BIN)/spark-submit --packages $(DELTA_JARS) \
		--conf spark.jars.ivySettings=deploy/ivysettings.xml $(VENV)/nothing.py > $(VENV)/jars.log 2>&1 || \
		{ cat $(VENV)/jars.log >&2; echo "no $(DELTA_JARS) from Maven Central: see Spark's output above" >&2; exit 1; }
	@touch $@

.PHONY: setup
setup: $(VENV)/stamp-installed $(VENV)/stamp-jars ## make the environment in .venv

# ---- what one runs ----

.PHONY: demo
demo: setup ## deduplicate a catalogue of real videos, then query the result
	$(BIN)/ndvr demo

# Who cannot install a browser still runs every other test.
$(VENV)/stamp-browser: $(VENV)/stamp-made
	@PYTHON='$(PYTHON)' sh deploy/prepare_debian.sh browser || echo "tests that need Chromium will be skipped"
	@touch $@

# With its classes in an archive a JVM needs half the time to its first query. The tests start about twenty.
$(VENV)/spark-classes.jsa: $(VENV)/stamp-jars tests/support/class_archive.py
	@echo "archiving the classes of Spark"
	@$(BIN)/python -m tests.support.class_archive $@

.PHONY: test
test: setup check $(VENV)/stamp-browser $(VENV)/spark-classes.jsa ## check, then run every test
	$(PYTEST) $(PYTEST_FLAGS)

.PHONY: test-fast
test-fast: setup ## run the tests that need no Spark and are not marked slow
	$(PYTEST) -m 'not slow' --hypothesis-profile=fast --ignore=tests/spark --ignore=tests/submit $(PYTEST_FLAGS)

.PHONY: check
check: setup ## formatting, lint rules and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

.PHONY: bench
bench: setup ## measure: runs each benchmarks/<subject>/run.py
	@set -e; for benchmark in benchmarks/*/run.py; do echo "== $$benchmark"; $(BIN)/python $$benchmark; done

.PHONY: docs
docs: setup ## build the documentation into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --config-file docs/site/mkdocs.yml

.PHONY: zip
zip: setup ## build the wheel, and dist/ndvr-VERSION.zip for spark-submit --py-files
	rm -rf build
	$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist
	cp dist/ndvr-$(VERSION)-py3-none-any.whl dist/ndvr-$(VERSION).zip

.PHONY: lock
lock: $(VENV)/stamp-locked ## pin the dependencies of setup.py anew (newest versions: LOCK_FLAGS=--upgrade)
	$(BIN)/uv pip compile setup.py --extra cpu --extra dev --universal --fork-strategy fewest --python-version 3.11 \
		--generate-hashes --quiet --custom-compile-command 'make lock' $(LOCK_FLAGS) --output-file $(LOCK)

.PHONY: clean
clean: ## remove what was built and cached; .venv stays
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .cache spark-warehouse metastore_db derby.log
