"""Computes an on-demand view for a whole batch with the declared function, fed as Feast feeds it.

Feast hands a function the join keys, the request data and the stored features the view declares, each under
`view__feature` and under `feature`. The same names and types arrive here, without a protobuf message per value.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.arrays import floats
from contract.failing_function import advice, failing_line
from contract.service import OnDemandView
from contract.types import is_number
from stores.cells.column import Column

_log = logging.getLogger(__name__)

TELL_AGAIN_S = 60.0
"""How long a view that failed is not told of again, seconds."""


class OnDemandError(ValueError):
    """An on-demand view's function did not give what it declares."""


def compute(
    view: OnDemandView, given: Mapping[str, Column], rows: int
) -> tuple[dict[str, Column], npt.NDArray[np.bool_] | None]:
    """Compute a view's outputs, one call of its function for the batch.

    If the function fails, it is called once for each row, so that one strange request does not cost the others theirs.

    Args:
        view: The view.
        given: Join keys and request data by name, stored features by `view__feature`.
        rows: The number of rows.

    Returns:
        The outputs by `view__feature`, missing where the function failed; and for which rows it did, shape (rows,), None
        for none.
    """
    inputs = _inputs(view, given)
    try:
        return call(view, inputs, rows), None
    except Exception as error:
        failed = error
    parts = [
        _call_one(view, {name: column.slice(row, row + 1) for name, column in inputs.items()}) for row in range(rows)
    ]
    where = np.fromiter((part is None for part in parts), np.bool_, rows)
    _tell(view, inputs, failed, int(where.argmax()) if where.any() else None)
    holes = {f"{view.name}__{name}": Column.missing(kind, 1) for name, kind in view.outputs}
    columns = {name: concatenate([(part or holes)[name] for part in parts]) for name in holes}
    return columns, where if where.any() else None


_told: dict[str, float] = {}


def _tell(view: OnDemandView, inputs: Mapping[str, Column], error: Exception, row: int | None) -> None:
    """Log what failed, in which line, and the first row on which it fails: once a minute a view."""
    now = time.monotonic()
    if now - _told.get(view.name, float("-inf")) < TELL_AGAIN_S:
        return
    _told[view.name] = now
    example = ", ".join(
        f"{name}={one.as_json(row)}" for name, one in inputs.items() if row is not None and "__" not in name
    )
    _log.warning(
        "on-demand view %s failed with %s: %s (%s). %s It fails on %s",
        view.name,
        type(error).__name__,
        error,
        failing_line(error, view.name, view.source),
        advice(error),
        f"the row {example}." if example else "the batch, but on none of its rows alone.",
    )


def concatenate(columns: Sequence[Column]) -> Column:
    """Join columns of the same feature, whose kinds may differ where a function gave integers for some rows only."""
    valid = np.concatenate([column.valid for column in columns])
    kinds = {column.kind for column in columns}
    if len(kinds) == 1 and not isinstance(columns[0].values, list):
        return Column(columns[0].kind, np.concatenate([column.values for column in columns]), valid)
    if all(is_number(kind) for kind in kinds):
        out = np.empty(len(valid), dtype=np.float64)
        np.concatenate([np.where(column.valid, column.values, np.nan) for column in columns], out=out)
        return Column("float64", out, valid)
    return Column(columns[0].kind, [value for column in columns for value in column.values], valid)


def _inputs(view: OnDemandView, given: Mapping[str, Column]) -> dict[str, Column]:
    inputs = {name: column for name, column in given.items() if "__" not in name}
    for source, feature in view.inputs:
        column = given[f"{source}__{feature}"]
        inputs[f"{source}__{feature}"] = column
        inputs[feature] = column
    return inputs


def call(view: OnDemandView, inputs: Mapping[str, Column], rows: int) -> dict[str, Column]:
    """Call a view's function once, and return what it gives by `view__feature`; what it raises is let through.

    Raises:
        OnDemandError: It does not give every declared feature, with one value a row.
    """
    outputs = dict(_CALLS[view.mode](view, inputs))
    for name, column in outputs.items():
        if len(column.valid) != rows:
            raise OnDemandError(f"{name}: its function gave {len(column.valid)} values for {rows} rows; give one each.")
    return outputs


def _call_one(view: OnDemandView, inputs: Mapping[str, Column]) -> dict[str, Column] | None:
    """Compute one row; None where the function fails for it."""
    try:
        return call(view, inputs, 1)
    except Exception:
        return None


def _call_pandas(view: OnDemandView, inputs: Mapping[str, Column]) -> Iterator[tuple[str, Column]]:
    import pandas as pd

    result = view.udf(pd.DataFrame({name: column.as_pandas() for name, column in inputs.items()}, copy=False))
    for name, kind, series in _given(view, result):
        raw = series.to_numpy()
        if raw.dtype.kind not in "iufb" and is_number(kind):
            raw = series.to_numpy(dtype=np.float64, na_value=np.nan)
        elif kind == "timestamp":
            raw = pd.to_datetime(series, utc=True).dt.tz_localize(None).to_numpy()
        yield name, _column(kind, raw)


def _call_python(view: OnDemandView, inputs: Mapping[str, Column]) -> Iterator[tuple[str, Column]]:
    result = view.udf({name: column.as_python() for name, column in inputs.items()})
    for name, kind, values in _given(view, result):
        if kind == "timestamp":
            naive = [None if value is None else value.replace(tzinfo=None) for value in values]
            yield name, _column(kind, np.array(naive, dtype="datetime64[us]"))
            continue
        raw = np.asarray(values) if is_number(kind) else None
        if raw is not None and raw.dtype.kind not in "iufb":
            raw = np.asarray(values, dtype=np.float64)
        yield name, _column(kind, list(values) if raw is None else raw)


def _call_arrays(view: OnDemandView, inputs: Mapping[str, Column]) -> Iterator[tuple[str, Column]]:
    for name, kind, values in _given(view, view.udf(_Arrays(inputs))):
        raw = np.asarray(values)
        if raw.dtype.kind not in "iufb" and is_number(kind):
            raw = floats(raw)
        yield name, _column(kind, raw)


class _Arrays(Mapping[str, npt.NDArray[Any]]):
    """The columns as arrays, each made when it is asked for."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = columns

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._columns[name].as_array()

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


_CALLS = {"pandas": _call_pandas, "python": _call_python, "arrays": _call_arrays}


def _given(view: OnDemandView, result: Any) -> Iterator[tuple[str, str, Any]]:
    """Give each declared feature under its full name, with its kind and what the function gave for it under either name."""
    for name, kind in view.outputs:
        full = f"{view.name}__{name}"
        values = result.get(name, result.get(full))
        if values is None:
            raise OnDemandError(f"{full}: its function gave {sorted(result)}; give every declared feature.")
        yield full, kind, values


def _column(kind: str, raw: Any) -> Column:
    """Build a column from what a function gave; numbers keep the type it gave, as they do in Feast."""
    if kind == "timestamp":
        there = ~np.isnat(raw)
        return Column(kind, raw.astype("datetime64[us]").astype(np.int64), there)
    if not is_number(kind):
        values = list(raw)
        return Column(kind, values, np.fromiter((value is not None for value in values), np.bool_, len(values)))
    if raw.dtype.kind == "f":
        return Column("float64", raw.astype(np.float64, copy=False), ~np.isnan(raw))
    actual = "bool" if raw.dtype.kind == "b" else "int64"
    return Column(actual, raw.astype(bool if actual == "bool" else np.int64, copy=False), np.ones(len(raw), np.bool_))
