"""Finds and appends the files of a feature log: one Parquet file, or a folder with a `date=YYYY-MM-DD` folder per day.

It is a local path or an address, such as `s3://bucket/log/view`. A row lies in the partition of its event time's day, UTC.
Files and folders whose names start with `_` or `.` are not part of the log: Spark leaves markers there, and this module files
it has not finished.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from stores.parquet.log_commit import day_folder, held_files
from workspace.addresses import inside, is_local, open_address, whole_file

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
        path: A `.parquet` file or a folder.
    """

    name: str
    path: str | Path

    @property
    def is_local(self) -> bool:
        """Say whether it lies on this machine."""
        return is_local(self.path)

    @property
    def system(self) -> fs.FileSystem:
        """Return the file system that its files are in."""
        return open_address(self.path)[0]

    def files(self, oldest: date | None = None, newest: date | None = None) -> list[str]:
        """Return the files that can hold rows of these days, both included; at least one, to know the columns from.

        Raises:
            FeatureLogMissingError: The log does not exist or holds no file.
            AddressError: Its address cannot be read.
        """
        if self._is_file():
            return [open_address(self.path)[1]]
        found = held_files(str(self.path))
        if not found:
            raise FeatureLogMissingError(
                f"{self.name}: no feature log at {self.path}; run 'make backfill' to write it."
            )
        wanted = [file for file, names in found.items() if _may_hold(names, oldest, newest)]
        return wanted or list(found)[:1]

    def schema(self) -> pa.Schema:
        """Return the columns of the log, without the partition column.

        Raises:
            FeatureLogMissingError: The log does not exist or holds no file.
        """
        return pq.read_schema(self.files()[-1], filesystem=self.system)

    def append(self, table: pa.Table, timestamp_field: str) -> int:
        """Add rows: a new file in each day's partition, or, to a log of one file, by rewriting it.

        Readers see a file whole or not at all.

        Args:
            table: The rows; a `date` column is dropped if the log is partitioned by it.
            timestamp_field: The event time, which decides the day.

        Returns:
            The number of files written.
        """
        path = str(self.path)
        if path.partition("?")[0].endswith(".parquet") and not self._is_folder():
            _write(self._joined_to_the_file(table) if self._is_file() else table, path)
            return 1
        if PARTITION in table.column_names:
            table = table.drop_columns([PARTITION])
        days = pc.strftime(table.column(timestamp_field).cast(pa.timestamp("us", tz="UTC")), "%Y-%m-%d")
        name = f"part-{uuid.uuid4().hex}.parquet"
        unique = pc.unique(days).to_pylist()
        for day in unique:
            _write(table.filter(pc.equal(days, day)), inside(path, day_folder(day), name))
        return len(unique)

    def _joined_to_the_file(self, table: pa.Table) -> pa.Table:
        """Return the rows of a log of one file with others behind; numbers take the wider of two types, times the file's.

        Raises:
            FeatureLogError: A column is of another kind than the file's.
        """
        held = pq.read_table(open_address(str(self.path))[1], filesystem=self.system)
        try:
            for place, field in enumerate(table.schema):
                known = held.schema.field(field.name).type if field.name in held.column_names else field.type
                table = table.set_column(place, field.name, _nearer(table.column(place), known))
            return pa.concat_tables([held, table], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise FeatureLogError(
                f"{self.name}: the rows do not fit the feature log at {self.path} ({error}); cast the column to the log's type."
            ) from error

    def _is_file(self) -> bool:
        return self._kind() == fs.FileType.File

    def _is_folder(self) -> bool:
        return self._kind() == fs.FileType.Directory

    def _kind(self) -> fs.FileType:
        system, path = open_address(self.path)
        return system.get_file_info(path).type


def _nearer(column: pa.ChunkedArray, known: pa.DataType) -> pa.ChunkedArray:
    """Return a column in the type that a log has, where it may be cut (a time) or came as floats (integers with nulls)."""
    kind = column.type
    if kind != known and pa.types.is_timestamp(kind) and pa.types.is_timestamp(known):
        return column.cast(pa.timestamp(known.unit, "UTC"), safe=False).cast(known)  # without a zone it is UTC
    if pa.types.is_floating(kind) and pa.types.is_integer(known):
        return pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column).cast(known)
    return column


def _may_hold(names: Sequence[str], oldest: date | None, newest: date | None) -> bool:
    for part in names[:-1]:
        key, _, value = part.partition("=")
        if key == PARTITION:
            try:
                day = date.fromisoformat(value)
            except ValueError:  # Spark's name for a null date
                return True
            return (oldest is None or day >= oldest) and (newest is None or day <= newest)
    return True


def _write(table: pa.Table, path: str) -> None:
    with whole_file(path) as file:
        pq.write_table(table, file)
