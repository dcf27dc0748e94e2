"""Builds a point-in-time training set: label events joined with the feature values that held when they happened.

The entity frame given to `get_historical_features` holds the join keys, the event's time and the request fields, and
nothing else: an on-demand view sees here exactly what it sees when serving, never the label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from contract.service import read_service
from stores.parquet.provenance import read_provenance
from training.data.failing_views import told_by_view
from training.data.label_events import describe_label_files, read_label_events
from training.data.task import TrainingTask
from training.errors import TrainingError

if TYPE_CHECKING:
    import pyarrow as pa
    from feast import FeatureStore

ROW = "millrace_row"  # carries an event's position through the offline store, which may reorder rows


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Label events with their features, one row an event, in the order of (time, event id).

    Attributes:
        service: The feature service's name.
        frame: All event columns, then the feature columns as float64, NaN where a value is missing. Index 0 to n - 1.
        label: The column to predict: int64 (1 or 0; a relevance for a ranking), or float64 for a regression.
        features: Full feature names (`view__feature`) in the service's order: the model's columns.
        event_id: The column that identifies an event.
        timestamp: The column with the event's time, `datetime64[us, UTC]`.
        keys: The join keys.
        group: For a ranking: the column whose equal values are one list of candidates.
        predicts: `binary`, `regression` or `ranking`.
        provenance: What it was made of: digests of declarations, of label files and of the files of feature logs, with their
            numbers of rows (`stores.parquet.provenance`). Equal for equal inputs.
    """

    service: str
    frame: pd.DataFrame
    label: str
    features: tuple[str, ...]
    event_id: str
    timestamp: str
    keys: tuple[str, ...]
    group: str | None = None
    predicts: str = "binary"
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """Return the features, shape (rows, features), float64, NaN where missing."""
        return np.asarray(self.frame[list(self.features)], dtype="float64")

    @property
    def labels(self) -> npt.NDArray[Any]:
        """Return the labels, shape (rows,), in the label column's type."""
        return self.frame[self.label].to_numpy()

    @property
    def groups(self) -> npt.NDArray[np.int64]:
        """Return the number of each row's list of candidates, shape (rows,); a list of its own where there are none."""
        if self.group is None:
            return np.arange(len(self))
        return pd.factorize(self.frame[self.group])[0].astype(np.int64)

    @property
    def positives(self) -> int:
        """Return the number of rows with a label above 0."""
        return int((self.labels > 0).sum())

    def __len__(self) -> int:
        return len(self.frame)

    def where(self, keep: pd.Series[bool]) -> TrainingSet:
        """Return the rows marked true, renumbered from 0."""
        return replace(self, frame=self.frame[keep].reset_index(drop=True))

    def between(
        self, start: datetime, end: datetime, arrived: str = "", known_by: datetime | None = None
    ) -> TrainingSet:
        """Return the rows of `[start, end)`, and of these what was known before `known_by`, by the column `arrived` (rule 12)."""
        at = self.frame[self.timestamp]
        keep = (at >= start) & (at < end)
        if arrived and known_by is not None:
            keep &= ~(pd.to_datetime(self.frame[arrived], utc=True) >= known_by)
        return self.where(keep)


def build_training_set(
    store: FeatureStore,
    declared: TrainingTask,
    start: datetime,
    end: datetime,
    limit: int | None = None,
    known_by: datetime | None = None,
) -> TrainingSet:
    """Join the label events of `[start, end)` with a feature service, point in time.

    Args:
        store: The feature store; its offline store must keep every row of the entity frame.
        declared: What to train on.
        start: First instant, aware.
        end: Last instant, aware, exclusive.
        limit: At most this many events, spread evenly over the span; all when None.
        known_by: Labels that became known at this instant or later are left out, where somebody notes when (rule 12).

    Raises:
        TrainingError: There are no label events in the span, an on-demand function fails, or the offline store lost rows
            or returned an infinite value.
    """
    events = spread(read_label_events(declared, start, end, known_by=known_by), limit)
    entities = _entity_frame(declared, events)
    with told_by_view(declared.service):
        joined = store.get_historical_features(
            entity_df=entities, features=_asked(store, declared), full_feature_names=True
        ).to_arrow()
    provenance = {
        "service": declared.service,
        "events": {"rows": len(events), **describe_label_files(declared, start, end)},
        **read_provenance(joined.schema),
    }
    features = _in_order(declared, joined, len(events))
    numbers = {name: as_numbers(declared.service, name, features[name]) for name in declared.features}
    return TrainingSet(
        service=declared.service,
        frame=pd.concat([events, pd.DataFrame(numbers, index=events.index)], axis=1),
        label=declared.label,
        features=declared.features,
        event_id=declared.event_id,
        timestamp=declared.timestamp,
        keys=declared.keys,
        group=declared.group,
        predicts=declared.predicts,
        provenance=provenance,
    )


def _asked(store: FeatureStore, declared: TrainingTask) -> Any:
    """Return the feature service, or each feature by itself where a model was trained on some that the service has no more."""
    service = read_service(store, declared.service)
    if set(declared.features) <= {name for name, _ in service.features}:
        return store.get_feature_service(declared.service)
    return [name.replace("__", ":", 1) for name in declared.features]


def _entity_frame(declared: TrainingTask, events: pd.DataFrame) -> pd.DataFrame:
    needed = {key: key for key in declared.keys} | dict(declared.request)
    missing = {name: column for name, column in needed.items() if column not in events}
    if missing:
        name, column = next(iter(missing.items()))
        what = "join key" if name in declared.keys else "request field"
        raise TrainingError(
            f"{declared.service}: {what} {name!r} needs column {column!r} of the label events {declared.source}, "
            f"which have {', '.join(map(str, events.columns))}; add the column, or fill the field from another with "
            f"the tag millrace.fill.{name} on the request source."
        )
    entities = pd.DataFrame({name: events[column] for name, column in needed.items()}, index=events.index)
    entities["event_timestamp"] = events[declared.timestamp]  # the name Feast looks for
    entities[ROW] = np.arange(len(events), dtype="int64")
    return entities


def _in_order(declared: TrainingTask, joined: pa.Table, rows: int) -> pd.DataFrame:
    """Return the features of the joined rows in the events' order; exactly one row for each event."""
    missing = [name for name in declared.features if name not in joined.column_names]
    if missing:
        raise TrainingError(
            f"{declared.service}: the offline store returned no column {missing[0]}; run `make apply`, so that the "
            "registry and the views agree."
        )
    given = joined[ROW].to_numpy()
    if not np.array_equal(np.sort(given), np.arange(rows)):
        raise TrainingError(
            f"{declared.service}: the offline store returned {len(joined)} rows for {rows} label events; use "
            "offline_store: {type: stores.asof_offline.AsofOfflineStore}, which keeps every row once."
        )
    features = joined.select(list(declared.features)).to_pandas()  # lists that only on-demand views read stay behind
    in_order = np.array_equal(given, np.arange(rows))
    return features if in_order else features.iloc[np.argsort(given)].reset_index(drop=True)


def spread(rows: pd.DataFrame, limit: int | None) -> pd.DataFrame:
    """Return at most `limit` rows, spread evenly, renumbered from 0; all when None."""
    if limit is None or limit >= len(rows):
        return rows
    return rows.iloc[np.linspace(0, len(rows) - 1, max(limit, 1)).astype("int64")].reset_index(drop=True)


def as_numbers(service: str, name: str, values: pd.Series[float]) -> npt.NDArray[np.float64]:
    """Return a feature's values as a model reads them: NaN where missing.

    Raises:
        TrainingError: One is infinite.
    """
    numbers: npt.NDArray[np.float64] = values.to_numpy(dtype="float64", na_value=np.nan)
    infinite = int(np.isinf(numbers).sum())
    if infinite:
        raise TrainingError(
            f"{service}: feature {name} is infinite in {infinite} rows; in its view divide by x.where(x > 0), so that "
            "the value is missing instead."
        )
    return numbers
