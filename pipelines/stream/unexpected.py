"""Finds events whose values the tags of their table do not allow: what a gate would stop on, told event by event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contract.checks import ColumnCheck


def find_unexpected(table: pa.Table, checks: Mapping[str, ColumnCheck]) -> dict[int, tuple[str, str]]:
    """Return by row what is wrong, and its code; a check that only warns rejects nothing.

    Columns that the topic has not, such as the time of arrival in the lake, are left to the gates.
    """
    faults: dict[int, tuple[str, str]] = {}
    for name, check in checks.items():
        if check.severity != "critical" or name not in table.schema.names:
            continue
        column = table[name]
        if check.not_null:
            for row in _rows(pc.is_null(column, nan_is_null=True)):
                faults.setdefault(row, (f"{name} is missing", "missing"))
        for broken, said in _broken(column, check):
            for row in _rows(broken):
                faults.setdefault(row, (f"{name}: {column[row].as_py()} is {said}", "unexpected"))
    return faults


def _broken(column: pa.ChunkedArray, check: ColumnCheck) -> Iterator[tuple[pa.ChunkedArray, str]]:
    """Yield for each bound which values are outside, null for a null, and what is to be said of them."""
    if check.least is not None:
        yield pc.less(column, check.least), f"below {check.least:g}"
    if check.most is not None:
        yield pc.greater(column, check.most), f"above {check.most:g}"
    if check.values:
        allowed = pa.array(check.values, column.type)
        known = pc.is_in(column, value_set=allowed)
        yield pc.and_(pc.is_valid(column), pc.invert(known)), f"none of {', '.join(map(str, check.values))}"


def _rows(broken: pa.ChunkedArray) -> list[int]:
    if not pc.any(broken).as_py():
        return []
    return [int(row) for row in np.flatnonzero(broken.fill_null(False).to_numpy())]
