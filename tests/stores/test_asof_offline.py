"""The offline stores through a real FeatureStore: what labels get, what is refused, what Feast writes with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stores.parquet.feature_log import FeatureLog, FeatureLogError, FeatureLogMissingError
from stores.parquet.labels import LabelsError

DAY = 86_400_000_000
T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
Build = Callable[..., Any]


def times(micros: list[int]) -> pa.Array:
    """Event times in UTC."""
    return pa.array(micros, pa.timestamp("us", tz="UTC"))


@pytest.fixture
def store(feast_store: Build, declared: list[Any], offline: dict[str, Any]) -> Any:
    """A feature store with both views applied and no log yet."""
    built = feast_store(offline=offline)
    built.apply(declared)
    return built


def write_clicks(folder: Path, rows: list[tuple[str, int, int]]) -> None:
    """Appends rows (user, event time, n) to the log of `clicks`."""
    table = pa.table(
        {
            "user": pa.array([user for user, _, _ in rows], pa.string()),
            "event_timestamp": times([when for _, when, _ in rows]),
            "n": pa.array([n for _, _, n in rows], pa.int64()),
            "rate": pa.array([n / 2 for _, _, n in rows], pa.float64()),
            "last": pa.array([[float(n)] * (n % 3) for _, _, n in rows], pa.list_(pa.float64())),
            "device": pa.array([f"d{n}" for _, _, n in rows], pa.string()),
        }
    )
    FeatureLog("clicks", folder / "clicks").append(table, "event_timestamp")


def write_profile(folder: Path, rows: list[tuple[str, int, int]]) -> None:
    """Appends rows (user, event time, age) to the log of `profile`, all created at once."""
    table = pa.table(
        {
            "user": [user for user, _, _ in rows],
            "event_timestamp": times([when for _, when, _ in rows]),
            "created": times([0] * len(rows)),
            "age": [age for _, _, age in rows],
        }
    )
    FeatureLog("profile", folder / "profile").append(table, "event_timestamp")


def labels(*rows: tuple[str, int], **columns: Any) -> pd.DataFrame:
    """An entity_df of (user, event time)."""
    when = pd.to_datetime([time for _, time in rows], unit="us", utc=True)
    return pd.DataFrame({"event_timestamp": when, "user": [user for user, _ in rows], **columns})


def test_every_label_stays_in_its_order_with_its_own_columns(store: Any, tmp_path: Path) -> None:
    write_clicks(tmp_path, [("a", T, 1), ("a", T + 10, 2), ("b", T, 3)])
    write_profile(tmp_path, [("a", T - 100 * DAY, 41)])
    asked = labels(("b", T), ("a", T + 9), ("never", T), ("a", T + 10), ("a", T - 1), fraud=[0, 1, 0, 1, 0])
    refs = ["clicks:n", "clicks:last", "profile:age"]
    found = store.get_historical_features(asked, refs).to_arrow()
    assert found.column_names == ["event_timestamp", "user", "fraud", "n", "last", "age"]
    assert found.schema.field("event_timestamp").type == pa.timestamp("us", tz="UTC")
    assert found.column("event_timestamp").cast(pa.int64()).to_pylist() == [T, T + 9, T, T + 10, T - 1]
    assert found.column("fraud").to_pylist() == [0, 1, 0, 1, 0]
    assert found.column("n").to_pylist() == [3, 1, None, 2, None]
    assert found.column("last").to_pylist() == [[], [1.0], None, [2.0, 2.0], None]
    assert found.column("age").to_pylist() == [None, 41, None, 41, 41]


def test_data_frame_has_times_in_utc_microseconds(store: Any, tmp_path: Path) -> None:
    write_clicks(tmp_path, [("a", T, 1)])
    found = store.get_historical_features(labels(("a", T + 1)), ["clicks:n"]).to_df()
    assert found["event_timestamp"].dt.tz is not None
    assert found["event_timestamp"].iloc[0] == pd.Timestamp(T + 1, unit="us", tz="UTC")
    assert found["n"].tolist() == [1]


def test_label_time_without_a_zone_or_in_another_one_is_the_same_instant(store: Any, tmp_path: Path) -> None:
    write_clicks(tmp_path, [("a", T, 1)])
    aware = labels(("a", T))
    naive = aware.assign(event_timestamp=aware["event_timestamp"].dt.tz_localize(None))
    there = aware.assign(event_timestamp=aware["event_timestamp"].dt.tz_convert("Asia/Tokyo"))
    text = aware.assign(event_timestamp=["2026-03-01T12:00:00Z"])
    for asked in (aware, naive, there, text):
        found = store.get_historical_features(asked, ["clicks:n"]).to_arrow()
        assert found.column("n").to_pylist() == [1]
        assert found.column("event_timestamp").cast(pa.int64()).to_pylist() == [T]


def test_full_feature_names_carry_the_view(store: Any, tmp_path: Path) -> None:
    write_clicks(tmp_path, [("a", T, 1)])
    found = store.get_historical_features(labels(("a", T)), ["clicks:n"], full_feature_names=True).to_arrow()
    assert found.column_names == ["event_timestamp", "user", "clicks__n"]


def test_ttl_ends_after_its_last_microsecond(store: Any, tmp_path: Path) -> None:
    write_clicks(tmp_path, [("a", T, 1)])
    asked = labels(("a", T + 60_000_000), ("a", T + 60_000_001))
    assert store.get_historical_features(asked, ["clicks:n"]).to_arrow().column("n").to_pylist() == [1, None]


def test_correction_with_a_later_created_time_counts(store: Any, tmp_path: Path) -> None:
    for created, age in ((5, 41), (9, 42), (7, 43)):
        row = {"user": ["a"], "event_timestamp": times([T]), "created": times([created]), "age": [age]}
        FeatureLog("profile", tmp_path / "profile").append(pa.table(row), "event_timestamp")
    found = store.get_historical_features(labels(("a", T)), ["profile:age"]).to_arrow()
    assert found.column("age").to_pylist() == [42]


def test_only_partitions_that_can_matter_are_read(store: Any, tmp_path: Path) -> None:
    write_clicks(tmp_path, [("a", T, 1)])
    for day in ("2026-02-27", "2026-03-02"):  # a file that cannot be read shows that nobody tries
        broken = tmp_path / "clicks" / f"date={day}" / "part-0.parquet"
        broken.parent.mkdir()
        broken.write_bytes(b"not parquet")
    found = store.get_historical_features(labels(("a", T), ("a", T + 1)), ["clicks:n"]).to_arrow()
    assert found.column("n").to_pylist() == [1, 1]


def test_row_of_yesterdays_partition_within_ttl_is_found(store: Any, tmp_path: Path) -> None:
    midnight = T + DAY // 2
    write_clicks(tmp_path, [("a", midnight - 1, 1)])
    found = store.get_historical_features(labels(("a", midnight + 1)), ["clicks:n"]).to_arrow()
    assert found.column("n").to_pylist() == [1]


def test_markers_and_unfinished_files_are_not_part_of_the_log(store: Any, tmp_path: Path) -> None:
    write_clicks(tmp_path, [("a", T, 1)])
    partition = tmp_path / "clicks" / "date=2026-03-01"
    for name in ("_SUCCESS", "_temporary/0/part.parquet", ".part.parquet.crc", ".part-1.parquet"):
        file = partition / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"not parquet")
    found = store.get_historical_features(labels(("a", T)), ["clicks:n"]).to_arrow()
    assert found.column_names == ["event_timestamp", "user", "n"]


@pytest.mark.parametrize("unit", ["us, no zone", "ns", "int96"])
def test_event_times_are_utc_however_the_files_hold_them(store: Any, tmp_path: Path, unit: str) -> None:
    write_clicks(tmp_path, [("a", T, 1)])
    (file,) = (tmp_path / "clicks").rglob("*.parquet")
    table = pq.read_table(file, partitioning=None)
    kind = pa.timestamp("us") if unit == "us, no zone" else pa.timestamp("ns", tz="UTC")
    table = table.set_column(1, "event_timestamp", table.column("event_timestamp").cast(kind))
    pq.write_table(table, file, use_deprecated_int96_timestamps=unit == "int96")
    found = store.get_historical_features(labels(("a", T - 1), ("a", T)), ["clicks:n"]).to_arrow()
    assert found.column("n").to_pylist() == [None, 1]


def test_no_labels_give_no_rows(store: Any, tmp_path: Path) -> None:
    write_clicks(tmp_path, [("a", T, 1)])
    found = store.get_historical_features(labels(("a", T)).iloc[:0], ["clicks:n"]).to_arrow()
    assert found.num_rows == 0
    assert found.column_names == ["event_timestamp", "user", "n"]


def test_store_without_a_backfill_says_what_to_run(store: Any) -> None:
    with pytest.raises(FeatureLogMissingError, match=r"clicks: no feature log at .*clicks; run 'make backfill'"):
        store.get_historical_features(labels(("a", T)), ["clicks:n"]).to_arrow()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            "SELECT x FROM nowhere",
            "the query fails .*nowhere.*; its tables are the file sources clicks_log, profile_log",
        ),
        (labels(("a", T)).drop(columns="user"), r"no column for join key user; have \['event_timestamp'\]"),
        (
            labels(("a", T)).rename(columns={"event_timestamp": "x"}).assign(y=pd.Timestamp(0)),
            "Name it event_timestamp",
        ),
        (
            labels(("a", T), ("b", T)).assign(event_timestamp=[pd.Timestamp(0), pd.NaT]),
            "1 rows have no event_timestamp",
        ),
        (labels(("a", T)).assign(user=7), r"join key user is int64 in entity_df and VARCHAR .*; convert it .*astype"),
        (labels(("a", T)).assign(n=1), "a column n is there already; drop it from entity_df, or ask with full_feature"),
    ],
    ids=["sql", "no join key", "which time", "null time", "other type", "name taken"],
)
def test_labels_that_cannot_be_joined_say_what_to_write(store: Any, tmp_path: Path, asked: Any, message: str) -> None:
    write_clicks(tmp_path, [("a", T, 1)])
    with pytest.raises((LabelsError, FeatureLogError), match=message):
        store.get_historical_features(asked, ["clicks:n"]).to_arrow()


def test_log_that_lacks_a_feature_names_it(store: Any, tmp_path: Path) -> None:
    table = pa.table({"user": ["a"], "event_timestamp": times([T])})
    FeatureLog("clicks", tmp_path / "clicks").append(table, "event_timestamp")
    with pytest.raises(FeatureLogError, match=r"has no column n; have .* Run 'make backfill' after changing a view"):
        store.get_historical_features(labels(("a", T)), ["clicks:n"]).to_arrow()


def test_saved_dataset_is_written_and_read_back(store: Any, tmp_path: Path) -> None:
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    write_clicks(tmp_path, [("a", T, 1)])
    job = store.get_historical_features(labels(("a", T)), ["clicks:n"])
    saved = store.create_saved_dataset(job, "train", SavedDatasetFileStorage(str(tmp_path / "train.parquet")))
    assert store.get_saved_dataset(saved.name).to_df()["n"].tolist() == [1]


def test_plain_feast_materialize_writes_the_newest_rows_online(store: Any, tmp_path: Path) -> None:
    write_profile(tmp_path, [("a", T, 41), ("a", T + 5, 42), ("b", T, 7), ("a", T + DAY, 99)])
    start, end = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at) for at in (T - DAY, T + 5))
    store.materialize(start, end, ["profile"])
    found = store.get_online_features(["profile:age"], [{"user": user} for user in "ab"]).to_dict()
    assert found["age"] == [42, 7]


def test_newest_rows_break_ties_by_created_time(store: Any, tmp_path: Path) -> None:
    for created, age in ((5, 41), (9, 42), (7, 43)):
        row = {"user": ["a"], "event_timestamp": times([T]), "created": times([created]), "age": [age]}
        FeatureLog("profile", tmp_path / "profile").append(pa.table(row), "event_timestamp")
    store.materialize(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC), ["profile"])
    assert store.get_online_features(["profile:age"], [{"user": "a"}]).to_dict()["age"] == [42]


def test_pushed_rows_are_appended_to_the_partition_of_their_day(store: Any, tmp_path: Path) -> None:
    from feast.data_source import PushMode

    write_clicks(tmp_path, [("a", T, 1)])
    pushed = pd.DataFrame(
        {
            "user": ["a", "b"],
            "event_timestamp": pd.to_datetime([T + 5, T + DAY], unit="us", utc=True),
            "n": [2, 3],
            "rate": [1.0, 1.5],
            "last": [[2.0], [3.0]],
            "device": ["x", "y"],
        }
    )
    store.push("clicks_push", pushed, to=PushMode.OFFLINE)
    found = store.get_historical_features(labels(("a", T + 5), ("b", T + DAY)), ["clicks:n"]).to_arrow()
    assert found.column("n").to_pylist() == [2, 3]
    days = sorted(folder.name for folder in (tmp_path / "clicks").iterdir())
    assert days == ["date=2026-03-01", "date=2026-03-02"]
