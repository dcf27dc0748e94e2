"""Newest rows go from the log to the online store through Spark's tasks, in bulk: none of them passes through the driver."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.batch import here
from pipelines.batch.lake import DAY
from pipelines.batch.materialize import NothingToMaterializeError, stage_newest, store_rows
from pipelines.batch.newest import find_log_files, newest_of, read_newest
from pipelines.plan import ViewPlan
from stores.parquet.feature_log import FeatureLog

FIRST = 20_000 * DAY
USERS = 30_000


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from workspace.spark_session import open_spark

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_MASTER", "local[2]")
        patch.setenv("SPARK_DRIVER_MEMORY", "1g")
        session = open_spark("tests", brief=True)
        yield session
        session.stop()


@dataclass(frozen=True)
class Noting:
    """An online store that notes which process wrote how much at a time."""

    folder: Path

    def __call__(self) -> Noting:
        return self

    def write(self, table: pa.Table, timestamp_column: str) -> None:
        self.folder.mkdir(exist_ok=True)
        pq.write_table(table, self.folder / f"{os.getpid()}-{len(table)}-{uuid.uuid4().hex}.parquet")

    def writes(self) -> list[tuple[int, int]]:
        """Return (process, rows) of every write."""
        names = [path.name.split("-") for path in self.folder.iterdir()]
        return [(int(process), int(rows)) for process, rows, _ in names]


@pytest.fixture
def plan(lab: Any, tmp_path: Path) -> ViewPlan:
    """A log of three days, a row a user and day."""
    made: ViewPlan = lab.plan([lab.feature("sum", "money", DAY, DAY // 24)], log=str(tmp_path / "log"))
    name = made.features[0].name
    for day in range(3):
        users = pa.array([f"user {n}" for n in range(USERS)])
        at = pa.array([FIRST + day * DAY + n for n in range(USERS)], pa.timestamp("us", "UTC"))
        rows = pa.table({"user": users, name: pa.array([float(day)] * USERS), "event_timestamp": at})
        FeatureLog(made.view, made.log).append(rows, "event_timestamp")
    return made


def no_spark() -> Any:
    raise AssertionError("Spark was asked for")


def test_rows_are_staged_and_written_by_tasks_in_bulk(
    spark: Any, plan: ViewPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = FIRST + 2 * DAY  # the last day is not there yet
    monkeypatch.setattr(here, "FEW", 0)
    staged = stage_newest(lambda: spark, plan, until, tmp_path / "staging")
    store = Noting(tmp_path / "online")
    assert store_rows(lambda: spark, staged, store) == USERS
    stored = pq.read_table(store.folder)
    assert sorted(stored["user"].to_pylist()) == sorted(f"user {n}" for n in range(USERS))
    assert set(stored[plan.features[0].name].to_pylist()) == {1.0}
    writes = store.writes()
    assert os.getpid() not in {process for process, _ in writes}
    assert len(writes) <= 4
    monkeypatch.undo()
    few = pq.read_table(stage_newest(no_spark, plan, until, tmp_path / "here"))
    assert few.sort_by("user").equals(pq.read_table(staged).sort_by("user"))


def test_all_but_the_newest_rows_are_forgotten_on_the_way(plan: ViewPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.batch.newest.ROWS_HELD", 1)
    assert len(read_newest(find_log_files(plan, FIRST + 3 * DAY))) == USERS


def test_rows_past_their_ttl_stay_out(plan: ViewPlan) -> None:
    rows = read_newest(find_log_files(replace(plan, ttl=DAY), FIRST + 3 * DAY + USERS // 2))
    assert len(rows) == USERS // 2


def test_nothing_of_nothing_is_nothing() -> None:
    assert newest_of(pa.table({"a": pa.array([], pa.int64())}), ["a"]).num_rows == 0


def test_a_missing_log_is_named_with_what_to_do(lab: Any, tmp_path: Path) -> None:
    plan = lab.plan([lab.feature("sum", "money", DAY, DAY)], log=str(tmp_path / "none"))
    with pytest.raises(NothingToMaterializeError, match=r"view: no feature log at .*none; run 'make backfill'"):
        stage_newest(no_spark, plan, FIRST, tmp_path)
