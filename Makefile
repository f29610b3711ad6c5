# Everything a newcomer types. Each target does its own set-up: it needs make and Python 3.11 or newer, with venv.
#
#   requirements-uv.lock ─▶ .tools/  (uv, by pip with hashes)
#   requirements.lock ────▶ .venv/   (everything else, by uv with hashes; then facetwise itself, editable)
#
# A stamp marks each as done, so a second call does nothing, and a changed lock or pyproject.toml installs again.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Nothing may come from another environment, or from a Python that uv would download.
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# A network with its own certificate authority has it among the system's.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS := true
endif
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME CONDA_PREFIX UV_PROJECT_ENVIRONMENT
# Without byte code on disk each start compiles torch anew, which takes longer than most tests.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?=
JOBS ?= logical
ARGS ?=
BENCH ?= $(sort $(shell grep -l '^def main' benchmarks/*.py))

UV := .tools/bin/uv
BIN := .venv/bin
UV_STAMP := .tools/.installed
STAMP := .venv/.installed

.PHONY: help demo test test-everywhere check bench coverage docs lock install clean FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' Makefile

demo: $(STAMP) ## draw a made contest and run the whole job on it, in demo/ (about 3 minutes on two cores)
	@$(BIN)/facetwise demo $(ARGS)

test: $(STAMP) ## run the tests; ARGS="-k folds" picks some, JOBS=0 runs them in one process
	@$(BIN)/python -m pytest --numprocesses $(JOBS) --maxprocesses 4 --dist worksteal $(ARGS)

test-everywhere: $(STAMP) ## run the tests under other processors, users, paths, locales ...; ARGS="umask-077 seoul" picks some
	@$(BIN)/python tests/everywhere.py $(ARGS)

check: $(STAMP) ## what CI runs: ruff, mypy, import-linter, then the same tests as `make test`
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

bench: $(STAMP) ## run the benchmarks; BENCH=benchmarks/startup.py runs one
	@for script in $(BENCH); do echo "== $$script"; $(BIN)/python "$$script"; done

coverage: $(STAMP) ## run the tests in one process and list the lines they miss
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage report --show-missing

docs: $(STAMP) ## write docs/reference/{cli,recipe,project-file}.md again, from the code
	@$(BIN)/python docs/write_reference.py

lock: $(UV_STAMP) ## choose versions anew (pyproject.toml has the cut-off date) and write requirements.lock
	$(UV) lock
	$(UV) export --frozen --extra faces --extra labels --extra search --extra train --group dev --no-emit-project --no-annotate --no-header -o requirements.lock >/dev/null

install: $(STAMP) ## only do the set-up that the other targets do by themselves

clean: ## delete what the targets above have made: environments, caches, demo/
	rm -rf .venv .tools demo build dist .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Scripts of an environment name its place: one that was moved, or whose Python went away, is made again.
SOUND := $(shell grep -qsF "'$(CURDIR)/.venv'" .venv/bin/activate && $(BIN)/python -c '' 2>/dev/null && echo yes)
ifneq ($(SOUND),yes)
$(STAMP): FORCE
endif

$(STAMP): $(UV_STAMP) requirements.lock pyproject.toml
	@echo "installing into .venv (again only when requirements.lock or pyproject.toml changes)"
	$(if $(SOUND),,$(UV) venv --quiet --clear --no-project --python "$$(cat $(UV_STAMP))" .venv)
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(UV_STAMP): requirements-uv.lock
	@rm -rf .tools
	@python=$$(.ci/find-python $(PYTHON)); \
	 echo "installing uv into .tools with $$python"; \
	 "$$python" -m venv .tools; \
	 .tools/bin/python -m pip install --quiet --require-hashes --no-deps --only-binary :all: -r requirements-uv.lock; \
	 printf '%s\n' "$$python" >$@
