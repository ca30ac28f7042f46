# Two commands do all the set-up: `make chat` to talk, `make test` to check the code.
# Both share .venv; each has its own stamp, and the second time neither installs anything.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development
TRAINING := $(VENV)/.training
TORCH := torch==2.13.0

UV := $(shell command -v uv 2>/dev/null)
ifdef UV
INSTALL := $(UV) pip install --quiet --python $(PYTHON)
else
INSTALL := $(PYTHON) -m pip install --quiet --quiet --disable-pip-version-check --no-input
export PIP_ROOT_USER_ACTION := ignore
endif

# Arguments for the program, as in: make chat ARGS="--avatar counsel"
ARGS ?=
# Arguments for pytest, as in: make test TESTS="tests/storage -k search"
TESTS ?=

.PHONY: help
help:  ## show this text
	@echo "make chat    talk to the avatar in this terminal (sets up what it needs the first time)"
	@echo "make test    run everything that guards the code: format, lint, types, floors, tests"
	@echo "make check   the same without the tests"
	@echo "make test-train   train tiny models with torch and TRL, which it installs the first time"
	@echo "make bench   run the benchmarks and print their tables"
	@echo "make format  format the code and mend what the linter can mend"
	@echo "make lock    pin the newest versions that pyproject.toml allows"
	@echo "make clean   remove the environment and every cache"

.PHONY: chat
chat: $(RUNTIME)
	@exec $(BIN)/understudy chat $(ARGS)

.PHONY: test
test: check
	@echo "Tests: pytest"
	@$(BIN)/pytest -n auto $(TESTS)

.PHONY: test-train
test-train: $(TRAINING)
	@echo "Training: pytest"
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m train tests/train $(TESTS)

.PHONY: check
check: $(DEVELOPMENT)
	@echo "Format: ruff format"
	@$(BIN)/ruff format --check .
	@echo "Lint: ruff check"
	@$(BIN)/ruff check .
	@echo "Types: pyright"
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(PYTHON) --warnings
	@echo "Floors: import-linter"
	@$(BIN)/lint-imports --no-cache --no-logo

.PHONY: bench
bench: $(DEVELOPMENT)
	@for script in benchmarks/[a-z]*.py; do \
		echo; echo "== $$script"; $(PYTHON) -m "$$(echo "$${script%.py}" | tr / .)" $(ARGS) || exit 1; \
	done

.PHONY: format
format: $(DEVELOPMENT)
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

.PHONY: clean
clean:
	@rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ----------------------------------------------------------------------------------------------------------------------
# The environment

$(PYTHON):
	@for python in python3.11 python3 python3.12 python3.13 python3.14 python; do \
		if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Creating $(VENV) with $$($$python --version)."; \
			if [ -n "$(UV)" ]; then exec $(UV) venv --quiet --seed --allow-existing --python "$$(command -v $$python)" $(VENV); fi; \
			exec $$python -m venv $(VENV); \
		fi; \
	done; \
	if [ -n "$(UV)" ]; then \
		echo "Creating $(VENV) with a Python that uv provides."; \
		exec $(UV) venv --quiet --seed --allow-existing --python '>=3.11' $(VENV); \
	fi; \
	echo "Understudy needs Python 3.11 or newer with its venv module, and found none on this machine." >&2; exit 1

$(RUNTIME): requirements/runtime.txt requirements/build.txt pyproject.toml | $(PYTHON)
	@echo "Installing what Understudy runs on (a minute the first time)."
	@$(INSTALL) -r requirements/runtime.txt -r requirements/build.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "Ready."

# The development lock holds the runtime lock: one installation serves both stamps.
$(DEVELOPMENT): requirements/development.txt requirements/build.txt pyproject.toml | $(PYTHON)
	@echo "Installing what Understudy is developed with (a minute or two the first time)."
	@$(INSTALL) -r requirements/development.txt -r requirements/build.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@ $(RUNTIME)
	@echo "Ready."

# By pip, whatever else is there: it takes a build of torch for the CPU where one is at hand, which is a tenth of the others.
# The lock leaves torch out, and with it what torch needs on each kind of GPU.
$(TRAINING): requirements/train.txt | $(DEVELOPMENT)
	@echo "Installing what models are trained with here (some minutes the first time)."
	@PIP_ROOT_USER_ACTION=ignore $(PYTHON) -m pip install --quiet --quiet --disable-pip-version-check --no-input \
		$(TORCH) -r requirements/train.txt -r requirements/development.txt
	@touch $@
	@echo "Ready."

COMPILE = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

.PHONY: lock
lock: $(DEVELOPMENT)
	@$(COMPILE) pyproject.toml --output-file requirements/runtime.txt
	@$(COMPILE) pyproject.toml --group dev --constraint requirements/runtime.txt --output-file requirements/development.txt
	@echo hatchling | $(COMPILE) - --constraint requirements/development.txt --output-file requirements/build.txt
	@$(COMPILE) pyproject.toml --extra train --constraint requirements/development.txt --output-file requirements/train.txt
	@grep -vE '^(torch|triton|nvidia-[^=]*|cuda-[^=]*)==' requirements/train.txt | grep -vxFf requirements/development.txt \
		> requirements/train.new && mv requirements/train.new requirements/train.txt
	@git --no-pager diff --stat -- requirements || true
