# `make` alone explains every target. Set-up is done by whatever needs it.
.DEFAULT_GOAL := help
.PHONY: help demo test test-simulation test-writers test-twin test-faults test-bank test-fuzz test-memory test-outage
.PHONY: docs test-publishers test-attacks test-sqlstates test-values bench bench-publish bench-ledger proof setup
.PHONY: up down lint types lock

PYTHON := .venv/bin/python
WRITEGATE := .venv/bin/writegate
# CHAOS=1: the demo also kills a writer three times and restarts the broker. QUICK=1: tests that take long are left out.
export CHAOS QUICK

help:  ## explain every target
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-16s %s\n", $$1, $$2 }'

demo:  ## set up, then replay real flights without the gate and through it; CHAOS=1 with faults; FLIGHTS= and SECONDS= for less
	@sh deploy/setup
	@$(PYTHON) -m tests.demo $(if $(filter 1,$(CHAOS)),--chaos) \
		$(if $(FLIGHTS),--flights $(FLIGHTS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(BUILD),--build $(BUILD))

test: setup  ## set up, then run every test; QUICK=1 leaves out those that take long, PATIENCE=3 trebles all deadlines
	@# Six processes, each with servers of its own: on two cores, four of them left a quarter of the machine idle.
	@$(PYTHON) -m pytest -n 6 --dist loadfile --no-loadscope-reorder -m "not long$(if $(filter 1,$(QUICK)), and not slow)"

test-simulation: setup  ## run SEEDS=10000 simulated histories under faults, then show that each protection is needed
	@$(PYTHON) -m tests.simulation --seeds $(or $(SEEDS),10000) --jobs $(shell nproc)
	@$(if $(filter none,$(CONTROLS)),,$(PYTHON) -m pytest tests/simulation -k "not no_history")

test-writers: setup  ## run the tests in which writers die, hang and change places for minutes; ONLY= names some
	@$(PYTHON) -m pytest -m long $(if $(ONLY),-k "$(ONLY)")

bench:  ## measure Writegate beside every other way to write (an hour; QUICK=1: a few minutes)
	@sh deploy/setup $(if $(filter 1,$(SMOKE)),test,bench)
	@$(PYTHON) -m tests.benchmarks $(if $(filter 1,$(QUICK)),--quick) $(if $(filter 1,$(SMOKE)),--smoke)

bench-publish: setup  ## measure publishing beside Celery's send_task
	@$(PYTHON) -m tests.benchmarks.publishing $(if $(filter 1,$(SMOKE)),--smoke)

test-publishers: setup  ## kill the broker for OUTAGE=60 s while PROCESSES=8 publish RATE=200 commands a second each
	@OUTAGE=$(or $(OUTAGE),60) PROCESSES=$(or $(PROCESSES),8) RATE=$(or $(RATE),200) $(PYTHON) -m pytest -s tests/integration/test_broker_outage.py

bench-ledger: setup  ## measure what the ledger costs with ROWS=10000000 rows
	@$(PYTHON) -m tests.benchmarks.ledger $(ROWS)

test-faults: setup  ## inject FAULTS=200 real faults (SEED= chooses them) into a cluster, then show that each protection is needed
	@$(PYTHON) -m tests.faults --faults $(or $(FAULTS),200) $(if $(SEED),--seed $(SEED))
	@$(if $(filter none,$(CONTROLS)),,CONTROLS=$(or $(CONTROLS),all) $(PYTHON) -m pytest tests/faults/test_controls.py)

test-bank: setup  ## move money for SECONDS=150 while writers, broker and database fail, from SEED=1
	@$(PYTHON) -m tests.faults.bank --seconds $(or $(SECONDS),150) --seed $(or $(SEED),1)

test-fuzz: setup  ## send MESSAGES=100000 of all shapes to a live writer, from SEED=1
	@$(PYTHON) -m tests.faults.fuzz --messages $(or $(MESSAGES),100000) --seed $(or $(SEED),1)

test-attacks: setup  ## attack a live gate in every known way, a neighbour's latency as the measure; ONLY= names some, SECONDS=10 each
	@$(PYTHON) -m tests.attacks --seconds $(or $(SECONDS),10) $(if $(ONLY),--only "$(ONLY)")

test-sqlstates: setup  ## raise 35 SQLSTATEs on a live gate, for one command among 499 and for all of a type; ONLY= begins some
	@$(PYTHON) -m tests.sqlstates --only "$(ONLY)"

test-memory: setup  ## one writer applies COMMANDS=1000000 and loses the broker twenty times; its memory must not grow
	@$(PYTHON) -m tests.faults.memory --commands $(or $(COMMANDS),1000000)

test-outage: setup  ## the database is away for MINUTES=3 (35: longer than the broker waits by itself) under load
	@$(PYTHON) -m tests.faults.outage --minutes $(or $(MINUTES),3)

test-twin: setup  ## compare the writer with a naive one on EXAMPLES=5000 random streams
	@EXAMPLES=$(or $(EXAMPLES),5000) $(PYTHON) -m pytest -n 2 --maxschedchunk 1 tests/twin

test-values: setup  ## store EXAMPLES=2000 random rows of every column type in each of five odd databases, beside psycopg2 alone
	@EXAMPLES=$(or $(EXAMPLES),2000) $(PYTHON) -m pytest tests/values

proof: setup  ## run every long check on the commit that stands, and go on where an earlier run was (hours; QUICK=1: 15 minutes)
	@$(PYTHON) -m tests.proof $(if $(filter 1,$(QUICK)),--quick) $(if $(filter 1,$(LIST)),--list) $(if $(ONLY),--only $(ONLY))

setup:  ## install what is missing: servers with apt (root or sudo), packages from uv.lock into .venv
	@sh deploy/setup test

up:  ## start the local stack: broker, database, writers, services, a feed of flights, the console
	@sh deploy/setup
	@$(WRITEGATE) stack up

down:  ## stop the local stack; its data stays in .writegate
	@if [ -x $(WRITEGATE) ]; then $(WRITEGATE) stack down; else echo "nothing is set up here, so nothing runs"; fi

lint: setup  ## check style and import contracts
	@$(PYTHON) -m ruff check && $(PYTHON) -m ruff format --check && $(PYTHON) deploy/lint_imports.py

types: setup  ## check types
	@$(PYTHON) -m mypy

docs: setup  ## write the generated parts of the documents anew
	@$(PYTHON) -m tests.repository.generated

lock: setup  ## resolve all dependencies anew into uv.lock, naming no host
	@sh deploy/lock
