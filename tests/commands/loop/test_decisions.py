"""Requests of decision events: one a row, or one a list of candidates."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from commands.event_tables import Source
from commands.loop.decisions import Decisions, NoDecisionError, decisions_of, in_parts
from commands.loop.events import Simulation
from contract.service import RequestData, Service

SERVICE = Service(
    "returns_v1",
    (("shop_load__orders", "int64"),),
    (),
    (),
    (("shop", "string"),),
    (
        RequestData("price", "float64"),
        RequestData("event_timestamp", "timestamp"),
        RequestData("this_shop", "string", "shop"),
    ),
    decides_on="orders",
)


@pytest.fixture
def events(simulation: Simulation) -> pa.Table:
    return simulation.day(0)["orders"]


def test_each_event_is_a_request_with_its_own_time(sources: list[Source], events: pa.Table) -> None:
    requests = decisions_of(SERVICE, {one.name: one for one in sources}).requests(events)
    assert len(requests) == 10
    t, body = requests[1]
    assert (t, body["shop"], body["price"]) == (1_767_225_600_000_000 + 8_640_000_000, "s1", 1.0)
    assert body["event_timestamp"] == "2026-01-01T02:24:00+00:00"


def test_events_of_a_list_are_candidates_of_one_request_and_no_list_is_cut(
    sources: list[Source], events: pa.Table
) -> None:
    grouped = events.append_column("request", pa.array([f"r{position // 4}" for position in range(10)]))
    decisions = Decisions(replace(SERVICE, predicts="ranking", group="request"), sources[0])
    assert [len(body["candidates"]) for _, body in decisions.requests(grouped)] == [4, 4, 2]
    assert [len(part) for part in in_parts(grouped, decisions, 5)] == [4, 4, 2]
    assert [len(part) for part in in_parts(grouped, decisions, 9)] == [8, 2]
    assert [len(part) for part in in_parts(grouped, decisions, 3)] == [4, 4, 2]


@pytest.mark.parametrize(
    ("service", "told"),
    [
        pytest.param(
            replace(SERVICE, decides_on=None),
            "returns_v1: no moment of decision; tag the service with millrace.decides_on and the topic .*one of orders",
            id="no tag",
        ),
        pytest.param(replace(SERVICE, decides_on="clicks"), "millrace.decides_on is 'clicks'; tag", id="no such topic"),
        pytest.param(
            replace(SERVICE, request=(RequestData("weather", "int64"),)),
            "a request needs weather, which topic orders does not have; add the column",
            id="field that no column fills",
        ),
    ],
)
def test_a_service_whose_decisions_cannot_be_played_is_told(sources: list[Source], service: Service, told: str) -> None:
    with pytest.raises(NoDecisionError, match=told):
        decisions_of(service, {one.name: one for one in sources})
