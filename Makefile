SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The first interpreter of a supported version that really starts.
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && { echo "$$p"; break; }; done)
BIN := .venv/bin
UV := .venv/bin/uv
READY := .venv/.ready
UV_COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header

.PHONY: help
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## make .venv with the project and everything it needs

$(UV): requirements/bootstrap.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed: install one, or name it with make PYTHON=..." >&2; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(READY): $(UV) requirements/dev.txt pyproject.toml emulator/pyproject.toml
	@echo "Installing the locked packages (TensorFlow, kfp, azure-ai-ml ...) into .venv ..."
	@$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable . --editable emulator
	@touch $@

.PHONY: run
# Chosen on the validation split of the training set, as components/kfp_azureml/train/README.md shows.
EPOCHS ?= 5
run: $(READY) ## the whole pipeline on this machine: real data to a live endpoint (EPOCHS=5, ARGS="--keep")
	@$(BIN)/kfp-azureml run --param epochs=$(EPOCHS) $(ARGS)

.PHONY: test
test: $(READY) ## unit, golden and end-to-end tests
	$(BIN)/pytest $(ARGS)

.PHONY: test-docker
test-docker: images ## the images and runs in them; needs a Docker engine (DOCKER_HOST)
	$(BIN)/pytest tests/docker $(ARGS)

.PHONY: lint
lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy pipelines/*.py

REGISTRY ?=
TAG ?=
OUTPUT ?= pipelines/image_classification.yaml
# Variables of compile-pipeline that hold one value, and those that hold several: each is the flag of its name.
COMPILE_ONE := REGISTRY TAG ML_DIGEST AZURE_DIGEST ML_GPU_DIGEST PULL_SECRET GPU GPU_TYPE RETRIES TTL
COMPILE_MANY := GPU_NODE_SELECTOR GPU_TOLERATION TIMEOUT
flag = --$(shell echo $(1) | tr A-Z_ a-z-)
.PHONY: compile-pipeline
compile-pipeline: $(READY) ## compile and validate the pipeline (REGISTRY=.. TAG=.. GPU=1 ..; README, "To AKS", has all)
	@$(BIN)/kfp-azureml compile image_classification --output "$(OUTPUT)" \
		$(foreach v,$(COMPILE_ONE),$(if $($v),$(call flag,$v) "$($v)")) \
		$(foreach v,$(COMPILE_MANY),$(foreach value,$($v),$(call flag,$v) "$(value)")) \
		$(if $(filter-out 0,$(WORKLOAD_IDENTITY)),--workload-identity)

.PHONY: generate
generate: $(READY) ## write every generated file again: component.yaml, pipeline, README tables
	@$(BIN)/python -m kfp_azureml.compiling.generate

.PHONY: lock
lock: $(UV) ## resolve the dependencies again and write the hash-locked requirement sets
	$(UV_COMPILE) requirements/bootstrap.in -o requirements/bootstrap.txt
	$(UV_COMPILE) --all-extras --no-emit-package azureml-emulator --no-emit-package kfp-azureml \
		pyproject.toml emulator/pyproject.toml requirements/dev.in -o requirements/dev.txt

.PHONY: clean
clean: ## remove the environment, caches and runs
	rm -rf .venv .cache runs dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
