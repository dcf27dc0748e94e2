"""Which partition an entity belongs to: the same on every machine and in every run."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa


def partition_of(columns: list[pa.ChunkedArray], partitions: int) -> npt.NDArray[np.int64]:
    """Return the partition, 0 <= p < partitions, of each row's key columns."""
    if partitions == 1:
        return np.zeros(len(columns[0]), np.int64)
    mixed = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        values = column.to_numpy() if pa.types.is_integer(column.type) else np.asarray(column.to_pylist(), dtype=object)
        mixed = mixed * np.uint64(1_000_003) + pd.util.hash_array(
            values.astype(np.int64) if values.dtype.kind in "iu" else values
        )
    return (mixed % np.uint64(partitions)).astype(np.int64)
