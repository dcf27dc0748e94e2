"""Makes feature vectors from requests: one lookup and one call per on-demand view for a whole batch.

Everything is a column of the batch; no object is made per value, and Feast is not called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from contract.service import EVENT_TIMESTAMP, Service
from serving.request.schema import RequestSchema, Row
from serving.scoring import on_demand
from serving.scoring.lookup import REASONS, STORE_UNAVAILABLE
from stores.cells.column import Column
from stores.cells.reading import Status
from stores.online import OnlineStoreUnavailable

COMPUTED_NULL: Final = "computed_null"
"""Why an on-demand feature is missing: its function gave no value."""

COMPUTE_FAILED: Final = "compute_failed"
"""Why an on-demand feature is missing: its function failed."""

NOT_FINITE: Final = "not_finite"
"""Why a feature that is stored counts as missing: it is NaN or infinite."""

_MICROSECONDS = 1_000_000  # in a second; Feast keeps a key that is a time in seconds


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """The feature vectors of n requests.

    Attributes:
        columns: Every feature of the service by `view__feature`, in declared order.
        matrix: Shape (n, model columns), float32, NaN where missing or infinite.
        event_timestamp_us: Shape (n,), UTC microseconds.
        degraded: Whether the online store, or the tier that holds a view, did not answer (a cache may have, with older
            values), or an on-demand view's function failed.
        missing: By reason: how many stored features of each request have no row behind them, shape (n,). A value that
            is stored as null does not count.
        missing_share: Shape (n,): the share of the stored features that this is.
        failed: The on-demand views whose function failed for some row.
    """

    columns: Mapping[str, Column]
    matrix: npt.NDArray[np.float32]
    event_timestamp_us: npt.NDArray[np.int64]
    degraded: bool
    missing: Mapping[str, npt.NDArray[np.int64]]
    missing_share: npt.NDArray[np.float64]
    failed: frozenset[str]

    def values_of(self, row: int) -> dict[str, object]:
        """Return one request's features as JSON can hold them."""
        return {name: column.as_json(row) for name, column in self.columns.items()}

    def missing_of(self, row: int) -> list[dict[str, str]]:
        """Return one request's features that have no value, with the reason."""
        return [
            {"feature": name, "reason": self._reason(name, column, row)}
            for name, column in self.columns.items()
            if column.as_json(row) is None
        ]

    def missing_counts(self, row: int) -> dict[str, int]:
        """Return how many of one request's stored features have no row behind them, by reason."""
        return {reason: int(counts[row]) for reason, counts in self.missing.items() if counts[row]}

    def _reason(self, name: str, column: Column, row: int) -> str:
        if column.status is None:
            return COMPUTE_FAILED if name.split("__")[0] in self.failed else COMPUTED_NULL
        return REASONS.get(int(column.status[row]), NOT_FINITE)


class FeatureSource(Protocol):
    """What stored features are read from: the online store, or nothing in a warm-up."""

    def read(
        self, join_values: Mapping[str, Sequence[object] | npt.NDArray[np.int64]], as_of_us: npt.NDArray[np.int64]
    ) -> dict[str, Column]:
        """Read every stored feature by `view__feature`; raises `OnlineStoreUnavailable`."""
        ...


class FeatureVectors:
    """Builds the feature vectors of one service.

    Args:
        service: The service.
        schema: Its request.
        lookup: Where its stored features are.
        columns: The model's columns, full feature names in order.
    """

    def __init__(self, service: Service, schema: RequestSchema, lookup: FeatureSource, columns: Sequence[str]) -> None:
        self._service = service
        self._schema = schema
        self._lookup = lookup
        self._columns = tuple(columns)
        self._stored = tuple(f"{view.alias}__{name}" for view in service.stored for name, _ in view.features)

    def build(self, rows: Sequence[Row]) -> FeatureBatch:
        """Build the vectors of checked requests, in order. A store that does not answer leaves its features missing.

        Args:
            rows: At least one request, as `RequestSchema.parse` gives them.
        """
        size = len(rows)
        as_of_us, requested, keys = self._request_columns(rows)
        columns: dict[str, Column] = dict(requested)
        degraded = False
        try:
            columns |= self._lookup.read(keys, as_of_us)
        except OnlineStoreUnavailable:
            degraded = True
            columns |= self._away(size)
        failed = set()
        for on_demand_view in self._service.on_demand:
            computed, has_failed = on_demand.compute(on_demand_view, columns, size)
            columns.update(computed)
            if has_failed:
                failed.add(on_demand_view.name)
        features = {name: columns[name] for name, _ in self._service.features}
        missing = _missing([columns[name] for name in self._stored])
        degraded = degraded or STORE_UNAVAILABLE in missing  # also where one tier of the store did not answer
        degraded = degraded or any(_has_stale(columns[name]) for name in self._stored)
        share = sum(missing.values(), start=np.zeros(size)) / max(len(self._stored), 1)
        matrix = self._matrix(features, size)
        return FeatureBatch(features, matrix, as_of_us, degraded or bool(failed), missing, share, frozenset(failed))

    def _away(self, size: int) -> dict[str, Column]:
        """Return columns of a store that did not answer."""
        unknown = np.full(size, Status.UNAVAILABLE, dtype=np.uint8)
        return {
            f"{view.alias}__{name}": replace(Column.missing(kind, size), status=unknown)
            for view in self._service.stored
            for name, kind in view.features
        }

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
        for one, given in zip(self._schema.fields, values, strict=True):
            columns[one.name] = Column.of(one.kind, given)
            if one.is_key:
                held = columns[one.name].values
                keys[one.name] = np.asarray(held) // _MICROSECONDS if one.kind == "timestamp" else held
        for name, filled_by in self._schema.fills:
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


def _missing(stored: Sequence[Column]) -> dict[str, npt.NDArray[np.int64]]:
    """Count, for each row, the columns that have no row behind them, by reason; only reasons that occur."""
    shared: dict[int, tuple[npt.NDArray[np.uint8], int]] = {}
    for column in stored:  # the columns of a view mostly share one array
        if column.status is not None:
            status, count = shared.get(id(column.status), (column.status, 0))
            shared[id(column.status)] = status, count + 1
    found: dict[str, npt.NDArray[np.int64]] = {}
    for status, count in shared.values():
        for code in np.unique(status).tolist():
            if code not in (Status.PRESENT, Status.STALE, Status.NULL_VALUE):
                reason = REASONS[code]
                here = (status == code) * count
                found[reason] = found[reason] + here if reason in found else here
    return found


def _has_stale(column: Column) -> bool:
    return column.status is not None and bool((column.status == Status.STALE).any())
