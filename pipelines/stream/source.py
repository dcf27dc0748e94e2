"""Bytewax's side of a transport: one source partition for each partition of each topic."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from pipelines.plan import EventTable
from pipelines.stream.intake import EventBatch, Intake, Waiting, system_clock
from pipelines.stream.outage import Outage
from pipelines.stream.transport.base import Entries, EventReader, Retaining, Ringing, TransportUnavailable

READ = 20_000  # entries a read, and the events of a batch while a stream catches up
IDLE = timedelta(milliseconds=5)

BUSY: Final = 0.1
"""Seconds after an entry in which a partition asks its broker all the time: that is cheaper than being called."""

ASK: Final = 0.5
"""Seconds after which an idle partition asks its broker, be there news or not."""

PATIENCE: Final = 5.0
"""Seconds without an entry after which a replay judges what waits: its sender ticks sooner, or does not tick at all."""

KEPT: Final = 3
"""Snapshots until one is surely on the disk: a restart goes on from that one or a later one."""

Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a partition goes on after a restart: the offset, the times known there (microseconds), events that wait."""

    offset: str
    newest: int | None
    now: int | None
    waiting: tuple[Waiting, ...] = ()


class EventSource(FixedPartitionedSource[EventBatch, Position]):
    """Reads event tables from a transport.

    Args:
        reader: The transport.
        tables: The tables with their required columns.
        clock: The wall clock in microseconds, against which events are held and which an idle partition takes for its
            time; None in a replay, where only events and ticks move time.
    """

    def __init__(
        self, reader: EventReader, tables: Iterable[tuple[EventTable, tuple[str, ...]]], clock: Clock | None
    ) -> None:
        """Note what to read; nothing is opened before Bytewax asks for a partition."""
        self._reader = reader
        self._tables = {table.topic_name: (table, required) for table, required in tables}
        self._clock = clock
        self._outage = Outage("broker")

    def list_parts(self) -> list[str]:
        """Name every partition, as `topic/number`."""
        return [f"{topic}/{p}" for topic in self._tables for p in range(self._reader.partitions(topic))]

    def build_part(self, step_id: str, for_part: str, resume_state: Position | None) -> EventPartition:
        """Open one partition, from its beginning or from where a snapshot left it."""
        topic, _, number = for_part.rpartition("/")
        table, required = self._tables[topic]
        at = resume_state or Position("0", None, None)
        live = self._clock is not None
        intake = Intake(table, int(number), required, at.newest, at.now, live, at.waiting, self._clock or system_clock)
        return EventPartition(self._reader, intake, at.offset, self._clock, self._outage)


class EventPartition(StatefulSourcePartition[EventBatch, Position]):
    """One partition of a topic."""

    def __init__(
        self,
        reader: EventReader,
        intake: Intake,
        offset: str,
        clock: Clock | None,
        outage: Outage,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start after `offset`."""
        self._reader = reader
        self._intake = intake
        self._topic = intake.table.topic_name
        self._offset = offset
        self._clock = clock
        self._outage = outage
        self._seconds = seconds
        self._quiet_since: float | None = None
        self._bell = reader if isinstance(reader, Ringing) else None
        self._empty_since: float | None = None
        self._asked = 0.0  # when the last read found nothing
        self._awake: datetime | None = None
        self._began = datetime.now(UTC)
        self._snapshots: deque[str] = deque(maxlen=KEPT)

    def next_batch(self) -> list[EventBatch]:
        """Return what is there: one batch, or nothing. A broker that is away may come back, so the partition waits."""
        self._began = datetime.now(UTC)
        if self._is_quiet():
            self._sleep(IDLE)
            return []
        try:
            entries = self._reader.read(self._topic, self._intake.partition, self._offset, READ)
            batches = [self._intake.take(entries)] if entries.count else []
        except TransportUnavailable as error:
            # No time passes meanwhile: there may be events that nobody can see yet.
            self._quiet_since = self._empty_since = None
            self._sleep(timedelta(seconds=self._outage.failed(error, (self._topic, self._intake.partition))))
            return []
        except StopIteration:
            if not self._intake.waiting:
                raise
            return [self._intake.judge_rest(ended=True)]
        self._outage.worked()
        self._offset = entries.offset
        if batches:
            self._quiet_since = self._empty_since = self._awake = None
            return batches
        self._sleep(IDLE)
        self._asked = self._seconds()
        if entries.more:
            self._empty_since = None
        elif self._empty_since is None:
            self._empty_since = self._asked
        if self._quiet_since is None or entries.more:
            # The first empty read is no idleness: it may only be slow.
            self._quiet_since = None if entries.more else self._seconds()
            return []
        return self._pass_time(entries) if self._clock is None else self._follow_clock(entries, self._clock())

    def next_awake(self) -> datetime | None:
        """Return when to look again: at once while there are events."""
        return self._awake

    def snapshot(self) -> Position:
        """Return where to go on; the broker may forget what a restart will surely not read again."""
        if len(self._snapshots) == KEPT and isinstance(self._reader, Retaining):
            self._reader.retain(self._topic, self._intake.partition, self._snapshots[0])
        self._snapshots.append(self._offset)
        return Position(self._offset, self._intake.newest, self._intake.now, self._intake.waiting)

    def _is_quiet(self) -> bool:
        """Say whether nothing is new, so that the broker need not be asked: it is now and then, to see that all is well."""
        if self._bell is None or self._empty_since is None:
            return False
        now = self._seconds()
        if now - self._empty_since < BUSY or now - self._asked >= ASK:
            return False
        return not self._bell.has_news(self._topic, self._intake.partition, self._offset)

    def _sleep(self, time: timedelta) -> None:
        # From the beginning of this call: Bytewax counts from there, and would sleep once more as long as a read took.
        self._awake = self._began + time

    def _follow_clock(self, entries: Entries, now: int) -> list[EventBatch]:
        """Let the time of an idle partition move with the clock, a second at a time."""
        if self._intake.now is not None and now - self._intake.now < 1_000_000:
            return []
        return [self._intake.take(entries, now)]

    def _pass_time(self, entries: Entries) -> list[EventBatch]:
        """In a replay, judge what has waited long enough."""
        quiet = self._seconds() - (self._quiet_since or 0.0)
        if not self._intake.waiting or quiet < PATIENCE:
            return []
        batch = self._intake.judge_rest(ended=False)
        return [batch] if len(batch.landed) or batch.rejected else []
