# The two commands of the README, and what the developers type.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: demo test lint docs bench torture mutants install clean

demo: install
	$(RUN) cli.py demo

test: install
	$(RUN) -m pytest

lint: install
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

# The site of docs/ into site/, strictly: a broken link or an unlisted page is an error.
docs: install
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

# Against the peers; constraints.txt holds no versions of theirs.
bench: install
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[dev,bench]'
	$(RUN) -m benchmarks

# Kills, power cuts, flipped bits, hostile files: under 40 minutes. One part: make torture PART=crashes
torture: install
	$(RUN) -m torture $(PART)

# Each promise broken on purpose, and the test that has to fail: under 20 minutes. Some: WORDS=journal
mutants: install
	$(RUN) -m mutants $(WORDS)

install: $(VENV)/installed

# Made anew whenever the declared dependencies change.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[dev,openvino,export,mlflow,serve,cluster,s3]'
	touch $@

clean:
	rm -rf $(VENV) demo site build
