"""Loads the scoring service at a given rate and tells how long answers take. `make load`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import httpx
import orjson

from commands.event_tables import event_sources
from commands.loop.decisions import decisions_of
from commands.loop.services import labels_of
from commands.open_loop import LoadResult, load, request_bytes
from commands.settings import SettingError, read_number, read_whole
from contract.service import EVENT_TIMESTAMP, read_service
from pipelines.batch.lake import days_of, read_day
from pipelines.plan_view import plan_views
from serving.config import load_config
from workspace.workspace import Workspace, open_store, read_declarations

MOST_BODIES = 5000
"""How many different requests are sent, in turn."""


class NoServiceError(ConnectionError):
    """No service answers at the address."""


def main() -> int:
    """Send RATE requests a second for SECONDS over CONNECTIONS to URL.

    Requests are those of REQUESTS, a file with one JSON body a line; else the newest moments of decision in the lake.

    Raises:
        SettingError: A setting is not what it must be, or there is nothing to send.
        NoServiceError: No service answers.
    """
    workspace = Workspace.from_env()
    config = load_config(workspace.repo / "serving.yaml")
    url = (os.environ.get("URL") or f"http://127.0.0.1:{config.http.port}").rstrip("/")
    service = os.environ.get("SERVICE") or config.services[0]
    rate, seconds = read_number("RATE", 100.0), read_number("SECONDS", 10.0)
    connections = read_whole("CONNECTIONS", 64)
    bodies = _bodies(workspace, service)
    key = os.environ.get("KEY")
    target = f"{url}/v1/score/{service}"
    headers = [("authorization", f"Bearer {key}")] if key else []
    _check(target, bodies[0], dict(headers))
    print(f"{target}: {rate:g} requests a second for {seconds:g} s, {connections} connections, {len(bodies):,} bodies")
    result = asyncio.run(
        load(target, [request_bytes(target, one, headers) for one in bodies], rate, seconds, connections)
    )
    _show(result, rate, seconds)
    return 0 if result.statuses[200] and not result.lost else 1


def _show(result: LoadResult, rate: float, seconds: float) -> None:
    shares = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))
    print(
        "latency from when each request was due, ms: " + "  ".join(f"{n} {result.quantile(q):.1f}" for n, q in shares)
    )
    total = sum(result.statuses.values()) + result.lost
    print(
        f"answered {result.statuses[200] / max(result.seconds, seconds):,.1f} a second of {rate:,.1f} asked, {total:,} in all"
    )
    others = {str(status): count for status, count in sorted(result.statuses.items()) if status != 200}
    if result.degraded:
        others["degraded"] = result.degraded
    if result.unsent:
        others["not sent, for want of a free connection"] = result.unsent
    if result.lost:
        others["without an answer"] = result.lost
    if others:
        print("others: " + ", ".join(f"{count:,} {name}" for name, count in others.items()))


def _check(target: str, body: Any, headers: dict[str, str]) -> None:
    """Send one request, so that a mistake is told before it is made a thousand times."""
    try:
        answer = httpx.post(target, json=body, headers=headers, timeout=30)
    except httpx.HTTPError as error:
        raise NoServiceError(
            f"{target}: no service answers ({error}); run `make serve` or `make run`, or name it with URL=."
        ) from None
    if answer.status_code != httpx.codes.OK:
        raise SettingError(f"{target}: answers {answer.status_code} to the first request: {answer.text[:300]}")


def _bodies(workspace: Workspace, service: str) -> list[Any]:
    given = os.environ.get("REQUESTS")
    if given:
        try:
            lines = [line for line in Path(given).read_bytes().splitlines() if line.strip()]
            bodies = [orjson.loads(line) for line in lines[:MOST_BODIES]]
        except (OSError, orjson.JSONDecodeError) as error:
            raise SettingError(f"REQUESTS={given}: {error}; name a file with one JSON body a line.") from None
    else:
        bodies = _of_the_lake(workspace, service)
    if not bodies:
        raise SettingError(f"{given or 'the lake'}: holds no requests; name a file of them with REQUESTS=.")
    return bodies


def _of_the_lake(workspace: Workspace, name: str) -> list[Any]:
    """Make requests of the newest events of the topic that the service decides on; they count as of now."""
    store = open_store(workspace)
    service = read_service(store, name)
    plans = plan_views(read_declarations(workspace))
    decisions = decisions_of(service, {one.name: one for one in event_sources(plans, labels_of([service]))})
    lake = decisions.source.table.lake
    days = days_of(lake)
    if not days:
        return []
    events = read_day(lake, days[-1])
    return [] if events is None else [_as_of_now(body) for _, body in decisions.requests(events.slice(0, MOST_BODIES))]


def _as_of_now(body: dict[str, Any]) -> dict[str, Any]:
    inner = [_as_of_now(one) for one in body.get("candidates", ())]
    return {k: v for k, v in body.items() if k not in (EVENT_TIMESTAMP, "candidates")} | (
        {"candidates": inner} if inner else {}
    )


if __name__ == "__main__":
    sys.exit(main())
