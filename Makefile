# What a first visitor and a developer type; `make help` lists it.
# Each target sets up what it needs in .venv the first time, and costs nothing after that.

RUN = .venv/bin/python -m jackfield up

# The Python that .venv is made with: by default the first of python3.13, python3.12, python3.11
# and python3 that is 3.11 or later.
PYTHON ?=
# Anything here has make test measure as well which lines of the source it reaches.
COVERAGE ?=
# More options for pytest: make unit ARGS="-k lines -x"
ARGS ?=

BIN = .venv/bin
CODE = src tests scripts $(wildcard docs/*.py) $(wildcard examples benchmarks)
PYTEST = -m pytest --sample -n auto --dist loadgroup $(ARGS)
SPHINX = $(BIN)/python -m sphinx --fresh-env --fail-on-warning --keep-going --quiet

export PYTHON
# What is started again and again, as in tests, is not to be compiled each time.
export PYTHONDONTWRITEBYTECODE =
.DEFAULT_GOAL = help
.NOTPARALLEL: # two set-ups at once would be in each other's way
.PHONY: help run test check unit compat proof bench docs coverage gates clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1@\2/p' Makefile | awk -F@ '{printf "%-16s%s\n", $$1, $$2}'

run: .venv/.run ## start the board on this machine, and say how to come in
	@$(RUN)

test: check docs ## check, docs, and every test; of long ones a sample
	@rm -f .coverage .coverage.*
	@$(BIN)/python $(if $(COVERAGE),-m coverage run) $(PYTEST)

check: .venv/.test ## lint, formatting, types, news fragment
	@$(BIN)/python -m ruff check --quiet
	@$(BIN)/python -m ruff format --quiet --check
	@$(BIN)/python -m mypy --no-error-summary $(CODE)
	@$(BIN)/python scripts/check_fragment.py

unit: .venv/.test ## the unit and property tests alone
	@$(BIN)/python $(PYTEST) $(wildcard tests/unit tests/property)

compat: .venv/.test ## tests of units, models and commands under the other Pythons of this machine
	@scripts/compat.sh

proof: .venv/.test ## the long proofs, every test whole among them; results go to docs/proof/
	@$(BIN)/python scripts/proof.py

bench: .venv/.bench ## measure beside others; tables and pictures go to docs/
	@$(BIN)/python -m benchmarks $(ARGS)

docs: .venv/.docs ## the site, into docs/_build/html; a warning is an error
	@news=$$($(BIN)/python -m towncrier build --draft --version next 2>&1) || \
		{ echo "$$news"; exit 1; }
	@$(SPHINX) -b html docs docs/_build/html

coverage: ## the same as test, and what of the source it leaves unmeasured; has gates
	@$(MAKE) --no-print-directory test COVERAGE=1
	@$(MAKE) --no-print-directory gates

gates: ## see to it that the last run with COVERAGE=1 has measured enough
	@scripts/coverage_gates.sh
	@$(BIN)/python -m coverage report

clean: ## remove all that make has made, .venv included
	rm -rf .venv .venv-3.* docs/_build dist build .coverage .coverage.* \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests scripts docs -name __pycache__ -prune -exec rm -rf {} +

# A stamp is older than pyproject.toml when dependencies may have changed.
.venv/.run: pyproject.toml scripts/venv.sh
	@scripts/venv.sh board
	@touch $@

.venv/.test: pyproject.toml scripts/venv.sh
	@scripts/venv.sh test
	@touch $@ .venv/.run

.venv/.docs: pyproject.toml scripts/venv.sh
	@scripts/venv.sh docs,tls,web
	@touch $@ .venv/.run

.venv/.bench: pyproject.toml scripts/venv.sh
	@scripts/venv.sh bench,board
	@touch $@ .venv/.run
