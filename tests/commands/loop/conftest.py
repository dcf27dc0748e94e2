"""Event tables of a tiny market place: orders as a topic, returns known two days later, in the lake only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from commands.event_tables import Source
from commands.loop.events import Simulation, conform
from pipelines.batch.lake import DAY
from pipelines.plan import EventTable

COLUMNS = (("order_id", "string"), ("placed_at", "timestamp"), ("shop", "string"), ("price", "double"))


def day_of_events(first: date, number: int) -> Mapping[str, pa.Table]:
    """Return ten orders of a day; every other one comes back."""
    midnight = (first - date(1970, 1, 1)).days * DAY + number * DAY
    ids = [f"o{number}-{position}" for position in range(10)]
    at = pa.array(midnight + np.arange(10) * DAY // 10, pa.timestamp("us", "UTC"))
    shops = [f"s{position % 3}" for position in range(10)]
    return {
        "orders": pa.table({"order_id": ids, "placed_at": at, "shop": shops, "price": np.arange(10.0)}),
        "returns": pa.table({"order_id": ids, "placed_at": at, "returned": [position % 2 for position in range(10)]}),
    }


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    """The two tables, their lakes in the test's folder."""
    orders = EventTable("orders", str(tmp_path / "orders"), "placed_at", "order_id", "orders", "shop", COLUMNS)
    returns = EventTable("returns", str(tmp_path / "returns"), "placed_at", "order_id", known_after=2 * DAY)
    return [
        Source(orders, ("placed_at", "order_id", "shop"), tuple(name for name, _ in COLUMNS)),
        Source(returns, ("placed_at", "order_id"), ("placed_at", "order_id", "returned")),
    ]


@pytest.fixture
def simulation(sources: list[Source]) -> Simulation:
    """Ten days that end on 10 January 2026, and go on."""
    first = date(2026, 1, 1)

    def day(number: int) -> Mapping[str, pa.Table]:
        made = day_of_events(first, number)
        return {one.name: conform(one, made[one.name], one.name) for one in sources}

    return Simulation(10, first, day)
