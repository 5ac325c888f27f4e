# SPDX-License-Identifier: Apache-2.0

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO ?= go
PYTHON ?= /usr/bin/python3
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X camring/core/version.Version=$(VERSION)

# Tests that need these fail, not skip, if one is missing; see internal/testutil.
export CAMRING_REQUIRE ?= ffmpeg,ffprobe,redis-server,small.mp4,python3

TESTFLAGS ?=
FUZZTIME ?= 60s

# The packages that do without cgo, for the race detector: it sees nothing of C.
PURE = $(shell $(GO) list -f '{{$$pure := true}}{{range .Deps}}{{if eq . "camring/cshim"}}{{$$pure = false}}{{end}}{{end}}{{if and $$pure (ne .ImportPath "camring/cshim")}}{{.ImportPath}}{{end}}' ./ring/... ./core/...)

##@ Run

.PHONY: run
run: check-go deps build ## Three demo cameras; CAMERAS="front=rtsp://host/path yard=/clip.mp4" or CONFIG=my.yaml: your own
ifneq ($(and $(value CAMERAS),$(value CONFIG)),)
	$(error CAMERAS and CONFIG exclude each other)
else ifneq ($(value CAMERAS),)
# By the environment: the list may hold passwords, and anybody may read a command line.
run: export CAMRING_CAMERAS = $(value CAMERAS)
run:
	@exec bin/camring run
else ifneq ($(value CONFIG),)
run: export CAMRING_CONFIG = $(value CONFIG)
run:
	@exec bin/camring run -c "$$CAMRING_CONFIG"
else
	@scripts/demo.sh .demo
	@exec bin/camring run --demo .demo
endif

##@ Build

.PHONY: build
build: check-go ## bin/camring (pure Go, static) and bin/camring-worker (libav)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/camring ./cmd/camring
	CGO_ENABLED=1 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/camring-worker ./cmd/camring-worker

.PHONY: deps
deps: ## Install the Debian packages that are missing
	@scripts/deps.sh

.PHONY: check-go
check-go:
	@scripts/check-go.sh

.PHONY: clean
clean: ## Remove what was built, and the demo's clip
	rm -rf bin build .demo

##@ Check

.PHONY: test
test: check-go deps build test-go test-race test-python ## Every test, with a real redis-server and ffmpeg

.PHONY: test-go
test-go:
	$(GO) vet ./...
	$(GO) test -count=1 -timeout 15m $(TESTFLAGS) ./...

.PHONY: test-race
test-race:
	$(GO) test -race -count=1 -timeout 15m $(TESTFLAGS) $(PURE)

.PHONY: test-python
test-python:
	$(PYTHON) -B -W error::ResourceWarning -m unittest discover -v -s clients/python/tests -t clients/python

.PHONY: lint
lint: check-go ## Linters and formatters; the first run builds golangci-lint (minutes)
	$(GO) mod tidy -diff
	for f in scripts/*.sh .ci/run; do bash -n "$$f"; done
	$(GO) run $(GOLANGCI) run ./...
	@if command -v clang-format >/dev/null; then clang-format --dry-run -Werror cshim/*.[ch] ring/*.h; \
	else echo "lint: skipped clang-format: it is not installed"; fi

CCHECK := -std=c11 -O2 -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow \
	-Wstrict-prototypes -Wmissing-prototypes -Wcast-align=strict -Wpointer-arith -Wwrite-strings \
	-Wundef -Wvla -Wformat=2 -Wnull-dereference -Werror
# libav's headers do not pass these flags themselves.
CCHECK_SYS = $(patsubst -I%,-isystem %,$(shell pkg-config --cflags libavformat libavcodec libavutil libswscale))

.PHONY: ccheck
ccheck: ## The C code under strict warnings and gcc's analyzer; every header alone, as C99 and C++
	for f in cshim/*.c; do gcc $(CCHECK) $(CCHECK_SYS) -c -o /dev/null "$$f"; done
	# -O0: the optimizer removes what the analyzer would find.
	for f in cshim/*.c; do gcc -std=c11 -O0 -fanalyzer -Werror $(CCHECK_SYS) -c -o /dev/null "$$f"; done
	for f in cshim/camshim.h ring/layout.h; do \
		gcc -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c "$$f"; \
		if command -v g++ >/dev/null; then g++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c++ "$$f"; \
		else echo "ccheck: skipped $$f as C++: there is no g++"; fi; \
	done

.PHONY: asan
asan: check-go ## The tests of the C code under the address sanitizer
	$(GO) test -asan -count=1 -timeout 15m -skip DoesNotAllocate $(TESTFLAGS) ./cshim/... # the sanitizer allocates

.PHONY: fuzz
fuzz: check-go ## Every fuzz target for FUZZTIME (60s)
	grep -r --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' . | sort | while IFS=: read -r file func; do \
		echo "fuzz: $${func#func } in $$(dirname "$$file")"; \
		$(GO) test -run '^$$' -fuzz "^$${func#func }$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null; \
	done

.PHONY: bench
bench: check-go deps build build/bench/floor-decode ## Measure, about 6 minutes, and write BENCHMARKS.md; BENCH="decode memcpy repair": only these
	$(GO) run ./bench/run $(if $(PAIRS),-pairs $(PAIRS)) $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(KILLS),-kills $(KILLS)) $(BENCH)
	$(GO) run ./bench/report

build/bench/floor-decode: bench/floor/decode.c
	mkdir -p $(@D)
	gcc -std=c11 -O2 -Wall -Wextra -Werror -o $@ $< $(shell pkg-config --cflags --libs libavformat libavcodec libavutil) -lyuv

##@ Help

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "; print "make TARGET"} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' Makefile
