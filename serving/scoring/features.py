"""Makes feature vectors from requests: one lookup and one call per on-demand view for a whole batch.

Everything is a column of the batch; no object is made per value, and Feast is not called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import time_ns
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from contract.service import Service
from serving.request.columns import RequestColumns
from serving.scoring import on_demand
from serving.scoring.freshness import Freshness
from serving.scoring.lookup import REASONS
from stores.cells.column import Column
from stores.cells.reading import Status, ViewReading
from stores.cells.timestamps import NO_TIMESTAMP
from stores.online import OnlineStoreUnavailable

COMPUTED_NULL: Final = "computed_null"
"""Why an on-demand feature is missing: its function gave no value."""

COMPUTE_FAILED: Final = "compute_failed"
"""Why an on-demand feature is missing: its function failed."""

NOT_FINITE: Final = "not_finite"
"""Why a feature that is stored counts as missing: it is NaN or infinite."""


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """The feature vectors of n requests.

    Attributes:
        columns: Every feature of the service by `view__feature`, in declared order.
        request: What was sent or filled in, by name.
        views: What was read of each stored view, by its alias.
        event_timestamp_us: Shape (n,), UTC microseconds.
        degraded: Shape (n,): whether the online store, or the tier that holds a view, did not answer (a cache may have,
            with older values), or an on-demand view's function failed; None where nothing of it happened.
        missing: By reason: how many stored features of each request have no row behind them, shape (n,). A value that
            is stored as null does not count.
        missing_share: Shape (n,): the share of the stored features that this is.
        failed: The on-demand views whose function failed for some row.
        stale: By alias, shape (n,): which requests' values of the view are older than they may be; only views that some
            are of. They count as degraded.
        complete_us: By alias, up to when the stream had brought the view, as known a moment before; views of which that is known.
        stages_ns: When the build began, had looked up, and had computed on-demand views: Unix nanoseconds.
    """

    columns: Mapping[str, Column]
    request: Mapping[str, Column]
    views: Mapping[str, ViewReading]
    event_timestamp_us: npt.NDArray[np.int64]
    degraded: npt.NDArray[np.bool_] | None
    missing: Mapping[str, npt.NDArray[np.int64]]
    missing_share: npt.NDArray[np.float64]
    failed: frozenset[str]
    stale: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    complete_us: Mapping[str, int] = field(default_factory=dict)
    stages_ns: tuple[int, int, int] = (0, 0, 0)

    @property
    def size(self) -> int:
        """How many requests these are."""
        return len(self.event_timestamp_us)

    def matrix(self, names: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return features as a model takes them: shape (n, names), float32, NaN where missing or infinite."""
        matrix = np.empty((len(names), self.size), dtype=np.float32)
        with np.errstate(over="ignore"):  # beyond 32 bits is infinite, and then missing
            for line, name in zip(matrix, names, strict=True):
                self.columns[name].write_to(line)
        matrix[np.isinf(matrix)] = np.nan
        return np.ascontiguousarray(matrix.T)

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
    ) -> Mapping[str, ViewReading]:
        """Read every stored view by its alias; raises `OnlineStoreUnavailable`."""
        ...


class FeatureVectors:
    """Builds the feature vectors of one service.

    Args:
        service: The service.
        lookup: Where its stored features are.
        freshness: Tells which of them are too old; None where they may be of any age.
    """

    def __init__(self, service: Service, lookup: FeatureSource, freshness: Freshness | None = None) -> None:
        self._freshness = freshness
        self._service = service
        self._lookup = lookup
        self._stored = tuple(f"{view.alias}__{name}" for view in service.stored for name, _ in view.features)

    def build(self, requests: RequestColumns) -> FeatureBatch:
        """Build the vectors of requests, in order. A store that does not answer leaves its features missing."""
        began = time_ns()
        as_of_us, requested = requests.as_of_us, requests.columns
        size = len(as_of_us)
        columns: dict[str, Column] = dict(requested)
        degraded: npt.NDArray[np.bool_] | None = None
        complete = (
            self._freshness.frontier.complete_us if self._freshness else {}
        )  # before the rows, which are no older
        try:
            views = self._lookup.read(requests.keys, as_of_us)
        except OnlineStoreUnavailable:
            views = self._away(size)
        looked_up = time_ns()
        columns |= {f"{view}__{name}": one for view, part in views.items() for name, one in part.columns.items()}
        failed = set()
        for on_demand_view in self._service.on_demand:
            computed, where = on_demand.compute(on_demand_view, columns, size)
            columns.update(computed)
            if where is not None:
                failed.add(on_demand_view.name)
                degraded = where if degraded is None else degraded | where
        computed_by = time_ns()
        features = {name: columns[name] for name, _ in self._service.features}
        missing, unreliable = _missing([columns[name] for name in self._stored])
        if unreliable is not None:
            degraded = unreliable if degraded is None else degraded | unreliable
        stale = self._freshness.stale(views, as_of_us) if self._freshness else {}
        for is_stale in stale.values():
            degraded = is_stale if degraded is None else degraded | is_stale
        share = sum(missing.values(), start=np.zeros(size)) / max(len(self._stored), 1)
        return FeatureBatch(
            features,
            requested,
            views,
            as_of_us,
            degraded,
            missing,
            share,
            frozenset(failed),
            stale,
            {view.alias: complete[view.name] for view in self._service.stored if view.name in complete},
            (began, looked_up, computed_by),
        )

    def _away(self, size: int) -> dict[str, ViewReading]:
        """Return the reading of a store that did not answer."""
        unknown = np.full(size, Status.UNAVAILABLE, dtype=np.uint8)
        never = np.full(size, NO_TIMESTAMP)
        return {
            view.alias: ViewReading(
                {name: replace(Column.missing(kind, size), status=unknown) for name, kind in view.features},
                never,
                unknown,
            )
            for view in self._service.stored
        }


def _missing(
    stored: Sequence[Column],
) -> tuple[dict[str, npt.NDArray[np.int64]], npt.NDArray[np.bool_] | None]:
    """Count, for each row, the columns that have no row behind them, by reason; only reasons that occur.

    Also tell the rows of which a column could not be read, or is older than allowed; None where all is well.
    """
    shared: dict[int, tuple[npt.NDArray[np.uint8], int]] = {}
    for column in stored:  # the columns of a view mostly share one array
        if column.status is not None:
            status, count = shared.get(id(column.status), (column.status, 0))
            shared[id(column.status)] = status, count + 1
    found: dict[str, npt.NDArray[np.int64]] = {}
    unreliable: npt.NDArray[np.bool_] | None = None
    for status, count in shared.values():
        for code in np.unique(status).tolist():
            here = status == code
            if code in (Status.UNAVAILABLE, Status.STALE):
                unreliable = here if unreliable is None else unreliable | here
            if code not in (Status.PRESENT, Status.STALE, Status.NULL_VALUE):
                reason, counts = REASONS[code], here * count
                found[reason] = found[reason] + counts if reason in found else counts
    return found, unreliable
