# Two commands do everything: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help run test long format lint types layers unit coverage rewrite bench chaos clean python

help: ## show what there is
	@grep -E '^[a-z]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.runtime ## start rung with a Redis of its own, and load the demo
	@exec $(BIN)/rung up

test: $(VENV)/.test format lint types layers unit ## run all checks and tests

format: $(VENV)/.test ## check the formatting
	$(BIN)/ruff format --check .

lint: $(VENV)/.test ## check the style
	$(BIN)/ruff check .

types: $(VENV)/.test ## check the types
	$(BIN)/mypy

layers: $(VENV)/.test ## check which way imports run
	$(BIN)/lint-imports

unit: $(VENV)/.test ## run the tests
	$(BIN)/pytest -n 4 --dist worksteal -m "not long"

coverage: $(VENV)/.test ## run the tests, and show what they do not reach
	$(BIN)/pytest -n 3 -m "not long" --cov --cov-report=term:skip-covered

long: $(VENV)/.test ## run the tests that take minutes
	HYPOTHESIS_PROFILE=long $(BIN)/pytest -n 2

rewrite: $(VENV)/.test ## write the transcripts anew; read the diff
	$(BIN)/pytest tests/test_scenarios.py --rewrite
	git diff --stat tests/scenarios

bench: $(VENV)/.test ## measure all, against the targets; RUNS=3 gives the median
	$(BIN)/python -m benchmarks all $(if $(RUNS),--runs $(RUNS))

chaos: $(VENV)/.test ## kill and restart everything, and count; SEED=7 repeats a run
	$(BIN)/python -m benchmarks chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m benchmarks sentinel
	$(BIN)/python -m benchmarks outage
	$(BIN)/python -m benchmarks crashes

clean: ## remove what was installed and built
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

python:
	@$(PYTHON) -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "rung needs Python 3.11 or newer with venv: try make PYTHON=python3.11"; exit 2; }

$(VENV)/.runtime: pyproject.toml constraints.txt | python
	@echo "installing rung into $(VENV) (about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.runtime
	@echo "installing what the tests need ..."
	@$(PIP) --editable '.[test]'
	@touch $@
