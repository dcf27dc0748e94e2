"""The load generator of `make load`, in a process of its own: reads the job as JSON, writes what it measured as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import uvloop

from commands.open_loop import load, request_bytes


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run measured; latencies count from when requests were due, milliseconds.

    Attributes:
        answered: Answers with status 200.
        a_second: Those a second.
        p50_ms: Their median latency.
        p99_ms: 99th percentile.
        max_ms: The worst.
        statuses: Answers by status.
        degraded: Answers that say that they are.
        lost: Requests that were sent and have no answer.
        unsent: Requests that found no connection free.
        sent_p50_ms: Of answers with status 200, from when they were sent.
        sent_p99_ms: 99th percentile.
        sent_max_ms: The worst.
        refused_p99_ms: Of 429 and 503.
    """

    answered: int
    a_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    statuses: dict[str, int]
    degraded: int
    lost: int
    unsent: int
    sent_p50_ms: float
    sent_p99_ms: float
    sent_max_ms: float
    refused_p99_ms: float


def start_load(
    url: str, bodies: Sequence[object], rate: float, seconds: float, connections: int
) -> subprocess.Popen[str]:
    """Start a load; `finish` gives what it measured."""
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    json.dump(
        {"url": url, "bodies": list(bodies), "rate": rate, "seconds": seconds, "connections": connections},
        process.stdin,
    )
    process.stdin.close()
    return process


def finish(process: subprocess.Popen[str]) -> Measured:
    """Wait for a load."""
    assert process.stdout is not None
    said = process.stdout.read()
    if process.wait():
        raise SystemExit("the load ended with an error")
    return Measured(**json.loads(said))


def _run(job: dict[str, Any]) -> dict[str, Any]:
    url, bodies = job["url"], job["bodies"]
    requests = [request_bytes(url, one) for one in bodies]
    result = uvloop.run(load(url, requests, job["rate"], job["seconds"], job["connections"]))
    refused = sorted(result.refused)
    return {
        "answered": result.statuses[200],
        "a_second": result.statuses[200] / max(result.seconds, job["seconds"]),
        "p50_ms": result.quantile(0.5),
        "p99_ms": result.quantile(0.99),
        "max_ms": result.quantile(1.0),
        "statuses": {str(status): count for status, count in result.statuses.items()},
        "degraded": result.degraded,
        "lost": result.lost,
        "unsent": result.unsent,
        **{
            f"sent_{n}_ms": result.quantile(q, result.from_sent) for n, q in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        },
        "refused_p99_ms": 1000 * refused[int(0.99 * len(refused))] if refused else 0.0,
    }


if __name__ == "__main__":
    json.dump(_run(json.load(sys.stdin)), sys.stdout)
