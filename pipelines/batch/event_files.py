"""The files of the event lake as tasks read them: which there are, how many events they hold, and their events in tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from pipelines.arrange import TIMESTAMP
from pipelines.batch.lake import LakeError, day_of, days_of
from workspace.addresses import inside, list_files, open_address

AT_ONCE = 16  # files whose footers are read at the same time: far away ones take their time


@dataclass(frozen=True, slots=True)
class EventFiles:
    """Files of some days.

    Attributes:
        schema: The newest file's schema, in which all are read.
        pieces: A file each, or a row group of one with very many events.
        rows: How many events each piece holds, as the file says.
    """

    schema: pa.Schema
    pieces: tuple[ds.Fragment, ...]
    rows: tuple[int, ...]

    def slices(self, most: int) -> list[EventFiles]:
        """Divide the files, in their order, into slices of about `most` events."""
        number = (np.cumsum(self.rows) - 1) // max(most, 1)
        edges = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(self.rows)]
        return [
            EventFiles(self.schema, self.pieces[low:high], self.rows[low:high])
            for low, high in pairwise(edges)
            if low < high
        ]


def find_event_files(lake: str, start: int, stop: int, most: int) -> EventFiles:
    """Return the files of the days of `start <= t <= stop`, microseconds; those of more than `most` events in pieces.

    Raises:
        LakeError: The lake has no days at all.
    """
    days = days_of(lake)
    if not days:
        raise LakeError(f"no events in {lake}; land them there by day first.")
    first, last = day_of(max(start, 0)), day_of(stop)
    wanted = [inside(lake, f"date={day}") for day in days if first <= day <= last]
    system = open_address(lake)[0]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        files = [file.path for day in pool.map(list_files, wanted) for file in day if _is_data(file)]
        if not files:
            return EventFiles(pa.schema([]), (), ())
        schema = pq.read_schema(files[-1], filesystem=system)
        fragments = [ds.ParquetFileFormat().make_fragment(file, system) for file in files]
        counted = list(pool.map(lambda fragment: fragment.count_rows(), fragments))
    pieces, rows = [], []
    for fragment, count in zip(fragments, counted, strict=True):
        for piece in fragment.split_by_row_group() if count > most else [fragment]:
            pieces.append(piece)
            rows.append(count if piece is fragment else sum(group.num_rows for group in piece.row_groups))
    return EventFiles(schema, tuple(pieces), tuple(rows))


def read_events(
    files: EventFiles, columns: Sequence[str] | None, timestamp: str, start: int, stop: int, most: int
) -> Iterator[pa.Table]:
    """Yield the events with `start <= event time < stop` (microseconds), types as Spark has them, about `most` a table.

    Args:
        files: What to read.
        columns: The columns, the time among them; None for all.
        timestamp: The column that says the time.
        start: The first instant.
        stop: The end, itself outside.
        most: Events a table; one may have as many more as a batch of the reader has.

    Raises:
        LakeError: The files lack a column.
    """
    missing = [name for name in columns or () if name not in files.schema.names]
    if missing:
        raise LakeError(
            f"the newest event file has no column {', '.join(missing)}; it has {', '.join(files.schema.names)}. Land events"
            " with it, or correct the view's or its source's declaration."
        )
    source = ds.FileSystemDataset(files.pieces, files.schema, ds.ParquetFileFormat())
    wanted = None if columns is None else list(columns)
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in source.to_batches(columns=wanted, batch_readahead=4):
        held.append(batch)
        size += len(batch)
        if size >= most:
            yield _between(pa.Table.from_batches(held), timestamp, start, stop)
            held, size = [], 0
    if held:
        yield _between(pa.Table.from_batches(held), timestamp, start, stop)


def as_spark_has_it(schema: pa.Schema) -> pa.Schema:
    """Return a schema with the types in which Spark hands columns to its tasks."""
    return pa.schema([pa.field(field.name, _type(field.type)) for field in schema])


def _between(events: pa.Table, timestamp: str, start: int, stop: int) -> pa.Table:
    events = events.cast(as_spark_has_it(events.schema))
    at = events[timestamp].cast(TIMESTAMP).cast(pa.int64()).fill_null(start - 1).to_numpy()
    inside = (start <= at) & (at < stop)
    return events if inside.all() else events.filter(pa.array(inside))


def _is_data(file: fs.FileInfo) -> bool:
    return file.type == fs.FileType.File and file.extension == "parquet" and file.base_name[0] not in "._"


def _type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return TIMESTAMP if kind.tz else pa.timestamp("us")
    if pa.types.is_dictionary(kind):
        return _type(kind.value_type)
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_type(kind.value_type))
    return kind
