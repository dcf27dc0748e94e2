"""Compaction of a log's day: each row is there once at every moment, for readers that list before, between and after."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.fs import FileInfo

from pipelines.batch.lake import DAY as DAY_US
from pipelines.batch.log_files import open_staging, replace_days, write_days
from pipelines.stream import log_compaction
from pipelines.stream.compaction import Compacted
from pipelines.stream.log_compaction import compact_log_day
from pipelines.stream.log_sink import LogPartition
from pipelines.stream.online_sink import ShardRows
from pipelines.stream.outage import Outage
from stores.parquet.log_commit import choosing, held_files

DAY, NEXT = "1970-01-01", "1970-01-02"
GRACE = 100.0


def rows(numbers: list[int], day: int = 0) -> pa.Table:
    at = pa.array([day * DAY_US + 1_000_000 - n for n in numbers], pa.timestamp("us", "UTC"))
    return pa.table({"n": pa.array(numbers, pa.int64()), "event_timestamp": at})


class Shard:
    """One shard of a stream that writes a log."""

    def __init__(self, log: Path, name: str = "stream-run-000000", number: int = 0) -> None:
        self.part = LogPartition(str(log), name, number, Outage("feature log"))

    def write(self, *numbers: int, day: int = 0) -> None:
        self.part.write_batch([ShardRows("view", 0, 0, 0, rows(list(numbers), day), 1)])
        self.part.snapshot()

    def go_on(self, epochs: int = log_compaction.UNSURE) -> None:
        for _ in range(epochs):
            self.write(-1, day=1)


def backfill(log: Path, *numbers: int) -> None:
    staging = open_staging(str(log))
    replace_days(str(log), staging, list(write_days(rows(list(numbers)), staging)), 0, DAY_US)


def listed(log: Path) -> list[str]:
    return [file for file, names in held_files(str(log)).items() if names[0] == f"date={DAY}"]


def read(files: list[str]) -> list[int]:
    return sorted(n for file in files for n in pq.ParquetFile(file).read()["n"].to_pylist())


def seen_by_others(log: Path) -> list[int]:
    return read([str(file) for file in log.glob(f"date={DAY}/[!._]*.parquet")])


def test_readers_that_listed_at_any_step_find_each_row_once(tmp_path: Path) -> None:
    shard, now = Shard(tmp_path), time.time()
    for n in range(5):
        shard.write(n, n + 10)
    shard.go_on()
    wanted, lists = [*range(5), *range(10, 15)], [listed(tmp_path)]
    assert compact_log_day(tmp_path, DAY, now, GRACE) == Compacted(5, 1, 10)
    lists.append(listed(tmp_path))
    assert len(lists[-1]) == 1
    for files in lists:
        assert read(files) == wanted
    assert seen_by_others(tmp_path) == wanted
    assert compact_log_day(tmp_path, DAY, now, GRACE) == Compacted(), "a second run changes nothing"
    assert compact_log_day(tmp_path, DAY, now + 1.5 * GRACE, GRACE) == Compacted(removed=5)
    for files in (lists[1], listed(tmp_path)):
        assert read(files) == wanted, "the reader that listed the commit is in time still"
    assert seen_by_others(tmp_path) == wanted
    assert compact_log_day(tmp_path, DAY, now + 2.5 * GRACE, GRACE) == Compacted()
    assert not list(tmp_path.glob(".staging-*"))
    (file,) = listed(tmp_path)
    times = pq.ParquetFile(file).read()["event_timestamp"].to_pylist()
    assert (read([file]), times) == (wanted, sorted(times))
    assert compact_log_day(tmp_path, DAY, now + 9 * GRACE, GRACE) == Compacted()


def test_what_a_stream_may_write_anew_after_a_kill_is_left_as_it_is(tmp_path: Path) -> None:
    shard = Shard(tmp_path)
    for n in range(4):
        shard.write(n)
    assert compact_log_day(tmp_path, DAY, time.time(), GRACE) == Compacted(2, 1, 2)
    again = Shard(tmp_path, number=2)  # the last epochs did not count
    assert read(listed(tmp_path)) == [0, 1]
    again.write(2)
    again.write(3)
    assert read(listed(tmp_path)) == [0, 1, 2, 3]


def test_rows_that_come_later_are_joined_with_those_that_were_joined_before(tmp_path: Path) -> None:
    shard = Shard(tmp_path)
    for n in range(3):
        shard.write(n)
    shard.go_on()
    compact_log_day(tmp_path, DAY, time.time(), 0.0)
    shard.write(7)
    shard.go_on()
    compact_log_day(tmp_path, DAY, time.time(), 0.0)
    compact_log_day(tmp_path, DAY, time.time(), 0.0)
    assert (len(listed(tmp_path)), read(listed(tmp_path))) == (1, [0, 1, 2, 7])


@pytest.mark.parametrize("age", [0.0, 1.5 * GRACE], ids=["committed", "in place"])
def test_a_backfill_replaces_a_day_that_was_joined(tmp_path: Path, age: float) -> None:
    shard = Shard(tmp_path)
    for n in range(3):
        shard.write(n)
    shard.go_on()
    compact_log_day(tmp_path, DAY, time.time(), GRACE)
    if age:
        compact_log_day(tmp_path, DAY, time.time() + age, GRACE)
    backfill(tmp_path, 50, 51)
    assert (read(listed(tmp_path)), seen_by_others(tmp_path)) == ([50, 51], [50, 51])
    assert compact_log_day(tmp_path, DAY, time.time() + 9 * GRACE, GRACE) == Compacted(), (
        "a backfill's files are its own"
    )
    assert read(listed(tmp_path)) == [50, 51]


def test_a_commit_between_the_begin_and_the_end_of_a_backfill_goes_with_its_day(tmp_path: Path) -> None:
    shard = Shard(tmp_path)
    for n in range(3):
        shard.write(n)
    shard.go_on()
    staging = open_staging(str(tmp_path))
    files = list(write_days(rows([50]), staging))
    compact_log_day(tmp_path, DAY, time.time(), GRACE)
    replace_days(str(tmp_path), staging, files, 0, DAY_US)
    assert (read(listed(tmp_path)), seen_by_others(tmp_path)) == ([50], [50])
    assert not list(tmp_path.glob(".staging-*"))


@pytest.mark.parametrize("first", [False, True], ids=["after they were read", "before they were read"])
def test_a_day_that_a_backfill_replaced_while_its_files_were_joined_stays_the_backfills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    shard = Shard(tmp_path)
    for n in range(3):
        shard.write(n)
    shard.go_on()
    join = log_compaction.join_files

    def slow(files: list[FileInfo], folder: str, target: str, timestamp: str) -> int:
        if first:
            backfill(tmp_path, 50)
        done = join(files, folder, target, timestamp)
        backfill(tmp_path, 50)
        return done

    monkeypatch.setattr(log_compaction, "join_files", slow)
    assert compact_log_day(tmp_path, DAY, time.time(), GRACE) == Compacted()
    assert read(listed(tmp_path)) == [50]
    assert not list(tmp_path.glob(".staging-*"))


def test_who_chooses_waits_for_who_is_choosing(tmp_path: Path) -> None:
    shard = Shard(tmp_path)
    shard.write(1)
    ended = threading.Event()

    def replace() -> None:
        backfill(tmp_path, 50)
        ended.set()

    other = threading.Thread(target=replace)
    with choosing(str(tmp_path)):
        other.start()
        assert not ended.wait(0.2)
        assert read(listed(tmp_path)) == [1]
    other.join()
    assert read(listed(tmp_path)) == [50]


def test_what_a_killed_run_left_is_removed_and_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = Shard(tmp_path)
    for n in range(3):
        shard.write(n)
    shard.go_on()

    def killed(staging: str, days: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(log_compaction, "write_commit", killed)
        with pytest.raises(KeyboardInterrupt):
            compact_log_day(tmp_path, DAY, time.time(), GRACE)
    assert read(listed(tmp_path)) == [0, 1, 2]
    assert compact_log_day(tmp_path, DAY, time.time(), GRACE) == Compacted(3, 1, 3)
    assert read(listed(tmp_path)) == [0, 1, 2]


@given(st.lists(st.sampled_from(["write", "other", "compact", "later", "backfill", "kill"]), max_size=14))
def test_in_any_order_each_row_is_there_once(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    log = tmp_path_factory.mktemp("log")
    shards = [Shard(log), Shard(log, "stream-run-000001")]
    wanted: Counter[int] = Counter()
    wrote: list[int] = []
    now, counts = time.time(), 0
    for number, step in enumerate(steps):
        if step in ("write", "other"):
            shards[step == "other"].write(number)
            wanted[number] += 1
            if step == "write":
                wrote.append(number)
        elif step == "backfill":
            backfill(log, *range(100, 103))
            wanted = Counter(range(100, 103))
        elif step == "kill":  # the last epochs do not count, and cannot be lost twice
            counts = max(counts, len(wrote) - log_compaction.UNSURE)
            for n in wrote[counts:]:
                del wanted[n]
            del wrote[counts:]
            shards[0] = Shard(log, number=counts)
        else:
            now += GRACE if step == "later" else 0.0
            compact_log_day(log, DAY, now, GRACE)
        assert Counter(read(listed(log))) == wanted
        assert Counter(seen_by_others(log)) == wanted
