"""The number of shards changes over restarts in the middle of a stream, and nobody sees it in what is stored."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bytewax.errors import BytewaxRuntimeError
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from pipelines.partitioning import partition_of
from pipelines.plan import ViewPlan
from pipelines.semantics import reference
from pipelines.stream.dataflow import build_dataflow
from pipelines.stream.online_sink import ShardRows
from pipelines.stream.pages import _PACKER
from pipelines.stream.rescale import Generation, RescaleError, read_generation, rescale
from pipelines.stream.transport.base import Entries
from pipelines.stream.transport.codec import encode_events

pytestmark = pytest.mark.slow

MINUTE = 60_000_000
END = 61 * MINUTE
PARTITIONS = 2


class Power(Exception):  # noqa: N818 - what goes out
    """The process is gone."""


@dataclass
class Broker:
    """Two partitions, ten entries a read; when so many reads were made, the power goes."""

    entries: list[list[bytes | int]]
    reads: int = 10**9

    def partitions(self, topic: str) -> int:
        return PARTITIONS

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


@dataclass
class Store:
    """The newest row of each user."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, results: list[ShardRows]) -> None:
        for row in (row for one in results if one.rows is not None for row in one.rows.to_pylist()):
            if row["user"] not in self.rows or row["event_timestamp"] >= self.rows[row["user"]]["event_timestamp"]:
                self.rows[row["user"]] = row


@pytest.fixture
def plan(lab: Any, tmp_path: Path) -> ViewPlan:
    functions = [("sum", "money"), ("last_n(3)", "word"), ("count_distinct", "word"), ("session_count(2min)", None)]
    features = [lab.feature(name, column, 10 * MINUTE, MINUTE, delay=3 * MINUTE) for name, column in functions]
    made: ViewPlan = lab.plan(features, lake=str(tmp_path / "lake"), log=str(tmp_path / "log"), lateness=5 * MINUTE)
    return made


def broker_of(lab: Any, plan: ViewPlan, reads: int = 10**9) -> Broker:
    """An hour of 23 users, up to a minute out of order; the topic is not partitioned by them."""
    random = np.random.default_rng(5)
    keyed = []
    for number, ts in enumerate(np.sort(random.integers(MINUTE, 60 * MINUTE, 500)).tolist()):
        values = {"money": float(random.integers(0, 64)) / 8, "whole": None, "word": str(random.choice(list("abcdef")))}
        moved = ts - int(random.integers(0, MINUTE))
        keyed.append((f"user {int(random.integers(0, 23))}", reference.Event(moved, number, values | {"flag": None})))
    table = lab.table(keyed)
    broker = Broker([[], []], reads)
    where = partition_of([table[plan.table.event_id]], PARTITIONS)
    for place, payload in zip(where, encode_events(table), strict=True):
        broker.entries[int(place)].append(payload)
    for entries in broker.entries:
        entries.append(END)
    return broker


def stream(lab: Any, plan: ViewPlan, store: Store, folder: Path, runs: Sequence[tuple[int, int]]) -> None:
    """Run with so many shards for so many reads, until the power goes; the last run is to the end."""
    recovery = folder / "recovery"
    if not recovery.is_dir():
        recovery.mkdir(parents=True)
        init_db_dir(recovery, 1)
    for shards, reads in runs:
        _PACKER.submit(int).result()  # a process that has ended packs no files any more
        rescale(recovery, recovery / "state", lambda: [plan.view], shards, lambda _: None)
        flow = build_dataflow(
            [plan],
            broker_of(lab, plan, reads),
            lambda: store,
            dead_letters=folder / "dead",
            shards=shards,
            snapshots=recovery / "state",
        )
        try:
            run_main(flow, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(str(recovery)))
        except BytewaxRuntimeError as error:
            assert isinstance(error.__cause__, Power), error.__cause__  # noqa: PT017 - only that one


@pytest.mark.parametrize(
    "shards",
    [(1, 2, 1), (2, 3, 1, 2), (1, 2, 4, 2, 1), (3, 3, 2)],
    ids=lambda shards: " to ".join(map(str, shards)),
)
def test_shards_change_over_restarts_and_every_row_is_that_of_a_stream_that_never_stopped(
    lab: Any, plan: ViewPlan, tmp_path: Path, shards: tuple[int, ...]
) -> None:
    undisturbed, store = Store(), Store()
    stream(lab, plan, undisturbed, tmp_path / "undisturbed", [(1, 10**9)])
    stream(lab, plan, store, tmp_path / "rescaled", [*((n, 12) for n in shards[:-1]), (shards[-1], 10**9)])
    assert len(store.rows) == 23
    values = [{user: row | {"event_timestamp": None} for user, row in one.rows.items()} for one in (undisturbed, store)]
    assert values[0] == values[1]
    assert not (tmp_path / "rescaled" / "dead").exists()


def test_folders_of_earlier_generations_do_not_pile_up(lab: Any, plan: ViewPlan, tmp_path: Path) -> None:
    stream(lab, plan, Store(), tmp_path, [(1, 9), (2, 9), (3, 9), (2, 9), (1, 9)])
    state = tmp_path / "recovery" / "state"
    generations = {int(folder.name.split("-")[1]) for folder in state.iterdir() if folder.is_dir()}
    assert read_generation(state).number == 4
    assert min(generations) >= 3


def test_a_shard_that_is_not_there_cannot_be_shared_out(lab: Any, plan: ViewPlan, tmp_path: Path) -> None:
    stream(lab, plan, Store(), tmp_path, [(1, 9)])
    state = tmp_path / "recovery" / "state"
    (state / "generation").write_bytes(pickle.dumps(Generation(0, 3, {}, 3)))
    with pytest.raises(
        RescaleError, match=r"view: 2 of 3 shards have not begun.* start once more with SHARDS=3, or with"
    ):
        rescale(tmp_path / "recovery", state, lambda: [plan.view], 2, lambda _: None)
