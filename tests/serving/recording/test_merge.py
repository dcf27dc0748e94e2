"""Few files of many: each row is read once, whenever one looks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contract.records import RecordedFile, recorded_files
from serving.recording import merge as module
from serving.recording.merge import KEEP_S, WIDTH, MergedDay

SCHEMA = pa.schema({"id": pa.int64()})


class Day:
    """A day that one writer fills, with a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.at = 0.0
        self.number = 0
        self.merged = MergedDay(folder, clock=lambda: self.at)
        folder.mkdir(parents=True, exist_ok=True)

    def flush(self, times: int = 1) -> None:
        for _ in range(times):
            self.number += 1
            file = RecordedFile("w", self.number, self.number)
            pq.write_table(pa.table({"id": [self.number]}, SCHEMA), self.folder / file.name)
            self.merged.add(file, 1)

    def ids(self) -> list[int]:
        return [one for path in recorded_files(self.folder.parent) for one in pq.read_table(path)["id"].to_pylist()]


@pytest.fixture
def day(tmp_path: Path) -> Day:
    return Day(tmp_path / datetime(2026, 3, 1, tzinfo=UTC).date().isoformat())


def test_rows_are_read_once_and_in_order_while_both_forms_are_there(day: Day) -> None:
    day.flush(WIDTH + 3)
    assert len(list(day.folder.iterdir())) == WIDTH + 3 + 1
    assert len(recorded_files(day.folder.parent)) == 1 + 3
    assert day.ids() == list(range(1, WIDTH + 4))


def test_small_files_go_when_no_reader_can_be_left(day: Day) -> None:
    day.flush(WIDTH)
    day.at = KEEP_S / 2
    day.flush()
    assert len(list(day.folder.iterdir())) == WIDTH + 2
    day.at = KEEP_S + 1
    day.flush()
    assert sorted(path.name for path in day.folder.iterdir()) == [
        f"w-1-{WIDTH}.parquet",
        *(f"w-{WIDTH + i}.parquet" for i in (1, 2)),
    ]


def test_merged_files_are_merged_again(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WIDTH", 3)
    day.flush(3**3 + 1)
    assert [path.name for path in recorded_files(day.folder.parent)] == ["w-1-27.parquet", "w-28.parquet"]
    day.merged.close()
    assert len(list(day.folder.iterdir())) == 2
    assert day.ids() == list(range(1, 29))


def test_large_files_are_left_as_they_are(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WIDTH", 3)
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    day.flush(3**2)
    assert [path.name for path in recorded_files(day.folder.parent)] == [
        "w-1-3.parquet",
        "w-4-6.parquet",
        "w-7-9.parquet",
    ]


def test_file_that_cannot_be_merged_costs_nothing_but_the_merging(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WIDTH", 3)
    day.flush(2)
    (day.folder / "w-1.parquet").unlink()
    day.flush(2)
    assert day.ids() == [2, 3, 4]


def test_rows_of_many_small_files_come_into_few_row_groups(day: Day) -> None:
    day.flush(WIDTH)
    assert pq.ParquetFile(recorded_files(day.folder.parent)[0]).num_row_groups == 1


def test_what_is_no_file_of_a_record_is_passed_over(day: Day) -> None:
    day.flush()
    for name in (".w-2.parquet.ab12", "w-2.parquet.tmp", "notes.txt"):
        (day.folder / name).touch()
    (day.folder.parent / "not-a-day").mkdir()
    assert day.ids() == [1]
    assert recorded_files(day.folder.parent / "nowhere") == []
