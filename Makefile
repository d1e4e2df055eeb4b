# Two commands do everything on a fresh machine:
#   make bench   set up, then measure how soft every model at hand is
#   make test    set up, then run the tests
# While working on the code, `make check` takes a minute. `make install` only sets up. The long form of each is in README.md.

PYTHON ?= python3
VENV ?= .venv
OUT ?= runs/bench
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install bench figures board notebooks check check-lowest test coverage attack pages docs test-gpu lint clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; call make with PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt -e '.[test]'
	@touch $(STAMP)

bench: install
	$(BIN)/umlip-bench run high-energy --out $(OUT)

# The figures of README.md: two models on all embedded suites, a minute.
FIGURES := scales high-energy-slope high-energy-parity-force-component phonons-NaCl migration-Al-vacancy-hop
figures: install
	$(BIN)/umlip-bench run --model chgnet-0.3.0 --model m3gnet-mp-2021.2.8 --out runs/all
	$(BIN)/umlip-bench report runs/all --figures docs/figures --only $(FIGURES) --format png --dpi 110

# The leaderboard that the documentation shows: ten models on all embedded suites, an hour; those of other packages
# in environments that are built first.
BOARD := chgnet-0.3.0 chgnet-0.2.0 m3gnet-mp-2021.2.8 m3gnet-matpes-pbe-2025.1 tensornet-matpes-pbe-2025.1 \
	sevennet:7net-0 sevennet:7net-mf-0-pbe nequix:nequix-mp-1 nequix:nequix-mp-1-pft nequix:nequix-omat-1
board: install
	$(BIN)/umlip-bench run $(foreach model,$(BOARD),--model $(model)) --yes --out runs/board
	$(BIN)/umlip-bench leaderboard runs/board --out docs/results/board

# Two processes of one thread each (tests/__init__.py); a file's tests stay in one process, so that
# what they share is made once.
WORKERS ?= 2
XDIST := -n $(WORKERS) --dist loadfile

# The fast loop: no trained model, no simulation, no browser, nothing that takes seconds by itself.
check: lint
	$(BIN)/python -m pytest -q $(XDIST) \
		-m 'not model and not coverage and not browser and not seconds and not gpu and not slow'

# A test that hangs fails with its traceback instead of taking the whole run with it.
test: install
	$(BIN)/python -m pytest $(XDIST) --timeout 600

# How often statistical intervals hold the truth, by simulation: two minutes of a core.
coverage: install
	$(BIN)/python -m pytest $(XDIST) --timeout 1200 -m coverage

# Attacks on purpose: kills, places, two at once, wrong argument lists, hostile files, mutants. It prints what it
# did. Whoever is free takes the next test, as those of one file take longest.
attack: install
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -rP -m 'attack or not attack' tests/attack tests/potentials/test_damaged_files.py

# Commands and snippets of README and documentation, as written, in order, each page in an empty folder. It prints
# what each took. Whoever is free takes the next page.
pages: install
	$(BIN)/python -m pytest -n $(WORKERS) --dist load --timeout 1800 -rA -m pages tests/pages

# The tests of `make check` and a smoke run with the lowest versions that pyproject.toml allows; of torch, whose
# oldest builds are for CUDA, with that of constraints.txt.
LOWEST ?= .venv-lowest
check-lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python -m pytest -q $(XDIST) \
		-m 'not model and not coverage and not browser and not seconds and not gpu and not slow'
	$(LOWEST)/bin/umlip-bench run high-energy eos --model ase:ase.calculators.emt:EMT --mode quick \
		--out $(LOWEST)/run
	$(LOWEST)/bin/umlip-bench report $(LOWEST)/run --out $(LOWEST)/run.html

$(LOWEST)/.installed: pyproject.toml constraints.txt tests/tools/lowest_versions.py
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet packaging
	$(LOWEST)/bin/python tests/tools/lowest_versions.py pyproject.toml torch > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet -c $(LOWEST)/lowest.txt -e '.[chgnet]' 'pytest>=8' 'pytest-xdist>=3.6'
	@touch $@

# The documentation as a site, in site/: open site/index.html. Its notebooks are executed.
docs: install
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The notebooks' outputs in the repository, which `make docs` leaves as they are.
notebooks: install
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/python docs/notebooks.py

test-gpu: install
	$(BIN)/python -m pytest -m gpu

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build site *.egg-info
