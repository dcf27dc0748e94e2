"""Makes a feature log readable by DuckDB: its files as SQL, and event times as whole microseconds."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from stores.parquet.log_files import LogFiles


@dataclass(frozen=True, slots=True)
class LogSource:
    """The files of a log as SQL.

    Attributes:
        sql: Goes behind FROM.
        types: DuckDB's types by column.
    """

    sql: str
    types: dict[str, str]

    def micros(self, column: str, table: str = "") -> str:
        """Return SQL for a time column as BIGINT microseconds UTC; without a zone it is taken as UTC.

        Nanoseconds are cut. DuckDB's own cast rounds them, and a row would hold up to half a microsecond early.
        """
        name = f"{table}.{quote(column)}" if table else quote(column)
        if self.types[column].endswith("_NS"):
            return f"((epoch_ns({name}) - (epoch_ns({name}) % 1000 + 1000) % 1000) // 1000)"
        return f"epoch_us({name})"


def source_of(connection: duckdb.DuckDBPyConnection, found: LogFiles) -> LogSource:
    """Return the source of a log's files.

    Local ones DuckDB reads itself; it knows no other file system, so Arrow reads the others for it. What one lacks is null there.
    """
    files = [footer.file for footer in found.footers]
    if not found.log.is_local:
        return source_of_arrow(connection, ds.dataset(files, found.schema, "parquet", found.log.system))
    names = ", ".join(_literal(file) for file in files)
    return _described(connection, f"read_parquet([{names}], union_by_name = true, hive_partitioning = false)")


def source_of_arrow(connection: duckdb.DuckDBPyConnection, data: ds.Dataset | pa.Table) -> LogSource:
    """Return a source of rows that Arrow has or reads."""
    name = f"rows_{uuid.uuid4().hex}"
    connection.register(name, data)
    return _described(connection, name)


def pieces_of(found: LogFiles, most: int) -> list[tuple[list[ds.Fragment], int]]:
    """Divide a log's files, large ones by row groups, into pieces of about `most` rows; each with its number of rows."""
    pieces: list[tuple[list[ds.Fragment], int]] = []
    form, system = ds.ParquetFileFormat(), found.log.system
    for footer in found.footers:
        for groups in _runs(footer.groups, most):
            rows = sum(footer.groups[group] for group in groups)
            whole = len(groups) == len(footer.groups)
            fragment = form.make_fragment(footer.file, system, row_groups=None if whole else groups)
            if not pieces or pieces[-1][1] + rows > most:
                pieces.append(([], 0))
            pieces[-1] = ([*pieces[-1][0], fragment], pieces[-1][1] + rows)
    return pieces


def quote(name: str) -> str:
    """Quote a column name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def _runs(groups: Sequence[int], most: int) -> list[list[int]]:
    """Divide row groups into runs of about `most` rows."""
    runs: list[list[int]] = [[]]
    held = 0
    for group, rows in enumerate(groups):
        if runs[-1] and held + rows > most:
            runs.append([])
            held = 0
        runs[-1].append(group)
        held += rows
    return runs


def _described(connection: duckdb.DuckDBPyConnection, sql: str) -> LogSource:
    columns = connection.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()
    return LogSource(sql, {row[0]: str(row[1]) for row in columns})


def _literal(path: str) -> str:
    return "'" + path.replace("'", "''") + "'"
