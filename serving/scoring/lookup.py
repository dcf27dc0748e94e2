"""Looks stored features up, all views in one round trip.

A store that does not answer costs its timeout once, not once a batch: after a failure, reads fail at once until it answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from contract.service import NO_ENTITY, StoredView
from serving.scoring.store_guard import GuardedReader, StoreGuard
from stores.cache.reader import CachedReader, CacheStats
from stores.cells.layout import ViewLayout, layout_of
from stores.cells.reading import Status, ViewReading
from stores.online import OnlineStore, Progress, ViewReader, open_online

if TYPE_CHECKING:
    from feast import FeatureStore

TIMEOUT_S: Final = 0.5
"""How long connecting, and how long an answer, may take; the store's configuration may say otherwise."""

STORE_UNAVAILABLE: Final = "store_unavailable"
"""Why stored values are missing when their store, or the tier that holds them, does not answer."""

REASONS: Final[dict[int, str]] = {
    int(Status.UNAVAILABLE): STORE_UNAVAILABLE,
    int(Status.NULL_VALUE): "null",
    int(Status.NOT_FOUND): "not_found",
    int(Status.OUTSIDE_MAX_AGE): "expired",
}
"""Why a stored value is missing, by the store's status."""


class Lookup:
    """Reads the stored features of one service.

    Args:
        store: The feature store, for its online store.
        views: What to read.
        clock: Monotonic seconds.
        cache_bytes: How many bytes of rows may be kept of views with a `millrace.cache`; 0 for none.
        timeout_s: How long connecting, and how long an answer, may take, seconds; the store's configuration may say
            otherwise.
    """

    def __init__(
        self,
        store: FeatureStore,
        views: Sequence[StoredView],
        clock: Callable[[], float] = time.monotonic,
        cache_bytes: int = 0,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._layouts = [_layout(store, view) for view in views]
        self._project = store.config.project
        self._connect = partial(open_online, store.config, timeout_s=timeout_s, check=False)
        self._opened: tuple[OnlineStore, ViewReader] | None = None
        self._guard = StoreGuard(lambda: self._open()[0].ping())
        self._cache: CachedReader | None = None
        if cache_bytes and any(layout.cache_us for layout in self._layouts):
            self._cache = CachedReader(self._open_reader, self._layouts, cache_bytes, clock)

    def read(
        self, join_values: Mapping[str, Sequence[Any] | npt.NDArray[Any]], as_of_us: npt.NDArray[np.int64]
    ) -> Mapping[str, ViewReading]:
        """Read the newest row of every stored view, by its alias, with the status of each value.

        Args:
            join_values: Per entity column, one value per request.
            as_of_us: Shape (n,), UTC microseconds: a row older than its view's ttl at that time is missing.

        Raises:
            OnlineStoreUnavailable: The store does not answer, or has not since a read failed, and the cache has nothing
                that may be served.
        """
        if not self._layouts:
            return {}
        return self._open()[1].read({**join_values, NO_ENTITY: [""] * len(as_of_us)}, as_of_us).views

    def progress(self) -> Progress:
        """Return how far the stream is that fills the online store.

        Raises:
            OnlineStoreUnavailable: The store does not answer.
        """
        return self._open()[0].progress(self._project).read()

    def failure(self) -> str | None:
        """Ask the store for an answer now; return None when it gives one, else why not."""
        try:
            self._open()[0].ping()
        except Exception as error:
            return f"the online store does not answer: {error}"
        return None

    def cache_stats(self) -> CacheStats | None:
        """Return what the cache did and holds; None where nothing is cached."""
        return self._cache.stats() if self._cache else None

    def store_stats(self) -> dict[str, Any]:
        """Return what reads of the online store did, as JSON can hold it, and the guard above them; empty before the first."""
        if self._opened is None:
            return {}
        return {**self._opened[0].stats(), "left_alone": asdict(self._guard.stats())}

    def _open(self) -> tuple[OnlineStore, ViewReader]:
        """Connect at first use: a cluster that is away must not keep a replica from starting."""
        if self._opened is None:
            store = self._connect()
            self._opened = store, self._cache or GuardedReader(store.reader(self._layouts), self._guard)
        return self._opened

    def _open_reader(self, layouts: Sequence[ViewLayout]) -> ViewReader:
        """Open a reader below the cache, which goes on while the store is left alone."""
        return GuardedReader(self._open()[0].reader(layouts), self._guard)


def _layout(store: FeatureStore, view: StoredView) -> ViewLayout:
    """Describe a view as stored, under its alias and by its entity columns, with only the features the service reads."""
    layout = layout_of(view.view, store.config)
    types = dict(layout.features)
    return replace(
        layout,
        features=tuple((name, types[name]) for name, _ in view.features),
        alias=view.alias,
        key_columns=tuple((key, column) for key, column, _ in view.keys),
    )
