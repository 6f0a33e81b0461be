# Every target sets up what it needs, on a machine with Python 3.11 or later and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
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

lint: $(INSTALLED) ## Check style and types, and that the README's output is true
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tests/readme.py --check

golden: $(INSTALLED) ## Write the golden outputs of the tests anew
	$(BIN)/python -m pytest -q tests/test_golden.py --golden

docs: $(INSTALLED) ## Write the README's outputs and pictures anew
	$(BIN)/python tests/readme.py
	@mkdir -p pictures
	$(BIN)/pomdptool solve problems/tiger.pomdp -q | $(BIN)/pomdptool plot -o pictures/value.svg
	$(BIN)/pomdptool solve problems/tiger.pomdp -q | \
	  $(BIN)/pomdptool plot --what graph -o pictures/graph.svg

bench: $(INSTALLED) ## Measure, beside the peers that are installed
	$(BIN)/python tests/bench_read.py
	$(BIN)/python tests/bench_start.py
	$(BIN)/python tests/bench_exact.py
	$(BIN)/python tests/bench_anytime.py
	$(BIN)/python tests/bench_acting.py
	$(BIN)/python tests/bench_em.py

clean: ## Remove what the targets made
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help demo test test-slow lint golden docs bench clean
