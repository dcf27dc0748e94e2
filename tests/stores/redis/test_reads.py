"""What readers of a Redis that is not well see: time that is bounded, tries that are counted, and none while it is left alone."""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from stores.cells.layout import ViewLayout
from stores.online import OnlineStoreUnavailable, find_room, open_room
from stores.redis.exchange import Patience
from stores.redis_online import MillraceRedisOnlineStoreConfig
from workspace.redis_server import start_redis

VIEW = ViewLayout("shop", "counts", (("user", "STRING"),), (("n", "INT64"),))
TIMEOUT_S = 0.2


def opened(address: str, timeout_s: float = TIMEOUT_S, **said: Any) -> Any:
    """Open a store by what feature_store.yaml says, without asking it."""
    config = MillraceRedisOnlineStoreConfig(connection_string=address, **said)
    return open_room(*find_room(config), timeout_s, False)


def write(store: Any) -> None:
    time_ = pa.array([1], pa.timestamp("us", tz="UTC"))
    store.writer(VIEW).write(pa.table({"user": ["a"], "event_timestamp": time_, "n": [1]}), "event_timestamp")


def read(store: Any) -> list[int]:
    found: list[int] = store.reader([VIEW]).read({"user": ["a"]}).views["counts"].columns["n"].as_python()
    return found


def fails(store: Any) -> float:
    """Read, which must fail; return how long it took, seconds."""
    began = time.monotonic()
    with pytest.raises(OnlineStoreUnavailable, match="Redis at"):
        read(store)
    return time.monotonic() - began


def test_server_that_hangs_costs_one_timeout_a_read_and_after_three_nothing() -> None:
    with start_redis() as server:
        store = opened(server.connection_string, breaker_open_ms=300)
        write(store)
        assert read(store) == [1]
        os.kill(server.pid, signal.SIGSTOP)
        try:
            assert all(TIMEOUT_S <= fails(store) < 2 * TIMEOUT_S for _ in range(3))
            assert max(fails(store) for _ in range(50)) < TIMEOUT_S / 2
            stats = store.stats()
            assert (stats["breaker"]["state"], stats["breaker"]["opened"], stats["breaker"]["refused"]) == (
                "open",
                1,
                50,
            )
            assert (stats["reads"], stats["failed"], stats["timeouts"], stats["retries"]) == (4, 3, 3, 0)
            time.sleep(0.3)
            assert TIMEOUT_S <= fails(store) < 2 * TIMEOUT_S, "one tries whether it is well"
            assert fails(store) < TIMEOUT_S / 2
        finally:
            os.kill(server.pid, signal.SIGCONT)
        time.sleep(0.3)
        assert read(store) == [1]
        assert store.stats()["breaker"]["state"] == "closed"


def test_answer_to_the_readiness_probe_ends_the_wait() -> None:
    with start_redis() as server:
        store = opened(server.connection_string, breaker_open_ms=60_000, breaker_failures=1)
        write(store)
    fails(store)
    with start_redis(server.port):
        fails(store)
        assert store.stats()["breaker"]["state"] == "open"
        store.ping()
        assert read(store) == [None]


def test_closed_port_is_tried_again_as_often_as_is_said() -> None:
    with start_redis() as server:
        address = server.connection_string
    for retries in (0, 1, 4):
        store = opened(address, 5.0, read_retries=retries, breaker_failures=100)
        assert fails(store) < 2.0
        stats = store.stats()
        assert (stats["retries"], stats["broken"], stats["timeouts"]) == (retries, retries + 1, 0)


def test_restart_between_two_reads_is_not_seen() -> None:
    with start_redis() as server:
        store = opened(server.connection_string, 2.0)
        write(store)
        assert read(store) == [1]
    with start_redis(server.port):
        assert read(store) == [None]
    assert store.stats()["failed"] == 0


def test_slow_line_is_given_up_and_counted(make_proxy: Callable[[int], Any]) -> None:
    with start_redis() as server:
        proxy = make_proxy(server.port)
        store = opened(proxy.url.removeprefix("http://"), 0.3)
        write(store)
        assert read(store) == [1]
        proxy.delay = 2.0
        assert 0.3 <= fails(store) < 0.8
        assert store.stats()["timeouts"] == 1


def test_answer_of_a_read_that_was_given_up_is_not_taken_for_another() -> None:
    with start_redis() as server:
        store = opened(server.connection_string, breaker_failures=1000)
        write(store)
        for _ in range(3):
            os.kill(server.pid, signal.SIGSTOP)
            fails(store)
            os.kill(server.pid, signal.SIGCONT)
            assert read(store) == [1]


def test_pauses_are_drawn_from_nothing_to_twice_as_much_each_time() -> None:
    random.seed(1)
    patience = Patience(10, 0.01)
    for attempt, most in ((1, 0.01), (2, 0.02), (3, 0.04), (9, 0.25)):
        pauses = [patience.pause(attempt) for _ in range(2000)]
        assert max(pauses) <= most
        assert statistics.fmean(pauses) == pytest.approx(most / 2, rel=0.1)
        assert min(pauses) < most / 100
