"""The time of one partition: which events are late, which are of the future, and what moves it (rule 7).

One bad clock must not make everybody else late. Live, the clock that an event is held against is the moment it came to the
broker: what is ahead of it by more than the skew is of the future, and no event moves its partition further than that moment.
A replay has no such clock. There an event that is ahead of its partition by more than the skew waits:

- a tick bears it out, or shows it to be of the future;
- so do events after it: that they come near it, or that one comes which it would make late;
- when more than `WAITING` wait, the earliest of them is taken: that many agree that time has moved;
- at the end of the replay, or when there is nothing more to read for a while, what is not beyond the wall clock is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from contract.durations import HOUR, SECOND
from pipelines.plan import EventTable

Times = npt.NDArray[np.int64]

WAITING: Final = 100
"""Events of one partition that may wait in a replay."""

IDLE: Final = HOUR
"""How far a partition without events may be behind the clock, or a tick, before events that are older are late."""

NEAR: Final = SECOND
"""Clocks that are kept in step differ by less: so far ahead of its arrival an event still moves time, and is seen at once."""


class Verdict(IntEnum):
    """What becomes of an event."""

    TAKEN = 0
    LATE = 1
    FUTURE = 2
    WAITS = 3


@dataclass(slots=True)
class PartitionTime:
    """The running time of one partition; all in microseconds.

    Attributes:
        lateness: How far an event may be behind the newest before it.
        known_after: How long after its time an event becomes known.
        max_skew: How far an event may be ahead of the clock.
        newest: The latest event time that counts; None before the first.
        now: The latest time known: of events once they are known, of ticks, of the clock; None before the first.
    """

    lateness: int
    known_after: int
    max_skew: int
    newest: int | None = None
    now: int | None = None

    @classmethod
    def of(cls, table: EventTable, newest: int | None, now: int | None) -> PartitionTime:
        """Go on from what was known."""
        return cls(table.lateness, table.known_after, table.max_skew, newest, now)

    @property
    def late_before(self) -> int | None:
        """Return the time before which an event would be late; None where none would."""
        reached = self.reached
        return None if reached is None else reached - self.lateness

    @property
    def reached(self) -> int | None:
        """Return the event time that lateness counts from: the newest event's, or the clock's less an hour."""
        told = self.progress
        if told is None:
            return self.newest
        return told - IDLE if self.newest is None else max(self.newest, told - IDLE)

    def tell(self, t: int | None) -> None:
        """Note a time that is known; None, or an earlier one, changes nothing."""
        if t is not None:
            self.now = t if self.now is None else max(self.now, t)

    def judge_live(self, ts: Times, arrived: Times) -> Times:
        """Return the verdict of each event, in the order they came, and note the time."""
        future = ts > arrived + self.max_skew
        counted = np.minimum(ts, arrived + NEAR - self.known_after)[~future]
        verdict = np.full(len(ts), Verdict.FUTURE, np.int64)
        verdict[~future] = self._in_order(ts[~future], counted)
        return verdict

    def judge_replay(self, ts: Times, arrived: Times, waiting: int, ticks: Sequence[tuple[int, int]]) -> Times:
        """Return the verdict of each event, in the order they came, and note the time.

        Args:
            ts: The events' times.
            arrived: When they came, by the wall clock.
            waiting: How many of them, the first ones, have been waiting.
            ticks: Before which of the others each tick came, and its time.
        """
        if not waiting and len(ts) and self._all_near(ts, int(arrived[0])) and not self._ticks_matter(ts, ticks):
            verdict = self._in_order(ts, ts)
        else:
            judge = _Replay(self, ts, arrived)
            judge.run(waiting, ticks)
            verdict = judge.verdict
        for _, t in ticks:
            self.tell(t)
        return verdict

    def judge_rest(self, ts: Times, arrived: Times, *, ended: bool) -> Times:
        """Return the verdict of events that wait and have nothing after them; at the end none goes on waiting."""
        judge = _Replay(self, ts, arrived)
        judge.rest(ended)
        return judge.verdict

    def _in_order(self, ts: Times, counted: Times) -> Times:
        """Return which events are late, where each moves time to `counted`."""
        if not len(ts):
            return np.zeros(0, np.int64)
        reached = self.reached
        start = reached if reached is not None else int(counted[0])
        before = np.maximum(np.maximum.accumulate(np.concatenate([[start], counted[:-1]])), start)
        late = ts < before - self.lateness
        if not late.all():
            self.move(int(counted[~late].max()))
        return np.where(late, Verdict.LATE, Verdict.TAKEN).astype(np.int64)

    def move(self, newest: int) -> None:
        """Note the time of an event that counts."""
        self.newest = newest if self.newest is None else max(self.newest, newest)
        self.tell(self.newest + self.known_after + 1)

    @property
    def progress(self) -> int | None:
        """Return how far the partition is, in the time of its events."""
        return None if self.now is None else self.now - self.known_after - 1

    def _all_near(self, ts: Times, arrived: int) -> bool:
        start = self.progress
        if start is None:
            start = min(int(ts[0]), arrived)
        before = np.maximum.accumulate(np.concatenate([[start], ts[:-1]]))
        return bool((ts <= before + self.max_skew).all())

    def _ticks_matter(self, ts: Times, ticks: Sequence[tuple[int, int]]) -> bool:
        """Say whether a tick could make one of the events late that came after it, or is the first that tells of the time."""
        latest = max((t for _, t in ticks), default=None)
        if latest is not None and self.now is None:
            return True
        return latest is not None and bool(ts.min() < latest - self.known_after - 1 - IDLE - self.lateness)


class _Replay:
    """Judges some events of a replay one after the other."""

    def __init__(self, time: PartitionTime, ts: Times, arrived: Times) -> None:
        self._time = time
        self._ts = ts.tolist()
        self._arrived = arrived.tolist()
        self._waiting: list[int] = []
        self._before = time.late_before  # a tick makes late only what came after it
        self.verdict = np.full(len(ts), Verdict.WAITS, np.int64)

    def run(self, waiting: int, ticks: Iterable[tuple[int, int]]) -> None:
        self._waiting = list(range(waiting))
        due = sorted(ticks, key=lambda tick: tick[0])
        for event in range(waiting, len(self._ts)):
            while due and due[0][0] <= event - waiting:
                self._tick(due.pop(0)[1])
            if self._is_near(event):
                self._take(event)
            else:
                self._waiting.append(event)
                if len(self._waiting) > WAITING:
                    self._take(min(self._waiting, key=self._ts.__getitem__))
        for _, t in due:
            self._tick(t)

    def rest(self, ended: bool) -> None:
        self._waiting = list(range(len(self._ts)))
        for event in sorted(self._waiting, key=self._ts.__getitem__):
            if event in self._waiting and self._ts[event] <= self._arrived[event] + self._time.max_skew:
                self._take(event)
        if ended:
            self.verdict[self._waiting] = Verdict.FUTURE

    def _is_near(self, event: int) -> bool:
        progress = self._time.progress
        return self._ts[event] <= (self._arrived[event] if progress is None else progress) + self._time.max_skew

    def _take(self, event: int, most: int | None = None) -> None:
        """Take an event, or find it late; then those that wait and are near it, and refute those that it contradicts."""
        time = self._time
        taken = [event]
        while taken:
            event = taken.pop(0)
            t = self._ts[event]
            if event in self._waiting:
                self._waiting.remove(event)
            if self._is_late(t):
                self.verdict[event] = Verdict.LATE  # and says nothing about the others
                continue
            self.verdict[event] = Verdict.TAKEN
            time.move(t if most is None else min(t, most))
            rest = []
            for other in self._waiting:
                if other < event and self._ts[other] - time.lateness > t:
                    self.verdict[other] = Verdict.FUTURE
                elif self._is_near(other):
                    taken.append(other)
                else:
                    rest.append(other)
            self._waiting = rest

    def _is_late(self, t: int) -> bool:
        newest = self._time.newest
        behind = newest is not None and t < newest - self._time.lateness
        return behind or (self._before is not None and t < self._before)

    def _tick(self, t: int) -> None:
        """Judge what waits by what the sender says of the time."""
        time = self._time
        time.tell(t)
        for event in list(self._waiting):
            if event not in self._waiting:
                continue
            if self._ts[event] <= t + time.max_skew:
                self._take(event, t - time.known_after + time.max_skew)
            else:
                self._waiting.remove(event)
                self.verdict[event] = Verdict.FUTURE
        self._before = time.late_before
