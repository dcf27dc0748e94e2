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
    def replaces(self) -> int | None:
        """Return the instant up to which stored rows give way to these even when these are older; None for none."""

    @property
    def events(self) -> int:
        """Return how many events went in."""

    @property
    def held(self) -> Mapping[str, int]:
        """Return what the shard's state holds, by name; empty for no news."""


class StreamWriter:
    """Says how far rows may reach, writes them, then says how far they do.

    Who sees the frontier finds the rows; and who comes after a kill knows of which times rows may be stored.
    """

    def __init__(self, store: OnlineStore, project: str, layouts: Mapping[str, ViewLayout]) -> None:
        """Open one writer for all views that have the same join keys."""
        self._progress = store.progress(project)
        self._announced: dict[str, int] = {}
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
        self._announce(results)
        told: dict[tuple[str, int], ShardProgress] = {}
        for one in results:
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
        for until in sorted({one.replaces for one in results}, key=lambda t: -1 if t is None else t):
            self._store([one for one in results if one.replaces == until], until)
        self._progress.tell(list(told.values()))

    def _announce(self, results: Sequence[StreamedRows]) -> None:
        furthest: dict[str, int] = {}
        for one in results:
            if one.rows is not None and one.furthest > self._announced.get(one.view, 0):
                furthest[one.view] = max(one.furthest, furthest.get(one.view, 0))
        if furthest:
            self._progress.announce(furthest)
            self._announced |= furthest

    def _store(self, results: Sequence[StreamedRows], replace_until: int | None) -> None:
        tables: dict[str, list[pa.Table]] = {}
        for one in results:
            if one.rows is not None:
                tables.setdefault(self._names[one.view], []).append(one.rows)
        for views, writer in self._writers:  # of an entity that is there several times, the writer takes the newest row
            mine = {view: pa.concat_tables(those) for view, those in tables.items() if view in views}
            if mine:
                writer.write_views(mine, "event_timestamp", replace_until)
