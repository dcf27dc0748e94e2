# Millrace. `make` lists the commands; each sets up what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup redis simulate apply diff plan backfill materialize refresh stream train retrain validate data-docs parity consistency drift serve key challenge compare promote rollback register experiment run status compact replay-dead-letters test test-fast check bench soak faults clean

PYTHON ?= $(or $(shell command -v python3.11),$(shell command -v python3),python3.11)
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
SPARK := $(VENV)/.spark-ready

# Which feature repo, and where its data is. Other settings are named with their command below.
export REPO ?= feature_repo
export MILLRACE_DATA ?= data
export RAY_DISABLE_IMPORT_WARNING := 1
# Libraries of this size take three times as long to import when they are compiled each time.
unexport PYTHONDONTWRITEBYTECODE

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-20s %s\n", $$1, $$2}'

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Python 3.11 is needed: install python3.11, or name yours with PYTHON=path"; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || { echo "no venv in this Python: install python3.11-venv"; exit 1; }
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv
	@echo "installing (about 3 GB, a minute)"
	@$(VENV)/bin/uv pip install --quiet --compile-bytecode --python $(PY) -r requirements.lock
	@$(VENV)/bin/uv pip install --quiet --python $(PY) --no-deps -e .
	@echo "compiling the kernel (half a minute)"
	@$(PY) -m pipelines.semantics.panes.history
	@touch $@

$(SPARK): requirements.lock | $(READY)
	@echo "preparing Spark's start (half a minute)"
	@$(PY) -m pipelines.batch.class_archive
	@touch $@

setup: $(READY) $(SPARK)  ## make the virtual environment (everything else does this by itself)

redis: setup  ## start a Redis on port 6379 (PORT=), if you have none
	@$(PY) -m workspace.redis_server --port $(or $(PORT),6379)

simulate: setup  ## write simulated transactions into the lake
	@$(PY) -m commands simulate

apply: setup  ## check the declarations and register them: what `feast apply` does, more strictly
	@$(PY) -m commands apply

diff: setup  ## what the declarations change against what is applied: meaning, days to compute anew, values by a sample
	@$(PY) -m commands diff

plan: setup  ## print, as JSON, what the engines will run
	@$(PY) -m commands plan

backfill: setup  ## Spark: feature logs from the lake (FROM=2026-01-01 TO=2026-01-31 VIEWS=)
	@$(PY) -m commands backfill

materialize: setup  ## Spark: newest rows into Redis, behind a gate (UNTIL=2026-01-31)
	@$(PY) -m commands materialize

refresh: setup  ## batch views up to date at their slide, log and Redis; for cron, or EVERY=1h (VIEWS= GRACE=5min CLOCK=wall|event)
	@$(PY) -m commands refresh

stream: setup  ## Bytewax: keep Redis fresh (MILLRACE_BROKER= CLOCK=wall|event COLD=1 FRESH=1 FEATURE_LOG=1 WORKERS= SHARDS=)
	@$(PY) -m commands stream

train: setup  ## XGBoost on get_historical_features (SERVICE= TRAIN=from:to TEST=from:to HISTORY=1 TRIALS=30 TRIALS_ON=ray COSTS= ALIAS=challenger FROM_SERVED=1)
	@$(PY) -m commands train

retrain: setup  ## train on new days, compare, propose a challenger; for cron, or EVERY=1d (SERVICE= NEW_DAYS=7 PROMOTE=auto CLOCK=wall|event)
	@$(PY) -m commands retrain

validate: setup  ## Great Expectations on the lake and the feature logs (ENGINE=spark CLOCK=wall|event)
	@$(PY) -m commands validate

data-docs: setup  ## one page of all suites: newest results, and how they went before
	@$(PY) -m commands data-docs

parity: setup  ## hold Redis against the feature logs, value by value
	@$(PY) -m commands parity

consistency: setup  ## recompute what was served, say what differs and why; fails below MIN_EQUAL=0.99 (SERVICE= FROM= TO= SAMPLE= SEED=)
	@$(PY) -m commands consistency

drift: setup  ## a day of what was served against what was trained on; fails where a column has drifted (SERVICE= DAY= VERSION= ALPHA=0.01)
	@$(PY) -m commands drift

serve: setup  ## Ray Serve: POST /v1/score (PORT=)
	@$(PY) -m serving $(if $(PORT),--port $(PORT))

key: setup  ## a new key for a caller of the scoring service, shown once (NAME=shop SCOPES=score,read,admin RATE=100)
	@$(PY) -m commands key

challenge: setup  ## name a version of a model, for an experiment (SERVICE= VERSION= ALIAS=challenger DROP=1)
	@$(PY) -m commands challenge

score: setup  ## score a table of requests as POST /v1/score would (EVENTS=requests.parquet OUT=scores.parquet SERVICE=)
	@$(PY) -m commands score

load: setup  ## requests at a given rate, latencies without coordinated omission (RATE=100 SECONDS=10 CONNECTIONS=64 URL= REQUESTS=)
	@$(PY) -m commands load

compare: setup  ## challenger against champion on days that neither was trained on (SERVICE= VERSION= or ALIAS=challenger, AGAINST=)
	@$(PY) -m commands compare

promote: setup  ## make a version the champion, without a restart, if it is better (SERVICE= VERSION= or ALIAS=challenger, WHY= FORCE=1)
	@$(PY) -m commands promote

rollback: setup  ## make the champion of before champion again (SERVICE= WHY=)
	@$(PY) -m commands rollback

register: setup  ## record trainings and aliases in MLflow that are not there yet (SERVICE= VERSION= MLFLOW_TRACKING_URI=)
	@$(PY) -m commands register

experiment: setup  ## how experiments stand: arms, measurements, differences (SERVICE= RESUME=alias)
	@$(PY) -m commands experiment

run: setup  ## all of it, then live traffic until Ctrl-C (ONCE=1 EVENTS=file.parquet RATE=20 STREAM_DAYS=3)
	@$(PY) -m commands run

status: setup  ## show what is there, how far the stream is and what it could not use (WATCH=2 refreshes)
	@$(PY) -m commands status

compact: setup  ## make few files of the many that the stream wrote to lake and feature logs, for days that are over (FROM= TO= GRACE=1h)
	@$(PY) -m commands compact

replay-dead-letters: setup  ## put rejected events back once they are mended (REASON=missing,future FILE=edited.jsonl)
	@$(PY) -m commands replay-dead-letters

test: setup  ## all tests: real Redis, Spark, Bytewax, Ray and HTTP (THOROUGH=1: many more drawn examples, other ones each time)
	@$(PY) -m pytest $(if $(THOROUGH),--hypothesis-profile thorough) -n $(or $(JOBS),3) --dist loadfile --no-loadscope-reorder --durations=10

test-fast: setup  ## the tests that start none of them
	@$(PY) -m pytest -n $(or $(JOBS),3) --dist loadfile --no-loadscope-reorder -m "not slow" --hypothesis-profile fast

check: setup  ## format, lint, types and layers
	@$(VENV)/bin/ruff format --check . && $(VENV)/bin/ruff check . && $(VENV)/bin/mypy && $(VENV)/bin/lint-imports

faults: setup  ## cause faults against a real stream, and show what was lost (FAULTS="--kills 50 --only killed full")
	@$(PY) -W ignore -m benchmarks.faults $(FAULTS)

soak: setup  ## many calls on a Redis that is killed in between, and what they leave behind (SOAK="--calls 1000000 --steps 20")
	@$(PY) -W ignore -m benchmarks.soak $(SOAK)

bench: setup  ## side by side with peers (minutes)
	@for name in engine live stream backfill online_store online_latency warm_store topologies training_set training_set_size scoring serving_rates serving_faults; do echo "== $$name"; $(PY) -W ignore -m benchmarks.$$name; done

clean:  ## remove what runs made (the virtual environment stays)
	rm -rf data data-[0-9]* .pytest_cache .mypy_cache .ruff_cache .hypothesis
