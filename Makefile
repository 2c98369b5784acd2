# `make demo` and `make test` set up everything they need in .venv (Python 3.11 or newer and pip).
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: demo test fuzz lint bench clean

demo: $(STAMP)
	$(BIN)/genesis demo --out demo

# Two processes of one thread each: the tests are many and small.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

# The property tests with other draws; a failure prints the @reproduce_failure line that brings it back.
fuzz: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m hypothesis --hypothesis-profile fuzz

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[bench]"
	$(BIN)/python -m benchmarks --write

# torch first and by its exact version, so that no other dependency chooses another build of it. nnU-Net's networks without
# what they require: timm brings torchvision, which does not import beside every build of torch, and is not used here.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "modelsgenesis needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps $$(grep '^dynamic_network' constraints.txt)
	touch $(STAMP)

clean:
	rm -rf .venv demo
