"""Repeated requests get the first one's answer, from whichever replica; answers are kept in a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import redis

from serving.config import HttpConfig
from serving.protocols.answer import Answer
from serving.protocols.http import HttpApp
from serving.protocols.idempotency import KeptAnswers, idempotent
from serving.protocols.request import Request
from serving.protocols.router import OPEN, Route
from serving.ray.kept_answers import PREFIX, RedisAnswers
from workspace.redis_server import RedisServer, start_redis

KEY = {"idempotency-key": "order 66"}
LIMITS = HttpConfig(budget_ms=400.0)


class Counter:
    """Answers with how many requests it has answered; may be slow, and may fail."""

    def __init__(self) -> None:
        self.answered = 0
        self.slow_s = 0.0
        self.status = 200

    async def answer(self, request: Request) -> Answer:
        body = await request.json(1000)
        await asyncio.sleep(self.slow_s)
        self.answered += 1
        if body == "fail":
            raise RuntimeError
        return Answer({"answered": self.answered, "body": body}, self.status)


@asynccontextmanager
async def replicas(url: str | None, counter: Counter) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Two replicas in front of one counter."""
    clients = []
    for _ in range(2):
        kept: KeptAnswers | None = RedisAnswers(url, 60.0, 2.0) if url else None
        app: Any = HttpApp(idempotent([Route("POST", "/x", counter.answer, OPEN)], kept, LIMITS))
        clients.append(httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test"))
    yield clients
    for client in clients:
        await client.aclose()


@pytest.fixture
def url(redis_server: RedisServer) -> str:
    with redis.Redis(port=redis_server.port) as client:
        for key in client.scan_iter(f"{PREFIX}*"):
            client.delete(key)
    return f"redis://127.0.0.1:{redis_server.port}/0"


def test_repeated_request_gets_the_first_answer_from_another_replica_too(url: str) -> None:
    counter = Counter()

    async def run() -> None:
        async with replicas(url, counter) as (one, other):
            first = await one.post("/x", json=1, headers=KEY)
            for again in (await other.post("/x", json=1, headers=KEY), await one.post("/x", json=1, headers=KEY)):
                assert (again.status_code, again.content) == (200, first.content)
                assert again.headers["idempotent-replayed"] == "true"
            assert "idempotent-replayed" not in first.headers
            assert (await one.post("/x", json=1, headers={"idempotency-key": "other"})).json()["answered"] == 2
            assert (await one.post("/x", json=1)).json()["answered"] == 3

    asyncio.run(run())


def test_key_of_another_caller_is_another_key(url: str) -> None:
    counter = Counter()

    async def run() -> None:
        async with replicas(url, counter) as (one, _):
            for caller, answered in (("a", 1), ("b", 2), ("a", 1)):
                answer = await one.post("/x", json=1, headers={**KEY, "authorization": f"Bearer {caller}"})
                assert answer.json()["answered"] == answered

    asyncio.run(run())


def test_store_that_goes_away_while_a_request_is_scored_does_not_make_it_scored_twice() -> None:
    counter = Counter()
    server = start_redis()

    async def run() -> None:
        async with replicas(f"redis://127.0.0.1:{server.port}/0", counter) as (one, _):
            counter.slow_s = 0.2
            asking = asyncio.ensure_future(one.post("/x", json=1, headers=KEY))
            await asyncio.sleep(0.1)
            await asyncio.to_thread(server.stop)
            assert (await asking).json()["answered"] == 1

    asyncio.run(run())
    assert counter.answered == 1


def test_requests_at_the_same_time_are_answered_once(url: str) -> None:
    counter = Counter()
    counter.slow_s = 0.05

    async def run() -> None:
        async with replicas(url, counter) as both:
            answers = await asyncio.gather(*(both[n % 2].post("/x", json=1, headers=KEY) for n in range(20)))
            assert {one.content for one in answers} == {answers[0].content}

    asyncio.run(run())
    assert counter.answered == 1


def test_first_request_that_takes_too_long_makes_the_second_come_again(url: str) -> None:
    counter = Counter()
    counter.slow_s = 0.6

    async def run() -> None:
        async with replicas(url, counter) as (one, other):
            first = asyncio.ensure_future(one.post("/x", json=1, headers=KEY))
            await asyncio.sleep(0.05)
            second = await other.post("/x", json=1, headers=KEY)
            assert (second.status_code, second.headers["retry-after"]) == (409, "1")
            await first

    asyncio.run(run())


def test_key_with_another_body_is_refused(url: str) -> None:
    async def run() -> None:
        async with replicas(url, Counter()) as (one, _):
            await one.post("/x", json=1, headers=KEY)
            answer = await one.post("/x", json=2, headers=KEY)
            assert answer.status_code == 422
            assert "another body" in answer.json()["error"]["message"]

    asyncio.run(run())


@pytest.mark.parametrize(("body", "status"), [("fail", 500), (1, 503), (1, 429)])
def test_failure_is_not_kept(url: str, body: object, status: int) -> None:
    counter = Counter()
    counter.status = status

    async def run() -> None:
        async with replicas(url, counter) as (one, _):
            assert (await one.post("/x", json=body, headers=KEY)).status_code == status
            assert (await one.post("/x", json=body, headers=KEY)).status_code == status

    asyncio.run(run())
    assert counter.answered == 2


def test_without_redis_requests_are_answered_all_the_same() -> None:
    counter = Counter()
    with start_redis() as server:
        url = f"redis://127.0.0.1:{server.port}/0"

    async def run() -> None:
        async with replicas(url, counter) as (one, _):
            for _ in range(2):
                assert (await one.post("/x", json=1, headers=KEY)).status_code == 200

    asyncio.run(run())
    assert counter.answered == 2


def test_where_nothing_is_kept_the_header_is_refused_with_what_to_write() -> None:
    async def run() -> None:
        async with replicas(None, Counter()) as (one, _):
            answer = await one.post("/x", json=1, headers=KEY)
            assert answer.status_code == 400
            assert "add 'idempotency: {redis: ...}' to serving.yaml" in answer.json()["error"]["message"]

    asyncio.run(run())
