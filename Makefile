# Confab's commands. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The steps of `make test` share one target directory, and a failure should be the last thing on the screen.
.NOTPARALLEL:

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
BENCHES := $(wildcard benches/*.rs media/benches/*.rs)
TEST_THREADS := $(shell echo $$((2 * $$(nproc))))
INTEROP := $(sort $(wildcard tests/interop/*.sh))

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Build in release and start a node; ARGS='--http-listen ...' goes to it
	@.ci/need build
	cargo build --release --locked --bin confab
	@exec $(TARGET)/release/confab serve $(ARGS)

.PHONY: load
load: ## Try the load tester on a node of its own; ARGS='--legs ...' goes to it
	@.ci/need build
	cargo build --release --locked --bin confab
	@exec $(TARGET)/release/confab load $(or $(ARGS),--spawn --legs 250 --conferences 25 --talkers 10 --seconds 20)

.PHONY: quality
quality: ## Score how speech sounds by codec and network (PESQ); ARGS='--codecs ...' goes to it
	@.ci/need build
	cargo build --release --locked --bin confab
	@CONFAB=$(TARGET)/release/confab tests/quality/run.sh $(ARGS)

.PHONY: masking
masking: ## Measure what is left of captured keys over the whole corpus; ARGS='--every 20' goes to it
	@.ci/need build
	cargo build --locked -p confab-media --example masking
	@MASKING=$(TARGET)/debug/examples/masking tests/masking/run.sh $(ARGS)

.PHONY: test
test: needs fmt-check lint docs unit interop deny ## Everything a contributor must pass
	@echo "make test: all passed"

.PHONY: needs
needs:
	@.ci/need test

.PHONY: fmt
fmt: ## Format the sources
	cargo fmt --all

.PHONY: fmt-check
fmt-check:
	cargo fmt --all --check

.PHONY: lint
lint: ## Clippy, warnings are errors
	cargo clippy --workspace --all-targets --locked --features planted-faults -- -D warnings

.PHONY: docs
docs: ## The documentation of the code, warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked

# The planted faults are what the load tester must name. The replay of sip-fixtures/ and the official SDKs are tests among the others.
# Tests over the wire wait most of their time, so more of them at a time than there are cores take no longer.
.PHONY: unit
unit:
	RUST_TEST_THREADS=$(TEST_THREADS) cargo test --workspace --locked --features planted-faults --no-fail-fast

# Each script calls the node with somebody else's SIP and ends with 0 if it was heard. It finds the binary in
# $$CONFAB (not a CONFAB_* name: the node refuses those that it does not know). The console's crowd takes a minute and a half
# in such a build; CROWD=250 has it come.
CROWD ?= 0
.PHONY: interop
interop:
	@# As the tests build it: another choice of packages means other features of what we depend on, and all of it once more.
	cargo test --workspace --locked --features planted-faults --test cli --no-run
	@for script in $(INTEROP); do \
		echo "interop: $$script"; \
		CONFAB=$(TARGET)/debug/confab CROWD=$(CROWD) "$$script" </dev/null; \
	done
	@echo "interop: $(words $(INTEROP)) scripts passed"

# Licences are also held by tests/tidy.rs, without cargo-deny. Advisories need the network and change without
# any change of ours, so they are not part of a test.
.PHONY: deny
deny: ## Licences, sources and duplicates of what we depend on
	@if cargo deny --version >/dev/null 2>&1; then \
		cargo fetch --locked && cargo deny --offline --locked check licenses bans sources; \
	else \
		echo "deny: SKIPPED, cargo-deny is not installed (cargo install --locked cargo-deny); licences were checked by tests/tidy.rs"; \
	fi

# Once through each, built like the tests: it proves that they run and is no measurement. `lint` holds that they build.
.PHONY: bench-smoke
bench-smoke: ## Run each bench once
ifneq ($(BENCHES),)
	cargo test --workspace --locked --features planted-faults --bench '*'
else
	@echo "bench-smoke: there are no benches"
endif

.PHONY: bench
bench: ## Measure; wants a quiet machine
	@.ci/need build
	cargo bench --workspace --locked --bench '*'
