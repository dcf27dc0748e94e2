"""The backfill with real Spark: days are replaced as a whole, doing it again changes nothing, parts make the whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.batch.backfill import hand_over, run_backfill
from pipelines.batch.lake import DAY, LakeError, days_of
from pipelines.plan import ViewPlan
from pipelines.semantics import reference
from pipelines.stream.handover import read_handover
from pipelines.stream.sinks import land_events

pytestmark = pytest.mark.slow

HOUR = DAY // 24
FIRST = 20_000 * DAY  # 2024-10-04
DAYS = 4
Keyed = tuple[str, reference.Event]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pipelines.batch.session import open_spark

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_MASTER", "local[2]")
        patch.setenv("SPARK_DRIVER_MEMORY", "1g")
        session = open_spark("tests")
        yield session
        session.stop()


@pytest.fixture(scope="module")
def events() -> list[Keyed]:
    """Four days of nine users, a third of them within a microsecond of a hop."""
    random = np.random.default_rng(3)
    out = []
    for number in range(360):
        ts = FIRST + int(random.integers(0, DAYS * DAY))
        ts = ts - ts % HOUR + int(random.integers(-1, 2)) if number % 3 == 0 else ts
        values = {
            "money": float(random.integers(0, 800)) / 8 if random.random() < 0.9 else None,
            "whole": int(random.integers(0, 5)),
            "word": str(random.choice(["a", "b", "c"])),
            "flag": None,
        }
        out.append((f"user {int(random.integers(0, 9))}", reference.Event(max(ts, FIRST), number, values)))
    return out


@pytest.fixture
def plan(lab: Any, tmp_path: Path, events: list[Keyed]) -> ViewPlan:
    """A stream view whose events are in the lake, some of them twice."""
    features = [
        lab.feature("sum", "money", 6 * HOUR, HOUR),
        lab.feature("last_n(3)", "word", DAY, HOUR),
        lab.feature("session_count(30min)", None, DAY, HOUR),
    ]
    land_events(lab.table(events), tmp_path / "lake", "at")
    land_events(lab.table(events[:50]), tmp_path / "lake", "at")
    made: ViewPlan = lab.plan(features, lake=str(tmp_path / "lake"), log=str(tmp_path / "log"))
    return made


def fill(spark: Any, plan: ViewPlan, start: int, stop: int) -> int:
    (done,) = run_backfill(spark, [plan], start, stop)
    return done.rows


def log_of(lab: Any, plan: ViewPlan) -> dict[str, Any]:
    logs: dict[str, Any] = lab.table_logs(pq.read_table(plan.log, partitioning=None), plan.features)
    return logs


def day_contents(plan: ViewPlan) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each day of a log, in an order of their own."""
    return {
        day: sorted(pq.read_table(f"{plan.log}/date={day}", partitioning=None).to_pylist(), key=repr)
        for day in days_of(plan.log)
    }


def day_files(plan: ViewPlan) -> dict[str, dict[str, int]]:
    """Return the files of each day and when they were written."""
    return {
        day: {path.name: path.stat().st_mtime_ns for path in Path(plan.log, f"date={day}").glob("*.parquet")}
        for day in days_of(plan.log)
    }


def test_log_is_what_the_reference_says(lab: Any, spark: Any, plan: ViewPlan, events: list[Keyed]) -> None:
    rows = fill(spark, plan, FIRST, FIRST + DAYS * DAY)
    log = log_of(lab, plan)
    users = {user for user, _ in events}
    for user in users:
        assert log[user] == reference.feature_log(plan.features, lab.of_user(events, user), FIRST, FIRST + DAYS * DAY)
    assert rows == sum(map(len, log.values()))
    assert days_of(plan.log) == ["2024-10-04", "2024-10-05", "2024-10-06", "2024-10-07"]


def test_rows_lie_in_the_folder_of_their_day(spark: Any, plan: ViewPlan) -> None:
    fill(spark, plan, FIRST, FIRST + DAYS * DAY)
    for day, rows in day_contents(plan).items():
        assert {row["event_timestamp"].strftime("%Y-%m-%d") for row in rows} == {day}


def test_filling_again_gives_the_same(spark: Any, plan: ViewPlan) -> None:
    fill(spark, plan, FIRST, FIRST + DAYS * DAY)
    before = day_contents(plan)
    fill(spark, plan, FIRST, FIRST + DAYS * DAY)
    assert day_contents(plan) == before
    assert {path.name for path in Path(plan.log).iterdir()} >= {f"date={day}" for day in before}


def test_filling_one_day_touches_no_other(spark: Any, plan: ViewPlan) -> None:
    fill(spark, plan, FIRST, FIRST + DAYS * DAY)
    files, rows = day_files(plan), day_contents(plan)
    fill(spark, plan, FIRST + DAY, FIRST + 2 * DAY)
    after = day_files(plan)
    assert {day for day in files if files[day] != after[day]} == {"2024-10-05"}
    assert day_contents(plan) == rows


def test_parts_make_the_whole(spark: Any, plan: ViewPlan, tmp_path: Path) -> None:
    fill(spark, plan, FIRST, FIRST + DAYS * DAY)
    parts = replace(plan, log=str(tmp_path / "parts"))
    for start, stop in ((0, 1), (1, 3), (3, 4)):
        fill(spark, parts, FIRST + start * DAY, FIRST + stop * DAY)
    assert day_contents(parts) == day_contents(plan)


def test_a_day_that_has_no_events_any_more_loses_its_rows(lab: Any, spark: Any, plan: ViewPlan, tmp_path: Path) -> None:
    near = replace(plan, features=(lab.feature("count", None, HOUR, HOUR // 60),), log=str(tmp_path / "near"))
    fill(spark, near, FIRST, FIRST + DAYS * DAY)
    for file in Path(plan.table.lake).glob("date=2024-10-0[56]/*"):
        file.unlink()
    fill(spark, near, FIRST + 2 * DAY, FIRST + 3 * DAY)
    assert days_of(near.log) == ["2024-10-04", "2024-10-05", "2024-10-07"]


def test_what_stands_in_the_log_folder_is_only_the_log(spark: Any, plan: ViewPlan) -> None:
    fill(spark, plan, FIRST, FIRST + DAYS * DAY)
    left = [path.name for path in Path(plan.log).rglob("*") if path.is_file() and path.suffix != ".parquet"]
    assert [name for name in left if not name.startswith(("_", "."))] == []


def test_a_missing_lake_is_named_with_what_to_do(spark: Any, plan: ViewPlan, tmp_path: Path) -> None:
    nowhere = replace(plan, table=replace(plan.table, lake=str(tmp_path / "nothing")))
    with pytest.raises(LakeError, match=r"no events in .*/nothing \(PATH_NOT_FOUND\); land them there by day first"):
        fill(spark, nowhere, FIRST, FIRST + DAY)


def test_an_event_without_a_key_stops_the_job_and_leaves_the_log(lab: Any, spark: Any, plan: ViewPlan) -> None:
    fill(spark, plan, FIRST, FIRST + DAYS * DAY)
    before = day_files(plan)
    bad = lab.table([("a", reference.Event(FIRST + 5, 9_999, {}))])
    bad = bad.set_column(bad.schema.get_field_index("user"), "user", pa.array([None], pa.string()))
    land_events(bad, Path(plan.table.lake), "at")
    with pytest.raises(
        Exception, match=r"view: 1 of .* events have no user; remove them from .*/lake or give them one"
    ):
        fill(spark, plan, FIRST, FIRST + DAYS * DAY)
    assert day_files(plan) == before


def test_a_handover_holds_the_events_that_still_matter(
    spark: Any, plan: ViewPlan, events: list[Keyed], tmp_path: Path
) -> None:
    cut = FIRST + 3 * DAY
    hand_over(spark, [plan], cut, tmp_path / "state")
    shards = [read_handover(tmp_path / "state", plan, shard, 2) for shard in (0, 1)]
    held = [number for table, _ in shards for number in table["id"].to_pylist()]
    assert {at for _, at in shards} == {cut}
    assert set(held) == {event.id for _, event in events if cut - plan.reach <= event.ts < cut}
    assert json.loads((tmp_path / "state" / "view" / "cut.json").read_text()) == {"view": "view", "cut": cut}


def test_a_batch_view_is_computed_with_its_transform_and_up_to_the_closing_midnight(
    lab: Any, spark: Any, plan: ViewPlan, events: list[Keyed], tmp_path: Path
) -> None:
    module = tmp_path / "habits.py"
    module.write_text("def derive(events):\n    return events.assign(money=events['money'] * 2.0)\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        habits = __import__("habits")
        feature = lab.feature("sum", "money", 2 * DAY, DAY, aligned=True)
        daily = replace(plan, kind="batch", features=(feature,), log=str(tmp_path / "daily"), transform=habits.derive)
        fill(spark, daily, FIRST, FIRST + DAYS * DAY)
        del sys.modules["habits"]
    log = log_of(lab, daily)
    for user in {user for user, _ in events}:
        wanted = reference.feature_log([feature], lab.of_user(events, user), FIRST, FIRST + DAYS * DAY + 1)
        assert log.get(user, []) == [(t, (2 * total,)) for t, (total,) in wanted]
