# Everything runs in .venv, which each target makes when it is missing. DEMO_DIR and JOBS may be set.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_DIR ?= demo-day
FUZZ_SECONDS ?= 1800
FUZZ_JOBS ?= 1
STAMP := $(VENV)/.medsnap-installed
DEV_STAMP := $(VENV)/.medsnap-dev
MODELS := $(CURDIR)/.tools/models
NODE_STAMP := .tools/npm/.installed

.PHONY: help demo test check bench deep vocabulary models wheelhouse clean

help:
	@echo "make demo    install, then run the main job on a made-up clinic day (DEMO_DIR=$(DEMO_DIR))"
	@echo "make test    install, then run all tests"
	@echo "make check   ruff, mypy, import contracts"
	@echo "make bench   figures, each beside a peer in the same run"
	@echo "make deep    fuzzing and random kills: long, by hand"
	@echo "make vocabulary  write medsnap/policy/data from DICOM's context groups"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "medsnap needs Python 3.11 or newer; $(PYTHON) is older (set PYTHON=python3.12, say)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python cannot make virtual environments here."; \
	       echo "On Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "making .venv failed; on Debian: sudo apt-get install python3-venv"; exit 1; }

$(STAMP): pyproject.toml | $(VENV)/bin/python
	@echo "installing medsnap into .venv (a few minutes the first time) …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e '.[all]'
	@touch $@

$(DEV_STAMP): $(STAMP)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --group dev
	@touch $@

# a second age implementation, for tests only; without npm its tests are skipped, loudly
$(NODE_STAMP): tests/interop/npm/package-lock.json
	@mkdir -p $(dir $@)
	@if command -v npm >/dev/null; then \
	  cp tests/interop/npm/*.json $(dir $@) && (cd $(dir $@) && npm ci --silent --ignore-scripts --no-audit --no-fund) && touch $@; \
	else echo "npm is not here: tests against npm's age-encryption will be skipped"; fi

models: $(STAMP)
	@MEDSNAP_MODELS=$(MODELS) $(BIN)/medsnap models install --quiet >/dev/null

demo: $(STAMP) models
	@MEDSNAP_MODELS=$(MODELS) $(BIN)/medsnap demo $(DEMO_DIR)

test: $(DEV_STAMP) $(NODE_STAMP) models
	@MEDSNAP_MODELS=$(MODELS) $(BIN)/python -m pytest -n $${JOBS:-auto} --dist worksteal -m 'not slow' $(PYTEST_ARGS)

check: $(DEV_STAMP)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: $(DEV_STAMP) models
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; MEDSNAP_MODELS=$(MODELS) PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python $$script || exit 1; done

deep: $(DEV_STAMP) models
	@MEDSNAP_MODELS=$(MODELS) $(BIN)/python -m pytest -m slow $(PYTEST_ARGS)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --group deep
	@nice $(BIN)/python -m tests.fuzz deep --seconds $(FUZZ_SECONDS) --jobs $(FUZZ_JOBS)

vocabulary: $(DEV_STAMP)
	@$(BIN)/python -m vocabulary

wheelhouse: $(STAMP)
	@$(BIN)/python -m pip wheel --quiet -w wheelhouse '.[all]'
	@echo "wheelhouse/ is complete: on the machine without a network run"
	@echo "  pip install --no-index --find-links wheelhouse 'medsnap[all]'"

clean:
	rm -rf $(VENV) build dist wheelhouse
