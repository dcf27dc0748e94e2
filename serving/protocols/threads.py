"""Runs what blocks in a few threads, and refuses more than these can answer in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from serving.protocols.admission import RETRY_AFTER
from serving.protocols.answer import AnswerError

T = TypeVar("T")

WORKERS: Final = 2
"""How many threads; they share one interpreter with the loop that scores."""

MOST: Final = 32
"""How many requests may run or wait."""


class Threads:
    """A few threads of one protocol.

    Args:
        workers: How many.
        most: How many requests may run or wait.
    """

    def __init__(self, workers: int = WORKERS, most: int = MOST) -> None:
        """Begin without a thread; each is made when it is needed."""
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="blocking")
        self._most = most
        self._under_way = 0

    async def run(self, work: Callable[[], T], deadline: float | None) -> T:
        """Run in a thread.

        Args:
            work: What is done.
            deadline: Until when its turn must have come, in seconds of `time.monotonic`; None for no such bound.

        Raises:
            AnswerError: There is too much under way, or its turn came too late.
        """
        if self._under_way >= self._most:
            raise AnswerError(429, "too many such requests are under way; try again in a second", RETRY_AFTER)

        def in_time() -> T:
            if deadline is not None and time.monotonic() > deadline:
                raise AnswerError(
                    503, "its turn would have come too late; try again later, or allow more time", RETRY_AFTER
                )
            return work()

        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, in_time)
        finally:
            self._under_way -= 1
