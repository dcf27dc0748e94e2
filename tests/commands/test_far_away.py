"""Lake, labels and logs in an S3: landed, filled, joined, put online and refreshed as those in a folder are, with the same values."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.batch import here
from pipelines.batch.lake import DAY, LakeError, days_of, micros
from pipelines.stream.sinks import land_events
from stores.parquet import log_commit
from stores.parquet.log_commit import held_files
from workspace.addresses import list_files, whole_file

pytestmark = pytest.mark.slow

REPO = Path(__file__).parent / "far_repo"
FIRST, DAYS = micros("2026-03-01"), 3
SERVICE = "returns"


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    """The environment, given back in the end."""
    before = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        yield patch
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def endpoint(aws: str, environment: pytest.MonkeyPatch) -> str:
    """An S3 with an empty bucket `shop`."""
    urllib.request.urlopen(urllib.request.Request(f"{aws}/shop", method="PUT")).close()
    return aws


@pytest.fixture(scope="module")
def spark(endpoint: str) -> Iterator[Any]:
    """Spark, whose workers have the credentials in their environment, also where tests before these have started it."""
    from workspace.spark_session import open_spark

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_MASTER", "local[2]")
        patch.setenv("SPARK_DRIVER_MEMORY", "1g")
        session = open_spark("tests", brief=True)
        for name, value in os.environ.items():
            if name.startswith("AWS_"):
                patch.setitem(session.sparkContext.environment, name, value)
        yield session


def orders() -> pa.Table:
    random = np.random.default_rng(1)
    at = np.sort(random.integers(FIRST, FIRST + DAYS * DAY, 400))
    return pa.table(
        {
            "order_id": pa.array(range(400), pa.int64()),
            "ordered_at": pa.array(at, pa.timestamp("us", "UTC")),
            "user_id": pa.array([f"user {n}" for n in random.integers(0, 9, 400)]),
            "price": pa.array(random.integers(1, 80, 400) / 4.0),
            "returned": pa.array(random.integers(0, 2, 400), pa.int64()),
        }
    )


def play(
    spark: Any, data: str, endpoint: str | None, home: Path, patch: pytest.MonkeyPatch
) -> tuple[pd.DataFrame, dict[bytes, Any]]:
    """Do it all for data at an address; return the training set, and what Redis holds."""
    import redis

    from commands.apply import apply
    from commands.backfill import backfill, days_to_fill
    from commands.loop.home import open_home
    from commands.materialize import materialize
    from commands.plan import read_plans
    from commands.refresh import refresh
    from training.data.dataset import build_training_set
    from training.data.task import read_task
    from workspace.workspace import open_store

    patch.setenv("SHOP_DATA", data)
    patch.setenv("SHOP_ENDPOINT", endpoint or "")
    with open_home(REPO, home) as (workspace, server):
        apply(workspace)
        plans = read_plans(workspace)
        lake = plans[0].table.lake
        land_events(orders(), lake, "ordered_at")
        store = open_store(workspace)
        (refreshed,) = refresh(lambda: spark, workspace, store, [plans[1]], FIRST + 2 * DAY + DAY // 2)
        assert refreshed.until == FIRST + 2 * DAY + DAY // 2
        start, stop = days_to_fill(plans, None, None)
        assert (start, DAYS * DAY > stop - start > 2 * DAY) == (FIRST, True)
        assert [done.events for done in backfill(spark, workspace, plans, start, stop)] == [400, 400]
        assert days_of(plans[0].log) == ["2026-03-01", "2026-03-02", "2026-03-03"]
        patch.setattr(here, "FEW", 0)  # so that Spark's tasks read the logs
        assert all(one.rows == 9 for one in materialize(lambda: spark, workspace, store, plans, stop))
        task = read_task(store, SERVICE)
        frame = build_training_set(
            store, task, datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)
        ).frame
        online = redis.Redis(port=server.port)
        held = {key: online.hgetall(key) for key in online.scan_iter() if online.type(key) == b"hash"}
        patch.undo()
        return frame, held


def test_what_lies_in_s3_gives_what_lies_in_a_folder(spark: Any, endpoint: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        far, far_online = play(spark, "s3://shop/data", endpoint, tmp_path / "far", patch)
    with pytest.MonkeyPatch.context() as patch:
        near, near_online = play(spark, str(tmp_path / "files"), None, tmp_path / "near", patch)
    pd.testing.assert_frame_equal(far, near)
    assert len(far) > 200
    assert far.notna().all().all()
    assert far_online == near_online
    assert len(far_online) == 9


def test_the_environment_can_name_the_server(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    land_events(orders(), "s3://shop/elsewhere/orders", "ordered_at")
    assert days_of("s3://shop/elsewhere/orders") == ["2026-03-01", "2026-03-02", "2026-03-03"]


def test_days_in_s3_that_are_over_are_compacted(endpoint: str) -> None:
    from commands.compact import compact_place, days_over, places_of
    from pipelines.plan import EventTable, ViewPlan

    lake = f"s3://shop/landed/orders?endpoint_override={endpoint}"
    table = EventTable("orders", lake, "ordered_at", "order_id", "orders", "user_id", lateness=DAY // 24)
    for start in (0, 2):
        land_events(orders().slice(start, 390), lake, "ordered_at")
    (place,) = places_of(
        [ViewPlan("v", "stream", ("user_id",), (), table, f"s3://shop/none?endpoint_override={endpoint}")]
    )
    days = days_over(table, place.folder)
    assert days == ["2026-03-01", "2026-03-02"]
    done = compact_place(place, days, 3600.0)
    assert (done.joined, done.made, done.left) == (4, 2, 4)
    assert compact_place(place, days, 0.0).removed == 4
    assert len(list_files(lake)) == 2 + 2  # of the day that is not over, both
    assert places_of([ViewPlan("v", "stream", ("user_id",), (), table, lake)], here=True) == []


@pytest.mark.parametrize("left", range(4))
def test_days_in_s3_are_replaced_all_or_none(endpoint: str, left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.batch.log_files import drop_staging, open_staging, replace_days, write_days

    log = f"s3://shop/killed/{left}?endpoint_override={endpoint}"

    def fill(value: int) -> None:
        at = pa.array([FIRST, FIRST + DAY], pa.timestamp("us", "UTC"))
        staging = open_staging(log)
        files = list(write_days(pa.table({"n": [value, value], "event_timestamp": at}), staging))
        replace_days(log, staging, files, FIRST, FIRST + 2 * DAY)

    def values() -> list[int]:
        system = log_commit.open_address(log)[0]
        return [
            pa.parquet.read_table(path, filesystem=system, partitioning=None)["n"][0].as_py()
            for path in held_files(log)
        ]

    fill(1)
    with monkeypatch.context() as patch:
        calls = iter(range(left))
        real = log_commit._settle_day

        def mortal(system: Any, *arguments: Any) -> None:
            real(Mortal(system, calls), *arguments)

        patch.setattr(log_commit, "_settle_day", mortal)
        with pytest.raises(Killed):
            fill(2)
    assert values() == [2, 2]
    drop_staging(open_staging(log))
    assert values() == [2, 2]
    assert len(list_files(log)) == 2


class Killed(BaseException):
    """The process ends here."""


class Mortal:
    """A file system whose user is killed after some copies and deletions."""

    def __init__(self, system: Any, calls: Iterator[int]) -> None:
        self._system, self._calls, self.type_name = system, calls, system.type_name

    def __getattr__(self, name: str) -> Any:
        if name in ("copy_file", "delete_file") and next(self._calls, None) is None:
            raise Killed
        return getattr(self._system, name)


def test_a_file_in_s3_is_whole_or_not_there(endpoint: str) -> None:
    place = f"s3://shop/whole/file?endpoint_override={endpoint}"

    def write() -> None:
        with whole_file(place) as file:
            file.write(b"half")
            raise Killed

    with pytest.raises(Killed):
        write()
    assert list_files(f"s3://shop/whole?endpoint_override={endpoint}") == []


def test_an_empty_lake_in_s3_is_named(endpoint: str) -> None:
    from pipelines.batch.event_files import find_event_files

    with pytest.raises(LakeError, match=r"no events in s3://shop/nothing"):
        find_event_files(f"s3://shop/nothing?endpoint_override={endpoint}", 0, DAY, 10)
