"""Finds values that occur twice anywhere in the data, however large: DuckDB groups on disk when memory is short."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pandas as pd

from validation.gates.rows import Source, open_relation

_MEMORY = "1GB"


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Counts the rows that have a value, those whose value another row has too, and shows the first of them."""

    present: int
    repeated: int
    first: pd.DataFrame


def find_duplicates(source: Source, columns: Sequence[str], identify: Sequence[str], shown: int) -> Duplicates:
    """Find rows that agree in all of ``columns``; rows where all of these are null do not count.

    Args:
        source: Where the rows are; it must have the columns.
        columns: What must be unique together.
        identify: More columns to show of an offending row.
        shown: How many offending rows to show at most, those with the smallest values first.
    """
    wanted = list(dict.fromkeys([*columns, *identify]))
    key = ", ".join(_quoted(column) for column in columns)
    present = " OR ".join(f"{_quoted(column)} IS NOT NULL" for column in columns)
    same = " AND ".join(f"source.{_quoted(column)} IS NOT DISTINCT FROM struck.{_quoted(column)}" for column in columns)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute(f"SET temp_directory = '{folder}'")
        connection.execute("SET TimeZone = 'UTC'")
        open_relation(source, wanted, connection)
        connection.execute(
            f"CREATE TABLE repeated AS SELECT {key}, count(*) AS times FROM source WHERE {present} "
            f"GROUP BY {key} HAVING count(*) > 1"
        )
        # fetchall, for a result not read to its end blocks the connection.
        ((present_rows, repeated_rows),) = connection.execute(
            f"SELECT (SELECT count(*) FROM source WHERE {present}), (SELECT coalesce(sum(times), 0) FROM repeated)"
        ).fetchall()
        first: Any = connection.sql(
            f"SELECT {', '.join('source.' + _quoted(column) for column in wanted)} FROM source "
            f"JOIN (SELECT * FROM repeated ORDER BY {key} LIMIT {shown}) AS struck ON {same} ORDER BY ALL LIMIT {shown}"
        ).to_arrow_table()
    return Duplicates(int(present_rows), int(repeated_rows), first.to_pandas())


@dataclass(frozen=True, slots=True)
class Conflicts:
    """Counts rows, and keys that have more than one value; the first of these with their values."""

    rows: int
    events: int
    first: tuple[tuple[object, list[object]], ...]


def find_conflicts(source: Source, key: str, value: str, shown: int) -> Conflicts:
    """Find keys that have several different values, nulls apart; a null key has none.

    Args:
        source: Where the rows are; it must have the columns.
        key: What should have one value.
        value: The column of the values.
        shown: How many keys to show at most, the smallest first.
    """
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        open_relation(source, [key, value], connection)
        ((rows,),) = connection.execute("SELECT count(*) FROM source").fetchall()
        found = connection.execute(
            f"SELECT {_quoted(key)}, list_sort(list(DISTINCT {_quoted(value)})), count(*) OVER () FROM source "
            f"WHERE {_quoted(key)} IS NOT NULL GROUP BY 1 HAVING min({_quoted(value)}) < max({_quoted(value)}) "
            f"ORDER BY 1 LIMIT {shown}"
        ).fetchall()
    return Conflicts(rows, found[0][2] if found else 0, tuple((key, values) for key, values, _ in found))


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
