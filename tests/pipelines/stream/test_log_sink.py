"""A feature log written by the stream is the backfill's, row for row, over kills, other shards, disorder and repetition."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bytewax.errors import BytewaxRuntimeError
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from pipelines.batch.compute import compute_log
from pipelines.partitioning import partition_of
from pipelines.plan import ViewPlan
from pipelines.semantics import reference
from pipelines.stream.dataflow import build_dataflow
from pipelines.stream.log_compaction import UNSURE, compact_log_day
from pipelines.stream.online_sink import ShardRows
from pipelines.stream.rescale import rescale
from pipelines.stream.transport.base import Entries
from pipelines.stream.transport.codec import encode_events

pytestmark = pytest.mark.slow

MINUTE = 60_000_000
DAY = 1440 * MINUTE
LATENESS = 5 * MINUTE
END = DAY + 60 * MINUTE


class Power(Exception):  # noqa: N818 - what goes out
    """The process is gone."""


@dataclass
class Broker:
    """Two partitions, ten entries a read; when so many reads were made, the power goes."""

    entries: list[list[bytes | int]]
    reads: int

    def partitions(self, topic: str) -> int:
        return 2

    def lag(self, topic: str) -> dict[int, float]:
        return {}

    def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
        self.reads -= 1
        if self.reads < 0:
            raise Power
        found = self.entries[partition][int(offset) : int(offset) + 10]
        if not found:
            raise StopIteration
        payloads = [entry for entry in found if isinstance(entry, bytes)]
        tick = max((entry for entry in found if isinstance(entry, int)), default=None)
        return Entries(payloads, tick, str(int(offset) + len(found)), len(found))


class Nowhere:
    """An online store that nobody reads."""

    def write(self, results: list[ShardRows]) -> None:
        return


@pytest.fixture(params=[0, 3 * MINUTE], ids=["at once", "known later"])
def plan(lab: Any, tmp_path: Path, request: pytest.FixtureRequest) -> ViewPlan:
    functions = [("sum", "money"), ("last_n(3)", "word"), ("count_distinct", "word"), ("session_count(2min)", None)]
    features = [lab.feature(name, column, 10 * MINUTE, MINUTE, delay=request.param) for name, column in functions]
    made: ViewPlan = lab.plan(features, lake=str(tmp_path / "lake"), log=str(tmp_path / "log"), lateness=LATENESS)
    return made


def make_events(lab: Any) -> pa.Table:
    """Two hours around midnight of eleven users, up to four minutes out of order."""
    random = np.random.default_rng(5)
    keyed = []
    for number, ts in enumerate(np.sort(random.integers(DAY - 60 * MINUTE, END - 20 * MINUTE, 400)).tolist()):
        values = {"money": float(random.integers(0, 64)) / 8, "whole": None, "word": str(random.choice(list("abc")))}
        moved = ts - int(random.integers(0, 4 * MINUTE)) * int(random.integers(0, 2))
        keyed.append((f"user {int(random.integers(0, 11))}", reference.Event(moved, number, values | {"flag": None})))
    return lab.table(keyed)


def stream(
    plan: ViewPlan, events: pa.Table, folder: Path, runs: Sequence[tuple[int, int]], compacted: bool = False
) -> None:
    recovery = folder / "recovery"
    recovery.mkdir()
    init_db_dir(recovery, 1)
    for shards, reads in runs:
        broker = Broker([[], []], reads)
        payloads = encode_events(events)
        for place, payload in zip(partition_of([events[plan.table.event_id]], 2), payloads, strict=True):
            broker.entries[int(place)].append(payload)
        for number, entries in enumerate(broker.entries):
            entries[:] = [*entries, *entries[number : number + 30], END]  # some come twice
        rescale(recovery, recovery / "state", lambda: [plan.view, f"{plan.view}_log"], shards, lambda _: None)
        flow = build_dataflow(
            [plan],
            broker,
            Nowhere,
            dead_letters=folder / "dead",
            shards=shards,
            snapshots=recovery / "state",
            logs=True,
        )
        try:
            run_main(flow, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(str(recovery)))
        except BytewaxRuntimeError as error:
            assert isinstance(error.__cause__, Power), error.__cause__  # noqa: PT017 - only that one
        for day in ("1970-01-01", "1970-01-02") if compacted else ():
            for _ in range(2):
                compact_log_day(Path(plan.log), day, time.time(), grace=0.0)


def log_of(lab: Any, plan: ViewPlan) -> dict[str, Any]:
    files = sorted(Path(plan.log).glob("date=*/*.parquet"))
    assert {file.parent.name for file in files} == {"date=1970-01-01", "date=1970-01-02"}
    rows = pa.concat_tables([pq.ParquetFile(file).read() for file in files])
    logs: dict[str, Any] = lab.table_logs(
        rows.sort_by([("user", "ascending"), ("event_timestamp", "ascending")]), plan.features
    )
    return logs


@pytest.mark.parametrize(
    "runs",
    [[(1, 10**9)], [(1, 20), (1, 17), (1, 10**9)], [(1, 20), (2, 15), (2, 11), (1, 10**9)]],
    ids=["undisturbed", "killed twice", "killed, other shards"],
)
def test_the_log_of_a_stream_is_that_of_a_backfill(
    lab: Any, plan: ViewPlan, tmp_path: Path, runs: Sequence[tuple[int, int]]
) -> None:
    events = make_events(lab)
    stream(plan, events, tmp_path, runs)
    final = END - 30 * MINUTE - LATENESS  # what is later may still be changed by an event that comes
    wanted = lab.table_logs(compute_log(plan, events, 0, final), plan.features)
    got = log_of(lab, plan)
    assert {user: [row for row in rows if row[0] < final] for user, rows in got.items()} == wanted
    assert sum(map(len, wanted.values())) > 700


def test_a_log_that_is_compacted_after_each_kill_is_that_of_a_backfill(
    lab: Any, plan: ViewPlan, tmp_path: Path
) -> None:
    events = make_events(lab)
    stream(plan, events, tmp_path, [(1, 20), (1, 17), (2, 15), (2, 11), (1, 10**9)], compacted=True)
    final = END - 30 * MINUTE - LATENESS
    wanted = lab.table_logs(compute_log(plan, events, 0, final), plan.features)
    got = log_of(lab, plan)
    assert {user: [row for row in rows if row[0] < final] for user, rows in got.items()} == wanted
    names = [file.name for file in Path(plan.log).glob("date=*/*.parquet")]
    assert any(name.startswith("compacted-") for name in names)
    assert len(names) <= 2 + 2 * 2 * UNSURE + 2
