"""What becomes of a partition's entries before any view sees them: decoded, checked, told late from in time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from contract.durations import format_duration
from pipelines.arrange import times
from pipelines.plan import EventTable
from pipelines.stream.transport.base import Entries
from pipelines.stream.transport.codec import Rejected, decode_events


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events of one partition, ready for the views.

    Attributes:
        topic: The topic.
        partition: The partition.
        events: Good events, in the order they came.
        landed: All events that could be decoded, the late ones too: what goes to the lake.
        rejected: What went to the dead-letter log.
        now: The latest time that this partition knows of, microseconds: of an event (once it is known) or a tick.
            None when it knows none yet.
    """

    topic: str
    partition: int
    events: pa.Table
    landed: pa.Table
    rejected: list[Rejected]
    now: int | None


@dataclass(slots=True)
class Intake:
    """The running state of one partition.

    Attributes:
        table: The event table.
        partition: The partition.
        required: Columns that an event must have: time, id and the views' join keys.
        newest: The latest event time seen, microseconds; None before the first.
        now: The latest time known; None before the first.
    """

    table: EventTable
    partition: int
    required: tuple[str, ...]
    newest: int | None = None
    now: int | None = field(default=None)

    def take(self, entries: Entries, clock: int | None = None) -> EventBatch:
        """Turn entries into a batch, and note the time.

        An event is late (rule 7) when an event before it in its partition was newer by more than the lateness that the
        source declares. `clock` is the wall clock, microseconds, for a partition that has nothing to read.
        """
        table, rejected, payloads = decode_events(entries.payloads, self.table.schema(), self.required)
        ts = times(table[self.table.timestamp])
        good = table
        if len(ts):
            start = self.newest if self.newest is not None else int(ts[0])
            high = np.maximum(np.maximum.accumulate(np.concatenate([[start], ts[:-1]])), start)
            late = ts < high - self.table.lateness
            if late.any():
                reason = f"late: more than {format_duration(self.table.lateness)} behind its partition"
                rejected += [Rejected(payloads[row], reason) for row in np.flatnonzero(late)]
                good = table.filter(pa.array(~late))
            self.newest = int(max(high[-1], ts[-1]))
        known = [self.newest + self.table.known_after + 1] if self.newest is not None else []
        known += [t for t in (entries.tick, clock, self.now) if t is not None]
        self.now = max(known, default=None)
        return EventBatch(self.table.topic or self.table.name, self.partition, good, table, rejected, self.now)
