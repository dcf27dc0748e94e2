"""The point-in-time join as SQL for DuckDB: rows that labels can match, the newest known of them, and the join.

One `ASOF LEFT JOIN` per view. It sorts both sides once, so that its cost is linear in labels and rows; joining each label with
its entity's whole history, as Feast's DuckDB and Dask stores do, is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stores.parquet.feature_log import FeatureLog
from stores.parquet.log_source import LogSource, quote

ROW: Final = "__row"
TIME: Final = "__time"
KNOWN: Final = "__known"
CREATED: Final = "__created"
TIE: Final = "__tie"


@dataclass(frozen=True, slots=True)
class LogColumns:
    """What to read from a feature log, by the names in its files.

    Attributes:
        log: The feature log.
        join_keys: Pairs of (column in the log, column in the labels).
        features: Pairs of (column in the log, name in the result).
        timestamp: The event time; without a zone it is taken as UTC.
        created: Decides between rows with equal event times: the latest counts.
        ttl_us: A row holds for labels with `event_timestamp >= label - ttl`, microseconds; 0 for ever.
        known: When a row became known; it is not joined to labels before (rule 12). None: with its event time.
        by_created: Whether a row became known no earlier than it was created.
        values: All feature columns of the view. Between rows that are equal so far their values decide, by a hash: which row
            counts depends neither on the order of the rows nor on the features asked for.
    """

    log: FeatureLog
    join_keys: tuple[tuple[str, str], ...]
    features: tuple[tuple[str, str], ...]
    timestamp: str
    created: str | None = None
    ttl_us: int = 0
    known: str | None = None
    by_created: bool = False
    values: tuple[str, ...] = ()

    @property
    def times(self) -> tuple[str, ...]:
        """The time columns, each once."""
        return tuple(dict.fromkeys(name for name in (self.timestamp, self.created, self.known) if name))

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that the log must have."""
        return (*(name for name, _ in (*self.join_keys, *self.features)), *self.times)

    def known_at(self, source: LogSource) -> str:
        """Return SQL for the instant from which on a row is known, microseconds UTC: no earlier than its own time."""
        known = [self.known] if self.known else []
        known += [self.created] if self.by_created and self.created else []
        return f"greatest({', '.join(source.micros(name) for name in (self.timestamp, *known))})"

    @property
    def keys(self) -> list[str]:
        """The join keys' names in the SQL below."""
        return [f"k{i}" for i in range(len(self.join_keys))]


def rows_between(
    columns: LogColumns,
    source: LogSource,
    oldest: int | None,
    newest: int | None,
    *,
    labels: str | None = None,
    tied: bool = False,
) -> str:
    """Select rows between two times as k0.., __time, __known, __created, f0..

    Args:
        columns: What to read.
        source: The log.
        oldest: Microseconds UTC, included; None leaves the end open.
        newest: The other end, likewise.
        labels: A table with the labels' join keys; rows of other entities are left out.
        tied: Whether to select __tie as well, for which all values are read.
    """
    selected = [f"{quote(stored)} AS {key}" for key, (stored, _) in zip(columns.keys, columns.join_keys, strict=True)]
    selected.append(f"{source.micros(columns.timestamp)} AS {TIME}, {columns.known_at(source)} AS {KNOWN}")
    selected.append(f"{source.micros(columns.created) if columns.created else 'NULL::BIGINT'} AS {CREATED}")
    selected += [f"{quote(stored)} AS f{i}" for i, (stored, _) in enumerate(columns.features)]
    if tied:
        values = sorted(name for name in columns.values or dict(columns.features) if name in source.types)
        tie = f"hash({', '.join(map(quote, values))})" if values else "0::UBIGINT"
        selected.append(f"{tie} AS {TIE}")
    where = [f"{TIME} IS NOT NULL"]
    where += [f"{TIME} <= {newest}"] if newest is not None else []
    where += [f"{TIME} >= {oldest}"] if oldest is not None else []
    if labels and columns.keys:
        given = ", ".join(quote(name) for _, name in columns.join_keys)
        one = len(columns.keys) == 1
        where.append(f"({', '.join(columns.keys)}) IN (SELECT {given if one else f'({given})'} FROM {labels})")
    return f"SELECT * FROM (SELECT {', '.join(selected)} FROM {source.sql}) WHERE {' AND '.join(where)}"


def repeated(columns: LogColumns, rows: str) -> str:
    """Select whether an entity has two rows that became known at the same time, as one boolean."""
    by = ", ".join([*columns.keys, KNOWN])
    return f"SELECT count(*) > 0 FROM (SELECT 1 FROM ({rows}) GROUP BY {by} HAVING count(*) > 1 LIMIT 1)"


def newest_known(columns: LogColumns, rows: str, *, tied: bool) -> str:
    """Select of rows those that are the newest from when they became known: no two of an entity at the same time.

    Args:
        columns: What to read.
        rows: From `rows_between`.
        tied: Whether there may be two of an entity at the same time; the rows then have __tie.
    """
    counts = []
    if tied:
        order = f"{TIME} DESC, {CREATED} DESC NULLS LAST, {TIE} DESC"
        counts.append(f"row_number() OVER (PARTITION BY {', '.join([*columns.keys, KNOWN])} ORDER BY {order}) = 1")
    if columns.known or columns.by_created:  # one that comes after a newer row is known is never the newest
        entity = f"PARTITION BY {', '.join(columns.keys)}" if columns.keys else ""
        newer = f"max({TIME}) OVER ({entity} ORDER BY {KNOWN} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
        counts.append(f"coalesce({newer} <= {TIME}, true)")
    qualify = f"QUALIFY {' AND '.join(counts)}" if counts else ""
    return f"SELECT * FROM ({rows}) {qualify}"


def joined(columns: LogColumns, labels: str, rows: str, also: Sequence[str] = ()) -> str:
    """Select the features under their result names, a row for each label in the order of `__row`.

    Args:
        columns: What to join.
        labels: A table with the join keys, `__row` and `__time`.
        rows: From `newest_known`.
        also: Columns of the labels to select before the features.
    """
    matches = [f"l.{quote(given)} = r.{key}" for key, (_, given) in zip(columns.keys, columns.join_keys, strict=True)]
    within = f"r.{TIME} >= l.{TIME} - {columns.ttl_us}" if columns.ttl_us else "true"
    features = [f"CASE WHEN {within} THEN r.f{i} END AS {quote(name)}" for i, (_, name) in enumerate(columns.features)]
    return f"""
        SELECT {", ".join([*(f"l.{name}" for name in also), *features])}
        FROM {labels} AS l ASOF LEFT JOIN ({rows}) AS r ON {" AND ".join([*matches, f"l.{TIME} >= r.{KNOWN}"])}
        ORDER BY l.{ROW}
    """
