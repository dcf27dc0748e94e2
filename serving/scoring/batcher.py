"""Scores together what arrives together, in the order of arrival; what comes too late for its deadline is not scored.

Nothing waits for a batch to fill: while one batch is scored, the next requests gather. So batches are as large as the load
makes them, and a lone request is scored at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serving.request.schema import Row
from serving.scoring.scorer import Scored


class DeadlineError(TimeoutError):
    """A request that was not scored, since its answer would have come too late."""


@dataclass(slots=True)
class Part:
    """Some rows of a request as they were scored, perhaps with others'.

    Attributes:
        scored: The batch they were in.
        start: Where they begin in it.
        size: How many they are.
    """

    scored: Scored
    start: int
    size: int


Score = Callable[[str, Sequence[Row], Sequence[float]], Scored]
"""Scores rows for the service of a name; is told when each arrived, by the clock."""


@dataclass(slots=True, eq=False)
class _Waiting:
    service: str
    rows: Sequence[Row]
    arrived: float
    deadline: float
    answer: asyncio.Future[list[Part]]
    parts: list[Part]
    taken: int = 0


class Batcher:
    """Gathers the requests of one event loop.

    Args:
        score: What scores a batch; blocks the loop while it does.
        max_rows: Most rows in one batch; a longer request is scored in several, others in between.
        wait_s: How long the first request of a batch waits for more, seconds.
        clock: Monotonic seconds, of which deadlines are.
    """

    def __init__(
        self, score: Score, max_rows: int = 128, wait_s: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with nothing waiting."""
        self._score = score
        self._max_rows = max_rows
        self._wait_s = wait_s
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._is_due = False

    async def submit(self, service: str, rows: Sequence[Row], deadline: float | None = None) -> list[Part]:
        """Score the rows of one request.

        Args:
            service: Its feature service.
            rows: At least one.
            deadline: Until when its turn must have come, by the clock.

        Raises:
            DeadlineError: It has not.
        """
        loop = asyncio.get_running_loop()
        last = float("inf") if deadline is None else deadline
        one = _Waiting(service, rows, self._clock(), last, loop.create_future(), [])
        self._waiting.append(one)
        if not self._is_due:
            self._is_due = True
            self._call_next(loop)
        return await one.answer

    def _call_next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Call for the next batch after all that has arrived is taken in."""
        if self._wait_s and sum(len(one.rows) - one.taken for one in self._waiting) < self._max_rows:
            loop.call_later(self._wait_s, self._next)
        else:
            loop.call_soon(self._next)

    def _next(self) -> None:
        """Score one batch of one service."""
        batch = self._take()
        if batch:
            service = batch[0][0].service
            rows: Sequence[Row] = [row for one, start, stop in batch for row in one.rows[start:stop]]
            arrived = [one.arrived for one, start, stop in batch for _ in range(start, stop)]
            try:
                scored = self._score(service, rows, arrived)
            except Exception as error:
                for one, _, _ in batch:
                    self._refuse(one, error)
            else:
                self._hand_out(batch, scored)
        self._is_due = bool(self._waiting)
        if self._is_due:
            self._call_next(asyncio.get_running_loop())

    def _take(self) -> list[tuple[_Waiting, int, int]]:
        """Take the rows of the next batch from those that wait: all of one service, the first's, no more than fit."""
        now, room = self._clock(), self._max_rows
        batch: list[tuple[_Waiting, int, int]] = []
        passed: list[_Waiting] = []
        while self._waiting and room:
            one = self._waiting.popleft()
            if one.answer.done():  # its caller went away
                continue
            if now > one.deadline:
                one.answer.set_exception(DeadlineError("its turn would have come too late"))
                continue
            if batch and one.service != batch[0][0].service:
                passed.append(one)
                continue
            start = one.taken
            one.taken = min(start + room, len(one.rows))
            room -= one.taken - start
            batch.append((one, start, one.taken))
            if one.taken < len(one.rows):
                self._waiting.append(one)
        self._waiting.extendleft(reversed(passed))
        return batch

    @staticmethod
    def _hand_out(batch: Sequence[tuple[_Waiting, int, int]], scored: Scored) -> None:
        at = 0
        for one, start, stop in batch:
            one.parts.append(Part(scored, at, stop - start))
            at += stop - start
            if stop == len(one.rows) and not one.answer.done():
                one.answer.set_result(one.parts)

    def _refuse(self, one: _Waiting, error: Exception) -> None:
        if one in self._waiting:
            self._waiting.remove(one)
        if not one.answer.done():
            one.answer.set_exception(error)
