"""Where a view's events come from: topics, tables of the lake, transforms, every refusal by its text."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.plan import PlanError, ViewPlan

SUM = {"column": "price", "function": "sum"}
Make = Callable[..., ViewPlan]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("", r"clicks: no columns; use message_format=JsonFormat\(schema_json='id bigint, at timestamp'\)"),
        (
            "id blob",
            "clicks: unknown column type 'blob'; use one of bigint, .* Write schema_json as 'id bigint, at timestamp",
        ),
        ("id", "clicks: unknown column type ''"),
        (
            "id bigint, at timestamp",
            "clicks: tag millrace.partition_by 'user_id' is not a column of the events; use one of at, id",
        ),
        ("id bigint, user_id string, price double", "clicks: timestamp_field 'at' is not a column of the events"),
    ],
)
def test_columns_of_a_topic_are_read_strictly(
    stream: Make, source: Callable[..., Any], schema: str, message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        stream([SUM], source=source(schema))


def test_join_key_must_be_a_column_of_the_events(stream: Make, source: Callable[..., Any]) -> None:
    other = source("id bigint, at timestamp, price double", tags={"millrace.partition_by": "id"})
    with pytest.raises(
        PlanError, match="v: join key 'user_id' is not a column of the events; use one of at, id, price"
    ):
        stream([SUM], source=other)


def test_a_source_without_a_topic_is_refused(feast: SimpleNamespace, stream: Make) -> None:
    log = feast.FileSource(name="v_log", path="/log/v", timestamp_field="event_timestamp")
    with pytest.raises(PlanError, match="v: source is a PushSource; use a KafkaSource, which has a topic and a schema"):
        stream([SUM], source=feast.PushSource(name="push", batch_source=log))


def test_a_batch_view_needs_a_view_of_events(batch: Make, lake: Any) -> None:
    with pytest.raises(
        PlanError, match="b: write source=<a FeatureView of the raw events> and sink_source=<a FileSource"
    ):
        batch([SUM], source=lake, sink_source=None)


def test_a_batch_view_of_events_without_an_id_is_refused(feast: SimpleNamespace, batch: Make) -> None:
    bare = feast.FileSource(name="bare", path="/lake/bare", timestamp_field="at")
    with pytest.raises(
        PlanError, match=r"bare: tag millrace.event_id '' is not a column of the events; use one of at, id, price"
    ):
        batch([SUM], lake=bare)


def test_a_transform_must_say_what_type_its_columns_have(batch: Make) -> None:
    with pytest.raises(
        PlanError, match=r"b: its transform gives page no type; end it with .astype, such as .astype\('string'\)"
    ):
        batch([{"column": "price", "function": "sum"}], udf=lambda events: events.assign(page="a"))
