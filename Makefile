# `make` alone explains every target. Set-up is done by whatever needs it.
.DEFAULT_GOAL := help
.PHONY: help demo test test-simulation test-bank test-fuzz test-memory test-outage setup up down lint types lock

PYTHON := .venv/bin/python
WRITEGATE := .venv/bin/writegate
# CHAOS=1: the demo also kills a writer three times and restarts the broker. QUICK=1: tests that take long are left out.
export CHAOS QUICK

help:  ## explain every target
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-16s %s\n", $$1, $$2 }'

demo: setup  ## set up, then replay real flights without the gate and through it; CHAOS=1 with faults
	@$(PYTHON) -m tests.demo $(if $(filter 1,$(CHAOS)),--chaos)

test: setup  ## set up, then run every test; QUICK=1 leaves out those that take long
	@# Two processes, each with servers of its own: most tests wait for a server, not for the machine.
	@$(PYTHON) -m pytest -n 2 --dist loadfile $(if $(filter 1,$(QUICK)),-m "not slow")

test-simulation: setup  ## run SEEDS=10000 simulated histories under faults
	@SEEDS=$(or $(SEEDS),10000) $(PYTHON) -m pytest tests/simulation

test-bank: setup  ## move money for SECONDS=150 while writers, broker and database fail, from SEED=1
	@$(PYTHON) -m tests.faults.bank --seconds $(or $(SECONDS),150) --seed $(or $(SEED),1)

test-fuzz: setup  ## send MESSAGES=100000 of all shapes to a live writer, from SEED=1
	@$(PYTHON) -m tests.faults.fuzz --messages $(or $(MESSAGES),100000) --seed $(or $(SEED),1)

test-memory: setup  ## one writer applies COMMANDS=1000000 and loses the broker twenty times; its memory must not grow
	@$(PYTHON) -m tests.faults.memory --commands $(or $(COMMANDS),1000000)

test-outage: setup  ## the database is away for MINUTES=3 (35: longer than the broker waits by itself) under load
	@$(PYTHON) -m tests.faults.outage --minutes $(or $(MINUTES),3)

setup:  ## install what is missing: servers with apt (root or sudo), packages from uv.lock into .venv
	@sh deploy/setup

up: setup  ## start the local stack: broker, database, writers, services
	@$(WRITEGATE) stack up

down:  ## stop the local stack; its data stays in .writegate
	@if [ -x $(WRITEGATE) ]; then $(WRITEGATE) stack down; else echo "nothing is set up here, so nothing runs"; fi

lint: setup  ## check style and import contracts
	@$(PYTHON) -m ruff check && $(PYTHON) -m ruff format --check && .venv/bin/lint-imports

types: setup  ## check types
	@$(PYTHON) -m mypy shared/src services/*/src tests

lock: setup  ## resolve all dependencies anew into uv.lock, naming no host
	@sh deploy/lock
