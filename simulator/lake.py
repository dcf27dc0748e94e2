"""The event lake: transactions, and the labels that become known later, in Parquet by UTC day."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

LABEL_DELAY = timedelta(days=7)
"""How long after a transaction it is known whether it was a fraud."""

_TRANSACTION = pa.schema(
    [
        ("transaction_id", pa.int64()),
        ("event_timestamp", pa.timestamp("us", tz="UTC")),
        ("customer_id", pa.int64()),
        ("terminal_id", pa.int64()),
        ("amount", pa.float64()),
    ]
)
_LABEL = _TRANSACTION.append(pa.field("is_fraud", pa.int64()))
_DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class Written:
    """Counts what `write_lake` wrote: rows of each event table, and day files of both together."""

    transactions: int
    fraud_labels: int
    files: int


def write_lake(
    table: pa.Table, lake: Path, *, until: datetime | None = None, labels_until: datetime | None = None
) -> Written:
    """Write ``lake/<event table>/date=YYYY-MM-DD/part-0.parquet`` for the tables transactions and fraud_labels.

    A day that is written again replaces what the lake held of it; other days stay. So ``table`` must hold the whole of
    each of its days, as far as it is known.

    Args:
        table: Transactions as `generate` or `read_events` returns them, in any order.
        lake: The lake's folder; it is made when missing.
        until: Only transactions before this instant (aware; exclusive). All when None.
        labels_until: Only labels of transactions before this instant (aware; exclusive). All when None. A label's
            ``event_timestamp`` is its transaction's, so what is known at t is ``labels_until=t - LABEL_DELAY``.

    Raises:
        ValueError: A limit is naive.
    """
    ordered = table.sort_by([("event_timestamp", "ascending"), ("transaction_id", "ascending")])
    counts = [
        _write_days(_before(ordered, limit, named), schema, lake / name)
        for name, schema, limit, named in (
            ("transactions", _TRANSACTION, until, "until"),
            ("fraud_labels", _LABEL, labels_until, "labels_until"),
        )
    ]
    return Written(transactions=counts[0][0], fraud_labels=counts[1][0], files=counts[0][1] + counts[1][1])


def _before(table: pa.Table, limit: datetime | None, named: str) -> pa.Table:
    """Keep the rows before a limit; of a table in the order of time these are its first rows."""
    if limit is None:
        return table
    if limit.tzinfo is None:
        raise ValueError(f"write_lake: {named}={limit} has no time zone; write {named}=instant.replace(tzinfo=UTC).")
    return table.filter(pc.field("event_timestamp") < pa.scalar(limit.astimezone(UTC), pa.timestamp("us", tz="UTC")))


def _write_days(table: pa.Table, schema: pa.Schema, folder: Path) -> tuple[int, int]:
    """Write one file per day of a table in the order of time; return the numbers of rows and of files."""
    rows = table.select(schema.names).cast(schema)
    days = rows["event_timestamp"].cast(pa.int64()).to_numpy() // _DAY
    found, first = np.unique(days, return_index=True)
    edges = [*first.tolist(), len(days)]
    for position, day in enumerate(found.tolist()):
        date = datetime.fromtimestamp(day * 86_400, UTC).date()
        part = rows.slice(edges[position], edges[position + 1] - edges[position])
        _replace_day(part, folder / f"date={date.isoformat()}")
    return rows.num_rows, len(found)


def _replace_day(part: pa.Table, folder: Path) -> None:
    """Put a day's file in place in one step: a reader sees the old file or the new one, never half of one."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / ".part-0.parquet.writing"  # readers of a lake pass over names that begin with a dot
    pq.write_table(part, unfinished, compression="zstd")
    os.replace(unfinished, folder / "part-0.parquet")
    for other in folder.glob("*.parquet"):
        if other.name != "part-0.parquet":
            other.unlink()
