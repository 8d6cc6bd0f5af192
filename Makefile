# Every task of the house by name; the logic is in hack/. "make" alone prints this list.
# All steps after setup run on the node of package.json, whatever the machine has.

SHELL := /bin/sh
export PATH := $(CURDIR)/node_modules/.bin:$(CURDIR)/node_modules/node/bin:$(PATH):/usr/local/sbin:/usr/sbin:/sbin

.DEFAULT_GOAL := help
.NOTPARALLEL:

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: ## Install what is missing: Debian packages (as root), npm packages, the pinned node
	@hack/setup/setup.sh

.PHONY: up
up: setup ## Start an all-in-one cluster in the foreground, with its data in .cache/up
	@exec hack/up.sh

.PHONY: cluster-up
cluster-up: setup ## Start a single-node Kubernetes for tests, which stays until cluster-down (as root)
	@hack/cluster/up.sh

.PHONY: cluster-down
cluster-down: ## Stop it and leave nothing of it
	@hack/cluster/down.sh

.PHONY: cluster-env
cluster-env: ## Print the lines that a shell needs to use it
	@hack/cluster/env.sh

.PHONY: image
image: setup ## Build the container image (as root), tell its size and start time, load it into that cluster
	@built=$$(hack/image/build.sh --report) && hack/cluster/load.sh --if-up "$$(echo "$$built" | head -n 1)"

.PHONY: static
static:
	@hack/timed.sh format oxfmt --check .
	@hack/timed.sh lint oxlint --deny-warnings
	@hack/timed.sh types tsc --noEmit

.PHONY: check
check: static ## Format, lint, types and the laws of the house (seconds)
	@hack/timed.sh rooms vitest run --project rooms

.PHONY: unit
unit: ## The tests beside the code (under a minute)
	@vitest run --project unit

.PHONY: test
test: setup static ## Everything: setup, check, then unit, rooms, end-to-end and fuzz tests in one run
	@hack/test.sh

.PHONY: e2e
e2e: setup ## The stories on Kubernetes alone, with the time of each phase
	@hack/e2e.sh

.PHONY: fuzz
fuzz: ## Fuzz every parser for longer: GATEHOUSE_FUZZ_SECONDS each (60), GATEHOUSE_FUZZ_SEED to replay
	@GATEHOUSE_FUZZ_SECONDS=$${GATEHOUSE_FUZZ_SECONDS:-60} vitest run --project e2e test/fuzz

.PHONY: bench
bench: ## Run the benchmarks in test/bench one after another
	@hack/bench.sh

.PHONY: gen
gen: ## Write the generated pages (docs/reference)
	@node hack/gen/main.ts

.PHONY: verify
verify: ## Fail when a generated page is not what its source says
	@node hack/gen/main.ts --check

.PHONY: fmt
fmt: ## Format in place and apply the safe lint fixes
	@oxfmt .
	@oxlint --fix

.PHONY: clean
clean: ## Remove .cache (the data of "make up" too) and coverage; node_modules stays
	@rm -rf .cache coverage
