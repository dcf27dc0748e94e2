"""Finds and appends the files of a feature log: one Parquet file, or a folder with a `date=YYYY-MM-DD` folder per day.

A row lies in the partition of its event time's day, UTC. Files and folders whose names start with `_` or `.` are not
part of the log: Spark leaves markers there, and this module files it has not finished.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workspace.files import replacing

PARTITION = "date"


class FeatureLogError(ValueError):
    """A feature log that cannot be read or written as it was asked for."""


class FeatureLogMissingError(FeatureLogError):
    """There is no feature log yet; the message says how to write it."""


@dataclass(frozen=True, slots=True)
class FeatureLog:
    """Where the rows of one view, or of one file source, lie.

    Attributes:
        name: The view or source, for messages.
        path: A `.parquet` file or a folder, local.
    """

    name: str
    path: Path

    def files(self, oldest: date | None = None, newest: date | None = None) -> list[Path]:
        """Return the files that can hold rows of these days, both included; at least one, to know the columns from.

        Raises:
            FeatureLogMissingError: The log does not exist or holds no file.
        """
        if self.path.is_file():
            return [self.path]
        found = sorted(_walk(self.path)) if self.path.is_dir() else []
        if not found:
            raise FeatureLogMissingError(
                f"{self.name}: no feature log at {self.path}; run 'make backfill' to write it."
            )
        wanted = [file for file in found if _may_hold(file.relative_to(self.path), oldest, newest)]
        return wanted or found[:1]

    def schema(self) -> pa.Schema:
        """Return the columns of the log, without the partition column.

        Raises:
            FeatureLogMissingError: The log does not exist or holds no file.
        """
        return pq.read_schema(self.files()[-1])

    def append(self, table: pa.Table, timestamp_field: str) -> int:
        """Add rows: a new file in each day's partition, or, to a log of one file, by rewriting it.

        Readers see a file whole or not at all.

        Args:
            table: The rows; a `date` column is dropped if the log is partitioned by it.
            timestamp_field: The event time, which decides the day.

        Returns:
            The number of files written.
        """
        if self.path.suffix == ".parquet" and not self.path.is_dir():
            rows = [pq.read_table(self.path), table] if self.path.exists() else [table]
            _write(pa.concat_tables(rows, promote_options="default"), self.path)
            return 1
        if PARTITION in table.column_names:
            table = table.drop_columns([PARTITION])
        days = pc.strftime(table.column(timestamp_field).cast(pa.timestamp("us", tz="UTC")), "%Y-%m-%d")
        name = f"part-{uuid.uuid4().hex}.parquet"
        unique = pc.unique(days).to_pylist()
        for day in unique:
            _write(table.filter(pc.equal(days, day)), self.path / f"{PARTITION}={day}" / name)
        return len(unique)


def _walk(folder: Path) -> Iterator[Path]:
    for entry in os.scandir(folder):
        if entry.name.startswith(("_", ".")):
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path))
        elif entry.name.endswith(".parquet"):
            yield Path(entry.path)


def _may_hold(file: Path, oldest: date | None, newest: date | None) -> bool:
    for part in file.parts[:-1]:
        key, _, value = part.partition("=")
        if key == PARTITION:
            try:
                day = date.fromisoformat(value)
            except ValueError:  # Spark's name for a null date
                return True
            return (oldest is None or day >= oldest) and (newest is None or day <= newest)
    return True


def _write(table: pa.Table, path: Path) -> None:
    with replacing(path) as unfinished:
        pq.write_table(table, unfinished)
