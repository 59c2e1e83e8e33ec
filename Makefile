# Everything that is done to this project is done from here; `.ci/run` calls the same targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# `make run PROFILE=release` builds what would be deployed; it takes several minutes longer.
PROFILE ?= dev
FOLDER := $(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
TARGET ?= $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
BINARY := $(TARGET)/$(FOLDER)/narthex
IMAGE ?= narthex
FUZZ_SECONDS ?= 60
# Passed on: `make run ARGS='--config my.yaml'`, `make bench ARGS=--quick`.
ARGS ?=

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build-tools
build-tools:
	@scripts/need.sh cc cmake

.PHONY: build
build: build-tools ## Build the gateway (PROFILE=release for deployment)
	cargo build --locked --profile $(PROFILE) --bin narthex

.PHONY: run
run: build ## Start the gateway (PROFILE=release, ARGS='--config FILE')
	$(BINARY) $(ARGS)

.PHONY: dev
dev: build ## Start the gateway with its debug log
	NARTHEX_LOG=debug $(BINARY) $(ARGS)

.PHONY: test
test: build-tools ## Run all tests: Rust, documentation, and the official SDKs where tests/sdk is there
	@scripts/need.sh postgres
	cargo test --locked
	@if [ -x tests/sdk/run.sh ]; then \
		scripts/need.sh python node curl; \
		echo tests/sdk/run.sh $(TARGET)/debug/narthex; \
		tests/sdk/run.sh $(TARGET)/debug/narthex; \
	fi

.PHONY: check
check: build-tools ## Run all checks that are no tests: format, lints, documentation, examples
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps
	cargo test --locked --quiet --test examples
	@if cargo deny --version >/dev/null 2>&1; then \
		echo cargo deny check; cargo deny check; \
	else \
		echo 'cargo-deny is not installed: licences and advisories were not checked.'; \
	fi

.PHONY: docs
docs: build ## Write the generated documentation anew
	$(BINARY) providers --markdown > docs/providers.md
	$(BINARY) dialects > docs/dialects.md
	CAPABILITIES=write cargo test --locked --quiet --test gateway capabilities

.PHONY: bench
bench: build-tools ## Compare with bare Pingora (ARGS=--quick for a first look; see docs/benchmarks.md)
	cargo build --locked --release --bin narthex --example bare_pingora
	cargo bench --locked --bench gateway -- $(ARGS)

# Where libFuzzer begins: the transcripts and requests of the tests.
SEEDS := $(addprefix tests/golden/,openai_chat openai_responses anthropic gemini converse requests)

.PHONY: fuzz
fuzz: build-tools ## Try to break what reads from outside (FUZZ_SECONDS=60 for each target, FUZZ_TARGETS)
	@scripts/need.sh c++
	@cargo +nightly fuzz --version >/dev/null || { \
		echo 'cargo-fuzz or the nightly toolchain is missing: rustup toolchain install nightly && cargo install cargo-fuzz' >&2; \
		exit 1; \
	}
	cp Cargo.lock fuzz/Cargo.lock
	@for target in $(or $(FUZZ_TARGETS),$$(cargo +nightly fuzz list)); do \
		mkdir -p fuzz/corpus/$$target; \
		echo cargo +nightly fuzz run $$target; \
		cargo +nightly fuzz run $$target fuzz/corpus/$$target $(SEEDS) -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1; \
	done

.PHONY: test-real
test-real: build ## Try the gateway before a real model server (LLAMA_SERVER=…, MODEL=…gguf)
	@tests/real/run.sh $(BINARY)

.PHONY: soak
soak: build ## Kill the gateway again and again while batches run, and watch its memory (KILLS=60; see tests/soak)
	@scripts/need.sh python
	python3 tests/soak/crashes.py $(BINARY) --kills $(or $(KILLS),60)
	python3 tests/soak/memory.py $(BINARY)

.PHONY: image
image: ## Build the container image (IMAGE=name:tag)
	@command -v docker >/dev/null || { echo 'docker is missing; see docs.docker.com/engine/install' >&2; exit 1; }
	docker build --tag $(IMAGE) .
