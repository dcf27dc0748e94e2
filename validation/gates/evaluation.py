"""Runs Great Expectations on one frame and says in our words what came out. No other module runs it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from validation.gates.gx import BatchDefinition, Expectation, ExpectationConfiguration, ProgressBarsConfig, gx
from validation.gates.report import Row


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Says how one expectation went on one frame.

    Attributes:
        success: Whether the frame meets it.
        considered: Rows it was applied to: all, less those with a null it passes over; None when not about rows.
        unexpected: How many of them break it; None when not about rows.
        positions: The first of those, as row numbers in the frame.
        observed: What was seen, when it is not about single rows.
        problem: Why it could not be evaluated, if so.
    """

    success: bool
    considered: int | None
    unexpected: int | None
    positions: tuple[int, ...]
    observed: str | None
    problem: str | None


class Evaluator:
    """Evaluates expectations on pandas frames in an ephemeral context: no files, no network, no progress bars."""

    def __init__(self, shown: int) -> None:
        """Open the context; of offending rows the first ``shown`` positions are kept."""
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
        self._batch: BatchDefinition[Any] = asset.add_batch_definition_whole_dataframe("rows")
        # Positions only: were columns of the rows asked for, it would look up each unexpected row, 10 us apiece.
        self._format = {"result_format": "SUMMARY", "partial_unexpected_count": shown}

    def evaluate(self, frame: pd.DataFrame, expectations: Sequence[Expectation]) -> list[Evaluated]:
        """Evaluate expectations on a frame whose index is 0, 1, 2, ...; the results are in their order."""
        if not expectations:
            return []
        suite = gx.ExpectationSuite(name="rows")
        suite.expectations = list(expectations)
        results = self._batch.get_batch({"dataframe": frame}).validate(suite, result_format=self._format).results
        # It answers in an order of its own.
        found = {sign(result.expectation_config): result for result in results if result.expectation_config is not None}
        return [_translate(found[sign(one.configuration)]) for one in expectations]


def sign(configuration: ExpectationConfiguration) -> str:
    """Return a text that two expectations share when they expect the same; their severity may differ."""
    given = {name: value for name, value in configuration.kwargs.items() if name != "batch_id"}
    return json.dumps([configuration.type, given], sort_keys=True, default=str)


def name_columns(expectation: Expectation) -> tuple[str, ...]:
    """Name the columns an expectation is about, in its own order; none when it is about the table."""
    given = expectation.configuration.kwargs
    single = [given[name] for name in ("column", "column_A", "column_B") if given.get(name) is not None]
    return (*single, *given.get("column_list", ()))


def describe_rule(expectation: Expectation) -> str:
    """Say an expectation's parameters other than its columns, such as ``min_value=0, max_value=1``."""
    hidden = {"column", "column_A", "column_B", "column_list", "batch_id"}
    given = expectation.configuration.kwargs.items()
    return ", ".join(f"{name}={value}" for name, value in given if name not in hidden and value is not None)


def pick_rows(frame: pd.DataFrame, positions: Sequence[int], columns: Sequence[str]) -> Iterator[Row]:
    """Yield some rows of a frame with those of the columns that it has."""
    present = [column for column in dict.fromkeys(columns) if column in frame.columns]
    for position in positions:
        yield {column: plain(frame[column].iloc[position]) for column in present}


def _translate(result: Any) -> Evaluated:
    problem = _find_problem(result.exception_info)
    found = result.result or {}
    # Statements about a set of values count unexpected values, not rows; only those about rows say of how many.
    unexpected = found.get("unexpected_count") if "element_count" in found else None
    observed = found.get("observed_value")
    return Evaluated(
        success=bool(result.success) and problem is None,
        considered=None if unexpected is None else found["element_count"] - (found.get("missing_count") or 0),
        unexpected=unexpected,
        positions=tuple(int(one) for one in found.get("partial_unexpected_index_list") or ()),
        observed=None if observed is None else str(observed),
        problem=problem,
    )


def _find_problem(info: Mapping[str, Any] | None) -> str | None:
    """Find the first message in what it says of exceptions, which is flat or one level down."""
    for one in (info or {}, *(info or {}).values()):
        if isinstance(one, Mapping) and one.get("raised_exception"):
            return f"could not be evaluated: {one.get('exception_message')}"
    return None


def plain(value: Any) -> object:
    """Return a cell as a JSON-able value."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(one) for one in value]
    if pd.isna(value):
        return None
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, (bool, int, float, str)) else str(value)
