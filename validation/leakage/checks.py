"""The findings about a training set that knows too much: of its features, of its labels, and of its test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from contract.checks import Severity
from validation.gates.report import Finding, Row
from validation.gates.rows import Source
from validation.gates.uniqueness import find_conflicts
from validation.leakage.single_feature import auroc, auroc_of_nulls, correlation

SHOWN = 5
_FEWEST = 20
"""Rows of each class without which one feature's AUROC says nothing; a correlation needs twice as many."""
_TIMES = (1e15, 4e15)
"""Microseconds since the epoch of the years 2001 to 2096: a feature between these is a time."""


@dataclass(frozen=True, slots=True)
class LeakBounds:
    """From where on a feature knows too much.

    Attributes:
        auroc: The largest AUROC of one feature alone, and of whether it has a value (binary and ranking).
        correlation: The largest correlation of one feature alone (regression).
        repeated: The share of test rows whose keys and features all stand in the training set as well.
        severity: What a feature above its bound does.
    """

    auroc: float = 0.97
    correlation: float = 0.98
    repeated: float = 0.01
    severity: Severity = "critical"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Says what the columns of a training frame are.

    Attributes:
        label: The column to predict.
        predicts: `binary`, `regression` or `ranking`.
        features: The columns to predict from.
        keys: The join keys.
        event_id: The column that tells one event from another.
        timestamp: The column with the event's time, aware.
        arrived: The column that says when the label became known; empty where nobody notes it.
        known_after: Microseconds after its event at which a label is known, as declared.
    """

    label: str
    predicts: str
    features: tuple[str, ...]
    keys: tuple[str, ...]
    event_id: str
    timestamp: str
    arrived: str = ""
    known_after: int = 0


def find_leaks(frame: pd.DataFrame, given: Labelled, bounds: LeakBounds) -> list[Finding]:
    """Return what single features and the times of labels tell; a finding each, met or not."""
    found = [_knows_label(frame, given, bounds), _of_the_future(frame, given)]
    if given.arrived and given.arrived in frame:
        found += _known_in_time(frame, given)
    return found


def find_repeats(train: pd.DataFrame, test: pd.DataFrame, given: Labelled, bounds: LeakBounds) -> list[Finding]:
    """Return whether the test repeats what was learned: events, or rows whose keys and features are all the same."""
    same = test[given.event_id].isin(train[given.event_id]).to_numpy()
    columns = [*given.keys, *given.features]
    learned, tested = (pd.util.hash_pandas_object(part[columns], index=False).to_numpy() for part in (train, test))
    alike = np.isin(tested, learned) & ~same
    few = alike.mean() <= bounds.repeated if len(alike) else True
    identify = (given.event_id, given.timestamp, *given.keys)
    return [
        _finding("expect_test_events_not_to_be_trained_on", (given.event_id,), "", test, same, identify, "critical"),
        Finding(
            "expect_test_rows_to_differ_from_training",
            given.keys,
            f"at most {bounds.repeated:.1%} of rows with the same keys and features",
            bool(few),
            "warning",
            len(test),
            int(alike.sum()),
            _rows(test, alike, identify),
        ),
    ]


def find_label_conflicts(source: Source, event_id: str, label: str) -> Finding:
    """Return whether one event has two labels anywhere: which of them is learned would be chance."""
    found = find_conflicts(source, event_id, label, SHOWN)
    rows: list[Row] = [{event_id: _plain(one), "labels": str(labels)} for one, labels in found.first]
    return Finding(
        "expect_event_to_have_one_label",
        (event_id, label),
        "",
        not found.events,
        "critical",
        found.rows,
        found.events,
        tuple(rows),
    )


def _knows_label(frame: pd.DataFrame, given: Labelled, bounds: LeakBounds) -> Finding:
    measured: list[tuple[float, str, str]] = []
    label = frame[given.label].to_numpy(dtype="float64")
    positive = label > 0
    many = min(positive.sum(), (~positive).sum()) >= _FEWEST
    for name in given.features:
        values = frame[name].to_numpy(dtype="float64", na_value=np.nan)
        if given.predicts == "regression":
            measured.append((correlation(values, label, 2 * _FEWEST), "correlation", name))
        elif many:
            measured.append((auroc(values, positive, _FEWEST), "AUROC", name))
            measured.append((auroc_of_nulls(values, positive), "AUROC of having a value", name))
    bound = bounds.correlation if given.predicts == "regression" else bounds.auroc
    bad = sorted(((size, what, name) for size, what, name in measured if size > bound), reverse=True)
    rows: list[Row] = [{"feature": name, what: round(size, 4)} for size, what, name in bad[:SHOWN]]
    return Finding(
        "expect_no_feature_to_know_the_label",
        (given.label,),
        f"{'correlation' if given.predicts == 'regression' else 'AUROC'} of one feature at most {bound:g}",
        not bad,
        bounds.severity,
        len(given.features),
        len({name for *_, name in bad}),
        tuple(rows),
        of="features",
    )


def _of_the_future(frame: pd.DataFrame, given: Labelled) -> Finding:
    """Find features that are times, and are after the event that they are of."""
    at = pd.to_datetime(frame[given.timestamp], utc=True).dt.as_unit("us").astype("int64").to_numpy()
    rows: list[Row] = []
    bad = 0
    for name in given.features:
        values = frame[name].to_numpy(dtype="float64", na_value=np.nan)
        known = values[~np.isnan(values)]
        if not len(known) or not (_TIMES[0] < known.min() and known.max() < _TIMES[1]):
            continue
        later = np.nan_to_num(values) > at
        if later.any():
            bad += 1
            row = int(np.flatnonzero(later)[0])
            moment = np.datetime64(int(values[row]), "us")
            rows.append(
                {
                    "feature": name,
                    "rows": int(later.sum()),
                    "first": str(moment),
                    given.timestamp: str(frame[given.timestamp].iloc[row]),
                }
            )
    expectation = "expect_no_feature_to_be_later_than_its_event"
    return Finding(
        expectation,
        (given.timestamp,),
        "",
        not bad,
        "critical",
        len(given.features),
        bad,
        tuple(rows[:SHOWN]),
        of="features",
    )


def _known_in_time(frame: pd.DataFrame, given: Labelled) -> list[Finding]:
    at, came = (pd.to_datetime(frame[name], utc=True).dt.as_unit("us") for name in (given.timestamp, given.arrived))
    early = (came < at).to_numpy()
    late = (came > at + pd.to_timedelta(given.known_after, unit="us")).to_numpy()
    identify, columns = (given.event_id, given.timestamp, given.arrived), (given.arrived, given.timestamp)
    return [
        _finding("expect_label_not_to_be_known_before_its_event", columns, "", frame, early, identify, "critical"),
        _finding(
            "expect_label_to_be_known_as_declared", columns, "by millrace.known_after", frame, late, identify, "warning"
        ),
    ]


def _finding(
    expectation: str,
    columns: tuple[str, ...],
    rule: str,
    frame: pd.DataFrame,
    bad: Any,
    identify: Sequence[str],
    severity: Severity,
) -> Finding:
    rows = _rows(frame, bad, identify)
    return Finding(expectation, columns, rule, not bad.any(), severity, len(frame), int(bad.sum()), rows)


def _rows(frame: pd.DataFrame, bad: Any, columns: Sequence[str]) -> tuple[Mapping[str, object], ...]:
    first = np.flatnonzero(bad)[:SHOWN]
    return tuple({name: _plain(frame[name].iloc[row]) for name in dict.fromkeys(columns)} for row in first)


def _plain(value: Any) -> object:
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (bool, int, float, str)) else str(value)
