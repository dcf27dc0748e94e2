"""Sends requests at a given rate, whatever the answers take, and counts latency from when each was due.

A generator that waits for an answer before it sends the next one sends least when the service is slowest, and so does not see
what callers see ("coordinated omission", Gil Tene). Here a request that finds no connection free waits, and its waiting counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

DEGRADED: Final = b'"degraded":true'

GIVE_UP_S: Final = 10.0
"""How long answers are waited for at the end, seconds."""


@dataclass(slots=True)
class LoadResult:
    """What came of a load.

    Attributes:
        latencies: Of answers with status 200, from when the request was due, seconds.
        from_sent: Of the same, from when it was sent: what the service took, without waiting for a free connection.
        refused: How long answers with status 429 and 503 took from when they were sent, seconds.
        statuses: Answers by status.
        degraded: Answers that say of themselves that they are.
        lost: Requests that were sent and have no answer.
        unsent: Requests that found no connection free until the end.
        seconds: From the first request due to the last answer.
    """

    latencies: list[float] = field(default_factory=list)
    from_sent: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    degraded: int = 0
    lost: int = 0
    unsent: int = 0
    seconds: float = 0.0

    def quantile(self, share: float, of: Sequence[float] | None = None) -> float:
        """Return a quantile of the latencies, or of others, milliseconds; NaN without any."""
        ordered = sorted(self.latencies if of is None else of)
        return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


def request_bytes(url: str, body: object, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """Return a POST request as it goes over the wire."""
    parts, text = urlsplit(url), orjson.dumps(body)
    lines = [f"POST {parts.path or '/'} HTTP/1.1", f"host: {parts.netloc}", "content-type: application/json"]
    lines += [f"content-length: {len(text)}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


async def load(
    url: str, requests: Sequence[bytes], rate: float, seconds: float, connections: int, seed: int = 0
) -> LoadResult:
    """Send requests over some connections; they fall due at random, `rate` a second (a Poisson process).

    Args:
        url: Where the service is, `http://host:port/path`.
        requests: What is sent, in turn; see `request_bytes`.
        rate: Requests a second.
        seconds: How long.
        connections: Most requests under way.
        seed: Of when requests are due.

    Raises:
        OSError: There is no service.
    """
    loop = asyncio.get_running_loop()
    sender = _Sender(loop, requests)
    parts = urlsplit(url)
    for _ in range(connections):
        await sender.connect(parts.hostname or "127.0.0.1", parts.port or 80)
    generator, began = random.Random(seed), loop.time()
    due = began
    while (due := due + generator.expovariate(rate)) < began + seconds:
        pause = due - loop.time()
        if pause > 0:
            await asyncio.sleep(pause)
        sender.send(due)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(sender.answered(), GIVE_UP_S)
    sender.result.unsent = sender.unsent
    sender.result.lost += sender.under_way - sender.unsent
    sender.result.seconds = loop.time() - began
    sender.close()
    return sender.result


class _Sender:
    """Hands requests to idle connections, in the order in which they fell due."""

    def __init__(self, loop: asyncio.AbstractEventLoop, requests: Sequence[bytes]) -> None:
        self.result = LoadResult()
        self.under_way = 0
        self._loop = loop
        self._requests = requests
        self._sent = 0
        self._idle: deque[_Connection] = deque()
        self._due: deque[float] = deque()
        self._all: list[_Connection] = []
        self._where = ("", 0)

    async def connect(self, host: str, port: int) -> None:
        self._where = host, port
        _, connection = await self._loop.create_connection(lambda: _Connection(self), host, port)
        self._all.append(connection)

    def send(self, due: float) -> None:
        self.under_way += 1
        self._due.append(due)
        self._go_on()

    def idle(self, connection: _Connection) -> None:
        self._idle.append(connection)
        self._go_on()

    @property
    def unsent(self) -> int:
        return len(self._due)

    def answer(self, due: float, sent: float, status: int, body: bytes) -> None:
        self.under_way -= 1
        self.result.statuses[status] += 1
        self.result.degraded += DEGRADED in body
        now = self._loop.time()
        if status == 200:
            self.result.latencies.append(now - due)
            self.result.from_sent.append(now - sent)
        elif status in (429, 503):
            self.result.refused.append(now - sent)

    def broken(self, connection: _Connection, had_request: bool) -> None:
        if had_request:
            self.under_way -= 1
            self.result.lost += 1
        if connection in self._idle:
            self._idle.remove(connection)
        self._loop.create_task(self._again())

    async def _again(self) -> None:
        try:
            await self.connect(*self._where)
        except OSError:
            await asyncio.sleep(0.1)
            self._loop.create_task(self._again())

    async def answered(self) -> None:
        while self.under_way:
            await asyncio.sleep(0.01)

    def close(self) -> None:
        for one in self._all:
            one.close()

    def _go_on(self) -> None:
        while self._idle and self._due:
            request, now = self._requests[self._sent % len(self._requests)], self._loop.time()
            self._idle.popleft().send(request, self._due.popleft(), now)
            self._sent += 1


class _Connection(asyncio.Protocol):
    """One kept-alive HTTP/1.1 connection with at most one request under way."""

    def __init__(self, sender: _Sender) -> None:
        self._sender = sender
        self._transport: Any = None
        self._buffer = b""
        self._due: tuple[float, float] | None = None
        self._is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._sender.idle(self)

    def send(self, request: bytes, due: float, now: float) -> None:
        self._due = due, now
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if len(self._buffer) < end + 4 + length or self._due is None:
            return
        due, self._due, body, self._buffer = self._due, None, self._buffer[end + 4 :], b""
        self._sender.answer(*due, int(head[9:12]), body)
        if b"connection: close" in head:
            self._transport.close()
        else:
            self._sender.idle(self)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._is_closed:
            self._sender.broken(self, self._due is not None)

    def close(self) -> None:
        self._is_closed = True
        self._transport.close()
