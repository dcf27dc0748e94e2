"""The backfill with real Spark: days are replaced as a whole, doing it again changes nothing, parts make the whole."""

from __future__ import annotations

import json
import shutil
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.batch import backfill, here
from pipelines.batch.backfill import hand_over, jobs_of, run_backfill
from pipelines.batch.here import fill_here
from pipelines.batch.lake import DAY, LakeError, days_of
from pipelines.batch.materialize import stage_newest, store_rows
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
    from workspace.spark_session import open_spark

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_MASTER", "local[2]")
        patch.setenv("SPARK_DRIVER_MEMORY", "1g")
        session = open_spark("tests", brief=True)
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


def test_events_that_are_handed_on_between_tasks_give_the_same_log(
    spark: Any, plan: ViewPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(spark, plan, FIRST, FIRST + DAYS * DAY)
    read = day_contents(plan)
    monkeypatch.setattr(backfill, "FEW_TASKS", 0)
    fill(spark, plan, FIRST, FIRST + DAYS * DAY)
    assert day_contents(plan) == read


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
    with pytest.raises(LakeError, match=r"no events in .*/nothing; land them there by day first"):
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


def test_a_handover_holds_the_events_that_still_matter(plan: ViewPlan, events: list[Keyed], tmp_path: Path) -> None:
    cut = FIRST + 3 * DAY
    hand_over([plan], cut, tmp_path / "state")
    shards = [list(read_handover(tmp_path / "state", plan, shard, 2)) for shard in (0, 1)]
    held = [number for days in shards for table, _ in days for number in table["id"].to_pylist()]
    assert {days[-1][1] for days in shards} == {cut}
    for day, end in shards[0] + shards[1]:
        assert max(day[plan.table.timestamp].cast(pa.int64()).to_pylist(), default=0) < end
    assert set(held) == {event.id for _, event in events if cut - plan.reach <= event.ts < cut}
    assert json.loads((tmp_path / "state" / "view" / "cut.json").read_text()) == {"view": "view", "cut": cut}


def test_events_are_handed_over_some_at_a_time(
    plan: ViewPlan, events: list[Keyed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = FIRST + 3 * DAY
    monkeypatch.setattr(backfill, "EVENTS_AT_ONCE", 20)
    hand_over([plan], cut, tmp_path)
    held = [number for day, _ in read_handover(tmp_path, plan, 0, 1) for number in day["id"].to_pylist()]
    assert set(held) == {event.id for _, event in events if cut - plan.reach <= event.ts < cut}
    assert len(list((tmp_path / "view" / "events").iterdir())) > 3


def test_a_view_without_events_in_reach_is_handed_over_empty(plan: ViewPlan, tmp_path: Path) -> None:
    hand_over([plan], FIRST + 100 * DAY, tmp_path)
    days = list(read_handover(tmp_path, plan, 0, 1))
    assert (sum(len(held) for held, _ in days), days[-1][1]) == (0, FIRST + 100 * DAY)


def test_views_that_share_a_job_get_what_each_gets_alone(
    lab: Any, spark: Any, plan: ViewPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "habits2.py"
    module.write_text("def derive(events):\n    return events.assign(money=events['money'] * 2.0)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    habits = __import__("habits2")
    doubled = lab.feature("sum", "money", 2 * DAY, DAY, aligned=True)
    plans = [
        plan,
        replace(plan, view="word", keys=("word",), features=(lab.feature("count", None, DAY, HOUR),)),
        replace(plan, view="both", keys=("user", "word"), features=(lab.feature("max", "whole", HOUR, HOUR),)),
        replace(plan, view="daily", kind="batch", features=(doubled,), transform=habits.derive),
    ]
    start, stop = FIRST + DAY, FIRST + DAYS * DAY
    together = [replace(one, log=str(tmp_path / "together" / one.view)) for one in plans]
    alone = [replace(one, log=str(tmp_path / "alone" / one.view)) for one in plans]
    assert [[one.view for one in job.plans] for job in jobs_of(together, start, stop)] == [
        ["view", "word", "both", "daily"]
    ]
    found = list(run_backfill(spark, together, start, stop))
    monkeypatch.setattr(backfill, "EVENTS_A_JOB", 1)
    assert len(jobs_of(alone, start, stop)) == 4
    single = list(run_backfill(spark, alone, start, stop))
    assert [(one.view, one.rows) for one in found] == [(one.view, one.rows) for one in single]
    assert all(one.events > 200 and one.rows > 20 for one in found)
    del sys.modules["habits2"]
    for one, other in zip(together, alone, strict=True):
        assert day_contents(one) == day_contents(other)


def test_views_of_different_tables_share_no_job(plan: ViewPlan, tmp_path: Path) -> None:
    shutil.copytree(plan.table.lake, tmp_path / "elsewhere")
    other = replace(plan, view="other", table=replace(plan.table, lake=str(tmp_path / "elsewhere")))
    assert [job.plans for job in jobs_of([plan, other, plan], FIRST, FIRST + DAY)] == [(plan, plan), (other,)]


@pytest.mark.parametrize("kind", ["stream", "batch"])
def test_few_events_are_filled_the_same_without_spark(
    lab: Any, spark: Any, plan: ViewPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    aligned = kind == "batch"
    feature = lab.feature("sum", "money", 2 * DAY, DAY, aligned=aligned)
    by_spark, by_hand = (
        replace(plan, kind=kind, features=(feature,), log=str(tmp_path / name)) for name in ("spark", "hand")
    )
    for start, stop in ((FIRST, FIRST + 2 * DAY), (FIRST + 2 * DAY, FIRST + 2 * DAY + 1)):
        fill(spark, by_spark, start, stop)
        assert fill_here(by_hand, start, stop)
    assert day_contents(by_hand) == day_contents(by_spark)
    assert len(days_of(by_hand.log)) == (2 if aligned else 3)
    monkeypatch.setattr(here, "FEW", 10)
    assert not fill_here(by_hand, FIRST, FIRST + DAY)


@pytest.mark.parametrize("ttl", [0, 30 * HOUR])
def test_few_newest_rows_are_the_same_without_spark(
    lab: Any, spark: Any, plan: ViewPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ttl: int
) -> None:
    plan = replace(plan, ttl=ttl)
    fill(spark, plan, FIRST, FIRST + DAYS * DAY)
    until = FIRST + 3 * DAY + 5 * HOUR
    few = pq.read_table(stage_newest(no_spark, plan, until, tmp_path / "here"))
    monkeypatch.setattr(here, "FEW", 0)
    folder = stage_newest(lambda: spark, plan, until, tmp_path / "spark")
    many = pq.read_table(folder)
    assert few.column_names == many.column_names
    assert few.sort_by("user").to_pylist() == many.sort_by("user").to_pylist()
    assert len(few) > 5
    monkeypatch.undo()
    assert store_rows(no_spark, folder, Kept(tmp_path / "few")) == len(few)
    monkeypatch.setattr(here, "FEW", 0)
    assert store_rows(lambda: spark, folder, Kept(tmp_path / "many")) == len(few)
    stored = [pq.read_table(tmp_path / name).sort_by("user").to_pylist() for name in ("few", "many")]
    assert stored[0] == stored[1]
    assert len(stored[0]) == len(few)


@dataclass(frozen=True)
class Kept:
    """An online store that is a folder."""

    folder: Path

    def __call__(self) -> Kept:
        return self

    def write(self, table: pa.Table, timestamp_column: str) -> None:
        self.folder.mkdir(exist_ok=True)
        pq.write_table(table, self.folder / f"{uuid.uuid4().hex}.parquet")


def no_spark() -> Any:
    raise AssertionError("Spark was asked for")


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
