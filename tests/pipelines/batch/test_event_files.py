from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.batch.event_files import EventFiles, find_event_files, read_events
from pipelines.batch.lake import DAY, LakeError, day_of, micros

FIRST = micros("2026-01-01")


def land(lake: Path, day: int, count: int, name: str = "part.parquet", row_group: int = 100) -> None:
    start = FIRST + day * DAY
    table = pa.table({"id": range(count), "at": pa.array([start + n for n in range(count)], pa.timestamp("us", "UTC"))})
    (lake / f"date={day_of(start)}").mkdir(parents=True, exist_ok=True)
    pq.write_table(table, lake / f"date={day_of(start)}" / name, row_group_size=row_group)


def times_of(files: EventFiles, start: int, stop: int, most: int = 1_000) -> list[list[int]]:
    return [
        [(t - FIRST) for t in table["at"].cast(pa.int64()).to_pylist()]
        for table in read_events(files, ["at"], "at", start, stop, most)
    ]


def test_only_files_of_the_days_that_matter_are_found_and_hidden_ones_are_not(tmp_path: Path) -> None:
    for day in range(4):
        land(tmp_path, day, 10 + day)
    land(tmp_path, 1, 5, ".unfinished.parquet")
    land(tmp_path, 1, 5, "_meta.parquet")
    assert find_event_files(str(tmp_path), FIRST + DAY, FIRST + 2 * DAY, 100).rows == (11, 12)


def test_a_file_of_very_many_events_is_read_in_pieces(tmp_path: Path) -> None:
    land(tmp_path, 0, 1_000)
    land(tmp_path, 1, 50)
    files = find_event_files(str(tmp_path), FIRST, FIRST + DAY, 300)
    assert files.rows == (100,) * 10 + (50,)
    slices = files.slices(250)
    assert [sum(one.rows) for one in slices] == [200, 300, 200, 300, 50]
    assert [len(times_of(one, FIRST, FIRST + DAY, 10_000)[0]) for one in slices[:2]] == [200, 300]


def test_events_outside_the_span_or_without_a_time_are_left_out(tmp_path: Path) -> None:
    land(tmp_path, 0, 10)
    at = pa.array([None, FIRST + 20], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"id": [1, 2], "at": at}), tmp_path / "date=2026-01-01" / "z.parquet")
    files = find_event_files(str(tmp_path), FIRST, FIRST, 100)
    assert times_of(files, FIRST + 3, FIRST + 21) == [[3, 4, 5, 6, 7, 8, 9, 20]]


def test_a_column_that_older_files_lack_is_null_in_them(tmp_path: Path) -> None:
    land(tmp_path, 0, 2)
    newer = pa.table({"id": [7], "at": pa.array([FIRST + DAY], pa.timestamp("us", "UTC")), "price": [1.5]})
    (tmp_path / "date=2026-01-02").mkdir()
    pq.write_table(newer, tmp_path / "date=2026-01-02" / "part.parquet")
    files = find_event_files(str(tmp_path), FIRST, FIRST + DAY, 100)
    (table,) = read_events(files, ["at", "price"], "at", FIRST, FIRST + 2 * DAY, 100)
    assert table["price"].to_pylist() == [None, None, 1.5]


def test_days_without_files_are_no_files_and_a_lake_without_days_is_an_error(tmp_path: Path) -> None:
    land(tmp_path, 0, 1)
    assert find_event_files(str(tmp_path), FIRST + 5 * DAY, FIRST + 6 * DAY, 100).slices(10) == []
    with pytest.raises(LakeError, match=r"no events in .*/nowhere; land them there by day first"):
        find_event_files(str(tmp_path / "nowhere"), FIRST, FIRST, 100)
