"""What may be given as entity_df, through a real FeatureStore: the same with every engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stores.parquet.feature_log import FeatureLog, FeatureLogError

pytestmark = pytest.mark.slow

T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
DAY = 86_400_000_000
UTC_TIME = pa.timestamp("us", tz="UTC")
FEATURES = ["seen:n", "seen:half", "rate:fx"]


def when(*micros: int) -> Any:
    """Times of entity_df."""
    return pd.to_datetime(list(micros), unit="us", utc=True)


def log_of(folder: Path, rows: int) -> pa.Table:
    """Rows of some pages over four days, many at equal times, some of them created at equal times."""
    random = np.random.default_rng(3)
    at = T + random.integers(0, 4 * 24, rows) * (DAY // 24)
    return pa.table(
        {
            "page_id": pa.array(random.integers(0, 9, rows), pa.int32()),
            "at": pa.array(at, UTC_TIME),
            "came": pa.array(at + random.integers(-2, 3, rows) * DAY // 24, UTC_TIME),
            "made": pa.array(at + random.integers(0, 2, rows), UTC_TIME),
            "n": pa.array(range(rows), pa.int64()),
            "half": pa.array([n / 2 if n % 3 else None for n in range(rows)], pa.float64()),
        }
    )


@pytest.fixture
def declared_pages(tmp_path: Path) -> list[Any]:
    """A view of pages whose rows say when they became known, and a rate without an entity; a file of labels."""
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.types import Float64, Int64

    page = Entity(name="page", join_keys=["page_id"], value_type=ValueType.INT64)
    seen = FeatureView(
        name="seen",
        entities=[page],
        ttl=timedelta(days=1),
        schema=[
            Field(name="page_id", dtype=Int64),
            Field(name="n", dtype=Int64),
            Field(name="half", dtype=Float64),
        ],
        source=FileSource(
            name="seen_log",
            path=str(tmp_path / "seen"),
            timestamp_field="at",
            created_timestamp_column="made",
            tags={"millrace.arrived": "came"},
        ),
    )
    rate = FeatureView(
        name="rate",
        entities=[],
        schema=[Field(name="fx", dtype=Float64)],
        source=FileSource(name="rate_log", path=str(tmp_path / "rate.parquet"), timestamp_field="at"),
    )
    asked = FileSource(name="asked", path=str(tmp_path / "asked"), timestamp_field="event_timestamp")
    pq.write_table(
        pa.table({"at": pa.array([T - DAY, T + DAY], UTC_TIME), "fx": [10.0, 20.0]}), tmp_path / "rate.parquet"
    )
    return [page, seen, rate, asked]


def write_rows(folder: Path, *rows: tuple[int, int, int, int]) -> None:
    """Append rows (page, event time, created, n), known at once."""
    pages, at, made, n = zip(*rows, strict=True)
    table = {"page_id": pa.array(pages, pa.int32()), "at": pa.array(at, UTC_TIME), "came": pa.array(at, UTC_TIME)}
    table |= {"made": pa.array(made, UTC_TIME), "n": pa.array(n, pa.int64()), "half": pa.array(n, pa.float64())}
    FeatureLog("seen", folder / "seen").append(pa.table(table), "at")


@pytest.fixture
def store(feast_store: Callable[..., Any], declared_pages: list[Any], offline: dict[str, Any]) -> Any:
    """The store with these views."""
    built = feast_store(offline=offline)
    built.apply(declared_pages)
    return built


def test_engines_give_the_same_bytes(
    feast_store: Callable[..., Any], declared_pages: list[Any], spark: Any, tmp_path: Path
) -> None:
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    log = log_of(tmp_path, 3_000)
    FeatureLog("seen", tmp_path / "seen").append(log, "at")
    random = np.random.default_rng(4)
    asked = pd.DataFrame(
        {
            "label": random.integers(0, 2, 2_000),
            "page_id": np.where(random.random(2_000) < 0.1, np.nan, random.integers(0, 12, 2_000)),
            "event_timestamp": when(*(T + random.integers(-DAY, 6 * DAY, 2_000)).tolist()),
        }
    )
    results, saved = [], []
    small = {"rows_a_task": 700, "labels_a_chunk": 300}
    kinds = ("stores.asof_offline.AsofOfflineStore", "stores.spark_offline.SparkAsofOfflineStore")
    for kind, more in zip(kinds, ({}, small), strict=True):
        built = feast_store(offline={"type": kind, **more})
        built.apply(declared_pages)
        job = built.get_historical_features(asked, FEATURES, full_feature_names=True)
        results.append(job.to_arrow())
        place = tmp_path / f"{kind}.parquet"
        job.persist(SavedDatasetFileStorage(str(place)))
        saved.append(place.read_bytes())
    one, other = results
    assert one.equals(other, check_metadata=True)
    assert saved[0] == saved[1]
    assert one.num_rows == 2_000
    assert one["label"].to_pylist() == asked["label"].tolist()
    found = one["seen__n"].drop_null()
    assert len(found) > 500
    assert len(found.unique()) > 100
    halves = [None if n is None or n % 3 == 0 else n / 2 for n in one["seen__n"].to_pylist()]
    assert one["seen__half"].to_pylist() == halves  # all of a row is of one row, also where rows are equal in all times


def test_labels_in_any_order_twice_without_a_key_or_with_categories(store: Any, tmp_path: Path) -> None:
    write_rows(tmp_path, (1, T, T, 1), (1, T + 10, T + 10, 2), (2, T, T, 3))
    asked = pd.DataFrame(
        {
            "event_timestamp": when(T + 11, T, T + 11, T + 5, T + 5, T - 1),
            "page_id": [1, 2, 1, np.nan, 1, 7],
            "kind": pd.Categorical(["x", "y", "x", "x", None, "y"]),
            "path": [[1], [], None, [2, 3], [4], [5]],
        },
        index=[9, 9, 4, 3, 2, 1],
    )
    found = store.get_historical_features(asked, FEATURES).to_arrow()
    assert found["n"].to_pylist() == [2, 3, 2, None, 1, None]
    assert found["fx"].to_pylist() == [10.0] * 6
    assert found["kind"].to_pylist() == ["x", "y", "x", "x", None, "y"]
    assert found["path"].to_pylist() == [[1], [], None, [2, 3], [4], [5]]
    categories = asked.assign(page_id=pd.Categorical([1, 2, 1, None, 1, 7]))
    nobody = asked.assign(page_id=None)
    for given, expected in ((categories, [2, 3, 2, None, 1, None]), (nobody, [None] * 6)):
        assert store.get_historical_features(given, ["seen:n"]).to_arrow()["n"].to_pylist() == expected


def test_rows_of_equal_times_are_decided_by_their_values(store: Any, tmp_path: Path) -> None:
    asked = pd.DataFrame({"page_id": [1, 2], "event_timestamp": when(T, T)})
    found = []
    for order in (1, -1):
        rows = [(1, T, T, 4), (1, T, T, 5), (1, T, T - 1, 9), (2, T, T, 6)][::order]
        write_rows(tmp_path / str(order), *rows)
        for file in (tmp_path / "seen").rglob("*.parquet"):
            file.unlink()
        for row in rows:
            write_rows(tmp_path, row)
        table = store.get_historical_features(asked, ["seen:n", "seen:half"]).to_arrow()
        found.append((table["n"].to_pylist(), table["half"].to_pylist()))
    assert found[0] == found[1]
    assert found[0][0][0] in (4, 5)
    assert found[0][0] == found[0][1]


def test_a_view_may_be_asked_for_twice_under_other_keys(store: Any, tmp_path: Path) -> None:
    from feast import FeatureService

    write_rows(tmp_path, (1, T, T, 1), (2, T, T, 2))
    seen = store.get_feature_view("seen")[["n"]]
    pair = [seen.with_name(name).with_join_key_map({"page_id": f"{name}_page"}) for name in ("here", "there")]
    store.apply(FeatureService(name="pair", features=pair))
    asked = pd.DataFrame({"here_page": [1, 2], "there_page": [2, 5], "event_timestamp": when(T, T)})
    found = store.get_historical_features(asked, store.get_feature_service("pair"), full_feature_names=True).to_arrow()
    assert found["here__n"].to_pylist() == [1, 2]
    assert found["there__n"].to_pylist() == [2, None]


def test_sql_names_file_sources_and_files(store: Any, tmp_path: Path) -> None:
    write_rows(tmp_path, (1, T, T, 1), (2, T, T, 2))
    labels = pa.table({"page_id": [2, 1, 3], "event_timestamp": pa.array([T, T - 1, T], UTC_TIME), "y": [1, 0, 1]})
    FeatureLog("asked", tmp_path / "asked").append(labels, "event_timestamp")
    sql = "SELECT page_id, event_timestamp, y FROM asked ORDER BY page_id"
    found = store.get_historical_features(sql, ["seen:n"]).to_arrow()
    assert found.select(["page_id", "y", "n"]).to_pydict() == {
        "page_id": [1, 2, 3],
        "y": [0, 1, 1],
        "n": [None, 2, None],
    }
    (file,) = (tmp_path / "asked").rglob("*.parquet")
    sql = f"SELECT 2 AS page_id, max(event_timestamp) AS event_timestamp FROM '{file}'"
    assert store.get_historical_features(sql, ["seen:n"]).to_arrow()["n"].to_pylist() == [2]


def test_an_arrow_table_is_labels_as_well(store: Any, tmp_path: Path) -> None:
    write_rows(tmp_path, (1, T, T, 1))
    at = pa.array([T * 1000 - 1, T * 1000 + 1], pa.timestamp("ns"))
    found = store.get_historical_features(pa.table({"page_id": [1, 1], "event_timestamp": at}), ["seen:n"]).to_arrow()
    assert found["n"].to_pylist() == [None, 1]


def test_rows_created_later_do_not_count_where_that_is_asked_for(store: Any, tmp_path: Path) -> None:
    write_rows(tmp_path, (1, T, T, 1), (1, T + 5, T + 20, 2), (1, T + 10, T + 15, 3))
    asked = pd.DataFrame({"page_id": [1] * 4, "event_timestamp": when(T + 5, T + 14, T + 15, T + 30)})
    for strict, expected in ((False, [2, 3, 3, 3]), (True, [1, 1, 3, 3])):
        job = store.get_historical_features(asked, ["seen:n"], filter_by_created_timestamp=strict)
        assert job.to_arrow()["n"].to_pylist() == expected


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (
            1.5,
            r"page_id is double .* not all of it whole numbers up to 2\*\*53.* write entity_df's with .astype\('Int64'\)",
        ),
        (2.0**60, r"whole numbers up to 2\*\*53"),
        ("1", r"join key page_id is string in entity_df and INTEGER .*; convert it in entity_df with .astype"),
        (True, "join key page_id is bool in entity_df and INTEGER"),
    ],
    ids=["fraction", "beyond floats", "text", "boolean"],
)
def test_a_key_that_cannot_be_compared_is_refused(store: Any, tmp_path: Path, page: Any, message: str) -> None:
    write_rows(tmp_path, (1, T, T, 1))
    asked = pd.DataFrame({"page_id": [page], "event_timestamp": when(T)})
    with pytest.raises(FeatureLogError, match=message):
        store.get_historical_features(asked, ["seen:n"]).to_arrow()


def test_without_labels_there_is_a_row_for_each_change(store: Any, tmp_path: Path) -> None:
    write_rows(tmp_path, (1, T, T, 1), (2, T + 10, T + 10, 2), (1, T + DAY, T + DAY, 3))
    span = {"start_date": when(T)[0].to_pydatetime(), "end_date": when(T + 10)[0].to_pydatetime()}
    found = store.get_historical_features(None, ["seen:n"], **span).to_arrow()
    assert found.select(["page_id", "n"]).to_pydict() == {"page_id": [1, 2], "n": [1, 2]}
    assert found["event_timestamp"].cast(pa.int64()).to_pylist() == [T, T + 10]
