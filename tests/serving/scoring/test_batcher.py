"""What is scored together, and what is not scored any more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from serving.request.schema import Row
from serving.scoring.batcher import Batcher, DeadlineError, Part


class Recorder:
    """Scores a row as its own first value, and notes the batches."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, int]] = []

    def __call__(self, service: str, rows: Sequence[Row], arrived: Sequence[float]) -> Any:
        assert len(arrived) == len(rows)
        self.batches.append((service, len(rows)))
        if any(row[0] == "bad" for row in rows):
            raise ValueError("bad")
        return [row[0] for row in rows]


def values(parts: Sequence[Part]) -> list[object]:
    return [value for part in parts for value in part.scored[part.start : part.start + part.size]]  # type: ignore[index]


def rows(*numbers: object) -> list[Row]:
    return [(number,) for number in numbers]


async def gathered(batcher: Batcher, requests: Sequence[tuple[str, list[Row]]]) -> list[Any]:
    return await asyncio.gather(*(batcher.submit(name, given) for name, given in requests), return_exceptions=True)


def test_requests_that_arrive_together_are_one_batch_and_get_their_own_rows() -> None:
    score = Recorder()
    found = asyncio.run(gathered(Batcher(score), [("a", rows(n, n + 100)) for n in range(20)]))
    assert [values(parts) for parts in found] == [[n, n + 100] for n in range(20)]
    assert score.batches == [("a", 40)]


def test_services_are_not_mixed_and_none_waits_for_the_other() -> None:
    score = Recorder()
    found = asyncio.run(gathered(Batcher(score), [("a" if n % 2 else "b", rows(n)) for n in range(6)]))
    assert [values(parts) for parts in found] == [[n] for n in range(6)]
    assert score.batches == [("b", 3), ("a", 3)]


def test_long_request_is_scored_in_pieces_with_others_in_between() -> None:
    score = Recorder()
    order: list[str] = []

    async def run() -> None:
        batcher = Batcher(score, max_rows=10)

        async def one(name: str, given: list[Row]) -> list[object]:
            found = values(await batcher.submit("a", given))
            order.append(name)
            return found

        found = await asyncio.gather(one("long", rows(*range(35))), one("short", rows(99)))
        assert list(found) == [list(range(35)), [99]]

    asyncio.run(run())
    assert order == ["short", "long"]
    assert score.batches == [("a", 10), ("a", 10), ("a", 10), ("a", 6)]


def test_request_past_its_deadline_is_not_scored() -> None:
    score = Recorder()

    async def run() -> list[Any]:
        batcher = Batcher(score, clock=lambda: 5.0)
        late, early = batcher.submit("a", rows(1), 4.9), batcher.submit("a", rows(2), 5.1)
        return list(await asyncio.gather(late, early, return_exceptions=True))

    late, early = asyncio.run(run())
    assert isinstance(late, DeadlineError)
    assert values(early) == [2]
    assert score.batches == [("a", 1)]


def test_failure_reaches_every_request_of_its_batch_and_the_next_is_scored() -> None:
    score = Recorder()

    async def run() -> tuple[list[Any], list[Part]]:
        batcher = Batcher(score, max_rows=3)
        failed = await gathered(batcher, [("a", rows(1)), ("a", rows("bad", 2, 3, 4))])
        return failed, await batcher.submit("a", rows(7))

    failed, after = asyncio.run(run())
    assert [str(one) for one in failed] == ["bad", "bad"]
    assert values(after) == [7]


def test_request_whose_caller_went_away_is_not_scored() -> None:
    score = Recorder()

    async def run() -> None:
        batcher = Batcher(score)
        gone = asyncio.ensure_future(batcher.submit("a", rows(1)))
        await asyncio.sleep(0)
        gone.cancel()
        assert values(await batcher.submit("a", rows(2))) == [2]

    asyncio.run(run())
    assert score.batches == [("a", 1)]


def test_first_request_may_wait_for_more() -> None:
    score = Recorder()

    async def run() -> None:
        batcher = Batcher(score, wait_s=0.05)
        first = asyncio.ensure_future(batcher.submit("a", rows(1)))
        await asyncio.sleep(0.01)
        await asyncio.gather(first, batcher.submit("a", rows(2)))

    asyncio.run(run())
    assert score.batches == [("a", 2)]


@pytest.mark.parametrize("size", [1, 7, 128, 129, 1000])
def test_every_row_is_scored_once_in_order(size: int) -> None:
    found = asyncio.run(
        gathered(Batcher(Recorder(), max_rows=16), [("a", rows(*range(size))), ("a", rows(*range(size)))])
    )
    assert [values(parts) for parts in found] == [list(range(size))] * 2
