"""Loads one HTTP server from a process of its own: closed loop, keep-alive, one request under way per connection.

Run as a program: reads the job as JSON from standard input and writes what it measured as JSON.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Load:
    """What one run measured.

    Attributes:
        requests_per_second: Answers with status 200, per second.
        p50_ms: Median latency.
        p99_ms: 99th percentile.
        errors: Answers with another status.
    """

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


def run_load(url: str, bodies: Sequence[object], connections: int, seconds: float) -> Load:
    """Load `url` from another process, warmed up for a fifth of the time."""
    job = {"url": url, "bodies": list(bodies), "connections": connections, "seconds": seconds}
    command = [sys.executable, __file__]
    done = subprocess.run(command, input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True)
    return Load(**json.loads(done.stdout))


class _Connection(asyncio.Protocol):
    def __init__(self, requests: list[bytes], first: int, latencies: list[float], errors: list[int]) -> None:
        self.requests, self.next, self.latencies, self.errors = requests, first, latencies, errors
        self.stopped = False
        self.buffer = b""
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.requests[self.next % len(self.requests)])  # type: ignore[attr-defined]
        self.next += 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(self.buffer) < end + 4 + length:
            return
        self.buffer = b""
        if head[9:12] == b"200":
            self.latencies.append(time.perf_counter() - self.sent)
        else:
            self.errors.append(int(head[9:12]))
        if not self.stopped:
            self.send()


async def _load(url: str, bodies: list[object], connections: int, seconds: float) -> Load:
    parts = urlsplit(url)
    requests = []
    for body in bodies:
        text = json.dumps(body).encode()
        head = f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
        requests.append(f"{head}content-length: {len(text)}\r\n\r\n".encode() + text)
    latencies: list[float] = []
    errors: list[int] = []
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda i=i: _Connection(requests, i * 7919, latencies, errors),
                                      parts.hostname, parts.port))[1]
        for i in range(connections)
    ]  # fmt: skip
    await asyncio.sleep(seconds / 5)
    latencies.clear()
    errors.clear()
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    measured = sorted(latencies)
    for one in opened:
        one.stopped = True
        one.transport.close()
    if not measured:
        raise SystemExit(f"{url} gave no answer of status 200; {len(errors)} others: {errors[:5]}")
    return Load(
        len(measured) / took,
        1000 * measured[len(measured) // 2],
        1000 * measured[int(len(measured) * 0.99)],
        len(errors),
    )


if __name__ == "__main__":
    import uvloop

    given = json.load(sys.stdin)
    json.dump(asdict(uvloop.run(_load(**given))), sys.stdout)
