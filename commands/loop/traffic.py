"""Live traffic: every moment of decision is scored over HTTP, then its event is streamed, so that the next score sees it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pyarrow as pa

from commands.loop.decisions import Decisions, in_parts
from commands.loop.events import Events, event_times
from commands.loop.feed import Feed
from pipelines.batch.lake import DAY, instant

TOGETHER = 16  # requests in flight
AGAIN = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
TRIES = 5


@dataclass(slots=True)
class Answers:
    """What the traffic has seen so far.

    Attributes:
        scored: Requests answered with a score.
        failed: Answers that were none, with the status or the error.
        decisions: Decisions by name.
        degraded: Answers given without the online store.
        unordered: Rankings that were not in the order of their scores.
        latencies: Seconds of the latest answers.
    """

    scored: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    degraded: int = 0
    unordered: int = 0
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=2000))

    def count(self, answer: dict[str, Any], seconds: float) -> None:
        """Count one answer."""
        self.scored += 1
        if "decision" in answer:
            self.decisions[str(answer["decision"])] += 1
        scores = [one["score"] for one in answer.get("ranking", ())]
        self.unordered += scores != sorted(scores, reverse=True)
        self.degraded += bool(answer.get("degraded"))
        self.latencies.append(seconds)

    def describe(self) -> str:
        """Return decisions and latencies in a line."""
        decided = "  ".join(f"{name} {count:,}" for name, count in self.decisions.most_common())
        if not self.latencies:
            return decided
        p50, p99 = np.quantile(np.array(self.latencies), (0.5, 0.99)) * 1000
        return "  ·  ".join(filter(None, [decided, f"p50 {p50:.1f} ms  p99 {p99:.1f} ms"]))


async def send_requests(url: str, requests: Sequence[dict[str, Any]], answers: Answers) -> None:
    """Send scoring requests, a few at a time, and count the answers."""
    waiting = iter(requests)
    secure = url.startswith("https:")  # to load the certificates takes longer than all the requests
    async with httpx.AsyncClient(base_url=url, timeout=30.0, verify=secure) as client:

        async def work() -> None:
            for request in waiting:
                await _send(client, request, answers)

        workers = [asyncio.create_task(work()) for _ in range(TOGETHER)]
        try:
            await asyncio.gather(*workers)
        finally:  # stopped on the way: nobody may be left to tell of it later
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


async def _send(client: httpx.AsyncClient, request: dict[str, Any], answers: Answers) -> None:
    """Send one request; what a busy service asks to send again later is sent again."""
    began = time.perf_counter()
    for _ in range(TRIES):
        try:
            answer = await client.post("/v1/score", json=request)
        except httpx.HTTPError as error:
            answers.failed[type(error).__name__] += 1
            return
        if answer.status_code not in AGAIN:
            break
        await asyncio.sleep(float(answer.headers.get("retry-after", 1)))
    if answer.status_code == httpx.codes.OK:
        answers.count(answer.json(), time.perf_counter() - began)
    else:
        answers.failed[f"{answer.status_code} {answer.text[:200]}"] += 1


def decide_then_stream(url: str, decisions: Decisions, events: pa.Table, feed: Feed, answers: Answers) -> None:
    """Score the decisions of some events in the order of time, then publish all that is known by the last of them."""
    asyncio.run(send_requests(url, [body for _, body in decisions.requests(events)], answers))
    feed.publish_until(int(event_times(events, decisions.source)[-1]) + 1)


def follow(
    url: str,
    decisions: Decisions,
    days: Iterator[Events],
    feed: Feed,
    rate: float,
    each_midnight: Callable[[int], None],
) -> None:
    """Keep traffic going at `rate` events a second until interrupted, with a line of figures every two seconds.

    Args:
        url: The scoring service.
        decisions: What is decided.
        days: Live events, a day at a time; the first is part of the feed's history already.
        feed: Where scored events go.
        rate: Moments of decision a second; the events' own time runs as fast as that makes it.
        each_midnight: Called with the midnight, microseconds, when the events pass one.
    """
    answers = Answers()
    shown, scored_then = time.monotonic(), 0
    for number, day in enumerate(days):
        events = day[decisions.source.name]
        if number:
            feed.remember(day)
            first = int(event_times(events, decisions.source)[0])
            each_midnight(first - first % DAY)
        else:
            events = events.slice(int(np.searchsorted(event_times(events, decisions.source), feed.at)))
        for part in in_parts(events, decisions, max(1, round(rate / 4))):
            began = time.monotonic()
            decide_then_stream(url, decisions, part, feed, answers)
            now = time.monotonic()
            if now - shown >= 2:
                failed = f"  failed {sum(answers.failed.values())}" if answers.failed else ""
                print(
                    f"  {instant(feed.at):%Y-%m-%d %H:%M:%S}  {(answers.scored - scored_then) / (now - shown):5.1f} scored/s"
                    f"  {answers.describe()}{failed}",
                    flush=True,
                )
                shown, scored_then = now, answers.scored
            time.sleep(max(0.0, len(part) / rate - (now - began)))
    print("  the file's events are used up; the services stay up until Ctrl-C", flush=True)
