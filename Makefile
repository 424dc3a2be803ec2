# Every target sets itself up in .venv, and is fast the second time.
#   make tour | test     the two commands of the README
#   make lint | deep | bench | docs | dev | dist | clean
PYTHON ?= python3
VENV   ?= .venv
WORKERS ?= 0
BIN    := $(VENV)/bin
RUN    := PATH="$(CURDIR)/$(BIN):$$PATH"
SOURCES := pyproject.toml meson.build LICENSE $(shell find src examples -type f -not -name '*.pyc')

.PHONY: tour test lint deep bench docs dev dist clean

tour: $(VENV)/installed
	$(BIN)/ipc tour $(PATHS)

# WORKERS=auto: a process a processor, each with System V objects and a /dev/shm of its own (tests/conftest.py).
test: $(VENV)/installed
	$(RUN) $(BIN)/python -m pytest -m "not deep" -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/installed $(VENV)/group-lint
	$(BIN)/ruff check src tests bench examples tools
	$(BIN)/ruff format --check src tests bench examples tools
	$(BIN)/mypy
	$(RUN) $(BIN)/cython-lint src/unixipc/_wait.pyx src/unixipc/_native/*.pyx src/unixipc/_native/*.pxd
	cd src && ../$(BIN)/lint-imports --config ../pyproject.toml --no-cache

deep: $(VENV)/installed dist
	$(RUN) $(BIN)/python -m pytest $(ARGS)
	sh tools/each-python dist/*.whl dist/*.tar.gz

bench: $(VENV)/installed $(VENV)/group-bench
	$(BIN)/python -m bench $(ARGS)

docs: $(VENV)/installed $(VENV)/group-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# An editable install: Python files take effect at once, native ones are rebuilt at import.
dev: $(VENV)/group-test $(VENV)/group-lint
	$(RUN) $(BIN)/pip install -q --no-build-isolation --no-deps --editable . -Cbuild-dir=build/editable
	@touch $(VENV)/editable $(VENV)/installed

dist: $(VENV)/group-test
	rm -rf dist
	$(BIN)/pip install -q build
	$(BIN)/python -m build -o dist .

$(VENV)/installed: $(VENV)/group-test $(SOURCES)
	@test -e $(VENV)/editable || $(RUN) $(BIN)/pip install -q --no-build-isolation --no-deps -Cbuild-dir=build/release .
	@touch $@

$(VENV)/group-%: $(VENV)/python
	$(BIN)/pip install -q --group $*
	@touch $@

$(VENV)/python: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "unixipc needs Python 3.11 or later; try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "cannot make $(VENV). On Debian: apt install python3-venv python3-dev gcc"; exit 1; }
	$(BIN)/pip install -q --upgrade "pip>=25.1"
	$(BIN)/pip install -q "meson-python>=0.17" "Cython>=3.1" meson ninja
	@touch $@

clean:
	rm -rf $(VENV) build dist site
