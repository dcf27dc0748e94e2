"""An idle stream is not asked about; an entry that comes is announced at once, and trouble is left to who reads."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis

from pipelines.stream.transport.redis_bell import Bell
from workspace.redis_server import RedisServer, start_redis

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with start_redis() as started:
        yield started


def wait(bell: Bell, stream: bytes, offset: str, *, news: bool) -> None:
    deadline = time.monotonic() + 30
    while bell.has_news(stream, offset) is not news:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_stream_is_silent_until_an_entry_comes_and_silent_again_behind_it(server: RedisServer) -> None:
    client, bell = redis.Redis.from_url(server.url), Bell(server.url)
    assert bell.has_news(b"a", "0")  # nobody has looked yet
    wait(bell, b"a", "0", news=False)
    wait(bell, b"b", "0", news=False)
    entry = client.xadd("b", {"event": b"x"})
    wait(bell, b"b", "0", news=True)
    assert not bell.has_news(b"a", "0")
    wait(bell, b"b", str(entry, "ascii"), news=False)


def test_a_server_that_goes_away_is_news() -> None:
    with start_redis() as server:
        bell = Bell(server.url)
        wait(bell, b"a", "0", news=False)
    wait(bell, b"a", "0", news=True)
