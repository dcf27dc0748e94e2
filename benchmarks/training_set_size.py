"""Measures training sets of growing size, each in a process of its own: time, CPU and the most memory.

    python -m benchmarks.training_set_size                     # 40,000 labels and rows, 10 and 100 times as many
    python -m benchmarks.training_set_size --engine spark
    python -m benchmarks.training_set_size --service fraud_v2  # all labels of a workspace: REPO= MILLRACE_DATA=

One view of 8 features with a ttl of 30 days, 200 rows an entity. Memory is that of the process and all its children (Java, Spark's
workers), pages that they share counted once each. A time of a busy machine says little; CPU, on so many cores, says what it would be.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

import psutil

ENGINES = {
    "duckdb": "stores.asof_offline.AsofOfflineStore",
    "spark": "stores.spark_offline.SparkAsofOfflineStore",
}
ROWS_AN_ENTITY = 200
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class Peak:
    """The most memory of this process and its children while a block runs, in MB, and the CPU that they took, in seconds."""

    def __init__(self) -> None:
        self.megabytes = self.seconds = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._began = _usage()[1]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.seconds = _usage()[1] - self._began

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.megabytes = max(self.megabytes, _usage()[0])


def _usage() -> tuple[float, float]:
    held = spent = 0.0
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            times = process.cpu_times()
            held += process.memory_info().rss / 1e6
            spent += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return held, spent


def measure_size(engine: str, size: int) -> None:
    """Build a log and labels of a size, and print a line of what the training set of them took."""
    from benchmarks.training_set import FEATURES, build_labels, build_log, build_store

    with tempfile.TemporaryDirectory() as folder:
        entities = max(size // ROWS_AN_ENTITY, 1)
        build_log(Path(folder), size, entities)
        labels = build_labels(size, entities)
        store = build_store(Path(folder), ENGINES[engine])
        references = [f"v:{name}" for name in FEATURES]
        store.get_historical_features(labels.iloc[:100], references).to_arrow()  # libraries loaded, Java started
        with Peak() as peak:
            began = time.perf_counter()
            rows = store.get_historical_features(labels, references).to_arrow().num_rows
            took = time.perf_counter() - began
        show(f"{engine}, {size:,} rows", rows, took, peak)


def measure_service(service: str) -> None:
    """Build the training set of all labels of a service of the workspace, and print a line of what it took."""
    from training.data.dataset import build_training_set
    from training.data.task import read_task
    from workspace.workspace import Workspace, open_store

    store = open_store(Workspace.from_env())
    task = read_task(store, service)
    with Peak() as peak:
        began = time.perf_counter()
        rows = len(build_training_set(store, task, FIRST, LAST))
        took = time.perf_counter() - began
    show(f"{service}, {len(task.features)} features", rows, took, peak)


def show(what: str, labels: int, seconds: float, peak: Peak) -> None:
    """Print a line."""
    cost = peak.seconds / labels * 1e6
    print(
        f"{what:28}{labels:>12,}{seconds:>10.1f}{peak.seconds:>10.1f}{cost:>14.1f}{peak.megabytes:>10,.0f}", flush=True
    )


def main() -> None:
    """Measure every size in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_set_size", description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, default="duckdb")
    parser.add_argument("--size", type=int, default=40_000, help="rows and labels of the first line")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--service", help="a feature service of the workspace instead")
    parser.add_argument("--only", action="store_true", help="this size, in this process")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.service:
        print(HEAD)
        measure_service(options.service)
    elif options.only:
        measure_size(options.engine, options.size)
    else:
        print(HEAD)
        for times in options.times:
            size = ["--engine", options.engine, "--size", str(options.size * times), "--only"]
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.training_set_size", *size]
            subprocess.run(command, check=True, env=dict(os.environ), stderr=subprocess.DEVNULL)


HEAD = f"{'':28}{'labels':>12}{'seconds':>10}{'CPU s':>10}{'CPU us/label':>14}{'MB':>10}"

if __name__ == "__main__":
    main()
