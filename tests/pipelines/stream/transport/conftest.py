"""What the tests of several transports share, a server and a topic; and those of several encodings, the clicks on another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.plan import EventTable
from workspace.redis_server import start_redis

AT = 1_772_366_400_123_456  # microseconds
COLUMNS = (
    ("id", "bigint"),
    ("at", "timestamp"),
    ("seen", "timestamp"),
    ("user", "string"),
    ("price", "double"),
    ("short", "float"),
    ("slot", "int"),
    ("phone", "boolean"),
    ("kind", "string"),
)
ROW = {
    "id": 2**60 + 1,
    "at": datetime.fromtimestamp(AT / 1e6, UTC).replace(microsecond=123_456),
    "seen": datetime(2026, 3, 1, tzinfo=UTC),
    "user": "zoë",
    "price": 0.1,
    "short": 0.5,
    "slot": -3,
    "phone": True,
    "kind": "BUY",
}


class Source:
    """As much of a Kafka source as says how its topic is written."""

    name = "clicks"

    def __init__(self, kind: str, **fields: str) -> None:
        message_format = type(kind, (), fields)()
        self.kafka_options = type("Options", (), {"message_format": message_format})


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A Redis of the module's own."""
    with start_redis() as server:
        yield server.url


@pytest.fixture
def table(lab: Any) -> EventTable:
    """The topic `events`."""
    return lab.plan([lab.feature("count", None, 60_000_000, 1_000_000)]).table


@pytest.fixture(scope="session")
def columns() -> tuple[tuple[str, str], ...]:
    """The columns of the topic."""
    return COLUMNS


@pytest.fixture(scope="session")
def row() -> dict[str, Any]:
    """An event with a value in every column."""
    return dict(ROW)


@pytest.fixture(scope="session")
def sparse() -> dict[str, Any]:
    """An event without the values that may be missing."""
    return ROW | {"seen": None, "user": None, "price": None, "short": None}


@pytest.fixture(scope="session")
def source() -> Callable[..., Any]:
    """Declare the topic: `source("AvroFormat", schema_json="...")`."""
    return Source
