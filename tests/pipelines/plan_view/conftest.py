"""Feast's declarations of a stream view and of a batch view, planned. Importing Feast costs seconds, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.plan import ViewPlan

COLUMNS = "id bigint, at timestamp, user_id string, price double, n bigint, page string"
TAGS = {"millrace.lake": "clicks_lake", "millrace.event_id": "id", "millrace.partition_by": "user_id"}
AN_HOUR = timedelta(hours=1)
Make = Callable[..., ViewPlan]


@pytest.fixture(scope="module")
def feast() -> SimpleNamespace:
    """Feast's declarations, under one name."""
    import feast
    import feast.types
    from feast.aggregation import Aggregation
    from feast.data_format import JsonFormat

    names = ("Entity", "FeatureView", "Field", "FileSource", "KafkaSource", "PushSource", "ValueType")
    views = ("StreamFeatureView", "BatchFeatureView")
    types = {name: getattr(feast.types, name) for name in ("Array", "Float64", "Int64", "String", "UnixTimestamp")}
    found = {name: getattr(feast, name) for name in (*names, *views)}
    return SimpleNamespace(**found, **types, Aggregation=Aggregation, JsonFormat=JsonFormat)


@pytest.fixture(scope="module")
def user(feast: SimpleNamespace) -> Any:
    return feast.Entity(name="user", join_keys=["user_id"], value_type=feast.ValueType.STRING)


@pytest.fixture(scope="module")
def lake(feast: SimpleNamespace) -> Any:
    return feast.FileSource(
        name="clicks_lake", path="/lake/clicks", timestamp_field="at", tags={"millrace.event_id": "id"}
    )


@pytest.fixture(scope="module")
def source(feast: SimpleNamespace) -> Callable[..., Any]:
    """Build a topic: `source("id bigint, ...", tags={...})`; tags are added to those that every topic needs."""

    def build(schema: str = COLUMNS, **options: Any) -> Any:
        given = {
            "name": "clicks",
            "kafka_bootstrap_servers": "localhost",
            "topic": "clicks",
            "message_format": feast.JsonFormat(schema_json=schema),
            "timestamp_field": "at",
            "watermark_delay_threshold": timedelta(minutes=5),
            "batch_source": feast.FileSource(name="v_log", path="/log/v", timestamp_field="event_timestamp"),
            "tags": TAGS | options.pop("tags", {}),
        }
        return feast.KafkaSource(**(given | options))

    return build


@pytest.fixture(scope="module")
def stream(feast: SimpleNamespace, user: Any, lake: Any, source: Callable[..., Any]) -> Make:
    """Plan a stream view: `stream([{"function": "count"}], gives=[...])`."""
    from pipelines.plan_view import plan_stream_view

    def plan(aggregations: list[dict[str, Any]], gives: list[Any] | None = None, **options: Any) -> ViewPlan:
        made = [feast.Aggregation(**({"name": "f", "time_window": AN_HOUR} | a)) for a in aggregations]
        fields = gives if gives is not None else [feast.Field(name=a.name, dtype=feast.Float64) for a in made]
        key = feast.Field(name="user_id", dtype=feast.String)
        given = {
            "name": "v",
            "entities": [user],
            "source": source(),
            "timestamp_field": "at",
            "aggregations": made,
            "schema": [key, *fields],
            "ttl": timedelta(days=2),
        }
        return plan_stream_view(feast.StreamFeatureView(**(given | options)), {"clicks_lake": lake})

    return plan


@pytest.fixture(scope="module")
def batch(feast: SimpleNamespace, user: Any, lake: Any) -> Make:
    """Plan a batch view of the lake's clicks."""
    from pipelines.plan_view import plan_batch_view

    def plan(aggregations: list[dict[str, Any]], **options: Any) -> ViewPlan:
        made = [feast.Aggregation(**({"name": "f", "time_window": AN_HOUR} | a)) for a in aggregations]
        columns = (("user_id", feast.String), ("id", feast.Int64), ("price", feast.Float64))
        raw = feast.FeatureView(
            name="raw",
            entities=[user],
            source=options.pop("lake", lake),
            schema=[feast.Field(name=name, dtype=dtype) for name, dtype in columns],
            online=False,
        )
        given = {
            "name": "b",
            "entities": [user],
            "source": raw,
            "sink_source": feast.FileSource(name="b_log", path="/log/b", timestamp_field="event_timestamp"),
            "mode": "pandas",
            "udf": lambda events: events.assign(night=events["price"] > 1.0, twice=events["price"] * 2.0),
            "udf_string": "derive",
            "aggregations": made,
            "schema": [feast.Field(name="user_id", dtype=feast.String)]
            + [feast.Field(name=a.name, dtype=feast.Float64) for a in made],
        }
        return plan_batch_view(feast.BatchFeatureView(**(given | options)))

    return plan
