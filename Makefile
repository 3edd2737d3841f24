# Two commands do everything: `make demo` and `make test`. Each builds .venv with what it needs, then does its job.
# `make env` prepares the containers of docker-compose.yml; what exists is kept.
PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
# Hundreds of processes import the same modules: where this is set, each would compile them again, torch's for seconds.
unexport PYTHONDONTWRITEBYTECODE
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt

.PHONY: demo test types pytest faults check format env clean

demo: $(VENV)/.demo  ## play the sample stream end to end and show what it found
	@$(BIN)/voxpop demo $(ARGS)

test: $(VENV)/.test  ## the checks and the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory --jobs=2 types pytest

types:
	$(BIN)/mypy

pytest:
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

faults: $(VENV)/.test  ## the fault tests in full: 200 kills, outages of a minute; `make test` has their short form
	FAULTS=long $(BIN)/pytest tests/faults $(ARGS)

check: $(VENV)/.test  ## the checks alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

env:  ## the .env and the passwords of docker-compose.yml
	@$(PYTHON) deploy/env.py

$(BIN)/uv: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Voxpop needs Python 3.11 or newer: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	@touch $@

$(VENV)/.demo: $(BIN)/uv pyproject.toml constraints.txt
	@echo "Installing into $(VENV): about 5.5 GB with torch's CUDA libraries, 2.5 GB with UV_TORCH_BACKEND=cpu."
	@$(UV) --editable .
	@touch $@

$(VENV)/.test: $(BIN)/uv pyproject.toml constraints.txt
	@echo "Installing into $(VENV): about 6.3 GB with torch's CUDA libraries, Kafka's and Airflow's clients and the test tools."
	@$(UV) --editable '.[kafka,airflow,train]' --group test
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
