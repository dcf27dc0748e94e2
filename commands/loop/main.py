"""The loop: events, lake, gates, features, online store, stream, parity, models, decisions. `make run`, for any repo."""

from __future__ import annotations

import gc
import os
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from commands.interrupt import end_in_peace, was_interrupted
from commands.loop.home import open_home
from commands.loop.steps import Steps, VerificationFailedError
from pipelines.batch.small_job import run_small_job
from workspace.spark_session import open_spark
from workspace.workspace import Workspace

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SMALL = 50_000_000  # bytes of Parquet: some million events


def main() -> int:
    """Run the loop. EVENTS= takes Parquet, ONCE=1 ends after a verified pass, RATE= sets the live traffic, STREAM_DAYS=
    how many days go through the stream, SERVICE= which service is trained.
    """
    gc.set_threshold(
        50_000, 20, 100
    )  # the libraries make a million objects that stay: to look for rubbish among them is dear
    once = os.environ.get("ONCE") == "1"
    repo = Path(os.environ.get("REPO") or "feature_repo").resolve()
    data = Path(os.environ.get("MILLRACE_DATA") or "data").resolve()
    steps = Steps()
    steps.watch_memory()
    try:
        with open_home(repo, data) as (workspace, redis):
            print(f"data in {workspace.data}, Redis on {redis.connection_string}")
            spark: Future[SparkSession] = Future()
            threading.Thread(target=_start_spark, args=(workspace.data / "spark.log", spark), daemon=True).start()
            _play(steps, workspace, spark, once)
    except BaseException as error:
        if was_interrupted():  # whatever a library has made of it
            print("\nstopped", flush=True)
            return 130 if once else 0  # a bounded run that did not end has verified nothing
        if isinstance(error, VerificationFailedError):
            print(f"\nnot verified: {error}", file=sys.stderr, flush=True)
            return 1
        raise
    return 0


def _start_spark(log: Path, started: Future[SparkSession]) -> None:
    """Open Spark and warm it; nobody waits for this thread where a run ends before it needs Spark."""
    try:
        spark = open_spark("millrace", log, brief=_are_few_events())
        run_small_job(spark)
        started.set_result(spark)
    except BaseException as error:
        started.set_exception(error)


def _are_few_events() -> bool:
    """Say whether Java has so little to do that it need not compile much: simulated events, or a small EVENTS."""
    given = Path(os.environ.get("EVENTS") or os.devnull)
    files = given.rglob("*") if given.is_dir() else [given]
    return sum(file.stat().st_size for file in files if file.is_file()) < SMALL


def _play(steps: Steps, workspace: Workspace, spark: Future[SparkSession], once: bool) -> None:
    # Imported while Java starts; the libraries take seconds.
    from commands.loop.stages import Run, stay

    def stop_spark() -> None:
        if spark.done() and not spark.exception() and not was_interrupted():
            spark.result().stop()

    steps.endings.append(stop_spark)
    try:
        run = Run(steps, workspace, spark)
        run.load()
        run.land()
        run.prepare()
        run.start_serving()
        run.backfill()
        run.materialize()
        run.stream()
        run.verify_parity()
        run.train()
        run.score()
        steps.show()
        run.say_what_was_left_out()
        if not once:
            stay(run)
    finally:
        end_in_peace()
        steps.end_all()
