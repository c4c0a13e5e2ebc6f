# Only python3 (3.11 or newer), pip and make are needed: uv is fetched into .tools when it is not on the PATH.
.DEFAULT_GOAL := help
SHELL := /bin/sh
export UV_PYTHON_DOWNLOADS := never

UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --frozen

.PHONY: help setup demo test check bench docs pins clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.tools/bin/uv:
	python3 -m pip install --quiet --disable-pip-version-check --target .tools uv

# A bundle's test installs its requirements offline: what `uv sync` leaves in the cache is not enough for that.
setup: $(filter .tools/%,$(UV)) ## Install everything into .venv and warm the caches that demo and tests use
	$(UV) sync --frozen --quiet
	$(RUN) python -m retrigger.cli prepare --quiet
	$(RUN) uv venv --quiet --clear build/functions
	$(RUN) uv pip install --quiet --python build/functions -r deploy/pins/gcp.txt -r deploy/pins/azure.txt
	@if command -v npm >/dev/null; then npm install --prefix build/azurite --ignore-scripts --no-audit --no-fund --silent \
	  azurite@3.35.0 || echo "npm has no Azurite here: the tests on it are skipped"; fi

demo: setup ## Run the main job, start to finish, on this machine
	$(RUN) retrigger demo

test: setup ## Run all tests (no network but loopback)
	$(RUN) pytest -n 3 --dist loadgroup

check: $(filter .tools/%,$(UV)) ## Format, lint, types, import direction
	$(UV) sync --frozen --quiet
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) lint-imports --no-cache

bench: setup ## Print the benchmark tables
	$(RUN) python -m tests.benchmarks all

docs: $(filter .tools/%,$(UV)) ## Make the reference tables anew, after a change of what a file can say
	$(RUN) python -m retrigger.triggers.authoring.reference docs/triggers.md docs/project.md

pins: $(filter .tools/%,$(UV)) ## Pin in bundles what uv.lock has, after a change of it
	@for cloud in gcp azure; do $(RUN) uv export --quiet --frozen --offline --no-dev --no-emit-project --no-header \
	  --no-annotate --extra $$cloud --output-file deploy/pins/$$cloud.txt || exit; done

clean: ## Remove what the targets made
	rm -rf .venv .tools build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
