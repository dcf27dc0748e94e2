"""Compaction of a day: nothing is lost, nobody who reads meanwhile fails, and a second run changes nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.fs import FileInfo

from pipelines.stream import compaction
from pipelines.stream.compaction import Compacted, compact_day, compacting
from pipelines.stream.sinks import land_events
from workspace.one_at_a_time import HeldError

DAY = "date=1970-01-01"
NEVER, NOW = 10.0**9, 0.0


def land(lake: Path, *ids: int) -> None:
    events = pa.table({"id": list(ids), "at": pa.array([1_000_000 - n for n in ids], pa.timestamp("us", "UTC"))})
    land_events(events, lake, "at")


def ids(lake: Path) -> list[int]:
    files = [str(file) for file in lake.glob("date=*/[!._]*.parquet")]
    return sorted(ds.dataset(files).to_table(columns=["id"])["id"].to_pylist()) if files else []


def names(lake: Path) -> set[str]:
    return {file.name.split("-")[0] for file in (lake / DAY).iterdir()}


def test_many_files_become_one_ordered_by_time_and_the_old_ones_go_later(tmp_path: Path) -> None:
    for number in range(5):
        land(tmp_path, number, number + 10)
    done = compact_day(tmp_path / DAY, "at", time.time())
    assert done == Compacted(5, 1, 10, 0)
    assert set(ids(tmp_path)) == {*range(5), *range(10, 15)}
    assert compact_day(tmp_path / DAY, "at", time.time()) == Compacted(), "a second run changes nothing"
    assert compact_day(tmp_path / DAY, "at", time.time() + NEVER) == Compacted(removed=5)
    assert ids(tmp_path) == [*range(5), *range(10, 15)]
    (file,) = (tmp_path / DAY).iterdir()
    times = pq.read_table(file, partitioning=None)["at"].to_pylist()
    assert times == sorted(times)


def test_a_file_alone_stays_as_it_is(tmp_path: Path) -> None:
    land(tmp_path, 1)
    assert compact_day(tmp_path / DAY, "at", time.time(), NOW) == Compacted()
    assert names(tmp_path) == {"stream"}


def test_what_others_put_there_is_theirs(tmp_path: Path) -> None:
    land(tmp_path, 1)
    land(tmp_path, 2)
    pq.write_table(pa.table({"id": [3]}), tmp_path / DAY / "part-0.parquet")
    compact_day(tmp_path / DAY, "at", time.time(), NOW)
    compact_day(tmp_path / DAY, "at", time.time(), NOW)
    assert names(tmp_path) == {"part", "compacted"}


def test_what_comes_late_is_joined_with_what_was_joined_before(tmp_path: Path) -> None:
    for number in range(3):
        land(tmp_path, number)
    compact_day(tmp_path / DAY, "at", time.time(), NOW)
    land(tmp_path, 7)
    assert compact_day(tmp_path / DAY, "at", time.time(), NOW) == Compacted(2, 1, 4, 3)
    assert compact_day(tmp_path / DAY, "at", time.time(), NOW) == Compacted(removed=2)
    assert ids(tmp_path) == [0, 1, 2, 7]


def test_files_are_joined_up_to_a_size_and_large_ones_are_left(tmp_path: Path) -> None:
    for number in range(6):
        land(tmp_path, *range(number * 100, number * 100 + 100))
    size = next((tmp_path / DAY).iterdir()).stat().st_size
    done = compact_day(tmp_path / DAY, "at", time.time(), NOW, largest=7 * size // 2)
    assert (done.joined, done.made) == (6, 2)
    assert compact_day(tmp_path / DAY, "at", time.time(), NOW, largest=size // 2) == Compacted(removed=6)
    assert ids(tmp_path) == list(range(600))


def test_columns_that_a_topic_got_in_the_middle_of_a_day_are_null_before(tmp_path: Path) -> None:
    land(tmp_path, 1)
    events = pa.table({"id": [2], "at": pa.array([5], pa.timestamp("us", "UTC")), "new": ["x"]})
    land_events(events, tmp_path, "at")
    compact_day(tmp_path / DAY, "at", time.time(), NOW)
    (file,) = (tmp_path / DAY).glob("compacted*")
    assert sorted(pq.read_table(file, partitioning=None)["new"].to_pylist(), key=str) == [None, "x"]


@given(st.lists(st.sampled_from(["land", "compact", "late"]), max_size=12))
def test_in_any_order_of_landing_and_compacting_every_event_stays(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    lake = tmp_path_factory.mktemp("lake")
    for number, step in enumerate(steps):
        if step == "land":
            land(lake, number)
        else:
            compact_day(lake / DAY, "at", time.time() + (NEVER if step == "late" else 0.0))
        landed = [n for n, one in enumerate(steps[: number + 1]) if one == "land"]
        assert sorted(set(ids(lake))) == landed


def test_a_reader_beside_sees_every_event_at_every_moment(tmp_path: Path) -> None:
    """Lists and reads again and again while files are joined; none that it listed is gone when it reads."""
    for number in range(40):
        land(tmp_path, number)
    seen: list[set[int]] = []
    failed: list[Exception] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            try:
                seen.append(set(ids(tmp_path)))
            except Exception as error:
                failed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(40, 60):
        land(tmp_path, number)
        compact_day(tmp_path / DAY, "at", time.time())
    ended.set()
    reader.join()
    assert failed == []
    assert all(set(range(40)) <= one for one in seen)


def compact_slowly(lake: Path) -> None:
    join = compaction.join_files

    def slow(files: Sequence[FileInfo], folder: Path, target: Path, timestamp: str) -> int:
        rows = join(files, folder, target, timestamp)
        os.kill(os.getpid(), signal.SIGKILL)
        return rows

    compaction.join_files = slow
    compact_day(lake / DAY, "at", time.time(), NOW)


def test_a_kill_between_the_new_file_and_the_end_leaves_duplicates_at_worst(tmp_path: Path) -> None:
    for number in range(4):
        land(tmp_path, number)
    killed = multiprocessing.get_context("fork").Process(target=compact_slowly, args=(tmp_path,))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert set(ids(tmp_path)) == set(range(4))
    compact_day(tmp_path / DAY, "at", time.time(), NOW)
    compact_day(tmp_path / DAY, "at", time.time(), NOW)
    assert (ids(tmp_path), names(tmp_path)) == ([0, 1, 2, 3], {"compacted"})


def test_one_compacts_at_a_time(tmp_path: Path) -> None:
    told = rf"is being compacted by process {os.getpid()} on .*; let it finish, or end it"
    with compacting(tmp_path), pytest.raises(HeldError, match=told), compacting(tmp_path):
        pass
    with compacting(tmp_path):
        pass
