"""Reads the labels of a training set: entity_df, the rows that features are joined to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stores.parquet.asof_sql import ROW, TIME

TIMESTAMP = "event_timestamp"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LabelsError(ValueError):
    """An entity_df that features cannot be joined to; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The rows of entity_df, in their order.

    Attributes:
        table: Their own columns; the event timestamp in UTC, microseconds.
        timestamp: The event timestamp's column.
    """

    table: pa.Table
    timestamp: str

    @property
    def first(self) -> datetime:
        """The earliest event timestamp, UTC; the epoch if there is no row."""
        return self._bound(np.min)

    @property
    def last(self) -> datetime:
        """The latest event timestamp, UTC; the epoch if there is no row."""
        return self._bound(np.max)

    def keyed_by(self, join_keys: Sequence[str]) -> pa.Table:
        """Return join keys, `__row` and `__time` (int64 microseconds UTC), as `asof_join` wants them."""
        columns = {name: self.table.column(name) for name in dict.fromkeys(join_keys)}
        times = self.table.column(self.timestamp).cast(pa.int64())
        return pa.table({**columns, ROW: pa.array(np.arange(self.table.num_rows)), TIME: times})

    def _bound(self, pick: Any) -> datetime:
        times = self.table.column(self.timestamp).cast(pa.int64()).to_numpy()
        return _EPOCH + timedelta(microseconds=int(pick(times)) if len(times) else 0)


def read_labels(entity_df: Any, join_keys: Sequence[str]) -> Labels:
    """Read labels; event timestamps without a zone are UTC, nanoseconds are cut to microseconds.

    Args:
        entity_df: A pandas DataFrame or an Arrow table with the join keys and `event_timestamp`, or a single timestamp column.
        join_keys: The columns it must have.

    Raises:
        LabelsError: It is something else, lacks a column, or an event timestamp is null or no time.
    """
    if isinstance(entity_df, pd.DataFrame):
        _check_names([str(name) for name in entity_df.columns])
        _check_keys(join_keys, [str(name) for name in entity_df.columns])
        timestamp = _timestamp_column({str(name): _is_time(kind) for name, kind in entity_df.dtypes.items()})
        table, times = _from_pandas(entity_df.rename(columns=str), timestamp)
    elif isinstance(entity_df, pa.Table):
        _check_names(entity_df.column_names)
        _check_keys(join_keys, entity_df.column_names)
        timestamp = _timestamp_column({field.name: pa.types.is_timestamp(field.type) for field in entity_df.schema})
        table, times = entity_df.replace_schema_metadata(None), entity_df.column(timestamp)
        if not pa.types.is_timestamp(times.type):
            raise LabelsError(f"entity_df: {timestamp} is {times.type}; cast it to timestamp[us, tz=UTC].")
    else:
        raise LabelsError(
            f"entity_df: {type(entity_df).__name__} given; pass a pandas DataFrame, an Arrow table (of a Spark frame its"
            f" .toArrow()) or SQL, with the join keys and {TIMESTAMP}."
        )
    if times.null_count:
        raise LabelsError(
            f"entity_df: {times.null_count} rows have no {timestamp}; drop them, features hold at a time."
        )
    return Labels(table.set_column(table.column_names.index(timestamp), timestamp, _micros(times)), timestamp)


def _from_pandas(frame: pd.DataFrame, timestamp: str) -> tuple[pa.Table, pa.ChunkedArray]:
    given = frame[timestamp]
    if pd.api.types.is_numeric_dtype(given.dtype):
        raise LabelsError(
            f"entity_df: {timestamp} is {given.dtype}, a number; write pd.to_datetime(..., unit='s', utc=True), or the unit it has."
        )
    try:
        instants = pd.to_datetime(given, utc=True)
    except (ValueError, TypeError, OverflowError) as error:
        raise LabelsError(
            f"entity_df: {timestamp} holds what is no time ({str(error).splitlines()[0]}); write it with pd.to_datetime(..., utc=True)."
        ) from error
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise LabelsError(f"entity_df: a column mixes types ({error}); give each column one type.") from error
    nulls = instants.isna().to_numpy()
    times = instants.dt.tz_localize(None).to_numpy().astype("datetime64[us]")  # rounds down
    return table, pa.chunked_array([pa.array(times, mask=nulls)])


def _micros(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return times as whole microseconds in UTC; without a zone they are taken as UTC."""
    if times.type.unit == "ns":
        times = pc.floor_temporal(times, unit="microsecond")
    return times.cast(pa.timestamp("us", times.type.tz)).cast(pa.timestamp("us", "UTC"))


def _is_time(kind: Any) -> bool:
    return bool(pd.api.types.is_datetime64_any_dtype(kind))


def _check_names(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LabelsError(f"entity_df: has column {', '.join(twice)} more than once; keep one of each name.")


def _check_keys(join_keys: Sequence[str], names: Sequence[str]) -> None:
    absent = [name for name in dict.fromkeys(join_keys) if name not in names]
    if absent:
        raise LabelsError(
            f"entity_df: no column for join key {', '.join(absent)}; have {list(names)}. Add it, one value per row."
        )


def _timestamp_column(is_time: Mapping[str, bool]) -> str:
    if TIMESTAMP in is_time:
        return TIMESTAMP
    times = [name for name, is_one in is_time.items() if is_one]
    if len(times) != 1:
        raise LabelsError(f"entity_df: which column is the event timestamp? Name it {TIMESTAMP}.")
    return times[0]
