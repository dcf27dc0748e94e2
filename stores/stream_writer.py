"""Stores the rows that a stream gives, and then says how far it is: the sink's side of the online store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from stores.cells.layout import ViewLayout
from stores.online import OnlineStore, ShardProgress


class StreamedRows(Protocol):
    """What a stream gives: rows of one shard of a view."""

    @property
    def view(self) -> str:
        """Return the view's name."""

    @property
    def shard(self) -> int:
        """Return the shard's number."""

    @property
    def frontier(self) -> int:
        """Return the instant, microseconds, up to which nothing is missing."""

    @property
    def furthest(self) -> int:
        """Return the latest instant, microseconds, that the rows are of."""

    @property
    def rows(self) -> pa.Table | None:
        """Return join keys, features and `event_timestamp`; None when nothing changed."""

    @property
    def events(self) -> int:
        """Return how many events went in."""

    @property
    def held(self) -> Mapping[str, int]:
        """Return what the shard's state holds, by name; empty for no news."""


class StreamWriter:
    """Writes rows, then how far they reach: who sees the frontier finds the rows."""

    def __init__(self, store: OnlineStore, project: str, layouts: Mapping[str, ViewLayout]) -> None:
        """Open one writer for all views that have the same join keys."""
        self._progress = store.progress(project)
        alike: dict[object, list[ViewLayout]] = {}
        for layout in layouts.values():
            alike.setdefault(layout.join_keys, []).append(layout)
        self._names = {view: layout.name for view, layout in layouts.items()}
        self._writers = [({one.name for one in those}, store.writer(*those)) for those in alike.values()]

    def write(self, results: Sequence[StreamedRows]) -> None:
        """Store rows of any views; writing the same again changes nothing but the counters.

        Raises:
            OnlineStoreUnavailable: The store does not answer.
        """
        told: dict[tuple[str, int], ShardProgress] = {}
        tables: dict[str, list[pa.Table]] = {}
        for one in results:
            if one.rows is not None:
                tables.setdefault(one.view, []).append(one.rows)
            before = told.get((one.view, one.shard))
            told[one.view, one.shard] = ShardProgress(
                one.view,
                one.shard,
                one.frontier,
                one.furthest,
                one.events + (before.events if before else 0),
                (len(one.rows) if one.rows is not None else 0) + (before.rows if before else 0),
                one.held or (before.held if before else {}),
            )
        given = {self._names[view]: pa.concat_tables(those) for view, those in tables.items()}
        for views, writer in self._writers:  # of an entity that is there several times, the writer takes the newest row
            mine = {view: rows for view, rows in given.items() if view in views}
            if mine:
                writer.write_views(mine, "event_timestamp")
        self._progress.tell(list(told.values()))
