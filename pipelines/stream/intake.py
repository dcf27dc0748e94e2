"""What becomes of a partition's entries before any view sees them: decoded, checked, told late from in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contract.checks import ColumnCheck
from contract.durations import format_duration
from pipelines.arrange import times
from pipelines.plan import EventTable
from pipelines.stream.partition_time import PartitionTime, Times, Verdict
from pipelines.stream.transport.base import Entries
from pipelines.stream.transport.decoding import decode_events
from pipelines.stream.transport.rejected import Rejected
from pipelines.stream.unexpected import find_unexpected

FLOOR: Final = 0
CEILING: Final = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
"""Times of events, microseconds: from 1970 on, before 2200. Windows and delays of decades fit between there and the year 2262,
where nanoseconds end."""

_YEAR_1: Final = -62_135_596_800_000_000
_YEAR_10000: Final = 253_402_300_800_000_000


def system_clock() -> int:
    """Return the time of this machine, microseconds."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events of one partition, ready for the views.

    Attributes:
        topic: The topic.
        partition: The partition.
        events: Good events, in the order they came. Live, some may be ahead of `now`, by less than the source's skew.
        landed: All events that could be decoded, the late ones too: what goes to the lake.
        rejected: What went to the dead-letter log.
        now: The latest time that this partition knows of, microseconds: of an event (once it is known) or a tick.
            None when it knows none yet.
        late_before: No later batch of this partition has an event before this time, microseconds. None when it has had
            none yet.
    """

    topic: str
    partition: int
    events: pa.Table
    landed: pa.Table
    rejected: list[Rejected]
    now: int | None
    late_before: int | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event of a replay that is ahead of its partition, and must be borne out."""

    payload: bytes
    offset: str
    arrived: int


@dataclass(slots=True)
class Intake:
    """The running state of one partition.

    Attributes:
        table: The event table.
        partition: The partition.
        required: Columns that an event must have: time, id and the views' join keys.
        newest: The latest event time seen, microseconds; None before the first.
        now: The latest time known; None before the first.
        live: Whether events are held against the clock; else this is a replay.
        waiting: Events of a replay that are not judged yet.
        clock: The wall clock, microseconds, for events of which the transport does not say when they arrived.
    """

    table: EventTable
    partition: int
    required: tuple[str, ...]
    newest: int | None = None
    now: int | None = None
    live: bool = False
    waiting: tuple[Waiting, ...] = ()
    clock: Callable[[], int] = field(default=system_clock)

    def take(self, entries: Entries, clock: int | None = None) -> EventBatch:
        """Turn entries into a batch, and note the time.

        An event is late (rule 7) when an event before it in its partition was newer by more than the lateness that the
        source declares. `clock` is the wall clock, microseconds, for a partition that has nothing to read.
        """
        ticks, bad_ticks = self._ticks(entries)
        given = _given(self.waiting, entries, self.clock())
        batch = self._judge(given, lambda time, ts, arrived, at: self._verdicts(time, ts, arrived, at, ticks))
        told = [t for _, t in ticks if self.live] + ([] if clock is None else [clock])
        for t in told:
            self.now = t if self.now is None else max(self.now, t)
        return replace(batch, now=self.now, rejected=[*entries.rejected, *bad_ticks, *batch.rejected])

    def judge_rest(self, *, ended: bool) -> EventBatch:
        """Judge what waits, with nothing more to read for a while, or ever."""
        given = _given(self.waiting, Entries([], None, "", 0), self.clock())
        return self._judge(given, lambda time, ts, arrived, _: time.judge_rest(ts, arrived, ended=ended))

    def _verdicts(
        self, time: PartitionTime, ts: Times, arrived: Times, at: Times, ticks: Sequence[tuple[int, int]]
    ) -> Times:
        if self.live:
            return time.judge_live(ts, arrived)
        # Payloads that are no events are not among those to be judged.
        before = [int(np.searchsorted(at, len(self.waiting) + place)) for place in (0, *(place for place, _ in ticks))]
        due = [(place - before[0], t) for place, (_, t) in zip(before[1:], ticks, strict=True)]
        return time.judge_replay(ts, arrived, before[0], due)

    def _judge(self, given: _Given, judge: Callable[[PartitionTime, Times, Times, Times], Times]) -> EventBatch:
        decoded = decode_events(given.payloads, self.table)
        bad = dict(zip(decoded.rejected_at, decoded.rejected, strict=True))
        table, at = decoded.table, decoded.at
        faults = find_faults(table, self.required, self.table.timestamp, self.table.checks.columns)
        if faults:
            bad |= {int(at[row]): Rejected(given.payloads[at[row]], *fault) for row, fault in faults.items()}
            keep = np.setdiff1d(np.arange(len(table)), list(faults))
            table, at = table.take(pa.array(keep)), at[keep]
        ts = times(table[self.table.timestamp])
        clock = PartitionTime.of(self.table, self.newest, self.now)
        verdict = judge(clock, ts, given.arrived[at], at)
        self.newest, self.now = clock.newest, clock.now
        for code, said in ((Verdict.LATE, self._late), (Verdict.FUTURE, self._future)):
            for row in np.flatnonzero(verdict == code).tolist():
                bad[int(at[row])] = Rejected(given.payloads[at[row]], *said(int(ts[row])))
        self.waiting = tuple(
            Waiting(given.payloads[place], given.offset(place), int(given.arrived[place]))
            for place in at[verdict == Verdict.WAITS].tolist()
        )
        rejected = [replace(bad[place], offset=given.offset(place)) for place in sorted(bad)]
        events, landed = _only(table, verdict == Verdict.TAKEN), _only(table, verdict <= Verdict.LATE)
        topic = self.table.topic_name
        return EventBatch(topic, self.partition, events, landed, rejected, self.now, clock.late_before)

    def _late(self, t: int) -> tuple[str, str]:
        return f"late: more than {format_duration(self.table.lateness)} behind its partition", "late"

    def _future(self, t: int) -> tuple[str, str]:
        clock = "its arrival" if self.live else "its partition"
        return f"{_shown(t)} is more than {format_duration(self.table.max_skew)} ahead of {clock}", "future"

    def _ticks(self, entries: Entries) -> tuple[list[tuple[int, int]], list[Rejected]]:
        """Return the ticks that can be, and the others: the clock is the judge of a live one, else it may be any time."""
        told = list(entries.ticks)
        if not told and entries.tick is not None:
            told = [(len(entries.payloads), entries.tick)]
        latest = min(CEILING, self.clock() + self.table.max_skew) if self.live else CEILING
        good = [(place, t) for place, t in told if FLOOR <= t <= latest]
        bad = [Rejected(str(t).encode(), f"no time, or too far ahead: {t}", "bad_tick") for _, t in told]
        return good, [one for one, (_, t) in zip(bad, told, strict=True) if not FLOOR <= t <= latest]


@dataclass(frozen=True, slots=True)
class _Given:
    """What is to be judged together: what waits, then what came."""

    payloads: list[bytes]
    offsets: list[str]
    arrived: Times

    def offset(self, place: int) -> str:
        return self.offsets[place] if self.offsets else ""


def _given(waiting: Sequence[Waiting], entries: Entries, clock: int) -> _Given:
    payloads = entries.payloads
    arrived = np.asarray(entries.arrived, np.int64) if len(entries.arrived) else np.zeros(len(payloads), np.int64)
    arrived = np.where(arrived > 0, np.minimum(arrived, clock), clock)  # a broker's clock may be wrong as well
    offsets = list(entries.offsets)
    if waiting:
        payloads = [*(one.payload for one in waiting), *payloads]
        offsets = [*(one.offset for one in waiting), *(offsets or [""] * len(entries.payloads))]
        arrived = np.concatenate([np.array([one.arrived for one in waiting], np.int64), arrived])
    return _Given(payloads, offsets, arrived)


def find_faults(
    table: pa.Table, required: Sequence[str], timestamp: str, checks: Mapping[str, ColumnCheck]
) -> dict[int, tuple[str, str]]:
    """Return by row what no event may have: no value where one is needed, a time that is none, a value that is not allowed."""
    faults: dict[int, tuple[str, str]] = {}
    for name in required:
        if table[name].null_count:
            for row in np.flatnonzero(table[name].is_null().to_numpy()).tolist():
                faults.setdefault(row, (f"{name} is missing", "missing"))
    for field_ in table.schema:
        name, column = field_.name, table[field_.name]
        if pa.types.is_timestamp(field_.type):
            ts = column.cast(pa.int64()).fill_null(0).to_numpy()
            for row in np.flatnonzero((ts < _YEAR_1) | (ts >= _YEAR_10000)).tolist():
                faults.setdefault(row, (f"{name}: {ts[row]} us is not between the years 1 and 9999", "out_of_range"))
            if name == timestamp:
                for row in np.flatnonzero(ts < FLOOR).tolist():
                    faults.setdefault(row, (f"{_shown(int(ts[row]))} is before 1970", "too_old"))
                for row in np.flatnonzero(ts >= CEILING).tolist():
                    faults.setdefault(row, (f"{_shown(int(ts[row]))} is not before 2200", "future"))
    for row, fault in find_unexpected(table, checks).items():
        faults.setdefault(row, fault)
    return faults


def _only(table: pa.Table, keep: npt.NDArray[np.bool_]) -> pa.Table:
    return table if keep.all() else table.filter(pa.array(keep))


def _shown(t: int) -> str:
    return str(np.datetime64(t, "us"))
