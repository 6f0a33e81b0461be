# Every target sets up what it needs, on a machine with Python 3.11 or later and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
PICTURES := pomdptool/manual/pictures

# Resolves dependencies; installed by the targets that need it, beside the others.
UV := .venv-uv/bin/uv
UV_VERSION := 0.13.9
COMPILE := $(UV) pip compile --quiet pyproject.toml

PIP := -m pip install --quiet --disable-pip-version-check
THIS := --no-deps --no-build-isolation --editable .

.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) --require-hashes --requirement requirements.txt
	$(BIN)/python $(PIP) $(THIS)
	@touch $@

demo: $(INSTALLED) ## Install, solve, simulate, sample, learn and plot the tiger, solve tag
	@mkdir -p demo
	$(BIN)/pomdptool info problems/tiger.pomdp
	$(BIN)/pomdptool check problems/tiger.pomdp
	$(BIN)/pomdptool solve problems/tiger.pomdp -o demo/tiger.json
	$(BIN)/pomdptool simulate problems/tiger.pomdp --episodes 50 --sims 1000
	$(BIN)/pomdptool sample problems/tiger.pomdp --episodes 1000 --steps 50 -o demo/tiger.csv
	$(BIN)/pomdptool fit demo/tiger.csv --states 2 --discount 0.95 -o demo/learned.pomdp
	$(BIN)/pomdptool compare problems/tiger.pomdp demo/learned.pomdp
	$(BIN)/pomdptool solve demo/learned.pomdp -o demo/learned.json
	$(BIN)/pomdptool plot demo/learned.json -o demo/learned.svg
	$(BIN)/pomdptool solve problems/tag.pomdp --time-limit 10 -o demo/tag.json
	@ls -l demo

test: $(INSTALLED) ## Run the tests (all but the slow ones)
	$(BIN)/python -m pytest -q -n auto

test-slow: $(INSTALLED) ## Run the slow tests: long fuzzing, large files
	$(BIN)/python -m pytest -q -n auto -m slow

test-oldest: RESOLUTION := lowest-direct
test-oldest: ## Run the tests with the least versions that pyproject.toml allows
test-newest: RESOLUTION := highest
test-newest: ## Run the tests with the newest versions that the registry has
test-oldest test-newest: test-%: $(UV)
	$(PYTHON) -m venv --clear .venv-$*
	$(COMPILE) --extra test --resolution $(RESOLUTION) --only-binary :all: \
	  --python .venv-$*/bin/python --output-file .venv-$*/requirements.txt --upgrade
	.venv-$*/bin/python $(PIP) --requirement .venv-$*/requirements.txt
	.venv-$*/bin/python $(PIP) $(THIS)
	.venv-$*/bin/python -m pytest -q -n auto

lock: $(UV) ## Write requirements.txt anew: the newest versions, with hashes
	$(COMPILE) --extra dev --universal --python-version 3.11 --generate-hashes --upgrade \
	  --custom-compile-command "make lock" --output-file requirements.txt

$(UV): Makefile
	$(PYTHON) -m venv .venv-uv
	.venv-uv/bin/python $(PIP) uv==$(UV_VERSION)
	@touch $@

lint: $(INSTALLED) ## Check style and types, and the outputs shown in README and manual
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tests/docs.py --check

golden: $(INSTALLED) ## Write the golden outputs of the tests anew
	$(BIN)/python -m pytest -q tests/commands/test_golden.py --golden

docs: $(INSTALLED) ## Update outputs, options and pictures in README and manual
	$(BIN)/python tests/docs.py
	$(BIN)/pomdptool plot problems/tiger.pomdp -o $(PICTURES)/value.svg
	$(BIN)/pomdptool solve problems/tiger.pomdp -q | \
	  $(BIN)/pomdptool plot --show graph -o $(PICTURES)/graph.svg

bench: export PYTHONPATH := tests
bench: $(INSTALLED) ## Measure, beside the peers that are installed
	$(BIN)/python tests/bench/read.py
	$(BIN)/python tests/bench/start.py
	$(BIN)/python tests/bench/exact.py
	$(BIN)/python tests/bench/anytime.py
	$(BIN)/python tests/bench/acting.py
	$(BIN)/python tests/bench/em.py

dist: $(INSTALLED) ## Build the sdist and the wheel of a release, and try them in empty environments
	@test -z "$$(git status --porcelain)" || { echo "commit your changes first" >&2; exit 1; }
	rm -rf dist
	$(BIN)/python -m hatchling build
	$(BIN)/python -m pytest -q tests/project/test_release.py -m "slow or not slow" --release dist
	@echo "now: git tag v$$($(BIN)/python -m hatchling version)"

clean: ## Remove what the targets made
	rm -rf .venv .venv-* demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help demo test test-slow test-oldest test-newest lock lint golden docs bench dist clean
