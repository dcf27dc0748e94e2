"""Looks stored features up: the one file of serving that knows the online store's interface.

A store that does not answer costs its timeout once, not once a batch: after a failure, reads fail at once for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from serving.scoring.column import Column
from serving.scoring.service import StoredView
from stores.online_rows import OnlineReader, OnlineStoreUnavailable, Status, connect, layout_of

if TYPE_CHECKING:
    from feast import FeatureStore

    from stores.redis.connection import Client

TIMEOUT_S: Final = 0.5
"""How long connecting, and how long an answer, may take; the connection string may say otherwise."""

RETRY_AFTER_S: Final = 1.0
"""How long a store that failed is left alone, seconds."""

REASONS: Final[dict[int, str]] = {
    int(Status.NULL_VALUE): "null",
    int(Status.NOT_FOUND): "not_found",
    int(Status.OUTSIDE_MAX_AGE): "expired",
}
"""Why a stored value is missing, by the store's status."""

STORE_UNAVAILABLE: Final = "store_unavailable"
"""Why every stored value is missing when the store does not answer."""


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """One stored feature for a batch.

    Attributes:
        column: The values.
        status: Shape (n,), the store's status of each value; `REASONS` has names for those that mean missing.
    """

    column: Column
    status: npt.NDArray[np.uint8]


class Lookup:
    """Reads the stored features of one service, all views in one round trip.

    Args:
        store: The feature store, for its online store's address and project.
        views: What to read.
        clock: Monotonic seconds.
    """

    def __init__(
        self, store: FeatureStore, views: Sequence[StoredView], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._views = tuple(views)
        self._layouts = [_layout(store, view) for view in views]
        self._connect = partial(_connect, store)
        self._opened: tuple[Client, OnlineReader] | None = None
        self._clock = clock
        self._left_alone_until = float("-inf")
        self._failure = ""

    def read(
        self, join_values: Mapping[str, Sequence[Any] | npt.NDArray[Any]], as_of_us: npt.NDArray[np.int64]
    ) -> dict[str, StoredColumn]:
        """Read the newest value of every stored feature, by `view__feature`.

        Args:
            join_values: Per join key, one value per request.
            as_of_us: Shape (n,), UTC microseconds: a row older than its view's ttl at that time is missing.

        Raises:
            OnlineStoreUnavailable: The store does not answer, or did not less than `RETRY_AFTER_S` ago.
        """
        if self._clock() < self._left_alone_until:
            raise OnlineStoreUnavailable(self._failure)
        try:
            rows = self._open()[1].read(join_values, as_of_us)
        except OnlineStoreUnavailable as error:
            self._failure = str(error)
            self._left_alone_until = self._clock() + RETRY_AFTER_S
            raise
        found: dict[str, StoredColumn] = {}
        for view in self._views:
            part = rows.views[view.name]
            status = np.ascontiguousarray(part.status.T)
            present = status == Status.PRESENT
            for index, (name, kind) in enumerate(view.features):
                values = part.columns[name]
                if kind == "timestamp":
                    values = values * 1_000_000  # Feast stores seconds
                column = Column(kind, values.tolist() if values.dtype == object else values, present[index])
                found[f"{view.name}__{name}"] = StoredColumn(column, status[index])
        return found

    def failure(self) -> str | None:
        """Ask the store for an answer now; return None when it gives one, else why not."""
        try:
            self._open()[0].ping()
        except Exception as error:
            return f"the online store does not answer: {error}"
        self._left_alone_until = float("-inf")
        return None

    def _open(self) -> tuple[Client, OnlineReader]:
        """Connect at first use: a cluster that is away must not keep a replica from starting."""
        if self._opened is None:
            client = self._connect()
            self._opened = client, OnlineReader(client, self._layouts)
        return self._opened


def _layout(store: FeatureStore, view: StoredView) -> Any:
    """Describe a view as stored, with only the features the service reads."""
    layout = layout_of(view.view, store.config)
    types = dict(layout.features)
    return replace(layout, features=tuple((name, types[name]) for name, _ in view.features))


def _connect(store: FeatureStore) -> Client:
    online = store.config.online_store
    address = str(online.connection_string)
    for parameter in ("socket_timeout", "socket_connect_timeout"):
        if f"{parameter}=" not in address:
            address += f",{parameter}={TIMEOUT_S}"
    kind = getattr(online, "redis_type", "redis")
    master = getattr(online, "sentinel_master", "mymaster")
    return connect(address, str(getattr(kind, "value", kind)), sentinel_master=master, check=False)
