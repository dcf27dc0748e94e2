"""The stream's process beside the loop, and how the loop knows that events have landed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commands.loop.streaming import LakeCount


def land(folder: Path, name: str, rows: int) -> None:
    """Write a file of the lake."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": range(rows)}), folder / name)


def test_events_of_all_tables_are_counted_and_unfinished_files_are_not(tmp_path: Path) -> None:
    lake = LakeCount([str(tmp_path / "clicks"), str(tmp_path / "labels"), str(tmp_path / "none")])
    assert lake.count() == 0
    land(tmp_path / "clicks" / "date=2026-01-01", "a.parquet", 3)
    land(tmp_path / "labels" / "date=2026-01-02", "b.parquet", 4)
    land(tmp_path / "labels" / "date=2026-01-02", ".c.parquet.1a", 5)
    assert lake.count() == 7
    land(tmp_path / "labels" / "date=2026-01-03", "d.parquet", 1)
    assert lake.count() == 8


def test_files_that_were_compacted_are_counted_once(tmp_path: Path) -> None:
    lake, day = LakeCount([str(tmp_path)]), tmp_path / "date=2026-01-01"
    land(day, "a.parquet", 3)
    land(day, "b.parquet", 4)
    assert lake.count() == 7
    land(day, "whole.parquet", 7)
    (day / "a.parquet").unlink()
    (day / "b.parquet").unlink()
    assert lake.count() == 7


@pytest.mark.slow
def test_prepared_stream_whose_loop_is_gone_ends_without_streaming() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "commands.loop.stream_process"], input=b"", capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"")
