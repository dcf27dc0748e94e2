"""Rows come into files without anybody waiting for it, and what is lost is counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contract.records import recorded_files
from serving.recording import appender as module
from serving.recording.appender import ParquetAppender

SCHEMA = pa.schema({"id": pa.string(), "score": pa.float64()})
NOW = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
NEVER = 3600.0
"""A flush that only the end brings."""


def read(record: Path) -> list[str]:
    return [one for path in recorded_files(record) for one in pq.read_table(path)["id"].to_pylist()]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "decisions" / "ads"


def test_rows_can_be_read_after_the_end_with_their_types(record: Path) -> None:
    appender = ParquetAppender(record, SCHEMA, NEVER)
    assert appender.append({"id": ["a", "b"], "score": np.array([0.5, np.nan])})
    assert appender.append(pa.RecordBatch.from_pydict({"id": [None], "score": [1.0]}, SCHEMA))
    assert not recorded_files(record)
    counts = appender.close()
    assert (counts.written, counts.waiting, counts.dropped, counts.failed) == (3, 0, 0, 0)
    (path,) = recorded_files(record)
    table = pq.read_table(path)
    assert table.schema.equals(SCHEMA)
    assert table["id"].to_pylist() == ["a", "b", None]


def test_rows_are_flushed_while_the_appender_lives(record: Path) -> None:
    appender = ParquetAppender(record, SCHEMA, flush_s=0.001)
    for index in range(3):
        appender.append({"id": [str(index)], "score": [0.5]})
        until(lambda: appender.counts.waiting == 0)
    assert read(record) == ["0", "1", "2"]
    assert len(recorded_files(record)) == 3
    appender.close()


def test_what_finds_no_room_is_dropped_and_counted(record: Path) -> None:
    appender = ParquetAppender(record, SCHEMA, NEVER, most_rows=3)
    taken = [appender.append({"id": [name] * 2, "score": [0.5] * 2}) for name in "ab"]
    assert (taken, appender.counts.dropped) == ([True, False], 2)
    assert appender.append({"id": ["c"], "score": [0.5]})
    appender.close()
    assert read(record) == ["a", "a", "c"]


def test_nothing_is_taken_after_the_end(record: Path) -> None:
    appender = ParquetAppender(record, SCHEMA, NEVER)
    appender.close()
    assert not appender.append({"id": ["a"], "score": [0.5]})
    assert appender.close().dropped == 1
    assert not record.exists()


@pytest.mark.parametrize(
    "rows",
    [
        {"id": ["x"], "scores": [1.0]},
        {"id": ["x"], "score": ["high"]},
        {"id": ["x"], "score": [1.0, 2.0]},
    ],
)
def test_rows_that_do_not_fit_are_counted_and_others_written(record: Path, rows: dict[str, list[object]]) -> None:
    appender = ParquetAppender(record, SCHEMA, NEVER)
    appender.append(rows)
    appender.append({"id": ["a"], "score": [0.5]})
    counts = appender.close()
    assert (counts.written, counts.failed, counts.waiting) == (1, 1, 0)
    assert read(record) == ["a"]


def test_rows_wait_while_the_disk_refuses(record: Path) -> None:
    record.parent.mkdir(parents=True)
    record.touch()  # a file where the folder should be
    appender = ParquetAppender(record, SCHEMA, flush_s=0.001)
    appender.append({"id": ["a"], "score": [0.5]})
    until(lambda: appender.counts.write_errors >= 2)
    assert appender.counts.waiting == 1
    record.unlink()
    until(lambda: appender.counts.written == 1)
    appender.close()
    assert read(record) == ["a"]


def test_what_the_disk_refuses_until_the_end_is_dropped(record: Path) -> None:
    record.parent.mkdir(parents=True)
    record.touch()
    appender = ParquetAppender(record, SCHEMA, NEVER)
    appender.append({"id": ["a"], "score": [0.5]})
    counts = appender.close()
    assert (counts.written, counts.waiting, counts.dropped) == (0, 0, 1)


def test_a_row_belongs_to_the_day_of_its_appending(record: Path) -> None:
    days = iter([NOW, NOW, datetime(2026, 3, 2, tzinfo=UTC)])
    appender = ParquetAppender(record, SCHEMA, NEVER, now=lambda: next(days))
    for name in "abc":
        appender.append({"id": [name], "score": [0.5]})
    appender.close()
    assert [path.parent.name for path in recorded_files(record)] == ["2026-03-01", "2026-03-02"]
    assert [pq.read_table(path).num_rows for path in recorded_files(record, since=date(2026, 3, 2))] == [1]
    assert [pq.read_table(path).num_rows for path in recorded_files(record, until=date(2026, 3, 2))] == [2]


def test_several_threads_lose_nothing(record: Path) -> None:
    appender = ParquetAppender(record, SCHEMA, flush_s=0.001, most_rows=10_000)

    def append(name: int) -> None:
        for index in range(200):
            appender.append({"id": [f"{name}.{index}"], "score": [0.5]})

    threads = [threading.Thread(target=append, args=(name,)) for name in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert appender.close().written == 800
    assert len(set(read(record))) == 800


def test_caller_does_not_wait_for_a_slow_disk(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing, go_on = threading.Event(), threading.Event()
    write = module.pq.write_table

    def slow(*arguments: object, **named: object) -> None:
        writing.set()
        go_on.wait(30)
        write(*arguments, **named)

    monkeypatch.setattr(module.pq, "write_table", slow)
    appender = ParquetAppender(record, SCHEMA, flush_s=0.001)
    appender.append({"id": ["a"], "score": [0.5]})
    assert writing.wait(30)
    assert appender.append({"id": ["b"], "score": [0.5]})  # would hang here
    go_on.set()
    appender.close()
    assert read(record) == ["a", "b"]


def test_writer_is_part_of_a_file_name(record: Path) -> None:
    with pytest.raises(ValueError, match="writer 'replica-1': write letters, digits and _ only"):
        ParquetAppender(record, SCHEMA, writer="replica-1")


def until(true: Callable[[], bool]) -> None:
    """Wait for something that the appender's thread does."""
    pause = threading.Event()
    for _ in range(3000):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come")
