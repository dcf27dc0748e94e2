"""Keeps what a feature server says it has served: Feast's feature logging, in the folder that a service's logging names."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from workspace.addresses import inside, whole_file


def write_served(address: str, data: pa.Table | Path, partition_by: Sequence[str]) -> None:
    """Add rows to a folder, one file a partition; readers see a file whole or not at all.

    Args:
        address: The folder; a path or an address.
        data: The rows, or a Parquet file or folder of them.
        partition_by: Columns by whose values folders are named, in Feast's way: the bare value. They stay in the files, for who reads
            these asks for them.
    """
    table = ds.dataset(data, format="parquet").to_table() if isinstance(data, Path) else data
    name = f"{uuid.uuid4().hex}.parquet"
    if not partition_by:
        _write(table, inside(address, name))
        return
    columns = list(partition_by)
    for values in table.select(columns).group_by(columns).aggregate([]).to_pylist():
        rows = table
        for column, value in values.items():
            rows = rows.filter(pc.equal(rows.column(column), pa.scalar(value, rows.column(column).type)))
        _write(rows, inside(address, *map(str, values.values()), name))


def _write(table: pa.Table, address: str) -> None:
    with whole_file(address) as file:
        pq.write_table(table, file)
