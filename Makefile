# make run    the main job: the sentiment service on an embedded Redis
# make test   everything that CI runs; installs what it needs
# make build  bin/ekiben
# make chaos  faults on purpose, about six minutes; a part of test
# make chaos-long DURATION=2h  the same for so long, and the mutants
# make gpu-test  what needs a real NVIDIA GPU; says so if there is none
# make bench  the benchmarks of docs/benchmarks.md, about fifteen minutes

GO ?= go
TOOLS := $(CURDIR)/.tools
GOLANGCI_LINT := $(TOOLS)/golangci-lint-v2.15.0
PYTHON := $(TOOLS)/python/bin/python
GOVULNCHECK := $(TOOLS)/govulncheck-v1.9.0

.PHONY: run build test check pytest race chaos chaos-long unit gpu-test bench lint vuln tidy deps fmt

run:
	$(GO) build -o bin/sentiment ./examples/sentiment
	@exec bin/sentiment serve

build:
	$(GO) build -o bin/ekiben ./cmd/ekiben

test: deps check pytest race chaos

# What tests start: redis-server, a Procfile runner, a Python with its packages;
# and the library of ONNX Runtime.
deps:
	./test/deps.sh
	./test/python.sh $(TOOLS)/python test/requirements.txt
	./test/python.sh $(TOOLS)/bentoml test/requirements-bentoml.txt
	$(GO) run ./cmd/ekiben runtime install onnx

check: tidy fmt lint

tidy:
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) vet -tags gputest ./...

fmt:
	@test -z "$$(gofmt -s -l .)" || { echo "gofmt -s -w these:"; gofmt -s -l .; exit 1; }

lint: $(GOLANGCI_LINT)
	$(GOLANGCI_LINT) run ./...

race: deps
	CI=1 TEST_PYTHON=$(PYTHON) $(GO) test -race -shuffle=on -timeout 30m ./...

# The Python package, from its own side.
pytest: deps
	BENTOML_PYTHON=$(TOOLS)/bentoml/bin/python $(PYTHON) -m pytest -q -rs runnables/python/tests

# Binaries and a Redis of their own, killed, stopped and starved; see
# docs/reliability.md. SEED gives other calls and faults.
SEED ?= 1
DURATION ?= 2h

chaos:
	CI=1 $(GO) test ./test/chaos -count=1 -v -timeout 15m -chaos -seed $(SEED)

chaos-long:
	CI=1 $(GO) test ./test/chaos -count=1 -v -timeout 0 -chaos -long -seed $(SEED) -duration $(DURATION)

# Quick: what needs no server is tested, the rest is skipped.
unit:
	$(GO) test ./...

# Not part of test: most machines have no GPU.
gpu-test:
	GO="$(GO)" ./test/gpu.sh

# The vulnerability database is on the network, so this is not part of test.
vuln: $(GOVULNCHECK)
	$(GOVULNCHECK) ./...

bench: build deps
	$(GO) run ./loadtest/cmd/bench -out docs/benchmarks.md

$(GOLANGCI_LINT):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv $(TOOLS)/golangci-lint $@

$(GOVULNCHECK):
	GOBIN=$(TOOLS) $(GO) install golang.org/x/vuln/cmd/govulncheck@v1.9.0
	mv $(TOOLS)/govulncheck $@
