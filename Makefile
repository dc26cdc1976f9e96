# Nothing but Python 3.11 or newer and make is needed.
.DEFAULT_GOAL := help
.PHONY: help setup test test-parties lint fuzz agreement faults demo
.PHONY: docs dashboards browser pictures
.PHONY: bench bench-detection bench-alerts bench-keeping bench-catching-up bench-postmortem soak peers lock clean

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

help: ## Show these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "make %-15s %s\n", $$1, $$2 }'

setup: $(READY) ## Create .venv with every requirement, pinned by hash

$(READY): requirements/dev.txt pyproject.toml
	@set -e; \
	python=$$(sh requirements/find-python); \
	echo "Setting up $(VENV) with $$python (a minute the first time)"; \
	test -x $(BIN)/pip || "$$python" -m venv $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Each has its own Kafka and Postgres. Tests wait for processes of their own, so more workers than cores make some late.
WORKERS := 2

test: setup ## Run all tests, on a real Kafka and a real Postgres for each of WORKERS=2
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

test-parties: setup ## Test against Debian's Alertmanager and promtool too, installing them where they are missing (needs root and apt)
	command -v prometheus-alertmanager >/dev/null || apt-get install -y --no-install-recommends prometheus-alertmanager
	command -v promtool >/dev/null || apt-get install -y --no-install-recommends prometheus
	$(BIN)/pytest tests/notify/test_real_alertmanager.py tests/judge/test_promtool_agrees.py tests/deploy -rs

browser: ## Install Debian's Chromium, which the tests of pages use (needs root and apt)
	command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }

docs: setup ## Write the generated pages anew and build the site into site/
	$(BIN)/python docs/reference/build.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

dashboards: setup ## Write Grafana's dashboards anew
	$(BIN)/python deploy/grafana/build.py

lint: setup ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

MINUTES := 30
FAULTS = --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

faults: setup ## Kill, freeze, cut and scale under load, and account for every record (MINUTES=5 SEED=17)
	$(BIN)/python tests/faults/faults.py $(FAULTS)

fuzz: setup ## Give the decoders of records and of other formats, and the loader of alerts.yaml, a million damaged inputs each (INPUTS=1000 SEED=17)
	$(BIN)/python tests/fuzz/fuzz.py $(if $(INPUTS),--inputs $(INPUTS)) $(if $(SEED),--seed $(SEED))

agreement: setup ## Judge 200 random logs by random rules in parts, on a ledger and from its panes, and see that all agree (CASES=20 SEED=17)
	$(BIN)/python tests/agreement/agreement.py $(if $(CASES),--cases $(CASES)) $(if $(SEED),--seed $(SEED))

demo: setup ## Watch four drifts and an outage being found, in about 90 seconds
	$(BIN)/tocsin demo

bench: setup ## Measure throughput against bare poll, time to kill, and memory
	$(BIN)/python -m benchmarks.bench

bench-detection: setup ## Measure false alarms against the budget, delays, cost, and what others find
	$(BIN)/python -m benchmarks.detection

peers: setup ## Install the tools that bench-detection compares with, each on its own, outside the requirements
	$(BIN)/python -m benchmarks.detection.window_tools

PIN := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --quiet

bench-keeping: setup ## Let 45 days of panes go by, and see how large the ledger gets
	$(BIN)/python -m benchmarks.keeping

bench-postmortem: setup ## Ask a month of 100 streams what docs/postmortem.md asks (about ten minutes, 11 GB)
	$(BIN)/python -m benchmarks.postmortem

bench-catching-up: setup ## Take the judges away, then Postgres, for ten minutes of records: memory, and time to catch up
	$(BIN)/python -m benchmarks.catching_up

pictures: setup ## Make the pictures of docs/status-page.md anew (needs Chromium)
	$(BIN)/python tests/pages/pictures.py

soak: setup ## Run for an hour at 5,000 records/s with a rebalance each minute, and see what grows
	$(BIN)/python -m benchmarks.soak

bench-alerts: setup ## Measure alerts: receivers that misbehave, kills while others hang
	$(BIN)/python -m benchmarks.alerts

lock: ## Pin the requirements anew (needs uv)
	$(PIN) pyproject.toml --extra plot --extra registry -o requirements/run.txt
	$(PIN) pyproject.toml --all-extras --group dev -o requirements/dev.txt
	echo hatchling | $(PIN) --constraint requirements/dev.txt - -o requirements/build.txt

clean: ## Remove .venv and everything that was built
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
