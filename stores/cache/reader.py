"""Reads views through a cache: those that say how old a value may be, and the others straight from the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stores.cache.rows import Rows
from stores.cache.single_flight import Asked, CachedViews
from stores.cells.entity_keys import Values
from stores.cells.layout import ViewLayout
from stores.cells.merge import fill_rows
from stores.cells.reading import Reading, Status, ViewReading
from stores.online import OnlineStoreUnavailable, ViewReader

AsOf = int | npt.NDArray[np.int64] | None


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What a cache did since it was made, by entity and set of views, and what it holds.

    Attributes:
        hits: Found fresh.
        misses: Read from the store.
        joined: Waited for with a read that another request had begun.
        stale: Served past the bound, as the store did not answer.
        evictions: Rows that made room for others.
        entities: Rows held.
        bytes: Bytes held.
    """

    hits: int
    misses: int
    joined: int
    stale: int
    evictions: int
    entities: int
    bytes: int

    @property
    def hit_rate(self) -> float:
        """The share of lookups that were found fresh; 0 before the first."""
        return self.hits / max(self.hits + self.misses + self.joined, 1)


class CachedReader:
    """Reads the rows of several feature views, those with a `cache_us` from memory while they are no older.

    A value's age counts from when its read began, and is judged when a request arrives. Thread-safe if the reader is.

    Args:
        open_reader: Opens a reader of given views; the cache asks them with other names for their keys.
        layouts: The views, with unique names or aliases.
        max_bytes: How many bytes may be held; views with the same key and bounds share, and each such set has the same part.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        open_reader: Callable[[Sequence[ViewLayout]], ViewReader],
        layouts: Sequence[ViewLayout],
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        sets: dict[object, list[ViewLayout]] = {}
        for one in layouts:
            if one.cache_us:
                kind = (one.project, one.join_keys, one.key_columns, one.cache_us, one.cache_stale_us)
                sets.setdefault(kind, []).append(one)
        self._names = [one.alias or one.name for one in layouts]
        self._straight = [one for one in layouts if not one.cache_us]
        self._sets = [CachedViews(some, max_bytes // len(sets), clock) for some in sets.values()]
        self._open_reader = open_reader
        self._readers: dict[tuple[int, ...], ViewReader] = {}
        self._in_both = {
            one.alias or one.name: one for one in layouts if one.cache_us and one.tier == "both" and one.ttl_us
        }
        self._both_readers: dict[str, ViewReader] = {}

    def read(self, join_values: Mapping[str, Values], as_of_us: AsOf = None) -> Reading:
        """Read the newest rows of all views for n requests, with at most one read of the store; see `ViewReader`.

        Where the store does not answer, rows that are fresh are served, rows that may be served stale are marked STALE, and the
        others are UNAVAILABLE.

        Raises:
            OnlineStoreUnavailable: The store does not answer, and nothing can be served without it.
        """
        given = dict(join_values)
        encoded = [
            views.encode(given) for views in self._sets
        ]  # refuses what cannot be a key before anything is claimed
        asked = [views.ask(keys) for views, keys in zip(self._sets, encoded, strict=True)]
        found: dict[str, ViewReading] = {}
        error: BaseException | None = None
        try:
            found |= self._read_store(given, as_of_us, asked)
            for views, one in zip(self._sets, asked, strict=True):
                views.land(one, found)
        except BaseException as reason:
            for views, one in zip(self._sets, asked, strict=True):
                views.fail(one, reason)
            if not isinstance(reason, OnlineStoreUnavailable):
                raise
            error = reason
        served = False
        for views, one in zip(self._sets, asked, strict=True):
            problem = views.gather(one)
            if problem is not None and not isinstance(problem, OnlineStoreUnavailable):
                return self.read(join_values, as_of_us)  # another request failed for a reason of its own
            error = error or problem
            served = served or not one.pending.all()
            served = bool(views.serve_stale(one)) or served
        if error is not None and not served:
            raise error
        for one in asked:
            found |= one.rows.readings(one.where, as_of_us)
        if error is not None and self._straight and self._names_of_straight().isdisjoint(found):
            found |= _unavailable(self._straight, len(next(iter(given.values()))))
        self._look_in_both(found, given, as_of_us)
        return Reading({name: found[name] for name in self._names})

    def stats(self) -> CacheStats:
        """Return what the cache did, and what it holds."""
        counts, held = [one.counts for one in self._sets], [one.held for one in self._sets]
        return CacheStats(
            hits=sum(one.hits for one in counts),
            misses=sum(one.misses for one in counts),
            joined=sum(one.joined for one in counts),
            stale=sum(one.stale for one in counts),
            evictions=sum(one.evictions for one in held),
            entities=sum(map(len, held)),
            bytes=sum(one.held_bytes for one in held),
        )

    def _names_of_straight(self) -> set[str]:
        return {one.alias or one.name for one in self._straight}

    def _read_store(self, given: dict[str, Values], as_of_us: AsOf, asked: Sequence[Asked]) -> dict[str, ViewReading]:
        """Read the views that are not cached for all rows, and of each set the entities that this request claimed."""
        needed = tuple(number for number, one in enumerate(asked) if one.first_row)
        if not needed and not self._straight:
            return {}
        if self._straight:
            size, columns, when = len(next(iter(given.values()))), dict(given), as_of_us
        else:
            size, columns, when = max(len(asked[number].first_row) for number in needed), {}, None
        for number in needed:
            rows = asked[number].first_row
            rows = rows + rows[:1] * (size - len(rows))  # asks for one entity again, which costs the store nothing
            for _, name in self._sets[number].columns:
                columns[_inner_name(number, name)] = _take(given[name], rows)
        return dict(self._reader(needed).read(columns, when).views)

    def _look_in_both(self, found: dict[str, ViewReading], given: Mapping[str, Values], as_of_us: AsOf) -> None:
        """Read straight what is past its ttl in the cache and lies in two tiers: without ttl, only the hot one was asked."""
        for name, layout in self._in_both.items():
            rows = np.flatnonzero(found[name].row_status == Status.OUTSIDE_MAX_AGE)
            if not len(rows):
                continue
            if name not in self._both_readers:
                self._both_readers[name] = self._open_reader([layout])
            when = as_of_us[rows] if isinstance(as_of_us, np.ndarray) and as_of_us.ndim else as_of_us
            asked = {column: _take(values, rows.tolist()) for column, values in given.items()}
            try:
                again = self._both_readers[name].read(asked, when).views[name]
            except OnlineStoreUnavailable:
                continue  # what is known is that it is too old
            found[name] = fill_rows(found[name], rows, again)

    def _reader(self, needed: tuple[int, ...]) -> ViewReader:
        if needed not in self._readers:
            layouts = list(self._straight)
            for number in needed:
                columns = tuple((key, _inner_name(number, name)) for key, name in self._sets[number].columns)
                layouts += [replace(one, ttl_us=0, key_columns=columns) for one in self._sets[number].layouts]
            self._readers[needed] = self._open_reader(layouts)
        return self._readers[needed]


def _inner_name(number: int, column: str) -> str:
    return f"{number}:{column}"


def _take(values: Values, rows: list[int]) -> Values:
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]


def _unavailable(layouts: Sequence[ViewLayout], size: int) -> dict[str, ViewReading]:
    rows, at = Rows(layouts, size), np.arange(size)
    rows.mark(at, Status.UNAVAILABLE)
    return rows.readings(at, None)
