"""Reads the rows to validate in batches, from a frame, a table or Parquet files of any size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

Source: TypeAlias = pd.DataFrame | pa.Table | Path | Sequence[Path]
"""Rows in memory, or Parquet: a file, a folder with all below it, or several of these."""

# pandas has no null in plain integers and booleans: such a column would turn into floats or objects.
_NULLABLE: dict[pa.DataType, pd.api.extensions.ExtensionDtype] = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


def read_batches(source: Source, size: int) -> Iterator[pd.DataFrame]:
    """Yield all rows as frames of at most ``size`` rows, numbered from 0 in each; one empty frame if there are none.

    Small files of the same schema share a batch. Files of different schemas never do: types are not reconciled, so
    that a day of the wrong type is seen.

    Raises:
        FileNotFoundError: There is no Parquet file at the path.
    """
    if isinstance(source, pd.DataFrame):
        for first in range(0, max(len(source), 1), size):
            yield source.iloc[first : first + size].reset_index(drop=True)
    elif isinstance(source, pa.Table):
        for first in range(0, max(source.num_rows, 1), size):
            yield _to_pandas(source.slice(first, size))
    else:
        for table in _read_tables(list_files(source), size):
            yield _to_pandas(table)


def read_columns(source: Source, columns: Sequence[str]) -> pd.DataFrame:
    """Read some columns of all rows into one frame; every file must have them."""
    if isinstance(source, pd.DataFrame):
        return source[list(columns)].reset_index(drop=True)
    if isinstance(source, pa.Table):
        return _to_pandas(source.select(columns))
    tables = [pq.ParquetFile(path).read(columns=list(columns)) for path in list_files(source)]
    return _to_pandas(pa.concat_tables(tables, promote_options="permissive"))


def open_relation(
    source: Source | ds.Dataset, columns: Sequence[str] | None, connection: duckdb.DuckDBPyConnection
) -> None:
    """Make some columns of the source, or all, known to a DuckDB connection as the view ``source``; no file is read yet."""
    if isinstance(source, pd.DataFrame):
        connection.register("source", source if columns is None else source[list(columns)])
    elif isinstance(source, pa.Table):
        connection.register("source", source if columns is None else source.select(columns))
    elif isinstance(source, ds.Dataset):
        connection.register("source", source)
    else:
        files = [str(path) for path in list_files(source)]
        connection.read_parquet(files, hive_partitioning=False, union_by_name=True).create_view("source")


def list_files(source: Path | Sequence[Path]) -> list[Path]:
    """List the Parquet files of a source, sorted within each folder; hidden ones and those in hidden folders are not.

    Raises:
        FileNotFoundError: A path has none.
    """
    files = []
    for path in [source] if isinstance(source, Path) else source:
        found = [path] if path.is_file() else sorted(one for one in path.rglob("*.parquet") if _visible(one, path))
        if not found:
            raise FileNotFoundError(f"{path}: no Parquet file there; write the data first, or correct the path.")
        files += found
    return files


def _visible(file: Path, folder: Path) -> bool:
    return not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)


def _read_tables(files: Sequence[Path], size: int) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for path in files:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=size):
            table = pa.Table.from_batches([batch]).replace_schema_metadata(None)
            full = sum(part.num_rows for part in waiting) + table.num_rows > size
            if waiting and (full or waiting[0].schema != table.schema):
                yield pa.concat_tables(waiting)
                waiting = []
            waiting.append(table)
    yield pa.concat_tables(waiting) if waiting else pq.ParquetFile(files[0]).schema_arrow.empty_table()


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    """Convert a table; integers and booleans become nullable types only where there are nulls, which costs time."""
    with_nulls = {column.type for column in table.columns if column.null_count and column.type in _NULLABLE}
    mapper = {type_: _NULLABLE[type_] for type_ in with_nulls}
    frame: pd.DataFrame = table.to_pandas(types_mapper=mapper.get, ignore_metadata=True)
    return frame
