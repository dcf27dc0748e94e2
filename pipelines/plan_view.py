"""The strict door: turns a declared Feast view into a plan, and refuses what cannot be kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from contract.checks import TableChecks, refuse_checks, table_checks, view_checks
from contract.durations import format_duration
from contract.source_address import source_address
from contract.tags import read_duration, read_tags, read_tier
from contract.types import type_of_ddl, type_of_field
from pipelines.plan import MAX_SKEW, EventTable, PlanError, ViewPlan
from pipelines.plan_columns import check_columns
from pipelines.semantics.aggregators.arguments import FunctionError
from pipelines.semantics.aggregators.decayed import MOST_HALF_LIVES
from pipelines.semantics.aggregators.table import parse_function
from pipelines.semantics.feature import Feature
from pipelines.semantics.windows import Window, WindowError, default_slide
from pipelines.topic_format import read_format

if TYPE_CHECKING:
    from feast import BatchFeatureView, StreamFeatureView
    from feast.aggregation import Aggregation
    from feast.repo_contents import RepoContents

MICROSECOND = timedelta(microseconds=1)
RESERVED = {"event_timestamp", "date"}


def plan_views(declared: RepoContents) -> list[ViewPlan]:
    """Plan every view that declares aggregations: stream views first, then batch views, by name.

    Raises:
        PlanError: A declaration cannot be kept.
    """
    from feast import BatchFeatureView

    lakes = {source.name: source for source in declared.data_sources}
    streams = [plan_stream_view(view, lakes) for view in declared.stream_feature_views if view.aggregations]
    batches = [view for view in declared.feature_views if isinstance(view, BatchFeatureView) and view.aggregations]
    return sorted(streams, key=lambda p: p.view) + sorted(map(plan_batch_view, batches), key=lambda p: p.view)


def plan_stream_view(view: StreamFeatureView, lakes: dict[str, Any]) -> ViewPlan:
    """Plan a stream view: its source is a Kafka source that names its lake table by the tag `millrace.lake`.

    Raises:
        PlanError: The declaration cannot be kept.
    """
    from feast import KafkaSource

    source = view.stream_source
    if not isinstance(source, KafkaSource):
        raise PlanError(
            f"{view.name}: source is a {type(source).__name__}; use a KafkaSource, which has a topic and a schema."
        )
    tags = read_tags(source.name, source.tags, "source")
    lake = lakes.get(tags.get("lake", ""))
    if lake is None:
        raise PlanError(
            f"{source.name}: no lake table; tag the source with millrace.lake and the name of the FileSource that holds"
            f" its history, one of {_names(lakes)}."
        )
    refuse_checks(source.name, tags, lake.name)
    topic = read_format(source)
    columns = topic.columns
    arrived = read_tags(lake.name, lake.tags, "source").get("arrived", "")
    table = EventTable(
        name=source.kafka_options.topic,
        lake=source_address(lake),
        timestamp=_known(source.name, "timestamp_field", source.timestamp_field, columns),
        event_id=_known(source.name, "tag millrace.event_id", tags.get("event_id", ""), columns),
        topic=source.kafka_options.topic,
        partition_by=_known(source.name, "tag millrace.partition_by", tags.get("partition_by", ""), columns),
        address=source.kafka_options.kafka_bootstrap_servers,
        columns=tuple(columns.items()),
        lateness=_microseconds(source.kafka_options.watermark_delay_threshold),
        known_after=read_duration(source.name, tags, "known_after"),
        max_skew=read_duration(source.name, tags, "max_skew", MAX_SKEW),
        encoding=topic.encoding,
        encoding_schema=topic.schema,
        registry=tags.get("schema_registry", ""),
        arrived=arrived,
        checks=table_checks(
            lake, {name: type_of_ddl(kind).kind for name, kind in columns.items()} | {arrived: "timestamp"}
        ),
    )
    keys = tuple(field.name for field in view.entity_columns)
    for key in keys:
        _known(view.name, "join key", key, columns)
    types = {name: type_of_ddl(kind).arrow for name, kind in columns.items()}
    transform = view.feature_transformation.udf if view.feature_transformation else None
    return _plan(view, "stream", keys, table, types, transform)


def plan_batch_view(view: BatchFeatureView) -> ViewPlan:
    """Plan a batch view: its source is a feature view of raw events, its sink source the feature log.

    Raises:
        PlanError: The declaration cannot be kept.
    """
    views: Any = view.source_views
    if not views or len(views) != 1:
        raise PlanError(
            f"{view.name}: write source=<a FeatureView of the raw events> and sink_source=<a FileSource for the feature"
            " log>."
        )
    events = views[0]
    source = events.batch_source
    tags = read_tags(source.name, source.tags, "source")
    types = {f.name: _arrow_of(events.name, f) for f in events.schema}
    types[source.timestamp_field] = pa.timestamp("us", "UTC")
    table = EventTable(
        name=source.name,
        lake=source_address(source),
        timestamp=source.timestamp_field,
        event_id=_known(source.name, "tag millrace.event_id", tags.get("event_id", ""), types),
        known_after=read_duration(source.name, tags, "known_after"),
        arrived=_known(source.name, "tag millrace.arrived", tags["arrived"], types) if "arrived" in tags else "",
        checks=_raw_checks(events),
    )
    keys = tuple(field.name for field in view.entity_columns)
    for key in keys:
        _known(view.name, "join key", key, types)
    transform = view.feature_transformation.udf if view.feature_transformation else None
    return _plan(view, "batch", keys, table, types, transform)


def _plan(
    view: Any, kind: Any, keys: tuple[str, ...], table: EventTable, types: dict[str, pa.DataType], transform: Any
) -> ViewPlan:
    if not keys:
        raise PlanError(f"{view.name}: no join key in the schema; add a Field for each join key of its entities.")
    tags = read_tags(view.name, view.tags, "view")
    read_tier(
        view.name, tags
    )  # the store reads it for itself; what it does not know is told before anything is registered
    delay = read_duration(view.name, tags, "delay")
    if delay < table.known_after:
        raise PlanError(
            f"{view.name}: its events are known only {format_duration(table.known_after)} after their time; tag the"
            " view with millrace.delay of at least that, or the feature would see the future."
        )
    derived = _derived_columns(view.name, transform, types)
    features = tuple(_feature(view.name, a, kind == "batch", delay, {**types, **derived}) for a in view.aggregations)
    _check_schema(view, features, {**types, **derived})
    return ViewPlan(
        view=view.name,
        kind=kind,
        keys=keys,
        features=features,
        table=table,
        log=source_address(view.batch_source),
        ttl=_microseconds(view.ttl),
        transform=transform,
        checks=view_checks(view),
    )


def _feature(view: str, aggregation: Aggregation, aligned: bool, delay: int, types: dict[str, pa.DataType]) -> Feature:
    name = aggregation.resolved_name(aggregation.time_window)
    where = f"{view}.{name}"
    if aggregation.time_window is None:
        raise PlanError(f"{where}: no time_window; give one, such as timedelta(hours=1).")
    try:
        aggregator, gap = parse_function(aggregation.function)
        size = _microseconds(aggregation.time_window)
        slide = _microseconds(aggregation.slide_interval)
        window = Window(size, default_slide(size) if slide in (0, size) else slide, delay, aligned)
    except (FunctionError, WindowError) as error:
        raise PlanError(f"{where}: {error}") from None
    column = aggregation.column or None
    check_columns(where, aggregation.function, aggregator, column, types)
    if getattr(aggregator, "half_life", size) * MOST_HALF_LIVES < size:
        raise PlanError(
            f"{where}: the window is longer than {MOST_HALF_LIVES} half-lives, and what is older weighs nothing; make"
            " time_window shorter, or the half-life longer."
        )
    if gap is not None and aligned:
        raise PlanError(f"{where}: a session ends by itself, between slides; declare it in a StreamFeatureView.")
    if gap is not None and gap > size:
        raise PlanError(f"{where}: the session gap is longer than the window; make time_window at least the gap.")
    return Feature(name, aggregator, column, window, gap, aggregation.function)


def _check_schema(view: Any, features: Sequence[Feature], types: dict[str, pa.DataType]) -> None:
    """Hold the declared fields against what the aggregations give: names and types, each once."""
    declared = {field.name: field.dtype for field in view.features}
    given = [feature.name for feature in features]
    for name in sorted(RESERVED & set(given)):
        raise PlanError(f"{view.name}.{name}: every feature log has a column {name} of its own; set another name=.")
    twice = sorted({name for name in given if given.count(name) > 1})
    if twice:
        raise PlanError(f"{view.name}: {', '.join(twice)} is given twice; set name= on each aggregation.")
    for name in sorted(set(declared) ^ set(given)):
        side = "schema has no Field for it" if name in given else "no aggregation gives it"
        raise PlanError(f"{view.name}.{name}: {side}; the schema lists the join keys and one Field an aggregation.")
    for feature in features:
        gives = feature.aggregator.result(types[feature.column] if feature.column else None)
        known = type_of_field(declared[feature.name])
        wants = known.arrow if known else None
        if wants is not None and "time" in _family(wants):
            raise PlanError(
                f"{view.name}.{feature.name}: Feast keeps UnixTimestamp online in whole seconds; write dtype=Int64, the"
                " feature is then microseconds since the epoch."
            )
        if wants is None or _family(gives).replace("time", "int64") != _family(wants):
            raise PlanError(
                f"{view.name}.{feature.name}: gives {gives}, the Field says {declared[feature.name]}; change the dtype."
            )


def _raw_checks(events: Any) -> TableChecks:
    """Return what the tags of raw events say: those of their source, and those of the view's fields."""
    said = table_checks(events.batch_source)
    return replace(said, columns={**said.columns, **view_checks(events)})


def _arrow_of(view: str, field: Any) -> pa.DataType:
    known = type_of_field(field.dtype)
    if known is None:
        raise PlanError(
            f"{view}.{field.name}: events cannot hold {field.dtype}; use a number, string, boolean or time."
        )
    return known.arrow


def _family(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_family(kind.value_type)}"
    if pa.types.is_timestamp(kind):
        return "time"
    return str(kind)


def _derived_columns(view: str, transform: Any, types: dict[str, pa.DataType]) -> dict[str, pa.DataType]:
    """Return the columns that a transform adds, found by running it on no events."""
    if transform is None:
        return {}
    empty = pa.table({name: pa.array([], kind) for name, kind in types.items()}).to_pandas()
    after = pa.Table.from_pandas(transform(empty), preserve_index=False)
    derived = {field.name: field.type for field in after.schema if field.name not in types}
    for name in (name for name, kind in derived.items() if pa.types.is_null(kind)):
        raise PlanError(f"{view}: its transform gives {name} no type; end it with .astype, such as .astype('string').")
    return derived


def _known(where: str, what: str, name: str, columns: Any) -> str:
    if name not in columns:
        raise PlanError(f"{where}: {what} {name!r} is not a column of the events; use one of {_names(columns)}.")
    return name


def _microseconds(duration: timedelta | None) -> int:
    return 0 if duration is None else duration // MICROSECOND


def _names(names: Any) -> str:
    return ", ".join(sorted(names))
