"""Bytewax's side of a transport: one source partition for each partition of each topic."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from pipelines.plan import EventTable
from pipelines.stream.intake import EventBatch, Intake
from pipelines.stream.transport.base import Entries, EventReader

READ = 10_000  # entries a read
IDLE = timedelta(milliseconds=5)

Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a partition goes on after a restart: the offset, and the times known there (microseconds)."""

    offset: str
    newest: int | None
    now: int | None


class EventSource(FixedPartitionedSource[EventBatch, Position]):
    """Reads event tables from a transport.

    Args:
        reader: The transport.
        tables: The tables with their required columns.
        clock: The wall clock in microseconds, which an idle partition takes for its time; None in a replay, where only
            events and ticks move time.
    """

    def __init__(
        self, reader: EventReader, tables: Iterable[tuple[EventTable, tuple[str, ...]]], clock: Clock | None
    ) -> None:
        """Note what to read; nothing is opened before Bytewax asks for a partition."""
        self._reader = reader
        self._tables = {table.topic or table.name: (table, required) for table, required in tables}
        self._clock = clock

    def list_parts(self) -> list[str]:
        """Name every partition, as `topic/number`."""
        return [f"{topic}/{p}" for topic in self._tables for p in range(self._reader.partitions(topic))]

    def build_part(self, step_id: str, for_part: str, resume_state: Position | None) -> EventPartition:
        """Open one partition, from its beginning or from where a snapshot left it."""
        topic, _, number = for_part.rpartition("/")
        table, required = self._tables[topic]
        at = resume_state or Position("0", None, None)
        return EventPartition(
            self._reader, Intake(table, int(number), required, at.newest, at.now), at.offset, self._clock
        )


class EventPartition(StatefulSourcePartition[EventBatch, Position]):
    """One partition of a topic."""

    def __init__(self, reader: EventReader, intake: Intake, offset: str, clock: Clock | None) -> None:
        """Start after `offset`."""
        self._reader = reader
        self._intake = intake
        self._offset = offset
        self._clock = clock
        self._awake: datetime | None = None

    def next_batch(self) -> list[EventBatch]:
        """Return what is there: one batch, or nothing."""
        topic = self._intake.table.topic or self._intake.table.name
        entries = self._reader.read(topic, self._intake.partition, self._offset, READ)
        self._offset = entries.offset
        if entries.count:
            self._awake = None
            return [self._intake.take(entries)]
        idle_since = self._awake
        self._awake = datetime.now(UTC) + IDLE
        if self._clock is None or idle_since is None:
            return []
        return self._follow_clock(entries)

    def next_awake(self) -> datetime | None:
        """Return when to look again: at once while there are events."""
        return self._awake

    def snapshot(self) -> Position:
        """Return where to go on."""
        return Position(self._offset, self._intake.newest, self._intake.now)

    def _follow_clock(self, entries: Entries) -> list[EventBatch]:
        """Let the time of an idle partition move with the clock, a second at a time."""
        assert self._clock is not None
        now = self._clock()
        if self._intake.now is not None and now - self._intake.now < 1_000_000:
            return []
        return [self._intake.take(entries, now)]
