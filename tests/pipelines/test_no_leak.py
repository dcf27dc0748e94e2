"""No leak from the future: training rows of a real, tiny feature repo, through Feast's own `get_historical_features`.

Whatever happens at or after a label's time must not change its row; what happened before must. With a delay d, nothing
later than d before the label matters either.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.batch.compute import compute_log
from pipelines.plan import ViewPlan
from pipelines.semantics.reference import Event

MINUTE = 60_000_000
DELAY = 3 * MINUTE
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON = 20_000 * 1440 * MINUTE + 720 * MINUTE  # 2024-10-04 12:00
LABEL = NOON + 90_000_000 + 17  # in the middle of a pane
BLANK = {"money": None, "whole": None, "word": None, "flag": None}
Row = dict[str, Any]
Ask = Callable[..., Row]


@pytest.fixture(scope="module")
def ask(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Return the function that gives the training row of a label, `ask(events, at=...)`, events as (time, money)."""
    from feast import Entity, FeatureStore, Field, FileSource, KafkaSource, RepoConfig, StreamFeatureView, ValueType
    from feast.aggregation import Aggregation
    from feast.data_format import JsonFormat
    from feast.types import Array, Float64, Int64, String

    from pipelines.plan_view import plan_stream_view
    from stores.parquet.feature_log import FeatureLog
    from workspace.workspace import silence_feast

    silence_feast()
    folder = tmp_path_factory.mktemp("repo")
    user = Entity(name="user", join_keys=["user"], value_type=ValueType.STRING)
    lake = FileSource(name="lake", path=str(folder / "lake"), timestamp_field="at", tags={"millrace.event_id": "id"})
    schema = "id bigint, at timestamp, user string, money double, whole bigint, word string, flag boolean"
    tags = {"millrace.lake": "lake", "millrace.event_id": "id", "millrace.partition_by": "user"}
    window = timedelta(minutes=10)

    def view(name: str, delay: str) -> StreamFeatureView:
        log = FileSource(name=f"{name}_log", path=str(folder / name), timestamp_field="event_timestamp")
        source = KafkaSource(
            name=f"into_{name}",
            kafka_bootstrap_servers="localhost",
            topic="events",
            message_format=JsonFormat(schema_json=schema),
            timestamp_field="at",
            watermark_delay_threshold=timedelta(minutes=1),
            batch_source=log,
            tags=tags,
        )
        return StreamFeatureView(
            name=name,
            entities=[user],
            source=source,
            timestamp_field="at",
            aggregations=[
                Aggregation(column="money", function="sum", time_window=window, name="total"),
                Aggregation(column="money", function="last_n(3)", time_window=window, name="amounts"),
                Aggregation(function="session_count(2min)", time_window=window, name="session"),
            ],
            schema=[
                Field(name="user", dtype=String),
                Field(name="total", dtype=Float64),
                Field(name="amounts", dtype=Array(Float64)),
                Field(name="session", dtype=Int64),
            ],
            ttl=timedelta(days=1),
            tags={"millrace.delay": delay},
        )

    config = RepoConfig(
        project="leak",
        provider="local",
        registry=str(folder / "registry.db"),
        repo_path=folder,
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        offline_store={"type": "stores.asof_offline.AsofOfflineStore"},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    views = {0: view("now", "0s"), DELAY: view("later", "3min")}
    store.apply([user, lake, *views.values()])
    plans: dict[int, ViewPlan] = {delay: plan_stream_view(one, {"lake": lake}) for delay, one in views.items()}

    def row_of(events: Sequence[tuple[int, float]], at: int = LABEL, delay: int = 0) -> Row:
        plan = plans[delay]
        # ids by content, so that an event added or moved does not rename the others
        kept = [("a", Event(ts, hash((ts, money)), BLANK | {"money": money})) for ts, money in sorted(set(events))]
        log = FeatureLog(plan.view, Path(plan.log))
        for file in Path(plan.log).rglob("*.parquet"):
            file.unlink()
        rows = compute_log(replace(plan, log=str(folder / uuid.uuid4().hex)), lab.table(kept), 0, 2 * NOON)
        log.append(rows if len(rows) else rows.schema.empty_table(), "event_timestamp")
        if not len(rows):
            return {"total": None, "amounts": None, "session": None}
        labels = pd.DataFrame({"user": ["a"], "event_timestamp": [EPOCH + timedelta(microseconds=at)]})
        names = [f"{plan.view}:{feature.name}" for feature in plan.features]
        found = store.get_historical_features(entity_df=labels, features=names).to_arrow().to_pylist()[0]
        return {feature.name: found[feature.name] for feature in plan.features}

    return row_of


PAST = [(LABEL - 5 * MINUTE, 2.0), (LABEL - MINUTE, 4.0)]


#        5 min before       1 min before    label
#      ------x-------------------x------------|-----
def test_what_was_before_counts(ask: Ask) -> None:
    assert ask(PAST) == {"total": 6.0, "amounts": [2.0, 4.0], "session": 1}


@pytest.mark.parametrize(
    ("moved_to", "counts"),
    [
        pytest.param(LABEL - 2, True, id="two microseconds before"),
        pytest.param(LABEL - 1, True, id="one microsecond before"),
        pytest.param(LABEL, False, id="at the label: the event being scored"),
        pytest.param(LABEL + 1, False, id="one microsecond after"),
        pytest.param(LABEL + MINUTE, False, id="a minute after"),
    ],
)
def test_an_event_counts_only_while_it_is_before_the_label(ask: Ask, moved_to: int, counts: bool) -> None:
    row = ask([*PAST, (moved_to, 8.0)])
    assert row == ({"total": 14.0, "amounts": [2.0, 4.0, 8.0], "session": 2} if counts else ask(PAST))


future = st.one_of(
    st.just(0),
    st.just(1),
    st.integers(0, 20 * MINUTE),
    st.integers(1, 20).map(lambda hops: hops * MINUTE - 17 - 30_000_000),
)
money = st.integers(-8, 8).map(float)


@settings(max_examples=settings.default.max_examples * 3 // 8)
@given(st.lists(st.tuples(future.map(lambda after: LABEL + max(after, 0)), money), max_size=6))
def test_nothing_at_or_after_the_label_changes_its_row(ask: Ask, later: list[tuple[int, float]]) -> None:
    assert ask([*PAST, *later]) == {"total": 6.0, "amounts": [2.0, 4.0], "session": 1}


@settings(max_examples=settings.default.max_examples * 3 // 8)
@given(st.lists(st.tuples(future.map(lambda after: LABEL - DELAY + max(after, 0)), money), max_size=6))
def test_with_a_delay_nothing_later_than_it_before_the_label_matters(ask: Ask, later: list[tuple[int, float]]) -> None:
    known = [(LABEL - DELAY - MINUTE, 2.0)]
    assert ask([*known, *later], delay=DELAY) == {"total": 2.0, "amounts": [2.0], "session": 1}


@pytest.mark.parametrize(("before", "total"), [(1, 8.0), (0, None), (-1, None)])
def test_with_a_delay_the_edge_is_as_sharp(ask: Ask, before: int, total: float | None) -> None:
    assert ask([(LABEL - DELAY - before, 8.0)], delay=DELAY)["total"] == total


@settings(max_examples=settings.default.max_examples // 4)
@given(st.integers(0, 12 * MINUTE), st.lists(st.tuples(st.integers(0, 12 * MINUTE), money), max_size=5))
def test_a_label_sees_the_same_whether_or_not_the_future_has_come(
    ask: Ask, at: int, drawn: list[tuple[int, float]]
) -> None:
    events = [(NOON + ts, amount) for ts, amount in drawn]
    at += NOON
    assert ask(events, at=at) == ask([event for event in events if event[0] < at], at=at)
