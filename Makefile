# `make demo` and `make test` are all that a fresh clone needs; `make help` lists the rest.
#
# Both install into .venv first. The install is stamped with a checksum of what decides it, so it runs again only when
# pyproject.toml, constraints.txt or the place of the checkout has changed, and an interrupted one is resumed.

VENV := .venv
PYTHON := $(VENV)/bin/python
EXTRAS := smpl,text,data,export,video,dev
# bytecode is kept: every process that a test starts would compile m3n again
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder
STAMP := $(VENV)/installed-$(firstword $(shell { echo "$(CURDIR)"; cat pyproject.toml constraints.txt; } | cksum))

.DEFAULT_GOAL := help
.PHONY: help demo test slow lint clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' Makefile
	@echo '  ARGS="..." is passed on to demo, test and slow, as in: make test ARGS="tests/unit -k splits"'

demo: $(STAMP) ## Poses -> virtual IMUs -> pretraining -> a classifier of a real watch, into runs/demo
	@$(VENV)/bin/m3n demo $(ARGS)

test: $(STAMP) ## The test suite, on two cores
	@$(PYTEST) $(ARGS)

slow: $(STAMP) ## Tests that take minutes more: jobs on a cluster, commands that are killed and resumed
	@$(PYTEST) -m slow $(ARGS)

lint: $(STAMP) ## ruff (findings and format) and mypy
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

clean: ## Remove .venv, caches and build folders; data/, runs/ and mlflow.db stay
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find m3n tests jobs tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP):
	@set -e; \
	suits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))'; \
	if ! $(PYTHON) -c "$$suits" 2>/dev/null; then \
	    for python in python3.11 python3.12 python3 none; do \
	        if $$python -c "$$suits" 2>/dev/null; then break; fi; \
	    done; \
	    if [ $$python = none ]; then \
	        echo "m3n needs Python 3.11 or 3.12: none of python3.11, python3.12, python3 is one" >&2; exit 1; \
	    fi; \
	    echo "Making $(VENV) with $$($$python --version)"; \
	    $$python -m venv --clear $(VENV); \
	fi; \
	echo "Installing m3n and what it needs into $(VENV): about 2 minutes and 2 GB, this once ..."; \
	start=$$(date +%s); \
	$(PYTHON) -m pip install -qq --disable-pip-version-check --no-input -c constraints.txt -e ".[$(EXTRAS)]"; \
	rm -f $(VENV)/installed-*; \
	touch $@; \
	echo "Installed in $$(($$(date +%s) - start)) s"
