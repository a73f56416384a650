# Everything runs in .venv, made from shoal/requirements.lock by `make install`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
ACCELERATOR ?= $(shell command -v nvidia-smi >/dev/null 2>&1 && echo cuda || echo cpu)
VENV := .venv
RUN := $(VENV)/bin/python
export OMP_NUM_THREADS ?= 1
export RAY_DISABLE_IMPORT_WARNING = 1

.DEFAULT_GOAL := demo
.PHONY: install demo demo-check serve serve-config test test-fast check bench services clean

install: $(VENV)/.installed

$(VENV)/.installed: shoal/requirements.lock
	$(PYTHON) -m venv $(VENV)
	sed '/accelerator: $(if $(filter cuda,$(ACCELERATOR)),cpu,cuda)/d' shoal/requirements.lock > $(VENV)/lock.txt
	$(RUN) -m pip install --quiet --no-deps --disable-pip-version-check -r $(VENV)/lock.txt
	$(RUN) -m pip install --quiet --no-deps --no-build-isolation --disable-pip-version-check -e .
	@$(RUN) -c "import torch" || { echo "make: the torch that pip found does not load here. On Linux without a GPU it is the build for" \
		"GPUs, unless pip also looks where PyTorch keeps its CPU builds: set PIP_EXTRA_INDEX_URL to that index" \
		"(pytorch.org, Get Started, Compute Platform CPU) and run make clean install." >&2; exit 1; }
	touch $@

demo: install
	$(RUN) -m pipelines.demo $(DEMO_OPTIONS)

demo-check: install
	$(RUN) -m pipelines.demo --check $(DEMO_OPTIONS)

DEMO_OPTIONS = $(if $(DATA),--data $(DATA)) $(if $(FORMAT),--format $(FORMAT)) $(if $(MAP),--map $(MAP))

serve: install
	$(RUN) -m serve_apps.serve

serve-config: install
	$(RUN) -m serve_apps.serve_config k8s

test: install services
	$(RUN) -m pytest tests --ignore=tests/benchmarks -n 2 --dist loadscope --no-loadscope-reorder

test-fast: install
	$(RUN) -m pytest tests --ignore=tests/benchmarks -m "not slow" -n 2 --dist loadscope --no-loadscope-reorder

check: install
	$(RUN) -m ruff check . && $(RUN) -m ruff format --check . && $(RUN) -m mypy

bench: install services
	$(RUN) -m pytest tests/benchmarks -s
	API_CASES=2000 $(RUN) -m pytest tests/serve_apps/http/test_schemathesis.py

services:
	@command -v redis-server >/dev/null || (apt-get update -qq && apt-get install -y -qq redis-server) \
		|| echo "WARNING: redis-server is missing and could not be installed; its tests will be skipped" >&2

clean:
	rm -rf $(VENV) .shoal dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
