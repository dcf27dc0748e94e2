"""Reads the few events of a test: a list of dicts, or a table written as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from pipelines.plan import ViewPlan
from pipelines.semantics.reference import EPOCH

NULLS = ("", "null", "None")
SmallTable = str | Sequence[Mapping[str, Any]]


class SmallTableError(ValueError):
    """A small table that cannot be read; the message says where and what to write."""


def read_small_events(plan: ViewPlan, events: SmallTable, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Return the events of a test as the lake has them.

    A column of the view that is not written is null, but for the event id, which is then the event's number, from 1 on.

    Args:
        plan: The view.
        events: Dicts, one an event, or a text table: a line an event, cells between `|`, a head of column names.
        types: The columns that there are.

    Raises:
        SmallTableError: A column is unknown, a join key or time is missing, or a value is not of its column's type.
    """
    rows = read_text(events) if isinstance(events, str) else [dict(event) for event in events]
    named = dict.fromkeys(name for row in rows for name in row)
    for name in named:
        if name not in types:
            raise SmallTableError(
                f"{plan.view}: the events have no column {name!r}; use of {', '.join(sorted(types))}, or give columns="
                f"{{{name!r}: 'double'}} if the view's declaration does not say it."
            )
    key = plan.table.event_id
    if key not in named:
        for number, row in enumerate(rows, 1):
            row[key] = number
    for number, row in enumerate(rows, 1):
        for name in (*plan.keys, plan.table.timestamp, key):
            if row.get(name) is None or row[name] in NULLS:
                raise SmallTableError(f"{plan.view}: event {number} has no {name}; give each event one.")
    return pa.table(
        {
            name: pa.array(
                [_value(plan, number, name, row.get(name), kind) for number, row in enumerate(rows, 1)], kind
            )
            for name, kind in types.items()
        }
    )


def read_text(text: str) -> list[dict[str, Any]]:
    """Return the rows of a text table; Markdown's outer bars and its line of dashes may be there.

    >>> read_text('''
    ...     user | at
    ...     ann  | 2026-01-01 12:00
    ... ''')
    [{'user': 'ann', 'at': '2026-01-01 12:00'}]

    Raises:
        SmallTableError: A line has another number of cells than the head.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    inner = [line[1:-1] if line.startswith("|") and line.endswith("|") else line for line in lines]
    head, *rest = ([cell.strip() for cell in line.split("|")] for line in inner)
    rows = []
    for number, cells in enumerate(rest, 1):
        if all(cell and not cell.strip("-:") for cell in cells):
            continue
        if len(cells) != len(head):
            raise SmallTableError(
                f"line {number} of the events has {len(cells)} cells, the head {len(head)}: {' | '.join(cells)!r}; write"
                " one cell a column, null for none."
            )
        rows.append(dict(zip(head, cells, strict=True)))
    return rows


def read_instant(value: Any) -> int:
    """Return an instant in microseconds since the epoch; what names no time zone is UTC.

    >>> read_instant("1970-01-01 00:00:01"), read_instant("1970-01-01T01:00:01+01:00")
    (1000000, 1000000)

    Raises:
        SmallTableError: It is no instant.
    """
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise SmallTableError(f"{value!r} is not an instant; write such as '2026-01-31 12:00'.") from None
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - EPOCH) // timedelta(microseconds=1)


def show_instant(t: int) -> str:
    """Return an instant as people write it, UTC, without the parts that are zero.

    >>> show_instant(60_000_000), show_instant(1)
    ('1970-01-01 00:01', '1970-01-01 00:00:00.000001')
    """
    at = (EPOCH + timedelta(microseconds=t)).replace(tzinfo=None)
    return at.isoformat(" ", "minutes" if t % 60_000_000 == 0 else "auto")


def _value(plan: ViewPlan, number: int, name: str, value: Any, kind: pa.DataType) -> Any:
    """Return a value as its column holds it; text is read as the column's type."""
    if value is None or (isinstance(value, str) and value in NULLS and not pa.types.is_string(kind)):
        return None
    try:
        if pa.types.is_timestamp(kind):
            return EPOCH + timedelta(microseconds=read_instant(value))
        if pa.types.is_string(kind):
            return None if value == "null" else str(value)
        if pa.types.is_boolean(kind):
            return {"true": True, "false": False}[str(value).lower()]
        if pa.types.is_integer(kind):
            whole = int(value)
            if not isinstance(value, str) and whole != value:
                raise ValueError(value)
            return whole
        return float(value) if pa.types.is_floating(kind) else value
    except (KeyError, TypeError, ValueError):
        raise SmallTableError(
            f"{plan.view}: event {number}: {name} is {value!r}, the column holds {kind}; write such a value, or null."
        ) from None
