# Everything a person or a pipeline does here. `make` lists it.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help up status job env down preview drift request join comment deploy adopt destroy doctor test matrix lint types unit integration real metrics queues reach examples conformance upgrade-matrix bench docs lock clean

STACK ?= dev
NODES ?= auto
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# In the order given, and tests that share a cluster on one worker (tests/conftest.py).
# What is written in Go collects its garbage less often: the tests lack processors and
# no memory.
PYTEST_SIDE_BY_SIDE := GOGC=300 $(RUN) -m pytest --dist loadscope --no-loadscope-reorder

# One lock for every Python from 3.11 on and for every machine. Renovate
# (.github/renovate.json) reads this command in the lock's first lines.
UV := uv==0.13.9
LOCK = "$(CURDIR)/$(VENV)-lock/bin/uv" pip compile --universal --python-version=3.11 --generate-hashes

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { gsub(/[$$][$$]/, "$$"); printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A stack that `make up` has brought up here is meant before one of the same name
# elsewhere; LOCAL=no means that one.
ON_STACK := PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(if $(filter no,$(LOCAL)),,$(RUN) -m local within --stacks "$(STACK)" --)

up: $(VENV)/ready ## Ray on this machine: tools, control plane, then `pulumi up` of the dev stack (STACK=… NODES=real|simulated)
	@$(RUN) -m local up --stack $(STACK) --nodes $(NODES)

status: $(VENV)/ready ## What `kubectl get rayclusters` and `kubectl get pods` say of it
	@$(RUN) -m local status

job: $(VENV)/ready ## A Ray job on it: a task on each node (ARGS="-- python -c …" for another)
	@$(RUN) -m local job --stack $(STACK) $(ARGS)

env: $(VENV)/ready ## What makes `pulumi`, `kubectl` and `helm` in your shell those of that cluster: eval "$$(make -s env)"
	@$(RUN) -m local env

down: $(VENV)/ready ## Destroy it and stop everything
	@$(RUN) -m local down

preview: $(VENV)/ready ## What `pulumi up` would do, for a reviewer: STACK="dev prod", ARGS="--output report" (ARGS=--help says more)
	@$(ON_STACK) $(RUN) -m commands.preview $(STACK) $(ARGS)

drift: $(VENV)/ready ## What in the cluster is no longer as a stack made it, Helm's objects included: STACK=…
	@$(ON_STACK) $(RUN) -m commands.preview --drift $(STACK) $(ARGS)

# What a request's author or a form has written reaches a shell as the environment only:
# make would expand it.
request: $(VENV)/ready ## Lay a pull request's stack files over this clone, as data, and none of its code: COMMIT=… (ARGS=--help says more)
	@$(RUN) -m commands.preview.pull_request --commit "$$COMMIT" $(ARGS)

join: $(VENV)/ready ## One report of those in reports/preview-<stack>: STACK="dev prod"
	@$(RUN) -m commands.preview.join $(STACK) $(ARGS)

comment: $(VENV)/ready ## Put report/comment.md on a pull request: REPOSITORY=owner/name PULL_REQUEST=12, GITHUB_TOKEN in the environment
	@$(RUN) -m commands.preview.comment report/comment.md --repository "$$REPOSITORY" --pull-request "$$PULL_REQUEST" $(ARGS)

deploy: $(VENV)/ready ## `pulumi up` of a stack: STACK=… (ARGS=--yes does not ask)
	@$(ON_STACK) sh -c 'cd "$${KUBERAY_WORKSPACE:-.}" && exec pulumi up --stack $(STACK) $(ARGS)'

adopt: $(VENV)/ready ## Write the stack file that brings Helm releases along which were made by hand: STACK=… (ARGS=--help says more)
	@$(ON_STACK) $(RUN) -m commands.adopt --stack $(STACK) $(ARGS)

destroy: $(VENV)/ready ## Take a stack away, whatever condition it is in: STACK=…
	@$(ON_STACK) $(RUN) -m commands.destroy --stack $(STACK) $(ARGS)

doctor: $(VENV)/ready ## What is wrong with a stack, and what to do: STACK=…
	@$(ON_STACK) $(RUN) -m commands.doctor --stack $(STACK) $(ARGS)

# Real pods mostly wait: beside the simulated ones they cost little time.
test: lint types unit ## All checks and tests
	@$(PYTEST_SIDE_BY_SIDE) -m "not matrix" -n 4 tests/real tests/integration tests/conformance tests/local

matrix: $(VENV)/ready ## What `make test` leaves out: more of the same kind, on both operators (over an hour)
	@$(PYTEST_SIDE_BY_SIDE) -m matrix -n 4 tests/real tests/integration

lint: $(VENV)/ready ## Ruff and the import contracts
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/lint-imports --no-cache

types: $(VENV)/ready ## The type checker, strict
	@$(VENV)/bin/basedpyright --pythonpath $(RUN)

unit: $(VENV)/ready ## A minute or two; needs no CLI and no cluster
	@$(RUN) -m pytest tests/unit

integration: $(VENV)/ready ## The real CLI against a real API server, in clusters of the tests' own, three side by side
	@$(PYTEST_SIDE_BY_SIDE) -m "not matrix" -n 3 tests/integration tests/conformance tests/local

real: $(VENV)/ready ## Real Ray in real pods, where this machine can run them (see `.venv/bin/python -m local doctor`)
	@$(RUN) -m pytest tests/real

metrics: $(VENV)/ready ## Alerts and dashboards against the real Prometheus, Ray and operator (builds Prometheus)
	@$(RUN) -m pytest -s tests/metrics

queues: $(VENV)/ready ## The queue of a cluster and of a job against the real Kueue, Ray and operator (builds Kueue)
	@$(RUN) -m pytest -s tests/queues

reach: $(VENV)/ready ## Ways in from outside by the real Traefik, to real Ray (builds Traefik)
	@$(RUN) -m pytest -s tests/reach

examples: $(VENV)/ready ## Those of examples/ that need no GPU, with the Ray that they name in real pods (makes an image of it)
	@$(RUN) -m pytest -s tests/examples

conformance: $(VENV)/ready ## What the program knows of the charts, and its double of one, against a folder of official charts: CHARTS=…
	@CHARTS="$(CHARTS)" $(PYTEST_SIDE_BY_SIDE) -n 3 tests/conformance tests/integration

upgrade-matrix: $(VENV)/ready ## Every upgrade between the operators that can be built, onto docs/upgrades.md: CHARTS=… KUBERNETES=… PAIRS="1.3.0-1.6.2"
	@CHARTS="$(CHARTS)" $(RUN) -m tests.integration.harness.upgrade_matrix $(if $(KUBERNETES),--kubernetes $(KUBERNETES)) $(PAIRS) $(ARGS)

bench: $(VENV)/ready ## Ratios against the guide's commands and against an empty Pulumi program (NODES=real: to a first job's end)
	@$(RUN) -m bench --nodes $(if $(filter real,$(NODES)),real,simulated) $(ARGS)

docs: $(VENV)/ready ## Write docs/settings.md, docs/stack.schema.json and Pulumi.yaml from the settings
	@$(RUN) -m docs.build

lock: ## Write requirements*.txt anew from requirements*.in, with the hashes of all files (ARGS=--upgrade raises what is not pinned there)
	@$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check "$(UV)"
	@for name in requirements requirements-dev local/tools/go/requirements; do \
	  (cd $$(dirname $$name) && name=$$(basename $$name) && $(LOCK) $(ARGS) --output-file=$$name.txt $$name.in > /dev/null) || exit 1; \
	done
	@rm -rf $(VENV)-lock

clean: ## Remove the virtual environment
	rm -rf $(VENV)

# One environment for the program, the local cluster and the tests.
$(VENV)/ready: requirements-dev.txt
	@echo "python environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
