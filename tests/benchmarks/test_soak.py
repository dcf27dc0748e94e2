"""A short soak with kills: nothing grows; and what would grow is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.soak import BLOCKS, RSS_MB, Footprint, growth, soak

pytestmark = pytest.mark.slow

CALLERS = 2
WELL = Footprint(1000, 9, 3, 20, 6, 300.0, 900_000, 1.5)


def test_calls_leave_nothing_behind_though_redis_is_killed() -> None:
    found, stats = soak(1200, 4, CALLERS)
    assert growth(found, CALLERS) == []
    assert [one.calls for one in found] == [300, 600, 900, 1200]
    assert stats["store"]["broken"] > 0
    assert stats["store"]["breaker"]["failures"] == stats["store"]["failed"]
    assert stats["cache"]["hits"] > 0


def test_objects_that_calls_keep_are_found() -> None:
    kept: list[object] = []

    def keeping(call: Callable[[int], Any]) -> Callable[[int], Any]:
        return lambda number: kept.append([object() for _ in range(50)])

    found, _ = soak(600, 3, CALLERS, keeping)
    assert [problem.split(":")[0] for problem in growth(found, CALLERS)] == ["blocks"]


@pytest.mark.parametrize(
    ("what", "more"),
    [
        ("threads", {"threads": 4}),
        ("connections", {"connections": 9, "files": 23}),
        ("files", {"files": 23}),
        ("memory", {"rss_mb": 300.1 + RSS_MB}),
        ("blocks", {"blocks": 900_001 + BLOCKS}),
    ],
)
def test_what_grows_is_named(what: str, more: dict[str, float]) -> None:
    found = [WELL, WELL, WELL, replace(WELL, **more)]  # type: ignore[arg-type]  # each as its field has it
    assert [problem.split(":")[0] for problem in growth(found, CALLERS)] == [what]
    assert growth([WELL] * 4, CALLERS) == []
