# Needs python3 and make; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-all lint docs bench mutants clean

demo: $(INSTALLED)  ## compare the shipped pruned network on every machine and draw where the PE-cycles went
	mkdir -p demo
	$(BIN)/prunesim compare blazepose --on all --json demo/compare.json --csv demo/compare.csv
	$(BIN)/prunesim plot demo/compare.json --kind causes -o demo/causes.png

test: $(INSTALLED)  ## run the tests, without the slow ones and with few draws of each property
	$(BIN)/python -m pytest -n auto --dist loadfile -q

test-all: $(INSTALLED)  ## run the slow tests too, and draw more
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -n auto --dist loadfile -q -m "not nightly"

lint: $(INSTALLED)  ## format, lint, types and import contracts, as CI checks them
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

docs: $(INSTALLED)  ## build the documentation as a site that needs no network, into site/
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

bench: $(INSTALLED)  ## print the tables of speeds, and which limits are not met (docs/speed.md)
	$(BIN)/python -m benchmarks.table

mutants: $(INSTALLED)  ## break the sources by 300 small edits, one at a time, and count what no test notices (hours)
	$(BIN)/python -m pip install --quiet --editable '.[mutants]'
	$(BIN)/python -m pytest -q tests/benchmarks/test_mutants.py
	$(BIN)/python -m benchmarks.mutants

clean:
	rm -rf $(VENV) demo site dist build .pytest_cache .ruff_cache .hypothesis

$(INSTALLED): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@echo "compiling the machines' kernels, once: some 15 seconds on two processors"
	-$(BIN)/python -m dataflows.kernels.ahead
	touch $@
