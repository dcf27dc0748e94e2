"""Measures how far what was served is what `get_historical_features` gives at the same instants, and why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from contract.service import EVENT_TIMESTAMP, Service, StoredView
from validation.consistency.agree import compare_columns
from validation.consistency.causes import CHANGED, LATE, NONE, ViewRows, cause_of_inputs, causes_of
from validation.consistency.recompute import log_end, row_times, values_at_request
from validation.consistency.served import ConsistencyError, read_served

if TYPE_CHECKING:
    from feast import FeatureStore

PART: Final = 50_000
"""How many decisions are recomputed together."""

EXAMPLES: Final = 5

Explain = Callable[[str, pd.DataFrame, Sequence[str]], npt.NDArray[np.bool_]]
"""Says which rows of a view an event explains that was not there yet: the view's name; its join keys, `event_timestamp` and served
features; the names of these features."""


@dataclass(slots=True)
class Tally:
    """What became of one feature's values. Values that neither side has are not compared.

    Attributes:
        equal: Both have the same.
        different: Both have one, from rows of equal times or from a newer one served.
        missing: Only offline has one.
        extra: Only what was served has one.
        stale: Both have one, and the row that was served, or an on-demand view was computed from, is older than the one
            offline has for that instant.
        causes: Why values are not equal.
        examples: Some that are not: decision, instant, served, offline, cause.
    """

    equal: int = 0
    different: int = 0
    missing: int = 0
    extra: int = 0
    stale: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def compared(self) -> int:
        """How many values at least one side has."""
        return self.equal + self.different + self.missing + self.extra + self.stale


@dataclass(slots=True)
class Consistency:
    """What was measured.

    Attributes:
        features: By full feature name.
        decisions: How many decisions were recomputed.
        later: How many were not, for the logs do not reach so far.
        until: Up to when all logs reach, and which view's reaches least far; None where no stream view is read.
    """

    features: dict[str, Tally]
    decisions: int = 0
    later: int = 0
    until: tuple[int, str] | None = None


def measure_consistency(
    store: FeatureStore,
    data: Path,
    service: Service,
    since: date | None = None,
    until: date | None = None,
    sample: int = 100_000,
    seed: int = 7,
    explain: Explain | None = None,
) -> Consistency:
    """Recompute a sample of a service's decisions.

    Args:
        store: The feature store.
        data: The data folder, with the record of decisions.
        service: Whose decisions.
        since: The first day on which they were made, UTC; None for all.
        until: The first day no more; None for all.
        sample: How many decisions, about.
        seed: Which ones.
        explain: Tells late events from other reasons where row times do not; None where nobody can.

    Raises:
        ConsistencyError: There are no decisions that can be recomputed.
        FeatureLogError: A view's log is missing or cannot be read as files.
    """
    end = log_end(store, service)
    found = Consistency({name: Tally() for name, _ in service.features}, until=end)
    for day in read_served(data, service, since, until, sample, seed, end[0] if end else None):
        found.later += day.later
        for start in range(0, day.rows.num_rows, PART):
            part = day.rows.slice(start, PART)
            found.decisions += part.num_rows
            _compare(found.features, store, service, part, explain)
    if not found.decisions:
        view = end[1] if end else ""
        raise ConsistencyError(
            f"{service.name}: all {found.later:,} decisions of the sample are later than the feature log of {view} reaches; fill it"
            " first (`make backfill`, or let the stream write it with FEATURE_LOG=1)."
        )
    return found


def _compare(
    tallies: Mapping[str, Tally], store: FeatureStore, service: Service, served: pa.Table, explain: Explain | None
) -> None:
    offline = values_at_request(store, service, served)
    columns = {name: served[name].to_pandas() for name in tallies}
    masks = {name: compare_columns(columns[name], offline[name]) for name in tallies}
    rows = np.flatnonzero(~np.logical_and.reduce([good for good, _, _ in masks.values()]))
    causes, older = _causes(store, service, served.take(rows), {n: m[0][rows] for n, m in masks.items()}, explain)
    for name, (good, absent_here, absent_there) in masks.items():
        tally = tallies[name]
        tally.equal += int((good & ~absent_here).sum())
        bad = ~good[rows]
        if not bad.any():
            continue
        here, there, why = absent_here[rows][bad], absent_there[rows][bad], causes[name][bad]
        is_stale = ~here & ~there & older[name][bad]
        tally.missing += int(here.sum())
        tally.extra += int(there.sum())
        tally.stale += int(is_stale.sum())
        tally.different += int((~here & ~there & ~is_stale).sum())
        tally.causes.update(why.tolist())
        for row, cause in list(zip(rows[bad].tolist(), why, strict=True))[: EXAMPLES - len(tally.examples)]:
            tally.examples.append(
                {
                    "decision_id": served["decision_id"][row].as_py(),
                    EVENT_TIMESTAMP: served[EVENT_TIMESTAMP][row].as_py().isoformat(),
                    "served": _plain(columns[name].iloc[row]),
                    "offline": _plain(offline[name].iloc[row]),
                    "cause": cause,
                }
            )


def _causes(
    store: FeatureStore,
    service: Service,
    served: pa.Table,
    good: Mapping[str, npt.NDArray[np.bool_]],
    explain: Explain | None,
) -> tuple[dict[str, npt.NDArray[np.object_]], dict[str, npt.NDArray[np.bool_]]]:
    """Return, by feature, each decision's cause, and whether a row behind it is older than offline's."""
    causes: dict[str, npt.NDArray[np.object_]] = {}
    older: dict[str, npt.NDArray[np.bool_]] = {}
    differs: dict[str, npt.NDArray[np.bool_]] = {}
    is_older: dict[str, npt.NDArray[np.bool_]] = {}
    by_view: dict[str, npt.NDArray[np.object_]] = {}
    for view in service.stored if served.num_rows else ():
        names = [name for one, _ in view.features if (name := f"{view.alias}__{one}") in good]
        rows = _view_rows(store, view, served)
        wrong = ~np.logical_and.reduce([good[name] for name in names]) if names else np.zeros(len(served), bool)
        by_view[view.alias] = causes_of(rows)
        if explain is not None and names:
            unsure = np.flatnonzero(wrong & (by_view[view.alias] == CHANGED))
            if len(unsure):
                late = explain(
                    view.name, _rows_of_view(view, served.take(unsure)), [n.partition("__")[2] for n in names]
                )
                by_view[view.alias][unsure[late]] = LATE
        differs[view.alias] = wrong | (rows.served_at != rows.offline_at)
        is_older[view.alias] = rows.is_older
        for name in names:
            causes[name], older[name] = by_view[view.alias], rows.is_older
    for computed in service.on_demand if served.num_rows else ():
        inputs = list(dict.fromkeys(alias for alias, _ in computed.inputs))
        cause = cause_of_inputs(len(served), [by_view[a] for a in inputs], [differs[a] for a in inputs])
        stale = np.logical_or.reduce([np.zeros(len(served), bool), *(is_older[a] for a in inputs)])
        for one, _ in computed.outputs:
            causes[f"{computed.name}__{one}"], older[f"{computed.name}__{one}"] = cause, stale
    return causes, older


def _view_rows(store: FeatureStore, view: StoredView, served: pa.Table) -> ViewRows:
    asked = _micros(served[EVENT_TIMESTAMP])
    age = served[f"age_us__{view.alias}"].cast(pa.int64())
    served_at = np.where(age.is_valid().to_numpy(), asked - age.fill_null(0).to_numpy(), NONE)
    ttl = view.view.ttl
    return ViewRows(
        asked,
        served_at,
        row_times(store, view, served),
        _micros(served[f"complete_at__{view.alias}"]),
        np.array([reason or "" for reason in served[f"missing__{view.alias}"].to_pylist()], object),
        int(ttl.total_seconds() * 1e6) if ttl else 0,
    )


def _rows_of_view(view: StoredView, served: pa.Table) -> pd.DataFrame:
    """Return what was served of a view under the view's own names."""
    frame = pd.DataFrame({key: served[column].to_pandas() for key, column, _ in view.keys})
    frame[EVENT_TIMESTAMP] = _micros(served[EVENT_TIMESTAMP])
    for name, _ in view.features:
        if (full := f"{view.alias}__{name}") in served.column_names:
            frame[name] = pd.Series(served[full].to_pylist(), dtype=object)
    return frame


def _micros(times: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    whole: Any = times.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).fill_null(NONE)
    return np.asarray(whole.to_numpy(), np.int64)


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, np.ndarray):
        return [_plain(one) for one in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
