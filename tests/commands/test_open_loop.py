"""A generator that keeps its rate, and whose latencies count from when requests were due: against a server that stalls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from commands.open_loop import LoadResult, load, request_bytes

Answer = Callable[[int], Awaitable[bytes]]


def answer_of(status: int, body: bytes = b"{}") -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)


def loaded(answer: Answer, rate: float, seconds: float, connections: int) -> LoadResult:
    """Load a server that answers its n-th request so."""
    seen = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
                seen += 1
                given = await answer(seen)
                if not given:
                    break
                writer.write(given)
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    async def run() -> LoadResult:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/score"
        async with server:
            return await load(url, [request_bytes(url, {"n": n}) for n in range(3)], rate, seconds, connections)

    return asyncio.run(run())


async def at_once(_: int) -> bytes:
    return answer_of(200)


def test_rate_is_kept_and_every_request_is_answered() -> None:
    result = loaded(at_once, rate=500, seconds=1.0, connections=8)
    assert result.statuses[200] == len(result.latencies)
    assert 400 < result.statuses[200] < 600
    assert result.lost == 0


def test_stall_is_seen_by_all_requests_that_fell_due_in_it() -> None:
    stalled = asyncio.Event()

    async def stall(n: int) -> bytes:
        if n == 100:
            await asyncio.sleep(0.5)
            stalled.set()
        elif n > 100 and not stalled.is_set():
            await stalled.wait()
        return answer_of(200)

    result = loaded(stall, rate=400, seconds=1.0, connections=2)
    slow = sum(one > 0.1 for one in result.latencies)
    assert 100 < slow < 260  # a closed loop of two connections would have seen two
    assert result.quantile(1.0) >= 500


def test_other_statuses_are_counted_apart() -> None:
    async def some_refused(n: int) -> bytes:
        return answer_of((200, 429, 500)[n % 3])

    result = loaded(some_refused, rate=300, seconds=0.5, connections=4)
    assert set(result.statuses) == {200, 429, 500}
    assert len(result.latencies) == result.statuses[200]
    assert len(result.refused) == result.statuses[429]


def test_broken_connections_are_lost_requests_and_the_load_goes_on() -> None:
    async def break_some(n: int) -> bytes:
        return b"" if n % 10 == 0 else answer_of(200)

    result = loaded(break_some, rate=300, seconds=0.5, connections=4)
    assert result.lost == pytest.approx(sum(result.statuses.values()) / 9, abs=2)
    assert result.statuses[200] > 80


def test_without_a_latency_there_is_no_quantile() -> None:
    assert LoadResult().quantile(0.5) != LoadResult().quantile(0.5)
