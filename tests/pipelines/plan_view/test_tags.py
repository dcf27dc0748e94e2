"""Tags of views and sources: what they mean, and every refusal by its text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contract.durations import HOUR
from contract.tags import DeclarationError
from pipelines.plan import PlanError, ViewPlan

ALL = "at, id, n, page, price, user_id"
SUM = {"column": "price", "function": "sum"}
Make = Callable[..., ViewPlan]


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (
            {"millrace.dely": "7d"},
            "v: unknown tag millrace.dely; use one of millrace.cache, millrace.cache_stale, millrace.delay, millrace.store",
        ),
        ({"millrace.store": "cold"}, "v: tag millrace.store is 'cold'; write one of hot, warm, both"),
        (
            {"millrace.delay": "soon"},
            "v: tag millrace.delay: 'soon' is not a duration; write a whole number and a unit",
        ),
    ],
)
def test_tags_of_a_view_are_known(stream: Make, tags: dict[str, str], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        stream([SUM], tags=tags)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (
            {"millrace.lak": "x"},
            "clicks: unknown tag millrace.lak; use one of millrace.arrived, .*millrace.known_after, millrace.lake, .*"
            "millrace.max_skew, .*millrace.partition_by",
        ),
        (
            {"millrace.min.x": "0"},
            "clicks: tag millrace.min.x is not read here; write it on the lake's source, clicks_lake",
        ),
        (
            {"millrace.fresh": "1h"},
            "clicks: tag millrace.fresh is not read here; write it on the lake's source, clicks_lake",
        ),
        ({"millrace.lake": ""}, "clicks: no lake table; tag the source with millrace.lake .* one of clicks_lake"),
        (
            {"millrace.lake": "nowhere"},
            "clicks: no lake table; tag the source with millrace.lake .* one of clicks_lake",
        ),
        (
            {"millrace.event_id": "x"},
            f"clicks: tag millrace.event_id 'x' is not a column of the events; use one of {ALL}",
        ),
        ({"millrace.event_id": ""}, "clicks: tag millrace.event_id '' is not a column of the events"),
        ({"millrace.partition_by": "x"}, "clicks: tag millrace.partition_by 'x' is not a column of the events"),
        ({"millrace.known_after": "a week"}, "clicks: tag millrace.known_after: 'a week' is not a duration"),
        ({"millrace.max_skew": "0"}, "clicks: tag millrace.max_skew: '0' is not a duration"),
        (
            {"millrace.known_after": "12h"},
            "v: its events are known only 12h after their time; tag the view with millrace.delay of at least",
        ),
    ],
)
def test_tags_of_a_source_are_known(
    stream: Make, source: Callable[..., Any], tags: dict[str, str], message: str
) -> None:
    with pytest.raises(DeclarationError, match=message):
        stream([SUM], source=source(tags=tags))


def test_the_skew_of_a_source_is_five_minutes_unless_it_says_another(stream: Make, source: Callable[..., Any]) -> None:
    assert stream([SUM]).table.max_skew == HOUR // 12
    for text, skew in (("1d", 24 * HOUR), ("0s", 0)):
        assert stream([SUM], source=source(tags={"millrace.max_skew": text})).table.max_skew == skew


def test_a_delay_as_long_as_the_events_need_is_accepted(stream: Make, source: Callable[..., Any]) -> None:
    late = source(tags={"millrace.known_after": "12h"})
    assert stream([SUM], source=late, tags={"millrace.delay": "12h"}).table.known_after == 12 * HOUR
    with pytest.raises(PlanError, match="or the feature would see the future"):
        stream([SUM], source=late, tags={"millrace.delay": "11h"})
