"""Landing events: beside the stream, waited for when the disk is full, again after a restart, and none twice for it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.plan import EventTable
from pipelines.stream import sinks
from pipelines.stream.intake import EventBatch
from pipelines.stream.sinks import LakeSink

DAY = 86_400_000_000


@pytest.fixture
def sink(tmp_path: Path) -> LakeSink:
    """A lake of one table whose topic has one partition."""
    return LakeSink({"clicks": (EventTable("clicks", str(tmp_path), "at", "id", "clicks", "id"), 1)})


def batch(*times: int) -> EventBatch:
    events = pa.table({"id": list(range(1, len(times) + 1)), "at": pa.array(times, pa.timestamp("us", "UTC"))})
    return EventBatch("clicks", 0, events, events, [], None)


def landed(folder: Path) -> list[list[int]]:
    """Return the ids in each file, by day."""
    files = sorted(folder.glob("date=*/*.parquet"))
    return [pq.read_table(file, partitioning=None)["id"].to_pylist() for file in files]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A disk that takes one file and then none, three times over."""
    real, left = pq.write_table, [3]
    written: list[int] = []

    def write(table: pa.Table, where: Any, **options: Any) -> None:
        if written and left[0]:
            left[0] -= 1
            raise OSError(28, "No space left on device")
        real(table, where, **options)
        written.append(len(table))

    monkeypatch.setattr(pq, "write_table", write)
    return written


def test_a_full_disk_holds_the_landing_up_and_no_event_is_landed_twice_for_it(
    sink: LakeSink, full_disk: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    partition = sink.build_part("lake", "clicks/0", None)
    partition.write_batch([batch(0, DAY, DAY + 1)])
    partition.snapshot()
    partition.snapshot()
    assert landed(tmp_path) == [[1], [2, 3]]
    assert list(tmp_path.glob("date=*/.*")) == [], "nothing unfinished is left"
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "lake: [Errno 28] No space left on device. Waiting until it is back."
    assert said[1].startswith("lake: back after")


def test_a_restart_lands_what_the_snapshot_holds_and_what_was_landed_stays_as_it_is(
    sink: LakeSink, tmp_path: Path
) -> None:
    partition = sink.build_part("lake", "clicks/0", None)
    partition.write_batch([batch(0, DAY), batch(1)])
    saved = partition.snapshot()
    partition.close()
    assert landed(tmp_path) == [[1, 1], [2]]
    for file in tmp_path.glob("date=*/*.parquet"):
        if file.parent.name == "date=1970-01-02":
            file.unlink()  # as after a kill between the two
    sink.build_part("lake", "clicks/0", pickle.loads(pickle.dumps(saved))).close()
    assert landed(tmp_path) == [[1, 1], [2]]


def test_a_snapshot_without_new_events_holds_none(sink: LakeSink, tmp_path: Path) -> None:
    partition = sink.build_part("lake", "clicks/0", None)
    partition.write_batch([batch(0)])
    assert partition.snapshot() is not None
    assert partition.snapshot() is None
    assert landed(tmp_path) == [[1]]


def test_very_many_events_are_landed_before_the_snapshot_which_holds_none_of_them(
    sink: LakeSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks, "MANY", 2)
    partition = sink.build_part("lake", "clicks/0", None)
    partition.write_batch([batch(0, 1, 2)])
    assert partition.snapshot() is None
    assert landed(tmp_path) == [[1, 2, 3]]
