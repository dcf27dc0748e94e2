"""One partition of the source: where it goes on, and how an idle one follows the clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from pipelines.plan import EventTable
from pipelines.stream.source import EventPartition, EventSource
from pipelines.stream.transport.base import Entries

EVENT = b'{"id": 1, "at": "1970-01-01T00:00:05Z", "user": "a"}'
SECOND = 1_000_000


@dataclass
class ScriptedBroker:
    """Gives what was put in, one read after the other, then nothing."""

    reads: list[Entries] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def partitions(self, topic: str) -> int:
        return 2

    def lag(self, topic: str) -> dict[int, float]:
        return {}

    def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
        self.asked.append(offset)
        return self.reads.pop(0) if self.reads else Entries([], None, offset, 0)


@pytest.fixture
def table() -> EventTable:
    columns = (("id", "bigint"), ("at", "timestamp"), ("user", "string"))
    return EventTable("clicks", "/nowhere", "at", "id", "clicks", "user", columns)


def open_partition(broker: ScriptedBroker, table: EventTable, clock: Any = None, resume: Any = None) -> EventPartition:
    return EventSource(broker, [(table, ("at", "id"))], clock).build_part("events", "clicks/1", resume)


def test_every_partition_of_every_topic_is_read(table: EventTable) -> None:
    assert EventSource(ScriptedBroker(), [(table, ("at",))], None).list_parts() == ["clicks/0", "clicks/1"]


def test_reading_starts_at_the_beginning_and_goes_on_after_a_restart(table: EventTable) -> None:
    broker = ScriptedBroker([Entries([EVENT], None, "7", 1)])
    partition = open_partition(broker, table)
    (batch,) = partition.next_batch()
    again = open_partition(broker, table, resume=partition.snapshot())
    again.next_batch()
    assert (broker.asked, len(batch.events)) == (["0", "7"], 1)
    assert again.snapshot() == partition.snapshot()


def test_without_a_clock_an_idle_partition_says_nothing(table: EventTable) -> None:
    partition = open_partition(ScriptedBroker([Entries([EVENT], None, "7", 1)]), table)
    partition.next_batch()
    assert [partition.next_batch() for _ in range(3)] == [[], [], []]


def test_an_idle_partition_follows_the_clock_a_second_at_a_time(table: EventTable) -> None:
    now = [5 * SECOND]
    broker = ScriptedBroker([Entries([EVENT], None, "7", 1)])
    partition = open_partition(broker, table, clock=lambda: now[0])
    partition.next_batch()
    assert partition.next_batch() == [], "it may only be slow: the first empty read is no idleness"
    assert partition.next_batch() == [], "less than a second has passed"
    now[0] = 7 * SECOND
    (batch,) = partition.next_batch()
    assert (batch.now, len(batch.events)) == (7 * SECOND, 0)


def test_a_partition_with_events_looks_again_at_once_and_an_idle_one_later(table: EventTable) -> None:
    partition = open_partition(ScriptedBroker([Entries([EVENT], None, "7", 1)]), table)
    partition.next_batch()
    assert partition.next_awake() is None
    partition.next_batch()
    assert partition.next_awake() is not None
