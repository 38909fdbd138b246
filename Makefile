# What can be done here; `make` alone lists it. Cargo does the work.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
PRODUCTS := examples/products
PROGRAMS := tollgate-proxy tollgate-controller
HOST = $(shell rustc --print host-tuple)

.DEFAULT_GOAL := help
.PHONY: help run build test lint crds golden fuzz bench bench-control deny clean cluster-up cluster-down

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## start the gateway on examples/products, and print curl lines to paste
	$(CARGO) build --locked --profile quick -p tollgate-proxy -p products
	install -D $(TARGET)/quick/products $(PRODUCTS)/bin/products
	@exec $(TARGET)/quick/tollgate-proxy serve --manifests $(PRODUCTS) --hint $(PRODUCTS)/curl.txt

build: ## build the release programs, statically linked, into target/dist
	$(MAKE) -s $(PROGRAMS:%=dist-%)

# One by one: two together would each have the library features of the other. Naming the target
# keeps the link flags away from build scripts.
dist-%:
	$(CARGO) build --locked --release --config .cargo/static.toml --target $(HOST) -p $* --bin $*
	install -D $(TARGET)/$(HOST)/release/$* $(TARGET)/dist/$*

test: lint ## lint, and run every test
	$(CARGO) test --locked --workspace

lint: ## check format and lints; a warning is an error
	@$(CARGO) fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	@$(CARGO) clippy --version >/dev/null 2>&1 || rustup component add clippy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

crds: ## write crds/*.yaml from the kinds
	$(CARGO) run --locked -q -p tollgate-crds --bin crdgen -- crds

golden: ## write the golden outputs anew; review the diff
	TOLLGATE_GOLDEN=write $(CARGO) test --locked -q -p tollgate-tests --test golden

FUZZ_SECONDS ?= 60

fuzz: ## fuzz compile for FUZZ_SECONDS (needs nightly and cargo-fuzz)
	@mkdir -p fuzz/corpus/compile
	$(CARGO) +nightly fuzz run --fuzz-dir fuzz compile fuzz/corpus/compile tests/golden -- -max_total_time=$(FUZZ_SECONDS)

BENCH_FLAGS ?=

bench: ## measure side by side with nginx and Envoy, into docs/bench
	$(CARGO) run --locked -p tollgate-tests --bin bench -- $(BENCH_FLAGS)

bench-control: ## measure from kubectl apply to a served route, into docs/bench
	$(CARGO) run --locked --release -p tollgate-e2e --bin bench-control -- $(BENCH_FLAGS)

cluster-up: ## start a Kubernetes API server in the background, and print how to use it
	@$(CARGO) run --locked -q -p tollgate-e2e --bin cluster -- up

cluster-down: ## stop it, with all that is in it
	@$(CARGO) run --locked -q -p tollgate-e2e --bin cluster -- down

deny: ## check licences, bans and sources of what we depend on (needs cargo-deny)
	$(CARGO) deny --locked --offline check --config .cargo/deny.toml licenses bans sources

clean: ## remove what was built, and the example's data
	$(CARGO) clean
	rm -rf $(PRODUCTS)/bin $(PRODUCTS)/data
