"""The files of a feature log: written by tasks beside it, moved into their days by the driver.

Rows go from NumPy to Parquet without becoming Spark rows, which costs several times as much as computing them. What Spark's
own writer would guard is kept: only files of tasks that succeeded are moved, a day is replaced as a whole, a failed job
leaves the log as it was.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from pipelines.batch.lake import DAY, day_of


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
    system, folder = fs.FileSystem.from_uri(staging)
    # reals hardly ever come twice: a dictionary of them costs time and space
    coded = [field.name for field in rows.schema if not pa.types.is_floating(field.type)]
    for number, parts in sorted(days.items()):
        date = day_of(number * DAY)
        table = pa.Table.from_batches(parts)
        name = f"{date}-{uuid.uuid4().hex}-{len(table)}.parquet"
        pq.write_table(table, f"{folder}/{name}", filesystem=system, compression="zstd", use_dictionary=coded)
        yield DayFile(date, name, len(table))


def has_day(log: str, date: str) -> bool:
    """Say whether a log has rows of a day."""
    system, folder = fs.FileSystem.from_uri(_address(log))
    return bool(system.get_file_info(f"{folder}/date={date}").type != fs.FileType.NotFound)


def open_staging(log: str) -> str:
    """Make a staging folder for one job inside a log, hidden from its readers, and return its address."""
    address = f"{_address(log)}/.staging-{uuid.uuid4().hex}"
    system, folder = fs.FileSystem.from_uri(address)
    system.create_dir(folder, recursive=True)
    return address


def replace_days(log: str, staging: str, files: Iterable[DayFile], start: int, stop: int) -> None:
    """Put the staged files into their days; days of `start <= t < stop` (microseconds) without any file are removed.

    A day's new files are in place under hidden names before its old ones go.
    """
    system, folder = fs.FileSystem.from_uri(_address(log))
    staged = fs.FileSystem.from_uri(staging)[1]
    by_day: dict[str, list[DayFile]] = {day_of(t): [] for t in range(start - start % DAY, stop, DAY)}
    for file in files:
        by_day[file.date].append(file)
    for date, new in by_day.items():
        target = f"{folder}/date={date}"
        held = [info.path for info in system.get_file_info(fs.FileSelector(target, allow_not_found=True))]
        if new:
            system.create_dir(target, recursive=True)
        for file in new:
            system.move(f"{staged}/{file.file}", f"{target}/.{file.file}")
        for path in held:
            system.delete_file(path)
        for file in new:
            system.move(f"{target}/.{file.file}", f"{target}/{file.file}")
        if held and not new:
            system.delete_dir(target)
    system.delete_dir(staged)


def rows_staged(log: str) -> int:
    """Return how many rows jobs under way have written so far; the names of their files say it."""
    system, folder = fs.FileSystem.from_uri(_address(log))
    held = system.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    staged = [one.path for one in held if one.base_name.startswith(".staging-")]
    files = [file for path in staged for file in system.get_file_info(fs.FileSelector(path, allow_not_found=True))]
    rows = [file.base_name.removesuffix(".parquet").rpartition("-")[2] for file in files]
    return sum(int(count) for count in rows if count.isdecimal())


def drop_staging(staging: str) -> None:
    """Remove a staging folder whose job failed."""
    system, folder = fs.FileSystem.from_uri(staging)
    if system.get_file_info(folder).type != fs.FileType.NotFound:
        system.delete_dir(folder)


def _address(path: str) -> str:
    """Return a path as an address: a local one made absolute, `s3://` and the like as they are."""
    if "://" in path:
        return path
    from pathlib import Path

    return Path(path).resolve().as_uri()
