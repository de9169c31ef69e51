# The commands of this project; `make help` lists them. CMake does the work (CMakePresets.json).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

JOBS ?= $(shell nproc)
TEST_JOBS ?= 3
CTEST_ARGS ?=
PREFIX ?= /usr/local
DESTDIR ?=
# Sanitizer builds whose unit tests `make test` runs before the release suite: "", "asan" or "asan tsan".
SANITIZE ?=

.PHONY: help build demo test test-asan test-tsan bench install clean format tidy fuzz deps

help: ## this list
	@echo 'usage: make <target>'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s  %s\n", $$1, $$2 }' Makefile

deps: ## install the missing Debian packages (packages.txt)
	@scripts/install-deps.sh build test

build: ## the optimised program: build/release/cairn
	@scripts/install-deps.sh build
	@test -f build/release/build.ninja || cmake --preset release -DCAIRN_TESTS=OFF --log-level=WARNING >/dev/null
	@cmake --build build/release -j $(JOBS) --target cairn
	@ls -l build/release/cairn

demo: build ## save, change, save again, verify, restore and compare a real directory
	@scripts/demo.sh

test: ## build everything and run every test
	@JOBS='$(JOBS)' TEST_JOBS='$(TEST_JOBS)' SANITIZE='$(SANITIZE)' scripts/test.sh $(CTEST_ARGS)

test-asan: ## the unit tests under the address and undefined-behaviour sanitizers
	@JOBS='$(JOBS)' TEST_JOBS='$(TEST_JOBS)' scripts/test-sanitized.sh asan $(CTEST_ARGS)

test-tsan: ## the unit tests under the thread sanitizer
	@JOBS='$(JOBS)' TEST_JOBS='$(TEST_JOBS)' scripts/test-sanitized.sh tsan $(CTEST_ARGS)

bench: build ## compare with restic, borg and kopia (BENCH_ARGS="--scale 0.1 --runs 3"; docs/design/testing.md)
	@scripts/install-deps.sh bench
	@bench/run $(BENCH_ARGS)

install: build ## install cairn, its alias kopia, manual pages and completion below PREFIX (default /usr/local)
	@scripts/install.sh build/release/cairn '$(DESTDIR)$(PREFIX)'

clean: ## remove build trees and the demo
	rm -rf build demo

format: ## rewrite our sources with clang-format 14
	@scripts/install-deps.sh test
	@python3 checks/format.py --fix

tidy: ## clang-tidy with the allow-list of .clang-tidy (minutes)
	@scripts/install-deps.sh build test lint
	@cmake --preset release --log-level=WARNING >/dev/null
	@python3 checks/tidy.py --jobs $(JOBS) $(TIDY_ARGS)

fuzz: ## build the fuzz targets (clang 14) and run each for FUZZ_SECONDS (default 30)
	@scripts/install-deps.sh build lint
	@cmake --preset fuzz --log-level=WARNING >/dev/null
	@cmake --build build/fuzz -j $(JOBS) --target fuzz_targets
	@scripts/fuzz.sh $${FUZZ_SECONDS:-30}
