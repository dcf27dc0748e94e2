"""Compaction of a lake and of a log in an S3: as in a folder, beside readers, and beside a job of another machine."""

from __future__ import annotations

import threading
import time
import urllib.request
import uuid
from contextlib import nullcontext

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.batch import log_files
from pipelines.batch.lake import DAY as DAY_US
from pipelines.batch.log_files import open_staging, replace_days, write_days
from pipelines.stream import log_compaction
from pipelines.stream.compaction import Compacted, compact_day, compacting
from pipelines.stream.log_compaction import UNSURE, compact_log_day
from pipelines.stream.log_sink import LogPartition
from pipelines.stream.online_sink import ShardRows
from pipelines.stream.outage import Outage
from pipelines.stream.sinks import land_events
from stores.parquet.log_commit import held_files
from workspace.addresses import inside, list_files, open_address
from workspace.one_at_a_time import HeldError

DAY, GRACE = "1970-01-01", 1000.0


@pytest.fixture
def far(aws: str) -> str:
    """An empty folder in a bucket."""
    urllib.request.urlopen(urllib.request.Request(f"{aws}/compaction", method="PUT")).close()
    return f"s3://compaction/{uuid.uuid4().hex}?endpoint_override={aws}"


def rows(*numbers: int, day: int = 0) -> pa.Table:
    at = pa.array([day * DAY_US + 1_000_000 - n for n in numbers], pa.timestamp("us", "UTC"))
    return pa.table({"n": pa.array(numbers, pa.int64()), "event_timestamp": at})


def read(address: str, files: list[str]) -> list[int]:
    system = open_address(address)[0]
    return sorted(n for file in files for n in pq.ParquetFile(file, filesystem=system).read()["n"].to_pylist())


def write_log(log: str, *numbers: int) -> None:
    """Write as a shard of a stream does, a file for each number, and then as many that it may still write anew."""
    part = LogPartition(log, f"stream-{uuid.uuid4().hex}", 0, Outage("feature log"))
    for table in [*map(rows, numbers), *(rows(-1, day=1) for _ in range(UNSURE))]:
        part.write_batch([ShardRows("view", 0, 0, 0, table, 1)])
        part.snapshot()


def listed(log: str) -> list[str]:
    return [file for file, names in held_files(log).items() if names[0] == f"date={DAY}"]


def backfill(log: str, *numbers: int) -> None:
    staging = open_staging(log)
    replace_days(log, staging, list(write_days(rows(*numbers), staging)), 0, DAY_US)


def test_lake_is_compacted_and_what_was_listed_before_can_be_read(far: str) -> None:
    for number in range(4):
        land_events(rows(number, number + 10), far, "event_timestamp")
    day, now, wanted = inside(far, f"date={DAY}"), time.time(), [*range(4), *range(10, 14)]
    before = [file.path for file in list_files(day)]
    assert compact_day(day, "event_timestamp", now, GRACE) == Compacted(4, 1, 8)
    assert compact_day(day, "event_timestamp", now, GRACE) == Compacted(), "a second run changes nothing"
    assert read(far, before) == wanted
    assert compact_day(day, "event_timestamp", now + 2 * GRACE, GRACE) == Compacted(removed=4)
    (file,) = [file.path for file in list_files(day)]
    assert read(far, [file]) == wanted


def test_log_is_compacted_beside_a_reader_that_finds_each_row_once(far: str) -> None:
    write_log(far, 1, 2, 3)
    seen: list[list[int]] = []
    ended = threading.Event()

    def keep_reading() -> None:
        while not ended.is_set():
            seen.append(read(far, listed(far)))

    reader, now = threading.Thread(target=keep_reading), time.time()
    reader.start()
    lists = [listed(far)]
    assert compact_log_day(far, DAY, now, GRACE) == Compacted(3, 1, 3)
    assert compact_log_day(far, DAY, now, GRACE) == Compacted(), "a second run changes nothing"
    lists.append(listed(far))
    assert [read(far, files) for files in lists] == [[1, 2, 3]] * 2
    ended.set()
    reader.join()
    assert compact_log_day(far, DAY, now + 1.5 * GRACE, GRACE) == Compacted(removed=3)
    assert read(far, lists[1]) == [1, 2, 3], "the reader that listed the commit is in time still"
    assert compact_log_day(far, DAY, now + 2.5 * GRACE, GRACE) == Compacted()
    assert (read(far, listed(far)), len(list_files(inside(far, f"date={DAY}")))) == ([1, 2, 3], 1)
    assert seen
    assert all(one == [1, 2, 3] for one in seen)


def test_day_that_another_machine_replaces_before_the_commit_stays_as_it_made_it(
    far: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_log(far, 1, 2, 3)

    def look_too_early(log: str) -> dict[str, tuple[str, ...]]:
        found = held_files(log)
        backfill(log, 50)  # far away nobody keeps another machine from that
        return found

    with monkeypatch.context() as patch:
        patch.setattr(log_files, "choosing", lambda _: nullcontext())
        patch.setattr(log_compaction, "held_files", look_too_early)
        assert compact_log_day(far, DAY, time.time(), GRACE).joined == 3
    for age in (0.0, 1.5 * GRACE, 2.5 * GRACE):
        assert read(far, listed(far)) == [50]
        assert compact_log_day(far, DAY, time.time() + age, GRACE).removed == 0
    assert [file.path for file in list_files(far) if ".staging" in file.path] == []
    assert read(far, listed(far)) == [50]


def test_one_compacts_at_a_time_on_a_machine(far: str) -> None:
    with compacting(far), pytest.raises(HeldError, match="is being compacted by process"), compacting(far):
        pass
