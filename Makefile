# Every command a developer needs. Needs git, make, a C compiler and some Python 3.11 to 3.13;
# scripts/environment.sh makes the rest in .venv.

BIN := .venv/bin
# Compiling kernels is most of the tests, and one core's work: files go to all cores, four at most.
TOGETHER := --numprocesses auto --maxprocesses 4 --dist loadfile
export CUDA PYTHON

.DEFAULT_GOAL := help
.PHONY: help env demo monitor test test-slow lint format docs constraints clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile | awk -F': ' '{ printf "make %-12s %s\n", $$1, $$2 }'

env: ## make .venv with the pinned packages (PYTHON=/path/to/python, CUDA=1 for an NVIDIA GPU)
	@sh scripts/environment.sh

demo: env ## synthesise 64 handwritten digits on a local Ray and say where the report is
	@sh scripts/demo.sh

monitor: env ## a Ray head and a Prometheus on loopback, with the rules of dashboards/
	@sh scripts/monitor.sh

test: env ## the tests that finish in minutes on two cores
	$(BIN)/python -m pytest -m "not slow and not gpu" $(TOGETHER)

test-slow: env ## the tests that take longer
	$(BIN)/python -m pytest -m "slow and not gpu"

lint: env ## style, types and the layers of the design
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-logo

format: env ## rewrite the sources in the house format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: ## build the documentation into site/
	@sh scripts/environment.sh docs
	$(BIN)/mkdocs build --strict

# Not fid: PyTorch pins CUDA libraries of its own, and JAX would get older ones.
PINNED := cuda s3 gs optuna transport grafana dev docs
constraints: env ## choose the newest versions that fit together and pin them
	$(BIN)/uv pip compile pyproject.toml --upgrade --universal --python-version 3.11 $(PINNED:%=--extra %) \
		--no-annotate --no-header --no-emit-index-url --quiet --output-file constraints.txt

clean: ## remove .venv, caches and built documentation; runs/ stays
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
