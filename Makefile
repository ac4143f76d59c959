# The study kit's commands. Everything runs in .venv, made from constraints.txt.
#   make study [STUDY=quick] [DATA=<folder>] [EXTERNAL_DATA=<folder>] [SEED=<n>]
#   make release [STUDY=quick] [FORMATS="png nifti dicom"] [LICENCE=<name>]
STUDY ?= quick
PYTHON ?= python3
BIN = .venv/bin
OVERRIDES = $(if $(SEED),--seed "$(SEED)") $(if $(DATA),--data "$(DATA)") \
            $(if $(EXTERNAL_DATA),--external-data "$(EXTERNAL_DATA)")

CONFIG = study="$(STUDY)" seed="$(SEED)" data="$(DATA)" external_data="$(EXTERNAL_DATA)"

.PHONY: study release test lab bench

study: .venv/ready
	@$(BIN)/python -m cmrkit.study "params/$(STUDY).yaml" $(OVERRIDES)
	@$(BIN)/python -m snakemake --config $(CONFIG)
	@echo "Report: $(CURDIR)/reports/$(STUDY)/index.html"

release: .venv/ready
	@$(BIN)/python -m snakemake release --config $(CONFIG) formats="$(FORMATS)" licence="$(LICENCE)"

# two processes of one thread are quicker than one of two; they begin in the order of tests/conftest.py
test: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lab: .venv/ready
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks/01_cohort.ipynb

bench: .venv/ready
	for script in tests/bench/bench_*.py; do $(BIN)/python $$script; done

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + "; name another: make PYTHON=python3.12")'
	@echo "Installing into .venv (a few minutes, about 2 GB) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -qq -c constraints.txt -e '.[dev]'
	@touch .venv/ready
