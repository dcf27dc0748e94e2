"""The Bytewax dataflow, run in this process from a broker that ends, into a list instead of Redis."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bytewax.errors import BytewaxRuntimeError
from bytewax.testing import cluster_main, run_main

from pipelines.batch.compute import compute_log
from pipelines.partitioning import partition_of
from pipelines.plan import PlanError, ViewPlan
from pipelines.semantics import reference
from pipelines.stream.dataflow import build_dataflow
from pipelines.stream.handover import HandoverError
from pipelines.stream.online_sink import ShardRows
from pipelines.stream.transport.base import Entries
from pipelines.stream.transport.codec import encode_events

pytestmark = pytest.mark.slow

MINUTE = 60_000_000
PARTITIONS = 3
Keyed = tuple[str, reference.Event]


@dataclass
class EndingBroker:
    """Partitions of payloads and ticks that end; partition p gives `most[p]` entries a read."""

    entries: list[list[bytes | int]]
    most: tuple[int, ...] = (1, 4, 1000)

    def partitions(self, topic: str) -> int:
        return PARTITIONS

    def lag(self, topic: str) -> dict[int, float]:
        return {}

    def publish(self, table: Any, events: pa.Table) -> int:
        where = partition_of([events[table.partition_by]], PARTITIONS)
        for partition, payload in zip(where, encode_events(events), strict=True):
            self.entries[int(partition)].append(payload)
        return len(events)

    def tick(self, topic: str, t: int) -> None:
        for entries in self.entries:
            entries.append(t)

    def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
        found = self.entries[partition][int(offset) : int(offset) + self.most[partition]]
        if not found:
            raise StopIteration
        ticks = [entry for entry in found if isinstance(entry, int)]
        payloads = [entry for entry in found if isinstance(entry, bytes)]
        return Entries(payloads, max(ticks, default=None), str(int(offset) + len(found)), len(found))


@dataclass
class Store:
    """Keeps the newest row of each user, and what the frontiers said."""

    lab: Any
    plan: ViewPlan
    rows: dict[str, tuple[int, tuple[Any, ...]]] = field(default_factory=dict)
    frontiers: dict[int, int] = field(default_factory=dict)
    seen: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def write(self, results: list[ShardRows]) -> None:
        for result in results:
            self.lab.keep_newest(self.rows, result.rows, self.plan.features)
            self.frontiers[result.shard] = result.frontier
        self.seen.append((min(self.frontiers.values()), dict(self.rows)))

    def values(self) -> dict[str, tuple[Any, ...]]:
        return {user: values for user, (_, values) in self.rows.items()}


@pytest.fixture
def plan(lab: Any, tmp_path: Path) -> ViewPlan:
    features = [
        lab.feature("sum", "money", 10 * MINUTE, MINUTE),
        lab.feature("last_n(3)", "word", 10 * MINUTE, MINUTE),
        lab.feature("session_count(2min)", None, 10 * MINUTE, MINUTE),
    ]
    made: ViewPlan = lab.plan(features, lake=str(tmp_path / "lake"), log=str(tmp_path / "log"), lateness=5 * MINUTE)
    return made


@pytest.fixture
def events() -> list[Keyed]:
    """Twenty minutes of eleven users, up to two minutes out of order."""
    random = np.random.default_rng(5)
    out = []
    for number, ts in enumerate(np.sort(random.integers(0, 20 * MINUTE, 300)).tolist()):
        moved = max(ts - int(random.integers(0, 2 * MINUTE)) * int(random.integers(0, 2)), 0)
        values = {
            "money": float(random.integers(0, 64)) / 8,
            "whole": None,
            "word": str(random.choice(["a", "b"])),
            "flag": None,
        }
        out.append((f"user {int(random.integers(0, 11))}", reference.Event(moved, number, values)))
    return out


def broker_of(lab: Any, plan: ViewPlan, events: Sequence[Keyed], tick: int | None = None) -> EndingBroker:
    broker = EndingBroker([[] for _ in range(PARTITIONS)])
    broker.publish(plan.table, lab.table(events))
    if tick is not None:
        broker.tick("events", tick)
    return broker


def wanted(lab: Any, plan: ViewPlan, events: Sequence[Keyed], t: int) -> dict[str, tuple[Any, ...]]:
    users = {user for user, _ in events}
    return {
        user: tuple(reference.value_at(f, reference.distinct(lab.of_user(events, user)), t) for f in plan.features)
        for user in users
    }


def stream(lab: Any, plan: ViewPlan, broker: EndingBroker, tmp_path: Path, workers: int = 1, **options: Any) -> Store:
    store = Store(lab, plan)
    flow = build_dataflow([plan], broker, lambda: store, dead_letters=tmp_path / "dead", **options)
    if workers == 1:
        run_main(flow)
    else:
        cluster_main(flow, [], 0, worker_count_per_proc=workers)
    return store


@pytest.mark.parametrize(("shards", "workers"), [(1, 1), (2, 1), (4, 2)])
def test_shards_and_workers_do_not_change_the_values(
    lab: Any, plan: ViewPlan, events: list[Keyed], tmp_path: Path, shards: int, workers: int
) -> None:
    broker = broker_of(lab, plan, events, tick=21 * MINUTE)
    store = stream(lab, plan, broker, tmp_path, workers, shards=shards)
    assert store.values() == wanted(lab, plan, events, 21 * MINUTE)
    assert store.frontiers == dict.fromkeys(range(shards), 21 * MINUTE)


def test_up_to_the_frontier_nothing_is_missing(lab: Any, plan: ViewPlan, events: list[Keyed], tmp_path: Path) -> None:
    in_order = sorted(events, key=lambda keyed: keyed[1].ts)
    store = stream(lab, plan, broker_of(lab, plan, in_order, tick=21 * MINUTE), tmp_path)
    reached = [rows for frontier, rows in store.seen if frontier >= 21 * MINUTE]
    assert {user: values for user, (_, values) in reached[0].items()} == wanted(lab, plan, events, 21 * MINUTE)


def test_events_sent_again_change_nothing(lab: Any, plan: ViewPlan, events: list[Keyed], tmp_path: Path) -> None:
    broker = broker_of(lab, plan, [*events, *events[-40:]], tick=21 * MINUTE)
    assert stream(lab, plan, broker, tmp_path).values() == wanted(lab, plan, events, 21 * MINUTE)


def test_a_stream_that_starts_from_a_backfill_goes_on_as_if_it_had_always_run(
    lab: Any, plan: ViewPlan, events: list[Keyed], tmp_path: Path
) -> None:
    cut, now = 9 * MINUTE, 13 * MINUTE  # much of the history is still inside
    history = [keyed for keyed in events if keyed[1].ts < cut]
    hand_over(lab, plan, history, cut, tmp_path / "state")
    broker = broker_of(lab, plan, [keyed for keyed in events if cut <= keyed[1].ts < now], tick=now)
    store = Store(lab, plan)
    logs = lab.table_logs(compute_log(plan, lab.table(history), 0, cut), plan.features)
    store.rows = {user: log[-1] for user, log in logs.items()}
    flow = build_dataflow([plan], broker, lambda: store, dead_letters=tmp_path, state=tmp_path / "state", shards=2)
    run_main(flow)
    assert store.values() == wanted(lab, plan, [keyed for keyed in events if keyed[1].ts < now], now)


def hand_over(lab: Any, plan: ViewPlan, history: Sequence[Keyed], cut: int, state: Path) -> None:
    folder = state / plan.view / "events"
    folder.mkdir(parents=True)
    pq.write_table(
        lab.table([keyed for keyed in history if keyed[1].ts >= cut - plan.reach]), folder / "part-0.parquet"
    )
    (state / plan.view / "cut.json").write_text(json.dumps({"view": plan.view, "cut": cut}))


def test_a_missing_handover_is_refused_with_what_to_do(
    lab: Any, plan: ViewPlan, events: list[Keyed], tmp_path: Path
) -> None:
    with pytest.raises(BytewaxRuntimeError) as raised:
        stream(lab, plan, broker_of(lab, plan, events), tmp_path, state=tmp_path / "state")
    assert isinstance(raised.value.__cause__, HandoverError)
    message = r"view: no handover in .*/state/view; run `make backfill` first, or start the stream with COLD=1"
    assert re.match(message, str(raised.value.__cause__))


def test_late_events_are_logged_with_their_reason_and_land_in_the_lake(
    lab: Any, plan: ViewPlan, tmp_path: Path
) -> None:
    blank = {"money": 1.0, "whole": None, "word": None, "flag": None}
    sent = [
        ("a", reference.Event(ts, number, blank)) for number, ts in enumerate([10 * MINUTE, 4 * MINUTE, 5 * MINUTE])
    ]
    store = stream(lab, plan, broker_of(lab, plan, sent, tick=10 * MINUTE + 1), tmp_path)
    (told,) = [json.loads(line) for line in (tmp_path / "dead" / "events-0.jsonl").read_text().splitlines()]
    assert (told["code"], told["reason"]) == ("late", "late: more than 5min behind its partition")
    assert json.loads(told["event"])["id"] == 1
    assert sorted(pq.read_table(tmp_path / "lake")["id"].to_pylist()) == [0, 1, 2]
    assert store.values()["a"][0] == 2.0


def test_bad_events_are_logged_and_do_not_stop_the_stream(
    lab: Any, plan: ViewPlan, events: list[Keyed], tmp_path: Path
) -> None:
    broker = broker_of(lab, plan, events)
    bad = [
        b"nonsense",
        b'{"id": 1, "at": "1970-01-01T00:00:00Z"}',
        b'{"id": "x", "at": "1970-01-01T00:00:00Z", "user": "a"}',
    ]
    for entries in broker.entries:
        entries[3:3] = bad
    broker.tick("events", 21 * MINUTE)
    store = stream(lab, plan, broker, tmp_path)
    assert store.values() == wanted(lab, plan, events, 21 * MINUTE)
    told = [json.loads(line) for line in (tmp_path / "dead" / "events-0.jsonl").read_text().splitlines()]
    assert sorted(event["event"].encode() for event in told) == sorted(bad * PARTITIONS)
    assert {event["code"] for event in told} == {"not_json", "missing", "wrong_type"}
    assert "user is missing" in {event["reason"] for event in told}
    assert len(pq.read_table(tmp_path / "lake")) == len(events)


def test_events_land_in_the_folder_of_their_day(lab: Any, plan: ViewPlan, tmp_path: Path) -> None:
    day = 24 * 60 * MINUTE
    blank = {"money": 1.0, "whole": None, "word": None, "flag": None}
    sent = [("a", reference.Event(ts, ts, blank)) for ts in (0, day - 1, day)]
    stream(lab, plan, broker_of(lab, plan, sent), tmp_path)
    landed = {
        path.name: sorted(pq.read_table(path, partitioning=None)["id"].to_pylist())
        for path in (tmp_path / "lake").iterdir()
    }
    assert landed == {"date=1970-01-01": [0, day - 1], "date=1970-01-02": [day]}


def test_a_stream_that_should_not_land_events_lands_none(
    lab: Any, plan: ViewPlan, events: list[Keyed], tmp_path: Path
) -> None:
    stream(lab, plan, broker_of(lab, plan, events), tmp_path, land=False)
    assert not (tmp_path / "lake").exists()


def test_one_topic_declared_in_two_ways_is_refused(lab: Any, plan: ViewPlan) -> None:
    other = replace(plan, view="other", table=replace(plan.table, lateness=1))
    with pytest.raises(
        PlanError, match="other: topic events is declared in two ways; give all its KafkaSources the same schema"
    ):
        build_dataflow([plan, other], EndingBroker([]), lambda: Store(lab, plan), dead_letters=Path("dead"))
