"""What stands between HAProxy and the app, put together as Ray Serve does it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from serving.protocols.admission import Admission
from serving.protocols.request import DEADLINE, Receive, Scope, Send
from serving.ray import ingress

pytestmark = pytest.mark.slow


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Say whether a request has a deadline."""
    body = b"with a deadline" if scope.get(DEADLINE) else b"without"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def admission() -> Iterator[Admission]:
    before = ingress._of_this_process.app, ingress._of_this_process.admission
    one = Admission(0.5)
    ingress.answer_by(app, one)
    yield one
    ingress._of_this_process.app, ingress._of_this_process.admission = before


def test_a_request_is_admitted_before_it_is_answered(admission: Admission) -> None:
    from ray.serve._private.http_util import _apply_middlewares

    async def never(*_: Any) -> None:
        raise AssertionError("Ray Serve was asked")

    async def run() -> list[httpx.Response]:
        around: Any = _apply_middlewares(never, ingress.middlewares())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=around), base_url="http://test") as client:
            admitted = await client.post("/v1/score")
            admission.limit = 0
            return [admitted, await client.post("/v1/score"), await client.get("/healthz")]

    admitted, refused, watched = asyncio.run(run())
    assert (admitted.status_code, admitted.text) == (200, "with a deadline")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert (watched.status_code, watched.text) == (200, "without")
    assert admission.rejected == 1
