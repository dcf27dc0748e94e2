"""Reads the labels of a training set: entity_df, the rows that features are joined to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from stores.parquet.asof_join import ROW, TIME

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
    """Read a data frame of labels; event timestamps without a zone are UTC, nanoseconds are cut to microseconds.

    Args:
        entity_df: A pandas DataFrame with the join keys and `event_timestamp`, or a single datetime column.
        join_keys: The columns it must have.

    Raises:
        LabelsError: It is something else, lacks a column, or an event timestamp is null.
    """
    if isinstance(entity_df, str):
        raise LabelsError(
            "entity_df: SQL is not read by the ASOF offline store; run the query and pass a pandas DataFrame."
        )
    if not isinstance(entity_df, pd.DataFrame):
        raise LabelsError(
            f"entity_df: {type(entity_df).__name__} given; pass a pandas DataFrame with the join keys and {TIMESTAMP}."
        )
    absent = [name for name in dict.fromkeys(join_keys) if name not in entity_df.columns]
    if absent:
        raise LabelsError(
            f"entity_df: no column for join key {', '.join(absent)}; "
            f"have {list(entity_df.columns)}. Add it, one value per row."
        )
    timestamp = _timestamp_column(entity_df)
    times = pd.to_datetime(entity_df[timestamp], utc=True)
    nulls = int(times.isna().sum())
    if nulls:
        raise LabelsError(f"entity_df: {nulls} rows have no {timestamp}; drop them, features hold at a time.")
    try:
        table = pa.Table.from_pandas(entity_df, preserve_index=False).replace_schema_metadata(None)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise LabelsError(f"entity_df: a column mixes types ({error}); give each column one type.") from error
    instants = times.dt.tz_localize(None).to_numpy().astype("datetime64[us]")  # rounds down
    column = pa.array(instants).cast(pa.timestamp("us", tz="UTC"))
    return Labels(table.set_column(table.column_names.index(timestamp), timestamp, column), timestamp)


def _timestamp_column(entity_df: pd.DataFrame) -> str:
    if TIMESTAMP in entity_df.columns:
        return TIMESTAMP
    times = entity_df.select_dtypes(include=["datetime", "datetimetz"]).columns
    if len(times) != 1:
        raise LabelsError(f"entity_df: which column is the event timestamp? Name it {TIMESTAMP}.")
    return str(times[0])
