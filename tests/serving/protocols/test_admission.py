"""How many requests are taken, with a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from serving.protocols.admission import FEWEST, Admission, Admitted
from serving.protocols.request import DEADLINE


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def serve(admission: Admission, clock: Clock, rate: float, offered: int, seconds: float) -> list[float]:
    """Serve in order of arrival at a rate while as many as are admitted wait; return the waits of all answered."""
    waits: list[float] = []
    under_way: list[float] = []
    for _ in range(int(seconds * rate)):
        while len(under_way) < offered and (at := admission.enter()) is not None:
            under_way.append(at)
        clock.now += 1 / rate
        waits.append(clock.now - under_way.pop(0))
        admission.leave()
    for _ in under_way:
        admission.leave()
    return waits


@pytest.mark.parametrize("rate", [200.0, 2000.0, 20_000.0])
def test_admitted_requests_wait_no_longer_than_the_budget(rate: float) -> None:
    clock = Clock()
    waits = serve(Admission(0.1, clock), clock, rate, offered=100_000, seconds=3.0)
    late = waits[len(waits) // 2 :]
    assert max(late) <= 0.1
    assert max(late) >= 0.03  # it is not bounded by taking next to nothing


def test_bound_follows_a_service_that_became_slower() -> None:
    clock = Clock()
    admission = Admission(0.1, clock)
    serve(admission, clock, 5000.0, 100_000, 2.0)
    fast = admission.limit
    waits = serve(admission, clock, 500.0, 100_000, 4.0)
    assert admission.limit < fast / 5
    assert max(waits[-500:]) <= 0.1


def test_idle_service_keeps_its_bound() -> None:
    clock = Clock()
    admission = Admission(0.1, clock)
    serve(admission, clock, 5000.0, 100_000, 2.0)
    busy = admission.limit
    serve(admission, clock, 10.0, offered=1, seconds=30.0)
    assert admission.limit == busy


def answer_of(admission: Admission, method: str = "POST", headers: list[tuple[bytes, bytes]] | None = None) -> Any:
    """Return the status that a middleware gives, and the deadline the app saw."""
    seen: dict[str, Any] = {"status": 200}

    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        seen["deadline"] = scope.get(DEADLINE)

    async def send(message: MutableMapping[str, Any]) -> None:
        seen.update(message)

    scope = {"type": "http", "method": method, "path": "/", "headers": headers or []}
    asyncio.run(Admitted(app, lambda: admission)(scope, None, send))  # type: ignore[arg-type]
    return seen


def test_full_service_refuses_with_retry_after_and_still_answers_health() -> None:
    admission = Admission(0.1, Clock())
    while admission.enter() is not None:
        pass
    refused = answer_of(admission)
    assert (refused["status"], refused["type"], admission.rejected) == (429, "http.response.body", 2)
    assert (b"retry-after", b"1") in refused["headers"]
    named = answer_of(admission, headers=[(b"x-request-id", b"order-17")])
    assert (named["status"], (b"x-request-id", b"order-17") in named["headers"]) == (429, True)
    assert answer_of(admission, "GET")["status"] == 200
    assert admission.limit >= FEWEST


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(b"0.02", 0.02), (b"9", 0.1), (b"soon", 0.1), (b"0", 0.1), (b"-1", 0.1), (b"nan", 0.1)],
)
def test_callers_own_time_shortens_the_deadline(header: bytes, seconds: float) -> None:
    seen = answer_of(Admission(0.1, Clock()), headers=[(b"x-request-timeout-seconds", header)])
    assert seen["deadline"] == pytest.approx(100.0 + seconds)
