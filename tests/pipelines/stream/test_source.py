"""One partition of the source: where it goes on, and how an idle one follows the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.plan import EventTable
from pipelines.stream.intake import Intake
from pipelines.stream.outage import Outage
from pipelines.stream.source import ASK, BUSY, KEPT, PATIENCE, EventPartition, EventSource, Position
from pipelines.stream.transport.base import Entries, TransportUnavailable

EVENT = b'{"id": 1, "at": "1970-01-01T00:00:05Z", "user": "a"}'
SECOND = 1_000_000


@dataclass
class ScriptedBroker:
    """Gives what was put in, one read after the other, then nothing; an error that was put in is raised."""

    reads: list[Entries | Exception] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    retained: list[tuple[str, int, str]] = field(default_factory=list)

    def partitions(self, topic: str) -> int:
        return 2

    def lag(self, topic: str) -> dict[int, float]:
        return {}

    def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
        self.asked.append(offset)
        found = self.reads.pop(0) if self.reads else Entries([], None, offset, 0)
        if isinstance(found, Exception):
            raise found
        return found

    def retain(self, topic: str, partition: int, offset: str) -> None:
        self.retained.append((topic, partition, offset))


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


AWAY = TransportUnavailable("the broker does not answer; start it.")


def test_a_broker_that_is_away_is_waited_for_and_read_again_from_the_same_offset(
    table: EventTable, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = ScriptedBroker([Entries([EVENT], None, "7", 1), AWAY, AWAY, Entries([EVENT], None, "8", 1)])
    partition = open_partition(broker, table, clock=lambda: 100 * SECOND)
    batches = [partition.next_batch()]
    for _ in range(2):
        batches.append(partition.next_batch())
        assert partition.next_awake() is not None
    batches.append(partition.next_batch())
    assert [len(one) for one in batches] == [1, 0, 0, 1]
    assert broker.asked == ["0", "7", "7", "7"]
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "broker: the broker does not answer; start it. Waiting until it is back."
    assert said[1].startswith("broker: back after")
    assert len(said) == 2


def test_a_read_that_took_long_is_not_waited_for_once_more(table: EventTable) -> None:
    class Slow(ScriptedBroker):
        def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
            time.sleep(0.05)  # longer than an idle partition sleeps
            return super().read(topic, partition, offset, most)

    partition = open_partition(Slow(), table)
    partition.next_batch()
    awake = partition.next_awake()
    assert awake is not None
    assert awake < datetime.now(UTC)


def test_events_whose_schemas_cannot_be_asked_for_are_read_again(table: EventTable) -> None:
    schema = '{"type": "record", "name": "E", "fields": [{"name": "id", "type": "long"}]}'
    avro = replace(table, encoding="avro", encoding_schema=schema, registry="http://127.0.0.1:9")
    entries = Entries([b"\0\0\0\0\7\2"], None, "1", 1)
    broker = ScriptedBroker([entries, entries])
    partition = open_partition(broker, avro)
    assert [partition.next_batch() for _ in range(2)] == [[], []]
    assert broker.asked == ["0", "0"]


def test_while_the_broker_is_away_no_time_passes(table: EventTable) -> None:
    now = [5 * SECOND]
    broker = ScriptedBroker(
        [Entries([EVENT], None, "7", 1), Entries([], None, "7", 0), AWAY, Entries([], None, "7", 0)]
    )
    partition = open_partition(broker, table, clock=lambda: now[0])
    partition.next_batch()
    now[0] = 60 * SECOND
    assert [partition.next_batch() for _ in range(3)] == [[], [], []], "what came meanwhile may only be slow"
    (batch,) = partition.next_batch()
    assert batch.now == 60 * SECOND


def test_the_broker_may_forget_what_no_restart_will_read(table: EventTable) -> None:
    broker = ScriptedBroker([Entries([EVENT], None, str(number), 1) for number in range(1, 6)])
    partition = open_partition(broker, table)
    for _ in range(5):
        partition.next_batch()
        partition.snapshot()
    assert broker.retained == [("clicks", 1, str(number)) for number in range(1, 6 - KEPT)]


AHEAD = b'{"id": 2, "at": "1970-01-01T10:00:00Z", "user": "a"}'


def test_a_restart_remembers_what_waits(table: EventTable) -> None:
    broker = ScriptedBroker([Entries([EVENT], None, "7", 1), Entries([AHEAD], None, "8", 1, ["8"], [9])])
    partition = open_partition(broker, table)
    partition.next_batch()
    partition.next_batch()
    again = open_partition(ScriptedBroker([Entries([], 36_000 * SECOND, "9", 1)]), table, resume=partition.snapshot())
    (batch,) = again.next_batch()
    assert batch.events["id"].to_pylist() == [2]
    assert again.snapshot() == Position("9", 36_000 * SECOND, 36_000 * SECOND + 1, ())


def test_a_replay_that_has_nothing_to_read_for_a_while_judges_what_waits(table: EventTable) -> None:
    seconds = [0.0]
    intake = Intake(table, 1, ("at", "id"))
    broker = ScriptedBroker([Entries([EVENT, AHEAD], None, "8", 2)])
    partition = EventPartition(broker, intake, "0", None, Outage("broker"), lambda: seconds[0])
    assert len(partition.next_batch()[0].events) == 1
    assert [partition.next_batch() for _ in range(2)] == [[], []]
    seconds[0] = PATIENCE
    (batch,) = partition.next_batch()
    assert batch.events["id"].to_pylist() == [2]
    assert partition.next_batch() == []


def test_at_the_end_of_a_replay_what_waits_is_given_and_then_it_ends(table: EventTable) -> None:
    broker = ScriptedBroker([Entries([EVENT, AHEAD], None, "8", 2), StopIteration(), StopIteration()])
    partition = open_partition(broker, table)
    partition.next_batch()
    (batch,) = partition.next_batch()
    assert batch.events["id"].to_pylist() == [2]
    with pytest.raises(StopIteration):
        partition.next_batch()


@dataclass
class RingingBroker(ScriptedBroker):
    """A broker that says when there is something to read."""

    news: bool = False

    def has_news(self, topic: str, partition: int, offset: str) -> bool:
        return self.news


def test_a_partition_that_is_idle_asks_its_broker_when_it_is_called_and_twice_a_second(table: EventTable) -> None:
    broker, now = RingingBroker(), [0.0]
    source = EventSource(broker, [(table, ("at", "id"))], None).build_part("events", "clicks/1", None)
    source._seconds = lambda: now[0]

    def asked(at: float) -> int:
        now[0], before = at, len(broker.asked)
        assert source.next_batch() == []
        return len(broker.asked) - before

    assert [asked(at) for at in (0.0, BUSY / 2, BUSY, BUSY / 2 + ASK - 0.01)] == [1, 1, 0, 0]
    assert [asked(at) for at in (BUSY / 2 + ASK, BUSY / 2 + ASK + 0.01)] == [1, 0]
    broker.news = True
    assert asked(BUSY / 2 + ASK + 0.02) == 1
