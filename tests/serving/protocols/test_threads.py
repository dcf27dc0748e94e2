"""What blocks is bounded, and not begun when it is too late; time is controlled with events."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from serving.protocols.answer import AnswerError
from serving.protocols.threads import Threads


def test_more_than_fit_are_refused_with_retry_after_and_taken_again_later() -> None:
    async def run() -> None:
        threads, gate = Threads(workers=1, most=2), threading.Event()
        waiting = [asyncio.ensure_future(threads.run(gate.wait, None)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(AnswerError, match="too many such requests") as refused:
            await threads.run(lambda: 1, None)
        assert (refused.value.status, refused.value.headers) == (429, ((b"retry-after", b"1"),))
        gate.set()
        assert await asyncio.gather(*waiting) == [True, True]
        assert await threads.run(lambda: 1, time.monotonic() + 60) == 1

    asyncio.run(run())


def test_what_comes_to_its_turn_too_late_is_not_begun() -> None:
    done: list[int] = []
    with pytest.raises(AnswerError, match="too late") as refused:
        asyncio.run(Threads().run(lambda: done.append(1), time.monotonic() - 1))
    assert (refused.value.status, done) == (503, [])


def test_place_of_what_fails_is_free_again() -> None:
    async def run() -> None:
        threads = Threads(most=1)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await threads.run(lambda: 1 / 0, None)

    asyncio.run(run())
