# The commands that people type are the commands that CI runs. `make demo` and `make test` need nothing but this file.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
HOMEOSTASIS := $(TARGET)/release/homeostasis
# Where rustup puts cargo when it is installed for the first time.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help install install-tests build demo test lint test-rust test-rules test-agent test-patients

help:
	@echo "make demo        install what is missing, build, and heal a sick shop before your eyes (DEMO=\"--patient api\")"
	@echo "make test        every check and every test of every language"
	@echo "make lint        formatting, clippy, edges between crates, licences"
	@echo "make build       the binary: target/release/homeostasis"
	@echo "make bench-NAME  one benchmark: bench/NAME/run (QUICK=1 for a bounded one)"

install:
	.ci/install

install-tests:
	.ci/install tests

build: install
	cargo build --release --locked --package homeostasis

demo: build
	$(HOMEOSTASIS) demo $(DEMO)

test: install-tests lint test-rust test-rules test-agent test-patients
	@echo "all tests passed"

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	cargo run --quiet --locked --package xtask -- check

test-rust:
	cargo test --workspace --locked

test-rules:
	cargo run --quiet --locked --package homeostasis -- rules test

test-agent:
	agents/python/tests/run

test-patients:
	patients/test

bench-%: build
	@test -x bench/$*/run || { echo "there is no benchmark \"$*\"; those that are: $$(ls bench | tr '\n' ' ')" >&2; exit 2; }
	HOMEOSTASIS=$(HOMEOSTASIS) bench/$*/run
