"""What Feast saves, pulls, pushes and validates with the offline stores: each works, or says what to write; the same with every engine."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureService, FeatureView, FileSource
from feast.dqm.errors import ValidationFailed
from feast.dqm.profilers.profiler import Profile, Profiler, ValidationReport
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination, SavedDatasetFileStorage
from feast.saved_dataset import ValidationReference

from stores.parquet.feature_log import FeatureLog, FeatureLogError
from stores.parquet.provenance import read_provenance

pytestmark = pytest.mark.slow

T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
DAY = 86_400_000_000
UTC_TIME = pa.timestamp("us", tz="UTC")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ages(*rows: tuple[str, int, int]) -> pa.Table:
    """Rows (user, event time, age) of `profile`."""
    users, at, age = zip(*rows, strict=True)
    created = pa.array([0] * len(rows), UTC_TIME)
    return pa.table(
        {"user": users, "event_timestamp": pa.array(at, UTC_TIME), "created": created, "age": pa.array(age, pa.int64())}
    )


def asked(*users: str) -> pd.DataFrame:
    """An entity_df of users at T + 5."""
    return pd.DataFrame({"user": users, "event_timestamp": [AT + timedelta(microseconds=5)] * len(users)})


@pytest.fixture
def store(feast_store: Callable[..., Any], declared: list[Any], offline: dict[str, Any], tmp_path: Path) -> Any:
    """A store with some rows of `profile`."""
    built = feast_store(offline=offline)
    built.apply(declared)
    rows = ages(("a", T, 41), ("a", T + 5, 42), ("b", T - DAY, 7), ("a", T + DAY, 99))
    FeatureLog("profile", tmp_path / "profile").append(rows, "event_timestamp")
    return built


class Known(Profile):
    """Ages that were in the reference."""

    def __init__(self, ages: set[int]) -> None:
        self.ages = ages

    def validate(self, dataset: pd.DataFrame) -> Any:
        """Judge a frame."""
        column = next(name for name in ("age", "profile__age") if name in dataset)
        return Judged(set(dataset[column]) <= self.ages)

    def to_proto(self) -> Any:
        """Feast asks for one."""

    @classmethod
    def from_proto(cls, proto: Any) -> Any:
        """Feast asks for one."""


class KnownAges(Profiler):
    """Notes ages."""

    def analyze_dataset(self, dataset: pd.DataFrame) -> Profile:
        """Note those of a frame."""
        return Known(set(dataset["age"]))

    def to_proto(self) -> Any:
        """Feast asks for one."""

    @classmethod
    def from_proto(cls, proto: Any) -> Any:
        """Feast asks for one."""


class Judged(ValidationReport):
    """Whether all ages were known."""

    def __init__(self, good: bool) -> None:
        self._good = good

    @property
    def is_success(self) -> bool:
        """Whether all ages were known."""
        return self._good

    @property
    def errors(self) -> list[Any]:
        """None are told."""
        return []


def test_a_dataset_is_saved_read_back_and_not_overwritten_by_chance(store: Any, tmp_path: Path) -> None:
    place = SavedDatasetFileStorage(str(tmp_path / "saved"))
    job = store.get_historical_features(asked("a", "b", "c"), ["profile:age"])
    store.create_saved_dataset(job, "ages", place)
    found = store.get_saved_dataset("ages").to_df().sort_values("user")
    assert found["age"].iloc[:2].tolist() == [42, 7]
    assert found["age"].isna().tolist() == [False, False, True]
    made_of = read_provenance(pq.read_schema(tmp_path / "saved" / "part-0.parquet"))
    assert made_of == read_provenance(job.to_arrow().schema)
    assert made_of["logs"]["profile"]["rows"] == 3  # the last day's cannot matter
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        store.create_saved_dataset(job, "ages", place)
    again = store.get_historical_features(asked("b"), ["profile:age"])
    store.create_saved_dataset(again, "ages", place, allow_overwrite=True)
    assert store.get_saved_dataset("ages").to_df()["age"].tolist() == [7]


def test_a_dataset_goes_to_files_only(store: Any) -> None:
    from feast.infra.offline_stores.bigquery_source import SavedDatasetBigQueryStorage

    job = store.get_historical_features(asked("a"), ["profile:age"])
    with pytest.raises(
        ValueError, match=r"SavedDatasetBigQueryStorage is not a file; use SavedDatasetFileStorage\(path"
    ):
        store.create_saved_dataset(job, "ages", SavedDatasetBigQueryStorage("p.d.t"))


def test_rows_are_pulled_between_times_all_or_the_newest(store: Any, tmp_path: Path) -> None:
    pulled = store._get_provider().offline_store
    source = store.get_feature_view("profile").batch_source
    columns = (store.config, source, ["user"], ["age"], "event_timestamp", "created")
    span = (AT - timedelta(days=1), AT + timedelta(microseconds=5))
    every = pulled.pull_all_from_table_or_query(*columns, *span).to_df()
    assert sorted(zip(every["user"], every["age"], strict=True)) == [("a", 41), ("a", 42), ("b", 7)]
    assert str(every["event_timestamp"].dt.tz) == "UTC"
    everything = pulled.pull_all_from_table_or_query(*columns, None, None)
    assert sorted(everything.to_df()["age"]) == [7, 41, 42, 99]
    newest = pulled.pull_latest_from_table_or_query(*columns, *span).to_df()
    assert sorted(zip(newest["user"], newest["age"], strict=True)) == [("a", 42), ("b", 7)]
    nothing = pulled.pull_latest_from_table_or_query(*columns, AT + timedelta(days=9), AT + timedelta(days=10))
    assert nothing.to_arrow().num_rows == 0
    assert "age" in nothing.to_arrow().column_names
    newest_job = pulled.pull_latest_from_table_or_query(*columns, *span)
    newest_job.persist(SavedDatasetFileStorage(str(tmp_path / "newest.parquet")))
    assert pq.read_table(tmp_path / "newest.parquet").num_rows == 2


def test_rows_are_appended_or_refused(store: Any) -> None:
    provider, view = store._get_provider(), store.get_feature_view("profile")
    provider.ingest_df_to_offline_store(view, ages(("c", T, 3)))
    assert store.get_historical_features(asked("c"), ["profile:age"]).to_df()["age"].tolist() == [3]
    with pytest.raises(FeatureLogError, match="profile: the rows have no column age; have"):
        provider.offline_store.offline_write_batch(store.config, view, ages(("c", T, 3)).drop_columns(["age"]), None)
    timeless = ages(("c", T, 3))
    timeless = timeless.set_column(1, "event_timestamp", pa.nulls(1, UTC_TIME))
    with pytest.raises(FeatureLogError, match="profile: 1 rows have no event_timestamp; drop them"):
        provider.offline_store.offline_write_batch(store.config, view, timeless, None)


def test_sources_that_are_no_files_are_refused(store: Any) -> None:
    from feast import BigQuerySource

    view = FeatureView(name="far", source=BigQuerySource(name="far", table="t", timestamp_field="at"), entities=[])
    with pytest.raises(FeatureLogError, match="reads FileSource, not BigQuerySource; give the view a FileSource"):
        store._get_provider().offline_store.offline_write_batch(store.config, view, ages(("a", T, 1)), None)


def test_a_result_is_held_against_a_reference(store: Any, tmp_path: Path) -> None:
    job = store.get_historical_features(asked("a", "b"), ["profile:age"])
    store.create_saved_dataset(job, "ages", SavedDatasetFileStorage(str(tmp_path / "saved")))
    reference = store.get_saved_dataset("ages").as_reference("known", KnownAges())
    assert job.to_arrow(validation_reference=reference).num_rows == 2
    early = store.get_historical_features(asked("a").assign(event_timestamp=[AT]), ["profile:age"])
    with pytest.raises(ValidationFailed):
        early.to_df(validation_reference=reference)


def test_what_was_served_is_logged_and_held_against_a_reference(store: Any, tmp_path: Path) -> None:
    place = FileLoggingDestination(path=str(tmp_path / "served"))
    service = FeatureService(
        name="served", features=[store.get_feature_view("profile")], logging_config=LoggingConfig(destination=place)
    )
    store.apply(service)
    stamp = pa.array([T], UTC_TIME)
    served = {"user": ["a"], "profile__age": pa.array([42], pa.int64()), "profile__age__timestamp": stamp}
    served |= {"profile__age__status": pa.array([2], pa.int32()), "__log_timestamp": stamp}
    served |= {"__log_date": stamp.cast(pa.date32()), "__request_id": ["1"]}
    store.write_logged_features(pa.table(served), service)
    reference = ValidationReference("known", "ages", KnownAges())
    reference._profile = Known({42})
    span = (AT - timedelta(hours=1), AT + timedelta(hours=1))
    assert store.validate_logged_features(service, *span, reference, cache_profile=False) is None
    reference._profile = Known({7})
    with pytest.raises(ValidationFailed):
        store.validate_logged_features(service, *span, reference, cache_profile=False)


def test_logs_datasets_and_rows_lie_in_s3_as_well(
    feast_store: Callable[..., Any], declared: list[Any], offline: dict[str, Any], aws: str
) -> None:
    bucket = f"saved-{'spark' if 'spark' in offline['type'] else 'duckdb'}"
    urllib.request.urlopen(urllib.request.Request(f"{aws}/{bucket}", method="PUT")).close()
    user, _, profile = declared
    profile.batch_source = FileSource(
        name="profile_far",
        path=f"s3://{bucket}/profile",
        s3_endpoint_override=aws,
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
    )
    store = feast_store(offline=offline)
    store.apply([user, profile])
    rows = ages(("a", T, 41), ("a", T + 5, 42), ("b", T - DAY, 7))
    store._get_provider().offline_store.offline_write_batch(store.config, profile, rows, None)
    job = store.get_historical_features(asked("a", "b"), ["profile:age"])
    place = SavedDatasetFileStorage(f"s3://{bucket}/saved", s3_endpoint_override=aws)
    store.create_saved_dataset(job, "far", place)
    assert sorted(store.get_saved_dataset("far").to_df()["age"]) == [7, 42]
    labels = 'SELECT "user", max(event_timestamp) AS event_timestamp FROM profile_far GROUP BY 1 ORDER BY 1'
    assert store.get_historical_features(labels, ["profile:age"]).to_df()["age"].tolist() == [42, 7]
