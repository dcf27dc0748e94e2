"""The files of a feature log: written by tasks beside it, moved into their days by the driver.

Rows go from NumPy to Parquet without becoming Spark rows, which costs several times as much as computing them. What Spark's
own writer would guard is kept: only files of tasks that succeeded are taken, all days are replaced or none
(`stores/parquet/log_commit.py`), a failed job leaves the log as it was.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from pipelines.batch.lake import DAY, day_of
from stores.parquet.log_commit import (
    COMMIT,
    COMPACTED,
    STAGING,
    DayCommit,
    choosing,
    commit_days,
    day_folder,
    held_files,
    settle,
)
from workspace.addresses import WHOLE, inside, is_local, list_files, list_folders, lock_of, open_address
from workspace.one_at_a_time import one_at_a_time

DEAD_FAR_AWAY: Final = timedelta(days=1)
"""Age from which on a staging folder that is far away is taken for a dead job's."""

ENCODED = 65_536
"""Rows that are encoded at a time: with Parquet's own 1,024 it takes a tenth longer."""


@dataclass(frozen=True, slots=True)
class DayFile:
    """One file of rows of one day.

    Attributes:
        date: The UTC day, `YYYY-MM-DD`.
        file: Its name below the staging folder of the job.
        rows: How many rows it holds.
    """

    date: str
    file: str
    rows: int


def write_days(rows: pa.Table, staging: str) -> Iterator[DayFile]:
    """Write rows to a staging folder, one file for each UTC day of their `event_timestamp`; order within a day stays."""
    days: dict[int, list[pa.RecordBatch]] = {}
    for batch in rows.to_batches():
        day = pc.cast(batch["event_timestamp"], pa.int64()).to_numpy() // DAY
        if (np.diff(day) < 0).any():
            order = np.argsort(day, kind="stable")
            day, batch = day[order], batch.take(pa.array(order))
        starts = np.flatnonzero(np.diff(day, prepend=day[0] - 1)) if len(day) else day
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(day)], strict=True) if len(day) else ():
            days.setdefault(int(day[start]), []).append(batch.slice(start, stop - start))
    system, folder = open_address(staging)
    # a dictionary of numbers costs more time than it saves space, and zstd half as much again as snappy, for a third less space;
    # readers look for times alone, so the least and most of other columns would be found for nobody
    coded = [field.name for field in rows.schema if not pa.types.is_primitive(field.type)]
    for number, parts in sorted(days.items()):
        date = day_of(number * DAY)
        table = pa.Table.from_batches(parts)
        name = f"{date}-{uuid.uuid4().hex}-{len(table)}.parquet"
        pq.write_table(
            table,
            f"{folder}/{name}",
            filesystem=system,
            compression="snappy",
            use_dictionary=coded,
            write_statistics=["event_timestamp"],
            write_batch_size=ENCODED,
        )
        yield DayFile(date, name, len(table))


def has_day(log: str, date: str) -> bool:
    """Say whether a log has rows of a day."""
    return any(names[0] == day_folder(date) for names in held_files(log).values())


@contextmanager
def filling(log: str) -> Iterator[str]:
    """Hold a log while its days are computed, one job at a time, and give a staging folder, which is gone afterwards.

    What killed jobs have left is removed. A log that is far away is held against jobs on this machine only, and what was left
    there is removed when it is a day old.

    Raises:
        HeldError: Another job fills it.
    """
    with one_at_a_time(lock_of(log, ".filling"), f"{log} is being filled"):
        with choosing(log):
            settle(log)
        _drop_dead(log)
        staging = open_staging(log)
        try:
            yield staging
        finally:
            drop_staging(staging)


def _drop_dead(log: str) -> None:
    """Remove the staging folders of jobs that ended without a commit; nobody else fills the log now."""
    oldest = None if is_local(log) else datetime.now(UTC) - DEAD_FAR_AWAY
    for name in list_folders(log):
        staging = inside(log, name)
        if name.startswith(STAGING) and not name.startswith(COMPACTED):
            files = list_files(staging)
            fresh = oldest is not None and any(file.mtime is None or file.mtime > oldest for file in files)
            if not fresh and not any(file.base_name == COMMIT for file in files):
                drop_staging(staging)


def open_staging(log: str) -> str:
    """Make a staging folder for one job inside a log, hidden from its readers, and return its address.

    What a job before it has committed, and was killed over, is put into place first.
    """
    settle(log)
    address = inside(log if "://" in log else str(Path(log).resolve()), f"{STAGING}{uuid.uuid4().hex}")
    system, folder = open_address(address)
    if system.type_name not in WHOLE:  # where there are no folders, there is none to make
        system.create_dir(folder, recursive=True)
    return address


def replace_days(log: str, staging: str, files: Iterable[DayFile], start: int, stop: int) -> None:
    """Put the staged files into their days; days of `start <= t < stop` (microseconds) without any file are removed."""
    come: dict[str, list[str]] = {day_of(t): [] for t in range(start - start % DAY, stop, DAY)}
    for file in files:
        come[file.date].append(file.file)
    go: dict[str, list[str]] = {date: [] for date in come}
    with choosing(log):
        settle(log)  # what has been joined meanwhile goes with its day
        for names in held_files(log).values():
            date = names[0].removeprefix(day_folder(""))
            if len(names) == 2 and date in go:
                go[date].append(names[1])
        commit_days(log, staging, {date: DayCommit(tuple(come[date]), tuple(go[date])) for date in come})


def rows_staged(log: str) -> int:
    """Return how many rows jobs under way have written so far; the names of their files say it."""
    staged = [inside(log, name) for name in list_folders(log) if name.startswith(STAGING)]
    names = [file.base_name.removesuffix(".parquet").rpartition("-") for one in staged for file in list_files(one)]
    return sum(int(rows) for _, _, rows in names if rows.isdecimal())


def drop_staging(staging: str) -> None:
    """Remove a staging folder whose job failed."""
    system, folder = open_address(staging)
    if list_files(staging) or system.get_file_info(folder).type != fs.FileType.NotFound:
        system.delete_dir(folder)


def address_of(path: str) -> str:
    """Return a path as an address: a local one made absolute, `s3://` and the like as they are."""
    return path if "://" in path else Path(path).resolve().as_uri()
