"""Holds an on-demand function that says it takes arrays (tag `millrace.takes`) against itself on a frame, before it serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta, timezone
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import numpy as np

from contract.label import ServiceError
from contract.service import EVENT_TIMESTAMP, OnDemandView, Service
from serving.scoring.on_demand import call
from stores.cells.column import EPOCH, Column

_NOW: Final = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
_BYTES: Final = (b"", b"a", b"b")
_UUIDS: Final = (UUID(int=0), UUID(int=1), UUID(int=2))
_MAPS: Final[tuple[Any, Any, Any]] = ({}, {"a": 1}, {"a": None, "b": [2.5]})
_NESTED: Final[tuple[Any, Any, Any]] = ([], [[1], []], [[2, 3]])
_ITEMS: Final[Mapping[str, tuple[Any, Any, Any]]] = {
    "int64": (0, 3, -7),
    "int32": (0, 3, -7),
    "float64": (0.0, 2.5, -1.25),
    "float32": (0.0, 2.5, -1.25),
    "bool": (True, False, True),
    "timestamp": (_NOW, _NOW - 1, _NOW - 86_400_000_001),
    "string": ("", "a", "b"),
    "bytes": _BYTES,
    "pdf_bytes": _BYTES,
    "image_bytes": _BYTES,
    "json": ({}, [1, "a"], "b"),
    "uuid": _UUIDS,
    "time_uuid": _UUIDS,
    "decimal": (Decimal("0.00"), Decimal("3.10"), Decimal(-7)),
    "map": _MAPS,
    "struct": _MAPS,
    "scalar_map": ({}, {1: "a"}, {2: None}),
    "zoned_timestamp": (EPOCH, EPOCH.astimezone(timezone(timedelta(hours=2))), EPOCH),
    "nested_list": _NESTED,
    "nested_set": _NESTED,
}


def check_arrays(service: Service) -> None:
    """Call every function that takes arrays both ways, on a few rows with and without missing values.

    A function that fails on the frame as well says nothing: these are not its rows.

    Raises:
        ServiceError: It fails on arrays, or gives other values than on the frame.
    """
    kinds = {f"{view.alias}__{name}": kind for view in service.stored for name, kind in view.features}
    asked = dict(service.keys) | {one.name: one.kind for one in service.request} | {EVENT_TIMESTAMP: "timestamp"}
    for view in service.on_demand:
        if view.mode != "arrays":
            continue
        for holes in (False, True):
            given = {name: _sample(kind) for name, kind in asked.items()}
            for source, feature in view.inputs:
                column = _sample(kinds[f"{source}__{feature}"], holes)
                given |= {f"{source}__{feature}": column, feature: column}
            _compare(service.name, view, given)


def _compare(service: str, view: OnDemandView, given: Mapping[str, Column]) -> None:
    rows = len(next(iter(given.values())).valid)
    try:
        wanted = call(replace(view, mode="pandas"), given, rows)
    except Exception:
        return
    at = f"{service}: {view.name} is tagged millrace.takes: arrays"
    todo = "write it with contract.arrays, or take the tag away"
    try:
        got = call(view, given, rows)
    except Exception as error:
        raise ServiceError(f"{at}, and fails on them with {type(error).__name__}: {error}; {todo}.") from error
    for name, column in wanted.items():
        for row in range(rows):
            if not _same(column, got[name], row):
                values = ", ".join(f"{one}={value.as_json(row)}" for one, value in given.items() if "__" not in one)
                raise ServiceError(
                    f"{at}, and gives {name}={got[name].as_json(row)} on them, {column.as_json(row)} on a frame, of {values};"
                    f" {todo}."
                )


def _same(one: Column, other: Column, row: int) -> bool:
    if not (one.valid[row] and other.valid[row]):
        return bool(one.valid[row] == other.valid[row])
    return bool(np.all(one.values[row] == other.values[row]))


def _sample(kind: str, holes: bool = False) -> Column:
    """Return three rows of a kind, the second missing where there are holes."""
    if kind.endswith("[]") or kind.startswith("set<"):
        element = kind.removesuffix("[]").removeprefix("set<").removesuffix(">")
        items = (EPOCH, EPOCH, EPOCH) if element == "timestamp" else _ITEMS[element]
        lists: list[Any] = [[items[1], items[2]], [], [items[0]]]
        column = Column.of(kind, lists if kind.endswith("[]") else list(map(set, lists)))
    else:
        column = Column.of(kind, _ITEMS[kind])
    if holes:
        column.valid[1] = False
        if isinstance(column.values, list):
            column.values[1] = None
        elif column.values.dtype.kind == "f":
            column.values[1] = np.nan
    return column
