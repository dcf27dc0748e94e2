"""What a check needs of an engine that runs SQL over all rows where they lie: DuckDB here, Spark where the data is on Spark."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import pyarrow.dataset as ds

from validation.gates.rows import Source, open_relation


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an engine writes what differs.

    Attributes:
        quote: The mark around a column's name.
        micros: Gives a time in microseconds since the epoch, with {} for the time.
        escape: What stands before a quote, and before itself, in a text.
        quartiles: Gives a list of a number's three quartiles, with {} for the number; near ones, where exact ones cost too much.
        hash: The function that makes a number of several values.
        whole: The type that holds sums of such numbers.
        types: What the engine calls each type of column, in upper case, by what Great Expectations calls it in pandas.
    """

    quote: str
    micros: str
    escape: str
    quartiles: str
    hash: str
    whole: str
    types: Mapping[str, tuple[str, ...]]

    def column(self, name: str) -> str:
        """Return a column's name as SQL."""
        return self.quote + name.replace(self.quote, self.quote * 2) + self.quote

    def literal(self, value: str | float | bool) -> str:
        """Return a value as SQL."""
        if isinstance(value, bool):
            return str(value).upper()
        if isinstance(value, (int, float)):
            return repr(value)
        text = str(value)
        for mark in dict.fromkeys((self.escape, "'")):
            text = text.replace(mark, self.escape + mark)
        return f"'{text}'"


@dataclass(frozen=True, slots=True)
class Engine:
    """Some rows, as a table of an engine.

    Attributes:
        table: What the table is called.
        dialect: How its SQL is written.
        types: The type of each column, in upper case, as the engine calls it.
        run: Runs a query and returns its rows; only what is asked for leaves the engine.
    """

    table: str
    dialect: Dialect
    types: Mapping[str, str]
    run: Callable[[str], Sequence[Sequence[Any]]]


DUCKDB: Final = Dialect(
    '"',
    "epoch_us({})",
    "'",
    "quantile_cont({}, [0.25, 0.5, 0.75])",
    "hash",
    "HUGEINT",
    {
        "int64": ("BIGINT",),
        "int32": ("INTEGER",),
        "int16": ("SMALLINT",),
        "float64": ("DOUBLE",),
        "float32": ("FLOAT",),
        "bool_": ("BOOLEAN",),
        "str": ("VARCHAR",),
        "Timestamp": ("TIMESTAMP WITH TIME ZONE",),
        "datetime64": ("TIMESTAMP", "TIMESTAMP_NS"),
    },
)


@contextmanager
def open_duckdb(source: Source | ds.Dataset) -> Iterator[Engine]:
    """Give rows as DuckDB sees them; it reads files as it needs them, and uses the disk where memory is short."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = 'UTC'; SET memory_limit = '1GB'; SET temp_directory = '{folder}'")
        open_relation(source, None, connection)
        described = connection.execute("DESCRIBE source").fetchall()

        def run(sql: str) -> Sequence[Sequence[Any]]:
            return connection.execute(sql).fetchall()

        yield Engine("source", DUCKDB, {name: kind.upper() for name, kind, *_ in described}, run)
