"""The sample of a change: known events, known differences; bounded, and by reads at the events' own times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.batch.change_sample import SampleError, sample_change
from pipelines.batch.lake import DAY, day_of, micros
from pipelines.plan import EventTable, ViewPlan
from pipelines.semantics.aggregators.table import parse_function
from pipelines.semantics.feature import Feature
from pipelines.semantics.windows import Window

HOUR, MINUTE = 3_600_000_000, 60_000_000
FIRST = micros("2026-01-01")
Row = tuple[str | None, int, float]


def land(lake: Path, rows: list[Row]) -> None:
    """Write (user, time, price) into the lake, by day."""
    for day in sorted({day_of(at) for _, at, _ in rows}):
        its = [(number, *row) for number, row in enumerate(rows) if day_of(row[1]) == day]
        folder = lake / f"date={day}"
        folder.mkdir(parents=True)
        table = pa.table(
            {
                "id": pa.array([row[0] for row in its], pa.int64()),
                "user": pa.array([row[1] for row in its], pa.string()),
                "at": pa.array([row[2] for row in its], pa.timestamp("us", "UTC")),
                "price": pa.array([row[3] for row in its], pa.float64()),
            }
        )
        pq.write_table(table, folder / "part-0.parquet")


def plan(lake: Path, size: int, functions: tuple[str, ...] = ("sum",), **fields: Any) -> ViewPlan:
    features = []
    for function in functions:
        aggregator, gap = parse_function(function)
        features.append(Feature(function, aggregator, "price", Window(size, MINUTE), gap, function))
    given: dict[str, Any] = {"keys": ("user",), "features": tuple(features)}
    table = EventTable("clicks", str(lake), "at", "id")
    return ViewPlan("users", "stream", table=table, log="/nowhere", **(given | fields))


def test_values_are_compared_at_the_times_of_the_events(tmp_path: Path) -> None:
    land(tmp_path, [("ann", FIRST, 1.0), ("ann", FIRST + 90 * MINUTE, 2.0), ("ann", FIRST + 100 * MINUTE, 4.0)])
    sample = sample_change(plan(tmp_path, HOUR, ("sum", "last_n(3)")), plan(tmp_path, 2 * HOUR, ("sum", "last_n(3)")))
    total, latest = sample.features
    # at 0:00 both know nothing; at 1:30 an hour holds nothing and two hold 1.0; at 1:40 they hold 2.0 and 3.0
    assert (sample.entities, sample.events, sample.reads, sample.differ, sample.cut) == (1, 3, 3, 2, False)
    assert (total.name, total.differ, total.mean) == ("sum", 2, 1.0)
    assert total.examples == (
        ("user='ann'", FIRST + 90 * MINUTE, 0.0, 1.0),
        ("user='ann'", FIRST + 100 * MINUTE, 2.0, 3.0),
    )
    assert (latest.differ, latest.mean, latest.examples[0][2:]) == (2, None, ([], [1.0]))


def test_the_history_that_the_windows_need_is_read(tmp_path: Path) -> None:
    old = [("ann", FIRST + day * DAY, 1.0) for day in range(10)]
    land(tmp_path, [*old, ("ann", FIRST + 9 * DAY + HOUR, 1.0)])
    sample = sample_change(plan(tmp_path, DAY), plan(tmp_path, 8 * DAY))
    assert (sample.start, sample.stop) == (FIRST + 7 * DAY, FIRST + 9 * DAY + HOUR)
    # on day 7 a day holds one event (the tail waits for its minute) and eight days hold seven
    assert sample.features[0].examples[0][2:] == (1.0, 7.0)


def test_plans_that_mean_the_same_differ_nowhere(tmp_path: Path) -> None:
    land(tmp_path, [(f"u{n % 7}", FIRST + n * MINUTE, n / 10) for n in range(200)])
    sample = sample_change(plan(tmp_path, HOUR), plan(tmp_path, HOUR))
    assert (sample.reads, sample.differ, sample.features[0].mean) == (200, 0, None)


def test_entities_and_events_are_bounded(tmp_path: Path) -> None:
    land(tmp_path, [(f"u{n % 50}", FIRST + n * MINUTE, 1.0) for n in range(1_000)])
    assert sample_change(plan(tmp_path, HOUR), plan(tmp_path, DAY), entities=10).entities == 10
    few = sample_change(plan(tmp_path, HOUR), plan(tmp_path, DAY), events=100)
    assert (few.entities, few.events, few.cut) == (3, 60, False)
    one = sample_change(plan(tmp_path, HOUR), plan(tmp_path, DAY), events=5)
    assert (one.entities, one.cut) == (1, True)


def test_two_keys_are_one_entity(tmp_path: Path) -> None:
    land(tmp_path, [("ann", FIRST, 1.0), ("ann", FIRST + 90 * MINUTE, 1.0), ("ann", FIRST + 91 * MINUTE, 2.0)])
    keys = {"keys": ("user", "price")}
    sample = sample_change(plan(tmp_path, HOUR, **keys), plan(tmp_path, 2 * HOUR, **keys))
    assert (sample.entities, sample.reads, sample.differ) == (2, 3, 1)
    assert sample.features[0].examples[0][0] == "user='ann', price=1.0"


def test_events_without_a_key_are_left_out(tmp_path: Path) -> None:
    land(tmp_path, [("ann", FIRST, 1.0), (None, FIRST + 1, 1.0), ("ann", FIRST + 90 * MINUTE, 1.0)])
    assert sample_change(plan(tmp_path, HOUR), plan(tmp_path, 2 * HOUR)).reads == 2


def test_events_may_come_from_another_lake(tmp_path: Path) -> None:
    land(tmp_path / "old", [("ann", FIRST, 1.0), ("ann", FIRST + HOUR // 2, 1.0)])
    land(tmp_path / "new", [("ann", FIRST, 5.0), ("ann", FIRST + HOUR // 2, 1.0)])
    sample = sample_change(plan(tmp_path / "old", HOUR), plan(tmp_path / "new", HOUR))
    assert (sample.differ, sample.features[0].mean) == (1, 4.0)


def test_where_there_is_no_sample_it_says_why(tmp_path: Path) -> None:
    one = plan(tmp_path, HOUR)
    with pytest.raises(SampleError, match="there are no events in"):
        sample_change(one, one)
    with pytest.raises(SampleError, match="keyed by price and not by user any more: every row is new"):
        sample_change(one, replace(one, keys=("price",)))
    with pytest.raises(SampleError, match="no feature is in both"):
        sample_change(one, plan(tmp_path, HOUR, ("max",)))
    far = replace(one, table=replace(one.table, lake="s3://bucket/clicks"))
    with pytest.raises(SampleError, match="s3://bucket/clicks is not on this machine"):
        sample_change(far, far)
