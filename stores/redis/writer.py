"""Writes Arrow tables of feature rows to Redis, in bulk and monotonically."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from redis.cluster import RedisCluster

from stores.cells.blocks import block_of
from stores.cells.encoding import encode_block
from stores.cells.entity_keys import EntityKeyEncoder, Values
from stores.cells.layout import ViewLayout
from stores.cells.timestamps import timestamp_block
from stores.online import FeatureRowsError, WriteResult
from stores.redis.connection import Client
from stores.redis.monotonic import EncodedRows, PackedRows, pack_blocks, pack_rows, send_rows

_ROWS_AT_ONCE = 4096  # bounds the memory of encoded cells
_WIDEST_CELL = 1024  # one long text would widen the cells of all rows


class OnlineWriter:
    """Writes the rows of one feature view.

    Args:
        client: Redis, from `stores.redis.connection.connect`; thread-safe, and so is the writer.
        layout: The view.
        key_ttl_seconds: Seconds until an entity's whole key expires, counted anew by each write; None for never.
    """

    def __init__(self, client: Client, layout: ViewLayout, key_ttl_seconds: int | None = None) -> None:
        self._client = client
        self._layout = layout
        self._key_ttl_seconds = key_ttl_seconds or 0
        self._keys = EntityKeyEncoder(layout.project, layout.join_keys)
        self._fields = [layout.timestamp_field, *map(layout.feature_field, layout.feature_names)]

    def write(self, table: pa.Table, timestamp_column: str) -> WriteResult:
        """Write the newest row of each key, unless Redis holds a newer one; at equal times the last one wins.

        Args:
            table: Join keys, features and the event time; other columns are ignored. Null features are stored as
                missing.
            timestamp_column: The event time's column: a timestamp, UTC; without a zone it is taken as UTC.
                Nanoseconds are cut to microseconds.

        Raises:
            FeatureRowsError: A column is absent, or a join key or event time is null.
            OnlineStoreUnavailable: Redis does not answer; rows up to then may be stored, writing again is safe.
        """
        layout = self._layout
        names = [*(name for name, _ in layout.join_keys), *layout.feature_names, timestamp_column]
        absent = [name for name in names if name not in table.column_names]
        if absent:
            raise FeatureRowsError(
                f"{layout.name}: the table has no column {', '.join(absent)}; have {table.column_names}."
            )
        micros = event_times(table.column(timestamp_column), f"{layout.name}.{timestamp_column}")
        given = table.num_rows
        keys = None
        if not self._all_differ(table):
            keys = self._encode_keys(table, 0)
            newest = newest_positions(keys, micros)
            if newest is not None:
                table, micros = table.take(pa.array(newest)), micros[newest]
                keys = [keys[row] for row in newest]
        stale = self._write_parts(table, micros, keys)
        return WriteResult(table.num_rows - stale, stale, given - table.num_rows)

    def _write_parts(self, table: pa.Table, micros: npt.NDArray[np.int64], keys: list[bytes] | None) -> int:
        """Write a table part by part, encoding each while Redis is at work on the one before."""
        if table.num_rows <= _ROWS_AT_ONCE:
            return send_rows(self._client, self._pack(table, micros, keys, 0)) if table.num_rows else 0
        stale = 0
        with ThreadPoolExecutor(max_workers=1) as sender:
            sent: Future[int] | None = None
            for start in range(0, table.num_rows, _ROWS_AT_ONCE):
                rows = self._pack(table.slice(start, _ROWS_AT_ONCE), micros, keys, start)
                stale += sent.result() if sent else 0
                sent = sender.submit(send_rows, self._client, rows)
            return stale + (sent.result() if sent else 0)

    def _pack(self, part: pa.Table, micros: npt.NDArray[np.int64], keys: list[bytes] | None, start: int) -> PackedRows:
        stop = start + part.num_rows
        blocks = [timestamp_block(micros[start:stop])]
        for name, value_type in self._layout.features:
            blocks.append(encode_block(part.column(name), value_type, f"{self._layout.name}.{name}"))
        if isinstance(self._client, RedisCluster) or max(block.width for block in blocks) > _WIDEST_CELL:
            own = keys[start:stop] if keys is not None else self._encode_keys(part, start)
            rows = EncodedRows(own, self._fields, [block.strings() for block in blocks])
            return pack_rows(self._client, rows, self._key_ttl_seconds)
        if keys is not None:
            key_block = block_of(keys[start:stop])
        else:
            key_block = self._keys.encode_block({n: _whole(part.column(n)) for n, _ in self._layout.join_keys})
        return pack_blocks(key_block, self._fields, blocks, self._key_ttl_seconds)

    def _all_differ(self, table: pa.Table) -> bool:
        """Whether no two rows have the same key, as far as can be told without encoding the keys."""
        name, value_type = self._layout.join_keys[0]
        column = table.column(name)
        exact = pa.types.is_string(column.type) if value_type == "STRING" else pa.types.is_integer(column.type)
        if len(self._layout.join_keys) > 1 or not exact or column.null_count:
            return False
        return pc.count_distinct(column).as_py() == len(column)

    def _encode_keys(self, table: pa.Table, start: int) -> list[bytes]:
        columns = {name: _values(table.column(name)) for name, _ in self._layout.join_keys}
        keys: list[bytes] = []
        for row, key in enumerate(self._keys.encode(columns), start):
            if key is None:
                nulls = [name for name, values in columns.items() if table.column(name).null_count]
                raise FeatureRowsError(
                    f"{self._layout.name}: row {row} has no value for a join key ({', '.join(nulls) or 'NaN'}); "
                    "drop such rows before writing."
                )
            keys.append(key)
        return keys


def event_times(column: pa.ChunkedArray, where: str) -> npt.NDArray[np.int64]:
    """Return a timestamp column as int64 microseconds UTC, shape (n,); a time without a zone is taken as UTC.

    Raises:
        FeatureRowsError: It is not a timestamp, or has nulls.
    """
    if not pa.types.is_timestamp(column.type):
        raise FeatureRowsError(f"{where}: the event time is {column.type}; cast it to timestamp[us, tz=UTC].")
    if column.null_count:
        raise FeatureRowsError(f"{where}: {column.null_count} event times are null; drop such rows before writing.")
    if column.type.unit == "ns":
        column = pc.floor_temporal(column, unit="microsecond")
    return column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64()).to_numpy()


def newest_positions(keys: list[bytes], micros: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """Return the position of each key's newest row, ascending, the last at equal times; None if all keys differ."""
    if len(set(keys)) == len(keys):
        return None
    order = np.argsort(micros, kind="stable").tolist()
    newest = {keys[row]: row for row in order}
    return np.sort(np.fromiter(newest.values(), np.int64, len(newest)))


def _values(column: pa.ChunkedArray) -> Values:
    if column.null_count or not pa.types.is_integer(column.type):
        return column.to_pylist()
    return column.to_numpy()


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
