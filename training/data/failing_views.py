"""Says which on-demand view failed, in which line and on which row, instead of a trace through Feast."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

import pandas as pd

from contract.failing_function import advice, failing_line
from training.errors import TrainingError

SHOWN = 12  # columns of the row that is shown


@contextmanager
def told_by_view(service: str) -> Iterator[None]:
    """Turn an error inside a declared function into one that names the view, the function's line and a row that fails.

    Raises:
        TrainingError: A declared function failed.
    """
    try:
        yield
    except TrainingError:
        raise
    except Exception as error:
        found = _find(error.__traceback__)
        if found is None:
            raise
        view, transformation, called = found
        row = _example(transformation.udf, _first_argument(called))
        raise TrainingError(
            f"{service}: on-demand view {view} failed with {type(error).__name__}: {error}"
            f" ({failing_line(error, view, transformation.udf_string or '')}). {advice(error)}"
            + (f" It fails on the row {row}." if row else "")
        ) from error


def _find(trace: TracebackType | None) -> tuple[str, Any, FrameType] | None:
    """Return the view whose function failed, Feast's transformation around it, and the function's frame."""
    view, transformation = "", None
    for frame, _ in traceback.walk_tb(trace):
        owner: Any = frame.f_locals.get("self")
        if type(owner).__name__ == "OnDemandFeatureView":
            view = owner.name
        elif view and hasattr(owner, "udf_string"):
            transformation = owner
        elif transformation is not None:
            return view, transformation, frame
    return None


def _first_argument(called: FrameType) -> Any:
    code = called.f_code
    return called.f_locals.get(code.co_varnames[0]) if code.co_argcount else None


def _example(function: Callable[..., Any], given: Any) -> str:
    """Find a row on which a function fails by itself, by halving, and describe it, nulls first; empty where there is none."""
    as_lists = isinstance(given, dict)
    rows = pd.DataFrame(given) if as_lists else given
    if not isinstance(rows, pd.DataFrame):
        return ""

    def fails(part: pd.DataFrame) -> bool:
        try:
            function({name: part[name].tolist() for name in part} if as_lists else part.copy())
        except Exception:
            return True
        return False

    while len(rows) > 1:
        half = len(rows) // 2
        rows = next((part for part in (rows.iloc[:half], rows.iloc[half:]) if fails(part)), rows.iloc[:0])
    if not len(rows):
        return ""
    row = {name: value for name, value in rows.iloc[0].items() if "__" not in str(name) and "millrace" not in str(name)}
    nulls = sorted(row, key=lambda name: not (pd.api.types.is_scalar(row[name]) and pd.isna(row[name])))
    return ", ".join(f"{name}={row[name]}" for name in nulls[:SHOWN])
