"""Events, features and plans that the tests of the pipelines share. Neither Feast nor Spark nor Ray in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import strategies as st

from pipelines.plan import EventTable, ViewPlan
from pipelines.semantics.aggregators.table import parse_function
from pipelines.semantics.events import Events, sort_events
from pipelines.semantics.feature import Feature
from pipelines.semantics.reference import EPOCH, Event
from pipelines.semantics.rows import Rows
from pipelines.semantics.windows import Window

MINUTE = 60_000_000
COLUMNS = {
    "id": "bigint",
    "at": "timestamp",
    "user": "string",
    "money": "double",
    "whole": "bigint",
    "word": "string",
    "flag": "boolean",
}
ARROW = {"money": pa.float64(), "whole": pa.int64(), "word": pa.string(), "flag": pa.bool_()}
Keyed = tuple[str, Event]
Newest = tuple[int, tuple[Any, ...]]
Log = list[Newest]


@dataclass(frozen=True)
class Lab:
    """Builds what a test needs, and says whether two values are the same."""

    minute: int = MINUTE

    def feature(
        self, function: str, column: str | None, size: int, slide: int, delay: int = 0, aligned: bool = False
    ) -> Feature:
        """One feature; sizes in microseconds."""
        aggregator, gap = parse_function(function)
        return Feature(
            f"{function}_{column}_{size}", aggregator, column, Window(size, slide, delay, aligned), gap, function
        )

    def events_strategy(
        self, dyadic: bool = True, most: int = 12, users: str = "abc"
    ) -> st.SearchStrategy[list[Keyed]]:
        """Some users' events within 15 minutes: ties, nulls, NaN, hop edges, disorder and repeated ids come by themselves."""
        on_hop = st.integers(0, 30).map(lambda n: n * MINUTE // 2)
        beside = st.tuples(on_hop, st.sampled_from([-1, 1])).map(lambda pair: max(pair[0] + pair[1], 0))
        anywhere = st.integers(0, 15 * MINUTE)
        cents = st.integers(-10_000, 10_000).map(lambda n: n / 100)
        money = st.integers(-64, 64).map(lambda n: n / 8) if dyadic else cents
        values = st.fixed_dictionaries(
            {
                "money": st.one_of(money, st.sampled_from([None, float("nan"), 0.0, -0.0])),
                "whole": st.one_of(st.none(), st.integers(-5, 5)),
                "word": st.sampled_from([None, "", "a", "b", "zoë"]),
                "flag": st.sampled_from([None, True, False]),
            }
        )
        one = st.tuples(st.sampled_from(users), st.one_of(on_hop, beside, anywhere), st.integers(0, 25), values)
        return st.lists(one, max_size=most).map(_each_id_one_event)

    def block(self, events: Sequence[Keyed]) -> tuple[Events, list[str]]:
        """The events as the engines hold them, and the users by number."""
        users = sorted({user for user, _ in events})
        entity = np.array([users.index(user) for user, _ in events], np.int64)
        ts = np.array([event.ts for _, event in events], np.int64)
        order = sort_events(entity, ts, np.array([event.id for _, event in events], np.int64))
        columns = {name: pa.array([events[row][1].values[name] for row in order], kind) for name, kind in ARROW.items()}
        return Events(entity[order], ts[order], columns), users

    def table(self, events: Sequence[Keyed]) -> pa.Table:
        """The events as a topic or the lake has them."""
        columns = {
            "id": pa.array([event.id for _, event in events], pa.int64()),
            "at": pa.array([event.ts for _, event in events], pa.timestamp("us", "UTC")),
            "user": pa.array([user for user, _ in events], pa.string()),
        }
        values = {n: pa.array([event.values.get(n) for _, event in events], kind) for n, kind in ARROW.items()}
        return pa.table(columns | values)

    def plan(
        self, features: Sequence[Feature], lake: str = "/nowhere", log: str = "/nowhere", **of_table: Any
    ) -> ViewPlan:
        """The plan of a view over the table above."""
        kind = "batch" if features[0].window.aligned else "stream"
        table = EventTable("events", lake, "at", "id", "events", "user", tuple(COLUMNS.items()), **of_table)
        return ViewPlan("view", kind, ("user",), tuple(features), table, log)

    def logs(self, rows: Rows, users: Sequence[str]) -> dict[str, Log]:
        """Columnar rows as each user's list of (t, values)."""
        values = [column.to_pylist() for column in rows.values]
        logs: dict[str, Log] = {user: [] for user in users}
        for row, (entity, t) in enumerate(zip(rows.entity, rows.t, strict=True)):
            logs[users[entity]].append((int(t), tuple(column[row] for column in values)))
        return logs

    def table_logs(self, table: pa.Table, features: Sequence[Feature]) -> dict[str, Log]:
        """Rows of a feature log as each user's list of (t, values), by time."""
        logs: dict[str, Log] = {}
        at = table["event_timestamp"].cast(pa.int64()).to_pylist()
        for t, row in zip(at, table.to_pylist(), strict=True):
            logs.setdefault(row["user"], []).append((t, tuple(row[feature.name] for feature in features)))
        return {user: sorted(log, key=lambda row: row[0]) for user, log in logs.items()}

    def keep_newest(self, kept: dict[str, Newest], table: pa.Table | None, features: Sequence[Feature]) -> None:
        """Note each user's row as the online store does: never an older one over a newer one."""
        for user, ((t, values),) in (self.table_logs(table, features) if table is not None else {}).items():
            if user not in kept or t >= kept[user][0]:
                kept[user] = t, values

    def at(self, log: Log, t: int) -> tuple[Any, ...] | None:
        """The values of the newest row at or before an instant: the point-in-time join."""
        return next((values for when, values in reversed(log) if when <= t), None)

    def same(self, here: Any, there: Any, scale: float = 100.0) -> bool:
        """Floats to 1e-9 of the values they are made of (`scale`), everything else exactly, types included.

        A time is the same as its microseconds since the epoch: that is how rows hold it.
        """
        if isinstance(here, list | tuple) and isinstance(there, list | tuple):
            return len(here) == len(there) and all(self.same(a, b, scale) for a, b in zip(here, there, strict=True))
        here, there = _micros(here), _micros(there)
        if float in (type(here), type(there)) and {type(here), type(there)} <= {int, float}:  # a sum of nothing is 0
            return abs(here - there) <= 1e-9 * max(abs(here), abs(there), scale)
        return type(here) is type(there) and here == there

    def of_user(self, events: Sequence[Keyed], user: str) -> list[Event]:
        """One user's events."""
        return [event for owner, event in events if owner == user]


def _micros(value: Any) -> Any:
    return (value - EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value


def _each_id_one_event(drawn: Sequence[tuple[str, int, int, Mapping[str, Any]]]) -> list[Keyed]:
    """A repeated id is the same event again: same user, same time, same values."""
    first: dict[int, Keyed] = {}
    return [first.setdefault(number, (user, Event(ts, number, values))) for user, ts, number, values in drawn]


@pytest.fixture(scope="session")
def lab() -> Lab:
    """Builders of events, features and plans."""
    return Lab()
