"""Reads what is known of each UTC day of a table: rows, a fingerprint, and of each column its median and spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from validation.gates.engine import Engine

DAY: Final = 86_400_000_000
"""Microseconds."""

Counts = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ColumnDays:
    """One column by day; every array has an item for each day from the first to the last.

    Attributes:
        values: Values that are no null.
        constant: Whether these are all the same; false where there is none.
        varies: Whether they differ so much that no one of them makes up nearly all: their quartiles are apart.
        median: Their median, NaN where there is none or the column holds no quantity.
        mean: Their mean, likewise.
        largest: The largest of all days; NaN where the column holds no quantity.
        smallest: The smallest of all days.
    """

    values: Counts
    constant: npt.NDArray[np.bool_]
    varies: npt.NDArray[np.bool_]
    median: Reals
    mean: Reals
    largest: float
    smallest: float


@dataclass(frozen=True, slots=True)
class Days:
    """A table by day.

    Attributes:
        first: The first day, counted from the epoch.
        newest: The newest row's time, microseconds since the epoch.
        rows: Rows of each day; 0 for one that has none.
        repeated: Rows of which the day has another, equal in time and in all but its id.
        marks: The same number for days of the same contents, ids and dates apart; 0 where there are none.
        columns: By name.
    """

    first: int
    newest: int
    rows: Counts
    repeated: Counts
    marks: Sequence[int]
    columns: Mapping[str, ColumnDays]


_QUANTITIES: Final = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UINTEGER",
    "UBIGINT",
    "FLOAT",
    "DOUBLE",
    "INT",
    "LONG",
)
_CATEGORIES: Final = ("VARCHAR", "BOOLEAN", "STRING")


def read_days(engine: Engine, timestamp: str, event_id: str, labels: Sequence[str] = ()) -> Days | None:
    """Read the days of an engine's table in two passes, contents and columns; None where no row has a time.

    Args:
        engine: Where the rows are.
        timestamp: The column with the time.
        event_id: The column that tells one row from another; it says nothing of a day.
        labels: Columns that name something, such as keys: their median says nothing.
    """
    dialect = engine.dialect
    named = {name: kind for name, kind in engine.types.items() if name not in (timestamp, event_id, "date")}
    quantities = [name for name, kind in named.items() if kind in _QUANTITIES and name not in labels]
    looked_at = [name for name, kind in named.items() if kind in (*_QUANTITIES, *_CATEGORIES)]
    # Under names of our own, for a table may call its columns anything.
    names = [f"c{number}" for number in range(len(looked_at))]
    time = dialect.column(timestamp)
    wanted = [f"{dialect.column(name)} AS {column}" for name, column in zip(looked_at, names, strict=True)]
    chosen = ", ".join([f"{dialect.micros.format(time)} AS t", *wanted])
    given = f"SELECT {chosen} FROM {engine.table} WHERE {time} IS NOT NULL"
    dated = f"SELECT *, CAST(floor(t / {DAY}) AS BIGINT) AS day FROM ({given}) AS given"
    mark = f"{dialect.hash}({', '.join([f't % {DAY}', *names])})"
    marked = (
        f"SELECT day, {mark} AS mark, count(*) AS times, max(t) AS newest FROM ({dated}) AS dated GROUP BY day, {mark}"
    )
    whole = f"sum(CAST(mark AS {dialect.whole}) * times)"
    contents = engine.run(
        f"SELECT day, sum(times), sum(times - 1), {whole}, max(newest) FROM ({marked}) AS marked GROUP BY day ORDER BY day"
    )
    parts = ["day"]
    for name, column in zip(looked_at, names, strict=True):
        real = f"CAST({column} AS DOUBLE)"
        place = (
            real
            if name in quantities
            else f"CASE WHEN {column} IS NOT NULL THEN CAST({dialect.hash}({column}) AS DOUBLE) END"
        )
        parts += [f"count({column})", f"min({column}) = max({column})", dialect.quartiles.format(place)]
        if name in quantities:
            parts += [f"avg({real})", f"max({real})", f"min({real})"]
    of_columns = engine.run(f"SELECT {', '.join(parts)} FROM ({dated}) AS dated GROUP BY day ORDER BY day")
    found = [(*one, *other[1:]) for one, other in zip(contents, of_columns, strict=True)]
    return _arrange(found, looked_at, quantities) if found else None


def _arrange(found: Sequence[Sequence[Any]], looked_at: Sequence[str], quantities: Sequence[str]) -> Days:
    first, last = int(found[0][0]), int(found[-1][0])
    place = np.array([int(row[0]) - first for row in found])

    def spread(at: int, empty: float, kind: str) -> Any:
        whole = np.full(last - first + 1, empty, kind)
        whole[place] = [empty if row[at] is None else row[at] for row in found]
        return whole

    prints = [0] * (last - first + 1)
    for day, row in zip(place, found, strict=True):
        prints[day] = int(row[3])
    columns, at = {}, 5
    for name in looked_at:
        real = name in quantities
        low, median, high = (np.full(len(prints), np.nan) for _ in range(3))
        for day, row in zip(place, found, strict=True):
            low[day], median[day], high[day] = row[at + 2] or (np.nan, np.nan, np.nan)
        mean, most, least = (
            spread(at + 3 + i, np.nan, "f8") if real else np.full(len(prints), np.nan) for i in range(3)
        )
        ends = (float(np.nanmax(most)), float(np.nanmin(least))) if np.isfinite(most).any() else (np.nan, np.nan)
        median = median if real else np.full(len(prints), np.nan)
        columns[name] = ColumnDays(spread(at, 0, "i8"), spread(at + 1, False, "?"), low < high, median, mean, *ends)
        at += 6 if real else 3
    newest = max(int(row[4]) for row in found)
    return Days(first, newest, spread(1, 0, "i8"), spread(2, 0, "i8"), prints, columns)
