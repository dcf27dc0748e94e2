"""Plans of Feast views: what is planned, and every refusal by its text. Importing Feast costs seconds, once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contract.durations import DAY, HOUR, MINUTE, format_duration
from contract.tags import DeclarationError
from pipelines.plan import PlanError, ViewPlan
from pipelines.semantics.windows import Window

REPO = Path(__file__).resolve().parents[2] / "feature_repo"
COLUMNS = "id bigint, at timestamp, user_id string, price double, n bigint, page string"
ALL = "at, id, n, page, price, user_id"
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
    """Build a topic: `source(tags=..., schema="id bigint, ...")`."""

    def build(schema: str = COLUMNS, **options: Any) -> Any:
        given = {
            "name": "clicks",
            "kafka_bootstrap_servers": "localhost",
            "topic": "clicks",
            "message_format": feast.JsonFormat(schema_json=schema),
            "timestamp_field": "at",
            "watermark_delay_threshold": timedelta(minutes=5),
            "batch_source": feast.FileSource(name="v_log", path="/log/v", timestamp_field="event_timestamp"),
            "tags": TAGS,
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


SUM = {"column": "price", "function": "sum"}


def test_stream_view_is_planned_as_declared(stream: Make) -> None:
    plan = stream([SUM], tags={"millrace.delay": "3d", "owner": "growth"})
    assert (plan.view, plan.kind, plan.keys, plan.inputs, plan.log) == (
        "v",
        "stream",
        ("user_id",),
        ("price",),
        "/log/v",
    )
    assert plan.features[0].window == Window(HOUR, MINUTE, 3 * DAY)
    assert (plan.table.name, plan.table.lake, plan.table.event_id, plan.table.partition_by) == (
        "clicks",
        "/lake/clicks",
        "id",
        "user_id",
    )
    assert (format_duration(plan.table.lateness), format_duration(plan.ttl)) == ("5min", "2d")
    assert plan.reach == 3 * DAY + HOUR + MINUTE


def test_batch_view_is_planned_with_its_transform(batch: Make) -> None:
    plan = batch([{"column": "twice", "function": "sum", "slide_interval": timedelta(minutes=30)}])
    assert plan.features[0].window == Window(HOUR, 30 * MINUTE, aligned=True)
    assert (plan.kind, plan.inputs, plan.table.topic, plan.log) == ("batch", ("twice",), None, "/log/b")


def test_a_missing_slide_and_one_that_is_the_window_are_both_the_default(stream: Make) -> None:
    for given in ({}, {"slide_interval": AN_HOUR}):
        assert format_duration(stream([SUM | given]).features[0].window.slide) == "1min"


def test_a_given_slide_is_kept(stream: Make) -> None:
    assert (
        format_duration(stream([SUM | {"slide_interval": timedelta(minutes=20)}]).features[0].window.slide) == "20min"
    )


def test_plan_is_printable_as_json(stream: Make, batch: Make) -> None:
    shown = json.loads(stream([SUM]).to_json())
    assert shown["features"] == [
        {
            "name": "f",
            "function": "sum",
            "column": "price",
            "size": "1h",
            "slide": "1min",
            "delay": "0s",
            "session_gap": None,
        }
    ]
    assert shown["table"]["columns"] == dict(part.split() for part in COLUMNS.split(", "))
    assert json.loads(batch([SUM]).to_json())["transform"].endswith("<lambda>")


@pytest.mark.parametrize(
    ("aggregation", "message"),
    [
        (
            {"column": "nope", "function": "sum"},
            rf"v\.f: column 'nope' is not a column of the events; use one of {ALL}",
        ),
        (
            SUM | {"slide_interval": timedelta(minutes=7)},
            r"v\.f: slide 7min does not divide size 1h; use a divisor such as 6min",
        ),
        (
            SUM | {"slide_interval": timedelta(hours=2)},
            r"v\.f: slide 2h does not divide size 1h; use a divisor such as 1h",
        ),
        (
            SUM | {"time_window": timedelta(seconds=30)},
            r"v\.f: a window of 30s has no slide of its own: .* or give slide_interval",
        ),
        (
            {"column": "price", "function": "median"},
            r"v\.f: unknown function 'median'; use one of count, .*, last_n\(N\), .*session_count",
        ),
        (
            {"column": "page", "function": "last_n"},
            r"v\.f: 'last_n' needs how many values to keep, 1 to 1000; write such as last_n\(10\)",
        ),
        (
            {"function": "session_count"},
            r"v\.f: 'session_count' needs the gap that ends a session; write such as session_count\(30min\)",
        ),
        (
            {"function": "session_count(2h)"},
            r"v\.f: the session gap is longer than the window; make time_window at least the gap",
        ),
        (SUM | {"time_window": None}, r"v\.f: no time_window; give one, such as timedelta\(hours=1\)"),
        ({"function": "sum"}, rf"v\.f: sum needs a column; use one of {ALL}"),
        ({"column": "page", "function": "sum"}, r"v\.f: sum needs numbers, page is string; use count or last"),
        (
            {"column": "page", "function": "duration"},
            r"v\.f: duration needs a time, page is string; leave the column out",
        ),
        (
            {"column": "page", "function": "any"},
            r"v\.f: any needs booleans, page is string; let the view's transform add a column such as page_is_large",
        ),
        (
            {"column": "price", "function": "count_by(1)"},
            r"v\.f: count_by\(1\) needs texts, whole numbers or booleans, price is double; let the view's transform add",
        ),
        (
            {"column": "n", "function": "count_by(one)"},
            r"v\.f: count_by\(one\) can never be more than 0, n is int64; write a whole number",
        ),
        (
            {"column": "page", "function": "last_n(3, pages)"},
            rf"v\.f: column 'pages' is not a column of the events; use one of {ALL}",
        ),
        (
            {"column": "price", "function": "decayed_sum(30s)"},
            r"v\.f: the window is longer than 64 half-lives, and what is older weighs nothing; make time_window shorter",
        ),
        ({"column": "page", "function": "count"}, r"v\.f: gives int64, the Field says Float64; change the dtype"),
        (SUM | {"name": "date"}, r"v\.date: every feature log has a column date of its own; set another name="),
        (
            SUM | {"name": "event_timestamp"},
            r"v\.event_timestamp: every feature log has a column event_timestamp of its own",
        ),
    ],
)
def test_aggregation_that_cannot_be_kept_is_refused(stream: Make, aggregation: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        stream([aggregation])


def test_two_features_of_one_name_are_refused(stream: Make) -> None:
    with pytest.raises(PlanError, match="v: f is given twice; set name= on each aggregation"):
        stream([SUM, {"column": "price", "function": "max"}])


def test_schema_and_aggregations_must_be_the_same_names(feast: SimpleNamespace, stream: Make) -> None:
    more = [feast.Field(name=name, dtype=feast.Float64) for name in ("f", "g")]
    with pytest.raises(PlanError, match=r"v\.g: no aggregation gives it; the schema lists the join keys and one Field"):
        stream([SUM], gives=more)
    with pytest.raises(
        PlanError, match=r"v\.f: schema has no Field for it; the schema lists the join keys and one Field"
    ):
        stream([SUM, SUM | {"name": "g"}], gives=more[1:])


def test_schema_must_hold_the_join_keys(feast: SimpleNamespace, stream: Make) -> None:
    with pytest.raises(PlanError, match="v: no join key in the schema; add a Field for each join key of its entities"):
        stream([SUM], schema=[feast.Field(name="f", dtype=feast.Float64)])


def test_types_of_fields_are_held_against_what_the_functions_give(feast: SimpleNamespace, stream: Make) -> None:
    def field(dtype: Any) -> list[Any]:
        return [feast.Field(name="f", dtype=dtype)]

    stream([{"column": "n", "function": "sum"}], gives=field(feast.Int64))
    stream([{"column": "page", "function": "last_n(3)"}], gives=field(feast.Array(feast.String)))
    stream([{"column": "at", "function": "last"}], gives=field(feast.Int64))
    with pytest.raises(PlanError, match=r"v\.f: gives int64, the Field says Float64; change the dtype"):
        stream([{"column": "n", "function": "sum"}], gives=field(feast.Float64))
    with pytest.raises(PlanError, match=r"v\.f: gives list.*string.*, the Field says .*; change the dtype"):
        stream([{"column": "page", "function": "last_n(3)"}], gives=field(feast.String))
    with pytest.raises(PlanError, match=r"v\.f: Feast keeps UnixTimestamp online in whole seconds; write dtype=Int64"):
        stream([{"column": "at", "function": "last"}], gives=field(feast.UnixTimestamp))


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"millrace.dely": "7d"}, "v: unknown tag millrace.dely; use one of millrace.delay, millrace.store"),
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
            "clicks: unknown tag millrace.lak; use one of millrace.arrived, millrace.event_id, millrace.known_after, millrace.lake,"
            " millrace.max_skew, millrace.partition_by",
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
        stream([SUM], source=source(tags=TAGS | tags))


def test_the_skew_of_a_source_is_five_minutes_unless_it_says_another(stream: Make, source: Callable[..., Any]) -> None:
    assert stream([SUM]).table.max_skew == HOUR // 12
    for text, skew in (("1d", 24 * HOUR), ("0s", 0)):
        assert stream([SUM], source=source(tags=TAGS | {"millrace.max_skew": text})).table.max_skew == skew


def test_a_delay_as_long_as_the_events_need_is_accepted(stream: Make, source: Callable[..., Any]) -> None:
    late = source(tags=TAGS | {"millrace.known_after": "12h"})
    assert stream([SUM], source=late, tags={"millrace.delay": "12h"}).table.known_after == 12 * HOUR
    with pytest.raises(PlanError, match="or the feature would see the future"):
        stream([SUM], source=late, tags={"millrace.delay": "11h"})


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
    other = source("id bigint, at timestamp, price double", tags=TAGS | {"millrace.partition_by": "id"})
    with pytest.raises(
        PlanError, match="v: join key 'user_id' is not a column of the events; use one of at, id, price"
    ):
        stream([SUM], source=other)


def test_a_source_without_a_topic_is_refused(feast: SimpleNamespace, stream: Make) -> None:
    log = feast.FileSource(name="v_log", path="/log/v", timestamp_field="event_timestamp")
    with pytest.raises(PlanError, match="v: source is a PushSource; use a KafkaSource, which has a topic and a schema"):
        stream([SUM], source=feast.PushSource(name="push", batch_source=log))


def test_a_session_in_a_batch_view_is_refused(batch: Make) -> None:
    with pytest.raises(
        PlanError, match=r"b\.f: a session ends by itself, between slides; declare it in a StreamFeatureView"
    ):
        batch([{"function": "session_count(10min)"}])


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
