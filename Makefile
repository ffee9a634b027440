# `make demo` runs the default study, `make test` all checks and tests, `make docs` builds the site.
PYTHON ?= python3
CORES ?= $(shell $(PYTHON) -c "import os; print(len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count())")
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)

.PHONY: demo test check docs resolve environment clean

demo: environment
	@$(SNAKEMAKE)
	@test results/demo/report.html -nt results/demo/report/leaderboard.txt \
	  || $(SNAKEMAKE) --report results/demo/report.html
	@cat results/demo/report/leaderboard.txt
	@echo
	@echo "Explorer: results/demo/report/explorer/index.html   (open this first)"
	@echo "Tables:  results/demo/tables/*.parquet   (described in results/README.md)"
	@echo "Figures: results/demo/report/figures/, pages: results/demo/report/*.html"
	@echo "Report:  results/demo/report.html"

test: environment check docs
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(CORES) --dist loadfile --no-loadscope-reorder

check: environment
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile rules
	@$(BIN)/mypy
	@$(BIN)/snakemake --lint

# Without pins, on the newest Python that can be had.
resolve: environment
	@.ci/resolve

docs: environment
	@$(BIN)/python -m sphinx -b html -c docs -d site/.doctrees -E --fail-on-warning --keep-going -q . site
	@echo "Documentation: site/index.html"

environment: .venv/installed

.venv/installed: pyproject.toml envs/pins.txt
	@echo "Installing into .venv (some minutes, 5 GB) ..."
	@$(PYTHON) -c "import sys; sys.exit('Python 3.11 or newer is needed: make PYTHON=python3.12 ...' if sys.version_info < (3, 11) else 0)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode -c envs/pins.txt -e '.[dev,docs]'
	@touch $@

clean:
	rm -rf results/demo .snakemake site docs/api
