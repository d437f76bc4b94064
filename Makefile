# make run    set up, train on the planar world, plan and show the result
# make test   set up and run the tests
# make check  lint, types, and the tests against the built wheel, away from the repository
# make slow   the statistical tests, and a draw of each campaign
# make docs   the documentation site, in build/docs/site
# make dist   build what is published, source and wheel, and check both, with tools in an environment of their own
# make stopwatch   how long the README's way takes, from an empty folder to a controller and an environment of one's own
# make campaign   damage folders of every kind, kill commands at random instants, and measure memory on large datasets;
#                 goes on where it was stopped
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test check lint types layout docs wheel dist slow campaign stopwatch clean

run: $(READY)
	$(BIN)/e2c quickstart

test: $(READY)
	$(BIN)/pytest -n 2

slow: $(READY)
	$(BIN)/pytest -m slow

campaign: $(READY)
	$(BIN)/python -m experiments.campaigns.damage
	$(BIN)/python -m experiments.campaigns.kills
	$(BIN)/python -m experiments.campaigns.memory

stopwatch: $(READY)
	$(BIN)/python -m experiments.control.stopwatch

check: lint types wheel

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# What reads sources cannot follow the folder mapping of pyproject.toml, nor links to folders: it reads a copy that has the
# layout of the installed package.
layout:
	rm -rf build/types && mkdir -p build/types
	cp -r e2c_control build/types/ && cp -r envs planners agents build/types/e2c_control/

types: $(READY) layout
	$(BIN)/pyright

docs: $(VENV)/.docs layout
	$(BIN)/python e2c_control/docs/gather.py build/docs
	$(BIN)/zensical build --strict -f build/docs/mkdocs.yml
	@echo "Open build/docs/site/index.html"

$(VENV)/.docs: $(READY)
	$(BIN)/pip install -q -c constraints.txt --no-build-isolation -e ".[docs]"
	touch $@

# The wheel must work without the checkout: it is installed beside the pinned dependencies, and the tests run on it from
# a copy elsewhere. WHEEL_TESTS=tests/cli tests a part.
WHEEL_TESTS ?= tests

wheel: $(READY)
	rm -rf build/wheel build/lib build/bdist.* && mkdir -p build/wheel
	$(BIN)/pip wheel -q --no-deps --no-build-isolation -w build/wheel .
	$(BIN)/pip install -q --no-deps --target build/wheel/site build/wheel/*.whl
	cp -r tests build/wheel/tests
	cd build/wheel && PYTHONPATH=$(CURDIR)/build/wheel/site $(CURDIR)/$(BIN)/python -P -m pytest \
		-c $(CURDIR)/pyproject.toml --rootdir . -p no:cacheprovider -q -n 2 $(WHEEL_TESTS)

dist:
	rm -rf build/publish dist
	$(PYTHON) -m venv build/publish
	build/publish/bin/pip install -q build twine
	build/publish/bin/python -m build --outdir dist .
	build/publish/bin/twine check --strict dist/*

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt "setuptools>=77" wheel
	$(BIN)/pip install -q -c constraints.txt --no-build-isolation -e ".[dev]"
	touch $@

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache
