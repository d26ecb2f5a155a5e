# Everything a newcomer or CI needs.  Each target makes .venv in the checkout when it is missing or stale.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench guests docs clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.installed
	$(BIN)/gunyah-emu demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q -n 2 --dist worksteal $(TESTS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks $(BENCH)

guests: $(VENV)/.installed-dev
	$(BIN)/python tools/build_guests.py

docs: $(VENV)/.installed-dev
	$(BIN)/python tools/hypercall_pages.py
	$(BIN)/python tools/machine_file_page.py
	$(BIN)/python tools/trace_page.py
	$(BIN)/python tools/guide_pages.py
	$(BIN)/python tools/gdb_data.py
	$(BIN)/python tools/stepper_screens.py
	$(BIN)/python tests/cli/test_pages.py

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "gunyah_emu needs Python 3.11 or newer; name one with 'make PYTHON=python3.11'" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "this Python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 2; }

# Editable: the C accelerator is built in place; where that fails the package installs without it.  Compiled at once, for a
# start-up that takes no longer where PYTHONDONTWRITEBYTECODE is set.
$(VENV)/.installed: $(BIN)/python pyproject.toml setup.py $(wildcard gunyah_emu/cpu/accelerator/*)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@$(BIN)/python -m compileall -q gunyah_emu
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info gunyah_emu/cpu/*.so
