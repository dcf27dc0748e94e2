"""The seam of the online store: what every program asks of it, whichever store it is.

A store is a room of its own (`stores/redis`) with one module that opens it; it is found by `online_store.type` of
`feature_store.yaml`. A new store is a room, a Feast plug-in, and one line in `ROOMS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stores.cells.layout import ViewLayout
from stores.cells.reading import Reading

if TYPE_CHECKING:
    from feast.repo_config import RepoConfig

ROOMS: Final = {
    "redis": "stores.redis.store",
    "stores.redis_online.MillraceRedisOnlineStore": "stores.redis.store",
    "dynamodb": "stores.dynamo.store",
    "stores.dynamo_online.MillraceDynamoOnlineStore": "stores.dynamo.store",
    "stores.tiered_online.MillraceTieredOnlineStore": "stores.tiered.store",
}
"""By `online_store.type`: the module whose `settings(options)` are plain data and whose `open_room(settings, ...)` opens it."""


class OnlineStoreUnavailable(ConnectionError):  # noqa: N818  (read by people, in logs)
    """The store does not answer; the message names the address and what to do."""


class UnknownStoreError(ValueError):
    """An online store that is none of `ROOMS`."""


class FeatureRowsError(ValueError):
    """A table that cannot be written: a column is absent, or a key or time is null."""


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of the rows of one write; the three numbers add up to the rows given.

    Attributes:
        written: Rows now stored.
        stale: Rows refused because the store holds a newer one for the key.
        superseded: Rows replaced by a newer one for the same key in the same table, and not sent.
    """

    written: int
    stale: int
    superseded: int = 0


class ViewReader(Protocol):
    """Reads the newest rows of several views."""

    def read(
        self,
        join_values: Mapping[str, Sequence[Any] | npt.NDArray[Any]],
        as_of_us: int | npt.NDArray[np.int64] | None = None,
    ) -> Reading:
        """Read all views for n requests.

        Args:
            join_values: Per join key, one value per request. A null is an entity never seen.
            as_of_us: The time of the requests, int64 microseconds UTC, one for all or shape (n,): a row holds while
                `event_timestamp >= as_of - ttl` (rule 9). None applies no ttl.

        Raises:
            OnlineStoreUnavailable: The store does not answer.
        """


class ViewWriter(Protocol):
    """Writes rows of views that have the same join keys, older ones never over newer ones."""

    def write_views(
        self, tables: Mapping[str, pa.Table], timestamp_column: str, replace_until: int | None = None
    ) -> WriteResult:
        """Write the newest row of each key and view; views that share an entity's record share the write.

        Args:
            tables: By view: join keys, features and the event time.
            timestamp_column: The event time's column.
            replace_until: Microseconds: stored rows of until then are replaced even by older ones, for the writer knows better;
                None for none.

        Raises:
            FeatureRowsError: A column is absent, or a join key or event time is null.
            OnlineStoreUnavailable: The store does not answer.
        """

    def write(self, table: pa.Table, timestamp_column: str) -> WriteResult:
        """Write rows of the first view: the newest of each key, unless the store holds a newer one; at equal times the last.

        Raises:
            FeatureRowsError: A column is absent, or a join key or event time is null.
            OnlineStoreUnavailable: The store does not answer.
        """


@dataclass(frozen=True, slots=True)
class ShardProgress:
    """How far one shard of a view is.

    Attributes:
        view: The view.
        shard: The shard's number.
        complete: The instant, microseconds, up to which nothing is missing.
        furthest: The latest instant, microseconds, for which it has given rows.
        events: Events that went in since the last time.
        rows: Rows that were stored since the last time.
        held: What its state holds, by name, such as `entities` and `bytes`; empty for no news.
    """

    view: str
    shard: int
    complete: int
    furthest: int
    events: int = 0
    rows: int = 0
    held: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ViewProgress:
    """How far the stream of one view is.

    Attributes:
        shards: How many shards it has.
        complete: The instant, microseconds, up to which all shards are complete; None until each has spoken.
        furthest: The latest instant for which a shard has given rows; None before the first.
        events: Events that went in, all told.
        rows: Rows that were stored, all told.
        held: What the state of all shards holds, by name, as they last told.
    """

    shards: int
    complete: int | None = None
    furthest: int | None = None
    events: int = 0
    rows: int = 0
    held: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the stream of a project is.

    Attributes:
        views: By view.
        complete: The instant, microseconds, up to which all views are complete: the stream's clock. None until every
            shard has spoken.
    """

    views: Mapping[str, ViewProgress] = field(default_factory=dict)
    complete: int | None = None


class ProgressLog(Protocol):
    """Where a stream says how far it is, and others read it."""

    def begin(self, shards: Mapping[str, int]) -> None:
        """Say which views are streamed, in how many shards each; others are forgotten."""

    def identity(self) -> str:
        """Return what tells a store, with all that it holds, from another.

        It is another one once the store restarted, was emptied, or another took over: then rows may be missing there. It is
        empty where no stream has begun.

        Raises:
            OnlineStoreUnavailable: The store does not answer.
        """

    def announce(self, furthest: Mapping[str, int]) -> None:
        """Note of views, before rows are stored, up to which instant these may be, microseconds; it never moves back.

        Raises:
            OnlineStoreUnavailable: The store does not answer.
        """

    def announced(self) -> Mapping[str, int]:
        """Return of each view the instant up to which rows may be stored, by whatever run of the stream.

        Raises:
            OnlineStoreUnavailable: The store does not answer.
        """

    def tell(self, shards: Sequence[ShardProgress]) -> None:
        """Note how far some shards are, once their rows are stored: who reads this finds the rows."""

    def read(self) -> Progress:
        """Return how far the stream is."""


class OnlineStore(Protocol):
    """An open online store."""

    def reader(self, layouts: Sequence[ViewLayout]) -> ViewReader:
        """Return a reader of these views."""

    def writer(self, *layouts: ViewLayout) -> ViewWriter:
        """Return a writer of views that have the same join keys."""

    def progress(self, project: str) -> ProgressLog:
        """Return where the stream of a project says how far it is."""

    def ping(self) -> None:
        """Ask for an answer.

        Raises:
            OnlineStoreUnavailable: There is none.
        """

    def stats(self) -> Mapping[str, Any]:
        """Return what reads did since the store was opened, as JSON can hold it: tries, timeouts, what a breaker refused."""


def open_online(config: RepoConfig, *, timeout_s: float | None = None, check: bool = True) -> OnlineStore:
    """Open the online store that a feature store's configuration names.

    Args:
        config: The configuration.
        timeout_s: How long connecting, and how long an answer, may take, where the configuration does not say; None for
            the store's own.
        check: Whether to ask for an answer now; otherwise the first read or write does.

    Raises:
        OnlineStoreUnavailable: The store does not answer.
        UnknownStoreError: There is no such store.
    """
    return online_opener(config, timeout_s=timeout_s, check=check)()


def online_opener(
    config: RepoConfig, *, timeout_s: float | None = None, check: bool = True
) -> Callable[[], OnlineStore]:
    """Return a function that opens the online store; it can be sent to a Spark task or a stream worker.

    Raises:
        UnknownStoreError: There is no such store.
    """
    return partial(open_room, *find_room(config.online_store), timeout_s, check)


def find_room(options: Any) -> tuple[str, object]:
    """Return the module of the store that options are of, and its settings, plain data.

    Raises:
        UnknownStoreError: There is no such store.
    """
    kind = str(options.type)
    if kind not in ROOMS:
        raise UnknownStoreError(
            f"feature_store.yaml: online_store.type is {kind!r}; use one of {', '.join(sorted(ROOMS))}."
        )
    return ROOMS[kind], import_module(ROOMS[kind]).settings(options)


def open_room(room: str, settings: object, timeout_s: float | None, check: bool) -> OnlineStore:
    """Open the store of a module with settings, both from `find_room`; see `open_online`."""
    store: OnlineStore = import_module(room).open_room(settings, timeout_s, check)
    return store
