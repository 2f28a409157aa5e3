# The commands of the house. Each is a line here and a script or a cargo command behind it.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help up down test test-repeat test-mutants lint bench-fitting bench-gateway bench-model-service bench-planning bench-state conformance-mcp drill-hostile drill-site-loss demo-model clean

CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-22s %s\n", $$1, $$2 }' Makefile

up: ## install what is missing, build, and run the whole system: make up ARGS=--detach
	@scripts/up $(ARGS)

down: ## stop what `make up` started
	@scripts/down $(ARGS)

test: ## install what the tests need and run all of them
	@scripts/test

test-repeat: ## run the tests N times, half of them beside busy loops: make test-repeat N=20
	@scripts/test-repeat $(or $(N),20) $(ARGS)

test-mutants: ## does a test see each small change of the code? make test-mutants ARGS="--in-diff main"
	@scripts/test-mutants $(ARGS)

lint: ## formatting, clippy, tidy and the lints of scripts and tests
	@scripts/lint

bench-fitting: ## processor time and memory of fitting 200,000 turns into a window
	@scripts/bench fitting $(ARGS)

bench-gateway: ## the gateway beside nginx and a bare pass-through
	@scripts/bench gateway $(ARGS)

bench-model-service: ## tokens a second beside llama.cpp's own server
	@scripts/bench model-service $(ARGS)

bench-planning: ## decisions beside published policies on public traces: make bench-planning DATA=DIR (docs/data.md)
	@scripts/bench-planning.sh "$(DATA)" $(ARGS)

bench-state: ## durable commits a second, with fsyncs counted
	@scripts/bench state $(ARGS)

conformance-mcp: ## the official MCP conformance tool and nine clients of others against the servers and our client
	@scripts/conformance-mcp $(ARGS)

drill-site-loss: ## lose a replica every 5 s and a site at 30 s, under load
	@scripts/drill site_loss $(ARGS)

drill-hostile: ## huge requests, harmful files, silent connections and a pause, with ordinary clients beside
	@scripts/drill hostile $(ARGS)

demo-model: ## train the demo model again, from its own generator
	@training/train.sh $(ARGS)

clean: ## remove what was built; keeps your data
	@rm -rf -- "$(CARGO_TARGET_DIR)"
