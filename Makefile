# The commands for development. Each first sets up what it needs. `make` lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

unexport SPARK_HOME # use the locked Spark in .venv
# Commands start many Python processes. Without compiled modules each process compiles its imports, which takes longer
# than the imports.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := deploy/requirements.lock
LOCK_FLAGS ?=
PYTEST_FLAGS ?=
# uv shows its progress at a terminal. In a log it would list a hundred packages.
QUIET := $(if $(MAKE_TERMERR),,--quiet)
# The driver of a Spark session uses one core, so there is one test process per core, up to four. A process runs whole
# files, in the order of tests/conftest.py.
PYTEST := $(BIN)/pytest -q --durations=15 --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
VERSION := $(shell sed -n 's/^ *version="\(.*\)",$$/\1/p' setup.py)
DELTA_JARS := $(shell sed -n 's/^DELTA_PACKAGE = "\(.*\)"$$/\1/p' jobs/lake/jars.py)

S3_JARS := org.apache.hadoop:hadoop-aws:$(shell sed -n 's/^HADOOP_VERSION = "\(.*\)"$$/\1/p' jobs/lake/connectors.py)

.PHONY: help
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- set-up: each step writes a stamp in .venv, and runs again only if its inputs change ----

$(VENV)/stamp-made: deploy/prepare_debian.sh
	@PYTHON='$(PYTHON)' sh deploy/prepare_debian.sh
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# pip installs uv from its lines in the lock; uv installs everything else.
$(VENV)/stamp-locked: $(VENV)/stamp-made $(LOCK)
	@echo "installing the packages of $(LOCK) (7 GB on disk)"
	@sed -n '/^uv==/,/[^\\]$$/p' $(LOCK) > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@$(BIN)/uv pip sync $(QUIET) --python $(BIN)/python --require-hashes --build-constraints $(LOCK) $(LOCK)
	@touch $@

$(VENV)/stamp-installed: $(VENV)/stamp-locked setup.py pyproject.toml
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Spark caches the JARs of Delta in the Ivy cache of the user, so that later starts need no network.
$(VENV)/stamp-jars: $(VENV)/stamp-locked deploy/ivysettings.xml
	@echo "fetching $(DELTA_JARS)"
	@: > $(VENV)/nothing.py
	@PYSPARK_PYTHON=$(CURDIR)/$(BIN)/python $(BIN)/spark-submit --packages $(DELTA_JARS) \
		--conf spark.jars.ivySettings=deploy/ivysettings.xml $(VENV)/nothing.py > $(VENV)/jars.log 2>&1 || \
		{ cat $(VENV)/jars.log >&2; echo "cannot fetch $(DELTA_JARS) from Maven Central; the output of Spark is above" >&2; exit 1; }
	@touch $@

.PHONY: setup
setup: $(VENV)/stamp-installed $(VENV)/stamp-jars ## make the environment in .venv

# ---- commands ----

.PHONY: demo
demo: setup ## deduplicate a catalogue of real videos, then query the result
	$(BIN)/ndvr demo

# Without a browser, all other tests still run.
$(VENV)/stamp-browser: $(VENV)/stamp-made
	@PYTHON='$(PYTHON)' sh deploy/prepare_debian.sh browser || echo "tests that need Chromium will be skipped"
	@touch $@

# The connector has 690 MB, so that only the tests of lakes on S3 fetch it.
$(VENV)/stamp-s3: $(VENV)/stamp-jars jobs/lake/connectors.py
	@echo "fetching $(S3_JARS)"
	@PYSPARK_PYTHON=$(CURDIR)/$(BIN)/python $(BIN)/spark-submit --packages $(S3_JARS) \
		--conf spark.jars.ivySettings=deploy/ivysettings.xml $(VENV)/nothing.py > $(VENV)/s3.log 2>&1 || \
		echo "cannot fetch $(S3_JARS) from Maven Central: tests of lakes on S3 will be skipped"
	@touch $@

# With an archive of its classes, a JVM needs half the time to its first query. The tests start about twenty JVMs.
$(VENV)/spark-classes.jsa: $(VENV)/stamp-jars tests/support/class_archive.py
	@echo "archiving the classes of Spark"
	@$(BIN)/python -m tests.support.class_archive $@

.PHONY: test
test: setup check $(VENV)/stamp-browser $(VENV)/stamp-s3 $(VENV)/spark-classes.jsa ## run all checks, then all tests
	$(PYTEST) $(PYTEST_FLAGS)

.PHONY: test-fast
test-fast: setup ## run the tests that need no Spark and are not slow
	$(PYTEST) -m 'not slow' --hypothesis-profile=fast --ignore=tests/spark --ignore=tests/submit $(PYTEST_FLAGS)

.PHONY: check
check: setup ## check formatting, lint rules and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

.PHONY: bench
bench: setup ## run each benchmarks/<subject>/run.py
	@set -e; for benchmark in benchmarks/*/run.py; do echo "== $$benchmark"; $(BIN)/python $$benchmark; done

# The notebooks are executed once on the lake of the demo, which downloads its clips: five minutes. They are executed again
# if they or the public interface change; `make clean` forgets their outputs.
NOTEBOOKS := .cache/notebooks
$(NOTEBOOKS)/stamp: docs/site/execute_notebooks.py $(wildcard notebooks/*.ipynb ndvr/*.py) | setup
	@test -d demo-lake/lake/duplicates || $(BIN)/ndvr demo
	@$(BIN)/python docs/site/execute_notebooks.py demo-lake/lake $(NOTEBOOKS)
	@touch $@

.PHONY: docs
docs: setup $(NOTEBOOKS)/stamp ## build the documentation into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --config-file docs/site/mkdocs.yml

.PHONY: zip
zip: setup ## build the wheel, and dist/ndvr-VERSION.zip for spark-submit --py-files
	rm -rf build
	$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist
	cp dist/ndvr-$(VERSION)-py3-none-any.whl dist/ndvr-$(VERSION).zip

.PHONY: lock
lock: $(VENV)/stamp-locked ## pin the dependencies of setup.py (newest versions: LOCK_FLAGS=--upgrade)
	$(BIN)/uv pip compile setup.py --extra cpu --extra dev --universal --fork-strategy fewest --python-version 3.11 \
		--generate-hashes --quiet --custom-compile-command 'make lock' $(LOCK_FLAGS) --output-file $(LOCK)

.PHONY: clean
clean: ## remove build outputs and caches, except .venv
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .cache spark-warehouse metastore_db derby.log
