"""Stores the rows that a stream gives, and tells how far it is: the sink's side of the online store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa

from stores.cells.layout import ViewLayout
from stores.redis.clock import publish_clock
from stores.redis.connection import Client
from stores.redis.writer import OnlineWriter


class StreamedRows(Protocol):
    """What a stream gives: rows of one shard of a view, complete up to an instant in microseconds."""

    @property
    def view(self) -> str:
        """Return the view's name."""

    @property
    def shard(self) -> int:
        """Return the shard's number."""

    @property
    def frontier(self) -> int:
        """Return the instant that the rows reach."""

    @property
    def rows(self) -> pa.Table | None:
        """Return join keys, features and `event_timestamp`; None when nothing changed."""

    @property
    def events(self) -> int:
        """Return how many events went in."""


def frontier_key(project: str) -> str:
    """Return the Redis hash of `view/shard` to the microsecond up to which its rows are stored."""
    return f"millrace:{project}:frontier"


def counters_key(project: str) -> str:
    """Return the Redis hash that counts events and rows by view."""
    return f"millrace:{project}:counters"


class StreamWriter:
    """Writes rows, then the frontier they reach: who sees the frontier finds the rows."""

    def __init__(
        self, client: Client, project: str, layouts: Mapping[str, ViewLayout], key_ttl_seconds: int | None = None
    ) -> None:
        """Open one writer a view; each write starts the `key_ttl_seconds` of its entity anew, None for no end."""
        self._client = client
        self._project = project
        self._writers = {view: OnlineWriter(client, layout, key_ttl_seconds) for view, layout in layouts.items()}

    def write(self, results: Sequence[StreamedRows]) -> None:
        """Store rows of any views; writing the same again changes nothing but the counters.

        Raises:
            OnlineStoreUnavailable: Redis does not answer.
        """
        counted: dict[str, int] = {}
        for result in results:
            if result.rows is not None:
                self._writers[result.view].write(result.rows, "event_timestamp")
                counted[f"{result.view}:rows"] = counted.get(f"{result.view}:rows", 0) + len(result.rows)
            if result.events:
                counted[f"{result.view}:events"] = counted.get(f"{result.view}:events", 0) + result.events
        pipe = self._client.pipeline(transaction=False)
        pipe.hset(frontier_key(self._project), mapping={f"{r.view}/{r.shard}": r.frontier for r in results})
        publish_clock(pipe, self._project, max(r.frontier for r in results))
        for name, count in counted.items():
            pipe.hincrby(counters_key(self._project), name, count)
        pipe.execute()


def read_frontier(client: Client, project: str) -> dict[str, int]:
    """Return the frontier of each `view/shard`, microseconds; empty before the first row."""
    found: Any = client.hgetall(frontier_key(project))
    return {name.decode(): int(t) for name, t in found.items()}


def read_counters(client: Client, project: str) -> dict[str, int]:
    """Return the counters, `view:events` and `view:rows`; empty before the first."""
    found: Any = client.hgetall(counters_key(project))
    return {name.decode(): int(count) for name, count in found.items()}
