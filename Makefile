# Needs Python 3.11 or newer and make; everything else is put into $(VENV).
# PYTHON=/path/to/python make test     takes that Python instead of the first one found
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := $(shell find grid topologies envs policies scripts -type f ! -path '*/__pycache__/*')
# Not editable: an envs/ folder in the working directory would shadow an editable install.
# build/ keeps files that the sources no longer have. Bytecode is made by what is imported, a third of what is installed.
INSTALL := rm -rf build && $(BIN)/python -m pip install -q --no-compile --disable-pip-version-check -c constraints.txt
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lint docs wheel slow fuzz check-all clean

help:
	@echo 'make demo       train, evaluate and render an agent on the grid `classic`'
	@echo 'make test       run the tests'
	@echo 'make lint       ruff and mypy'
	@echo 'make docs       build the documentation, tutorials executed, into docs/_build'
	@echo 'make check-all  lint, docs, test, the wheel in an empty environment, the slow tests, and fuzz'
	@echo 'make fuzz       hostile files for every reader, for SECONDS=120'
	@echo 'make clean      remove what was built, the environment included'

demo: $(VENV)/.demo
	$(BIN)/load-balancer demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -q

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/sphinx-build -W --keep-going -q -d docs/_build/doctrees docs docs/_build/html
	@echo 'docs/_build/html/index.html'

wheel: $(VENV)/.made
	bash .ci/check-wheel $(BIN)/python

# pytest ends with 5 when no test is marked slow
slow: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -q -m slow || [ $$? -eq 5 ]
	EXAMPLES=all $(BIN)/python -m pytest -n 2 -q -m hypothesis

SECONDS ?= 120
fuzz: $(VENV)/.dev
	PYTHONPATH=. $(BIN)/python tests/run_fuzz.py --seconds $(SECONDS)

check-all: lint docs test wheel slow fuzz

clean:
	rm -rf $(VENV) build dist docs/_build docs/api *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@test -n '$(PYTHON)' || { echo 'No Python 3.11 or newer found: install one, or name it with PYTHON=...'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.made constraints.txt pyproject.toml $(SOURCES)
	@echo 'Installing; minutes the first time, seconds when only the sources have changed'
	$(INSTALL) '.[all]'
	@touch $@

$(VENV)/.dev: $(VENV)/.made constraints.txt pyproject.toml $(SOURCES)
	@echo 'Installing; minutes the first time, seconds when only the sources have changed'
	$(INSTALL) '.[all,dev]'
	@touch $(VENV)/.demo $@
