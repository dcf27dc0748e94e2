"""Live traffic: every transaction is scored over HTTP, then streamed, so that the next score sees it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pyarrow as pa

from commands.loop.feed import Feed, instant, times
from pipelines.batch.lake import DAY

TOGETHER = 16  # requests in flight


@dataclass(slots=True)
class Tally:
    """What the traffic has seen so far.

    Attributes:
        scored: Requests answered with a score.
        failed: Answers that were none, with the status or the error.
        decisions: Decisions by name.
        degraded: Answers given without the online store.
        latencies: Seconds of the latest answers.
    """

    scored: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    degraded: int = 0
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=2000))

    def count(self, answer: dict[str, Any], seconds: float) -> None:
        """Count one answer."""
        self.scored += 1
        self.decisions[str(answer["decision"])] += 1
        self.degraded += bool(answer.get("degraded"))
        self.latencies.append(seconds)

    def describe(self) -> str:
        """Return decisions and latencies in a line."""
        decided = "  ".join(f"{name} {count:,}" for name, count in self.decisions.most_common())
        if not self.latencies:
            return decided
        p50, p99 = np.quantile(np.array(self.latencies), (0.5, 0.99)) * 1000
        return f"{decided}  ·  p50 {p50:.1f} ms  p99 {p99:.1f} ms"


async def score_events(url: str, events: pa.Table, tally: Tally) -> None:
    """Score events, a few at a time, and count the answers."""
    requests = [_request(row) for row in events.to_pylist()]
    async with httpx.AsyncClient(base_url=url, timeout=30.0) as client:
        for start in range(0, len(requests), TOGETHER):
            await asyncio.gather(*(_score(client, one, tally) for one in requests[start : start + TOGETHER]))


async def _score(client: httpx.AsyncClient, request: dict[str, Any], tally: Tally) -> None:
    began = time.perf_counter()
    try:
        answer = await client.post("/v1/score", json=request)
    except httpx.HTTPError as error:
        tally.failed[type(error).__name__] += 1
        return
    if answer.status_code == httpx.codes.OK:
        tally.count(answer.json(), time.perf_counter() - began)
    else:
        tally.failed[f"{answer.status_code} {answer.text[:200]}"] += 1


def score_then_stream(url: str, events: pa.Table, feed: Feed, tally: Tally) -> None:
    """Score some events in the order of time, then publish them and the labels known by then."""
    asyncio.run(score_events(url, events, tally))
    feed.publish_until(int(times(events)[-1]) + 1)


def follow(url: str, days: Iterator[pa.Table], feed: Feed, rate: float, each_midnight: Callable[[int], None]) -> None:
    """Keep traffic going at `rate` transactions a second until interrupted, with a line of figures every two seconds.

    Args:
        url: The scoring service.
        days: Events, a day at a time.
        feed: Where scored events go.
        rate: Transactions a second; the events' own time runs as fast as that makes it.
        each_midnight: Called with the midnight, microseconds, when the events pass one.
    """
    tally = Tally()
    shown, scored_then = time.monotonic(), 0
    size = max(1, round(rate / 4))
    for number, day in enumerate(days):
        if number and len(day):
            feed.remember(day)
            first = int(times(day)[0])
            each_midnight(first - first % DAY)
        for start in range(0, len(day), size):
            began = time.monotonic()
            part = day.slice(start, size)
            score_then_stream(url, part, feed, tally)
            now = time.monotonic()
            if now - shown >= 2:
                clock = instant(feed.at)
                print(
                    f"  {clock:%Y-%m-%d %H:%M:%S}  {(tally.scored - scored_then) / (now - shown):5.1f} scored/s  "
                    f"{tally.describe()}" + (f"  failed {sum(tally.failed.values())}" if tally.failed else ""),
                    flush=True,
                )
                shown, scored_then = now, tally.scored
            time.sleep(max(0.0, len(part) / rate - (now - began)))
    print("  the file's events are used up; the services stay up until Ctrl-C", flush=True)


def _request(row: dict[str, Any]) -> dict[str, Any]:
    names = ("transaction_id", "customer_id", "terminal_id", "amount")
    return {name: row[name] for name in names} | {"event_timestamp": row["event_timestamp"].isoformat()}
