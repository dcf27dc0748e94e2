"""The loop: events, lake, gates, features, Redis, stream, parity, model, decisions. `make run`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from commands.apply import apply
from commands.backfill import backfill
from commands.gates import event_gate
from commands.loop.feed import Feed, History, load_history
from commands.loop.home import open_home
from commands.loop.steps import Steps, VerificationFailedError, verify
from commands.loop.streaming import LiveStream, replay, start_stream
from commands.loop.traffic import Tally, follow, score_then_stream
from commands.materialize import materialize
from commands.plan import read_plans
from commands.settings import read_number, read_whole
from pipelines.batch.backfill import run_backfill
from pipelines.batch.lake import DAY
from pipelines.batch.session import open_spark
from pipelines.plan import ViewPlan
from pipelines.stream.transport.redis_streams import RedisBroker
from workspace.workspace import Workspace, open_store

if TYPE_CHECKING:
    from feast import FeatureStore
    from pyspark.sql import SparkSession

SCORED = 500  # transactions that a bounded run scores
SERVE_SECONDS = 300.0


def main() -> int:
    """Run the loop. EVENTS= takes a Parquet file of transactions, ONCE=1 ends after a verified pass, RATE= sets the live
    traffic, STREAM_DAYS= how many days go through the stream.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    once = os.environ.get("ONCE") == "1"
    file = os.environ.get("EVENTS")
    days = read_whole("STREAM_DAYS", 3)
    steps = Steps()
    steps.watch_memory()
    with steps.step("events") as step:
        history = load_history(Path(file) if file else None, days)
        step.said = f"{len(history.events):,} transactions over {history.days} days, {file or 'simulated'}"
    repo = Path(os.environ.get("REPO") or "feature_repo").resolve()
    data = Path(os.environ.get("MILLRACE_DATA") or "data").resolve()
    with open_home(repo, data) as (workspace, redis):
        print(f"  data in {workspace.data}, Redis on {redis.connection_string}")
        try:
            _run(steps, workspace, history, once)
        except KeyboardInterrupt:
            print("\nstopped", flush=True)
            return 130 if once else 0  # a bounded run that did not end has verified nothing
        except VerificationFailedError as error:
            print(f"\nnot verified: {error}", file=sys.stderr, flush=True)
            return 1
    return 0


def _run(steps: Steps, workspace: Workspace, history: History, once: bool) -> None:
    with steps.step("feast apply") as step:
        step.said = f"{apply(workspace)} views planned and registered"
    plans = read_plans(workspace)
    store = open_store(workspace)
    with steps.step("lake, checked by Great Expectations") as step:
        checked = workspace.data / "incoming.parquet"
        pq.write_table(history.events.drop_columns(["is_fraud"]), checked)
        event_gate(workspace, next(p for p in plans if p.table.topic == "transactions"), checked)
        checked.unlink()
        history.land(workspace.data / "lake")
        step.said = "no expectation failed; history landed by day"
    spark = open_spark("millrace")
    with steps.step("backfill: Spark, every view over all history") as step:
        done = []
        for filled in backfill(spark, workspace, plans, history.start, history.cut):
            print(f"  {filled.view:20} {filled.rows:>11,} rows  {filled.seconds:6.1f} s", flush=True)
            done.append(filled)
        step.said = f"{sum(filled.rows for filled in done):,} rows in {len(done)} feature logs"
    with steps.step("materialize: newest rows into Redis, behind gates") as step:
        rows = materialize(spark, workspace, store, plans, history.cut)
        step.said = f"{sum(one.rows for one in rows):,} rows"
    feed = _feed(plans, history)
    stream = start_stream(workspace, plans)
    try:
        with steps.step("stream: broker, Bytewax, Redis, day by day") as step:
            sent, noted = replay(
                stream, feed, store, history.live, lambda t: _refresh(spark, workspace, store, plans, t), print
            )
            step.said = f"{sent:,} events streamed, {noted:,} online values noted"
        with steps.step("parity: Spark over the streamed days, then online against offline") as step:
            step.said = _verify_parity(spark, plans, store, stream, history)
        with steps.step("train: XGBoost on get_historical_features") as step:
            step.said = _train(workspace)
        with steps.step("serve: Ray") as step:
            service, url = _serve(workspace)
            step.said = url
        try:
            with steps.step(f"score {SCORED} live transactions, then stream them") as step:
                step.said = _score(url, history, feed, stream, store)
            steps.show()
            if not once:

                def each_midnight(t: int) -> None:
                    stream.wait_for_landing(feed)
                    _refresh(spark, workspace, store, plans, t)

                _stay(url, workspace, history, feed, each_midnight)
        finally:
            service.terminate()
            service.wait()
    finally:
        stream.stop()
        spark.stop()


def _feed(plans: list[ViewPlan], history: History) -> Feed:
    tables = {plan.table.topic: plan.table for plan in plans if plan.table.topic}
    broker = RedisBroker(os.environ["MILLRACE_BROKER"])
    return Feed(broker, tables["transactions"], tables["fraud_labels"], history, history.cut)


def _refresh(spark: SparkSession, workspace: Workspace, store: FeatureStore, plans: list[ViewPlan], t: int) -> None:
    """Do the daily batch job of the midnight `t`: the batch views' rows of that instant, into log and Redis."""
    batch = [plan for plan in plans if plan.kind == "batch"]
    for _ in run_backfill(spark, batch, t, t + 1):
        pass
    materialize(spark, workspace, store, batch, t)


def _verify_parity(
    spark: SparkSession, plans: list[ViewPlan], store: FeatureStore, stream: LiveStream, history: History
) -> str:
    from commands.parity import show_agreement
    from validation.parity import compare, summarize

    for _ in run_backfill(spark, plans, history.cut, history.live):
        pass
    found = compare(store, stream.captured)
    show_agreement(found)
    compared, equal = summarize(found)
    verify(
        compared > 0 and equal == compared, f"{compared - equal:,} of {compared:,} values differ between the stores."
    )
    return f"{equal:,} of {compared:,} values agree"


def _train(workspace: Workspace) -> str:
    from commands.train import read_options, train_service
    from training.table import describe_training

    result = train_service(workspace, os.environ.get("SERVICE"), read_options())
    print(describe_training(result))
    better, figures = result.metrics.beats_chance()
    verify(better, f"the model is hardly better than chance: {figures}.")
    return figures


def _serve(workspace: Workspace) -> tuple[subprocess.Popen[bytes], str]:
    announced = workspace.data / "serving.json"
    log = (workspace.data / "serving.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "serving", "--port", "0", "--announce", str(announced)],
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C is for the loop, which ends its parts in order
    )
    deadline = time.monotonic() + SERVE_SECONDS
    try:
        while not announced.is_file():
            verify(process.poll() is None, f"the service ended; see {log.name}.")
            verify(time.monotonic() < deadline, f"the service is not up after {SERVE_SECONDS:.0f} s; see {log.name}.")
            time.sleep(0.1)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return process, str(json.loads(announced.read_text())["url"])


def _score(url: str, history: History, feed: Feed, stream: LiveStream, store: FeatureStore) -> str:
    events = history.between(history.live, history.live + DAY).slice(0, SCORED)
    tally = Tally()
    for start in range(0, len(events), 50):
        score_then_stream(url, events.slice(start, 50), feed, tally)
    verify(not tally.failed, f"some requests were not scored: {dict(tally.failed)}")
    verify(tally.scored == len(events) and not tally.degraded, "some answers were degraded.")
    stream.wait_until(store.config.online_store.connection_string, store.config.project, feed.at)
    return f"{tally.scored} scored  ·  {tally.describe()}"


def _stay(url: str, workspace: Workspace, history: History, feed: Feed, refresh: Callable[[int], None]) -> None:
    print(
        f"\nup until Ctrl-C:\n  score    {url}/v1/score\n  model    {url}/v1/model\n"
        f"  reports  {workspace.reports}\n  data     {workspace.data}\n",
        flush=True,
    )
    days = history.days_after()
    rest = next(days)
    rest = rest.slice(min(SCORED, len(rest)))
    follow(url, chain([rest], days), feed, read_number("RATE", 20.0), refresh)
    while True:
        time.sleep(3600)
