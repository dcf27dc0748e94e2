"""Makes feature vectors from requests: one lookup and one call per on-demand view for a whole batch.

Everything is a column of the batch; no object is made per value, and Feast is not called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from serving.request.schema import EVENT_TIMESTAMP, Row
from serving.scoring import on_demand
from serving.scoring.column import Column
from serving.scoring.lookup import REASONS, STORE_UNAVAILABLE, StoredColumn
from serving.scoring.service import ServiceDefinition
from stores.online_rows import OnlineStoreUnavailable

COMPUTED_NULL: Final = "computed_null"
"""Why an on-demand feature is missing: its function gave no value."""

COMPUTE_FAILED: Final = "compute_failed"
"""Why an on-demand feature is missing: its function failed."""

_MICROSECONDS = 1_000_000  # in a second; Feast keeps a key that is a time in seconds


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """The feature vectors of n requests.

    Attributes:
        columns: Every feature of the service by `view__feature`, in declared order.
        matrix: Shape (n, model columns), float32, NaN where missing or infinite.
        event_timestamp_us: Shape (n,), UTC microseconds.
        degraded: Whether the online store did not answer or an on-demand view's function failed.
        status: The store's status by stored feature; empty when it did not answer.
        failed: The on-demand views whose function failed for some row.
    """

    columns: Mapping[str, Column]
    matrix: npt.NDArray[np.float32]
    event_timestamp_us: npt.NDArray[np.int64]
    degraded: bool
    status: Mapping[str, npt.NDArray[np.uint8]]
    failed: frozenset[str]

    def values_of(self, row: int) -> dict[str, object]:
        """Return one request's features as JSON can hold them."""
        return {name: column.as_json(row) for name, column in self.columns.items()}

    def missing_of(self, row: int, stored: frozenset[str]) -> list[dict[str, str]]:
        """Return one request's features that have no value, with the reason.

        Args:
            row: The request.
            stored: The names of the stored features.
        """
        missing = []
        for name, column in self.columns.items():
            if column.as_json(row) is not None:
                continue
            if name not in stored:
                reason = COMPUTE_FAILED if name.split("__")[0] in self.failed else COMPUTED_NULL
            elif name in self.status:
                reason = REASONS.get(int(self.status[name][row]), "null")
            else:
                reason = STORE_UNAVAILABLE
            missing.append({"feature": name, "reason": reason})
        return missing


class FeatureSource(Protocol):
    """What stored features are read from: the online store, or nothing in a warm-up."""

    def read(
        self, join_values: Mapping[str, Sequence[object] | npt.NDArray[np.int64]], as_of_us: npt.NDArray[np.int64]
    ) -> dict[str, StoredColumn]:
        """Read every stored feature by `view__feature`; raises `OnlineStoreUnavailable`."""
        ...


class FeatureVectors:
    """Builds the feature vectors of one service.

    Args:
        definition: The service.
        lookup: Where its stored features are.
        columns: The model's columns, full feature names in order.
    """

    def __init__(self, definition: ServiceDefinition, lookup: FeatureSource, columns: Sequence[str]) -> None:
        self._definition = definition
        self._lookup = lookup
        self._columns = tuple(columns)
        self.stored = frozenset(f"{view.name}__{name}" for view in definition.stored for name, _ in view.features)

    def build(self, rows: Sequence[Row]) -> FeatureBatch:
        """Build the vectors of checked requests, in order. A store that does not answer leaves its features missing.

        Args:
            rows: At least one request, as `RequestSchema.parse` gives them.
        """
        definition, size = self._definition, len(rows)
        as_of_us, requested, keys = self._request_columns(rows)
        columns: dict[str, Column] = dict(requested)
        status: dict[str, npt.NDArray[np.uint8]] = {}
        degraded = False
        try:
            for name, found in self._lookup.read(keys, as_of_us).items():
                columns[name], status[name] = found.column, found.status
        except OnlineStoreUnavailable:
            degraded = True
            for view in definition.stored:
                columns.update({f"{view.name}__{name}": Column.missing(kind, size) for name, kind in view.features})
        failed = set()
        for on_demand_view in definition.on_demand:
            computed, has_failed = on_demand.compute(on_demand_view, columns, size)
            columns.update(computed)
            if has_failed:
                failed.add(on_demand_view.name)
        features = {name: columns[name] for name, _ in definition.features}
        matrix = self._matrix(features, size)
        return FeatureBatch(features, matrix, as_of_us, degraded or bool(failed), status, frozenset(failed))

    def _request_columns(
        self, rows: Sequence[Row]
    ) -> tuple[npt.NDArray[np.int64], dict[str, Column], dict[str, Sequence[object] | npt.NDArray[np.int64]]]:
        """Turn rows into columns: the event timestamps, every request column by name, and the join keys' raw values.

        Times keep their microseconds, as in a training set; Feast's own online path cuts them to whole seconds.
        """
        stamps, *values = zip(*rows, strict=True)
        as_of_us = np.array(stamps, dtype=np.int64)
        columns: dict[str, Column] = {}
        keys: dict[str, Sequence[object] | npt.NDArray[np.int64]] = {}
        for one, given in zip(self._definition.schema.fields, values, strict=True):
            columns[one.name] = Column.of(one.kind, given)
            if one.is_key:
                held = columns[one.name].values
                keys[one.name] = np.asarray(held) // _MICROSECONDS if one.kind == "timestamp" else held
        for name, filled_by in self._definition.schema.fills:
            if filled_by == EVENT_TIMESTAMP:
                columns[name] = Column("timestamp", as_of_us, np.ones(len(rows), dtype=np.bool_))
            else:
                columns[name] = columns[filled_by]
        return as_of_us, columns, keys

    def _matrix(self, features: Mapping[str, Column], size: int) -> npt.NDArray[np.float32]:
        matrix = np.empty((len(self._columns), size), dtype=np.float32)
        with np.errstate(over="ignore"):  # beyond 32 bits is infinite, and then missing
            for line, name in zip(matrix, self._columns, strict=True):
                features[name].write_to(line)
        matrix[np.isinf(matrix)] = np.nan
        return np.ascontiguousarray(matrix.T)
