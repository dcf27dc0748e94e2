"""Cases of Feast's offline suite: training rows without labels, rows that count from when they were made, logs of what was served."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.feature_logging import FeatureServiceLoggingSource, LoggingConfig
from feast.infra.offline_stores.bigquery_source import BigQueryLoggingDestination
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.types import Int64, String

from stores.parquet.feature_log import FeatureLogError
from stores.parquet.labels import LabelsError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ASOF = {"type": "stores.asof_offline.AsofOfflineStore"}


@pytest.fixture
def store(feast_store: Callable[..., Any], tmp_path: Path) -> Any:
    """Visits and orders of users, and a table of another entity; all in logs of one file."""
    built = feast_store({"type": "sqlite", "path": str(tmp_path / "online.db")}, ASOF)
    user, page = (Entity(name=name, join_keys=[name], value_type=ValueType.STRING) for name in ("user", "page"))
    views = []
    for name, entity in (("visits", user), ("orders", user), ("pages", page)):
        fields = [Field(name=entity.name, dtype=String), Field(name=f"{name}_n", dtype=Int64)]
        log = FileSource(
            name=name,
            path=str(tmp_path / f"{name}.parquet"),
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
        )
        views.append(FeatureView(name=name, entities=[entity], schema=fields, source=log, ttl=timedelta(days=1)))
    built.apply([user, page, *views])
    return built


def write(folder: Path, name: str, *rows: tuple[str, datetime, int, datetime]) -> None:
    """Write a log: entity, event time, value, created time."""
    users, at, values, created = zip(*rows, strict=True)
    key = "page" if name == "pages" else "user"
    frame = pd.DataFrame({key: users, "event_timestamp": at, f"{name}_n": values, "created": created})
    frame.to_parquet(folder / f"{name}.parquet")


def rows(job: Any) -> list[tuple[Any, ...]]:
    """The rows of a retrieval."""
    return [tuple(row.values()) for row in job.to_arrow().to_pylist()]


def test_without_labels_there_is_a_row_for_each_instant_at_which_something_changed(store: Any, tmp_path: Path) -> None:
    late = NOON + timedelta(days=9)  # when it was made decides nothing here
    write(tmp_path, "visits", ("a", NOON, 1, NOON), ("a", NOON + HOUR, 2, late), ("b", NOON + 2 * HOUR, 3, NOON))
    write(tmp_path, "orders", ("a", NOON - HOUR, 7, NOON), ("a", NOON + HOUR, 8, NOON))
    asked = {"features": ["visits:visits_n", "orders:orders_n"], "end_date": NOON + 2 * HOUR}
    found = store.get_historical_features(start_date=NOON, **asked)
    wanted = [(NOON, "a", 1, 7), (NOON + HOUR, "a", 2, 8), (NOON + 2 * HOUR, "b", 3, None)]
    assert rows(found) == wanted
    assert (found.metadata.keys, found.metadata.min_event_timestamp) == (["user"], NOON)
    # the longest ttl before the end, where there is no start
    assert rows(store.get_historical_features(**asked)) == [(NOON - HOUR, "a", None, 7), *wanted]


def test_without_labels_views_of_other_entities_are_refused(store: Any, tmp_path: Path) -> None:
    refs = ["visits:visits_n", "pages:pages_n"]
    with pytest.raises(
        LabelsError, match=r"visits has \['user'\] as join keys and pages \['page'\]; give an entity_df"
    ):
        store.get_historical_features(features=refs, start_date=NOON, end_date=NOON)


def test_row_that_was_made_later_is_not_seen_before_if_that_is_asked_for(store: Any, tmp_path: Path) -> None:
    write(tmp_path, "visits", ("a", NOON, 10, NOON), ("a", NOON, 20, NOON + 2 * HOUR), ("b", NOON, 30, NOON + HOUR))
    labels = pd.DataFrame(
        {"user": ["a", "a", "b", "b"], "event_timestamp": [NOON + HOUR, NOON + 2 * HOUR, NOON, NOON + HOUR]}
    )
    seen = [
        [row[-1] for row in rows(store.get_historical_features(labels, ["visits:visits_n"], **asked))]
        for asked in ({}, {"filter_by_created_timestamp": True})
    ]
    assert seen == [[20, 20, 30, 30], [10, 20, None, 30]]


@pytest.mark.parametrize("as_path", [False, True], ids=["table", "file"])
@pytest.mark.parametrize("partition_by", [None, ["__log_date"]], ids=["flat", "by day"])
def test_what_was_served_is_kept_and_read_back(
    store: Any, tmp_path: Path, as_path: bool, partition_by: list[str] | None
) -> None:
    destination = FileLoggingDestination(path=str(tmp_path / "served"), partition_by=partition_by)
    service = FeatureService(
        name="s", features=[store.get_feature_view("visits")], logging_config=LoggingConfig(destination=destination)
    )
    store.apply(service)
    schema = FeatureServiceLoggingSource(service, store.project).get_schema(store.registry)
    for day in (0, 1):
        at = NOON + timedelta(days=day)
        made = {
            "__request_id": f"r{day}",
            "__log_timestamp": at,
            "__log_date": at.date(),
            "user": "a",
            "visits__visits_n": day,
        }
        logs: Any = pa.Table.from_pylist([{name: made.get(name) for name in schema.names}], schema)
        if as_path:
            pq.write_table(logs, tmp_path / f"{day}.parquet")
            logs = tmp_path / f"{day}.parquet"
        store.write_logged_features(logs, service)
    read = store._get_provider().retrieve_feature_service_logs(
        feature_service=service,
        start_date=NOON,
        end_date=NOON + timedelta(days=2),
        config=store.config,
        registry=store.registry,
    )
    found = sorted(read.to_arrow().to_pylist(), key=lambda row: row["__request_id"])
    assert [(row["__request_id"], row["user"], row["visits__visits_n"]) for row in found] == [
        ("r0", "a", 0),
        ("r1", "a", 1),
    ]
    assert [row["__log_timestamp"] for row in found] == [NOON, NOON + timedelta(days=1)]


def test_logs_go_to_files_only(store: Any) -> None:
    logging = LoggingConfig(destination=BigQueryLoggingDestination(table_ref="a.b"))
    with pytest.raises(
        FeatureLogError, match=r"BigQueryLoggingDestination is not a folder; use FileLoggingDestination"
    ):
        store._get_provider().offline_store.write_logged_features(
            store.config, pa.table({}), None, logging, store.registry
        )


def test_pushed_rows_join_a_log_of_one_file_whose_types_are_others(store: Any, tmp_path: Path) -> None:
    held = pa.table(
        {
            "user": ["a"],
            "event_timestamp": pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ms")),
            "visits_n": pa.array([1], pa.int32()),
            "created": pa.array([NOON], pa.timestamp("us", "UTC")),
        }
    )
    pq.write_table(held, tmp_path / "visits.parquet")
    late = pd.Timestamp(NOON + HOUR)
    frame = pd.DataFrame({"user": ["b"], "event_timestamp": [late], "visits_n": [2**40], "created": [late]})
    store.write_to_offline_store("visits", frame)
    found = pq.read_table(tmp_path / "visits.parquet")
    assert found.schema.field("visits_n").type == pa.int64()
    assert found.schema.field("event_timestamp").type == pa.timestamp("ms")
    asked = pd.DataFrame({"user": ["a", "b"], "event_timestamp": [late] * 2})
    assert [row[-1] for row in rows(store.get_historical_features(asked, ["visits:visits_n"]))] == [1, 2**40]


def test_pushed_rows_of_another_kind_are_refused_and_the_log_stays(store: Any, tmp_path: Path) -> None:
    write(tmp_path, "visits", ("a", NOON, 1, NOON))
    before = (tmp_path / "visits.parquet").read_bytes()
    frame = pd.DataFrame({"user": ["b"], "event_timestamp": [NOON], "visits_n": ["many"], "created": [NOON]})
    view = store.get_feature_view("visits")
    with pytest.raises(
        FeatureLogError, match=r"visits: the rows do not fit the feature log at .*visits_n.*cast the column"
    ):
        store._get_provider().offline_store.offline_write_batch(store.config, view, pa.Table.from_pandas(frame), None)
    assert (tmp_path / "visits.parquet").read_bytes() == before
