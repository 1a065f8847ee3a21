# Two commands do all the set-up: `make train` and `make test`. `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: help train test docs lab clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 10

train: .venv/installed  ## train a 4-layer Linear-InfViT on the mini data; ARGS="..." are passed to infsa_train
	@$(BIN)/infsa_train $(ARGS)

test: .venv/installed  ## run the tests of every notebook, of the tools and of the command
	@$(BIN)/python tools/run_tests.py $(ARGS)

docs: .venv/installed  ## build the site into _docs/, offline
	@$(BIN)/python tools/build_docs.py

lab: .venv/installed  ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab --notebook-dir nbs

clean:  ## remove everything that is built, .venv included; runs/ and the data stay
	rm -rf .venv _docs _proc _build build dist *.egg-info

.venv/installed: settings.ini setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "infsa needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one with: make PYTHON=python3.12 ...")'
	@echo "installing infsa and its tools into .venv (once; several GB with PyTorch, some minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip uninstall --quiet --yes infsa 2> /dev/null || true  # its name up to 0.2.0
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
