"""Landing events: a disk that is full is waited for, and no day is landed twice for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.plan import EventTable
from pipelines.stream.intake import EventBatch
from pipelines.stream.sinks import LakeSink

DAY = 86_400_000_000


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
    full_disk: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = EventTable("clicks", str(tmp_path), "at", "id", "clicks", "id")
    events = pa.table({"id": [1, 2, 3], "at": pa.array([0, DAY, DAY + 1], pa.timestamp("us", "UTC"))})
    partition = LakeSink({"clicks": (table, 1)}).build_part("lake", "clicks/0", None)
    partition.write_batch([EventBatch("clicks", 0, events, events, [], None)])
    partition.snapshot()
    partition.snapshot()
    files = sorted(tmp_path.glob("date=*/*.parquet"))
    assert [pq.read_table(file, partitioning=None)["id"].to_pylist() for file in files] == [[1], [2, 3]]
    assert list(tmp_path.glob("date=*/.*")) == [], "nothing unfinished is left"
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "lake: [Errno 28] No space left on device. Waiting until it is back."
    assert said[1].startswith("lake: back after")
