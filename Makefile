# make help lists what there is.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all lint claims faults train-reference clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

$(READY): pyproject.toml infra/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info[:2] == (3, 11) else "Python " + sys.version.split()[0] + " was found; 3.11 is needed. Install it, or give PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned packages into $(VENV) (about 2.4 GB; some minutes) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c infra/constraints.txt -e ".[demo,dev]"
	@touch $(READY)

setup: $(READY) ## make the virtual environment from the pinned files

demo: $(READY) ## run the satellite flow on a real Sentinel-2 cut, from files to a registered model
	$(BIN)/sr demo satellite

test: $(READY) ## the fast tests (at most 6 minutes on 2 cores)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not long"

test-all: $(READY) ## all tests: also real servers, kills, tutorials (at most 45 minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(READY) ## ruff, mypy --strict on sr_core, the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy sr_core
	$(BIN)/lint-imports

claims: $(READY) ## measure every figure that the project claims (ONLY=prefix for some)
	OMP_NUM_THREADS=1 $(BIN)/python bench/claims.py $(if $(ONLY),--only $(ONLY))

faults: $(READY) ## plant faults in upscales of every domain whose data is here; tables in var/faults (ONLY=case UNITS=24)
	OMP_NUM_THREADS=1 $(BIN)/python bench/faults.py --strict --out var/faults $(if $(ONLY),--only $(ONLY)) $(if $(UNITS),--units $(UNITS))

train-reference: $(READY) ## train the reference models (BUDGET=CPU minutes each, ONLY=name, SHIP=1 puts them into the package)
	OMP_NUM_THREADS=1 $(BIN)/python bench/reference.py $(if $(BUDGET),--minutes $(BUDGET)) $(if $(ONLY),--only $(ONLY)) $(if $(SHIP),--ship)

clean: ## remove what was built; the workspace var/ stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
