"""Finds which entities a request must read, which somebody else is reading, and which are there; thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stores.cache.entity_rows import EntityRows
from stores.cache.rows import Index, Rows
from stores.cells.entity_keys import EntityKeyEncoder, Values
from stores.cells.layout import ViewLayout
from stores.cells.reading import Status, ViewReading


@dataclass(slots=True)
class Flight:
    """One read under way, of the keys that one request was the first to miss.

    Attributes:
        started: When, seconds: what it brings is as old as that.
        keys: The keys, with the row of each in `rows`.
        rows: What it brought; None before, and when it failed.
        error: Why it failed.
    """

    started: float
    keys: dict[bytes, int]
    rows: Rows | None = None
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class Asked:
    """What one request asks of one set of views, by distinct key.

    Attributes:
        keys: The distinct keys.
        where: For each row of the request, the number of its key; `len(keys)` for an entity that cannot be.
        rows: What is known of each key; one more row for the entity that cannot be.
        read_at: When each row was read; -inf where nothing is known.
        pending: Which keys are still to come.
        flight: The read that this request makes.
        first_row: For each key of the flight, a row of the request that has it.
        waits: Reads of others, and which keys come with them.
    """

    keys: list[bytes]
    where: Index
    rows: Rows
    read_at: npt.NDArray[np.float64]
    pending: npt.NDArray[np.bool_]
    flight: Flight
    first_row: list[int]
    waits: list[tuple[Flight, int]]


@dataclass(slots=True)
class Counts:
    """How often entities were found (`hits`), read (`misses`), read by somebody else (`joined`), or served `stale`."""

    hits: int = 0
    misses: int = 0
    joined: int = 0
    stale: int = 0


class CachedViews:
    """Rows of views with the same key, the same bound and the same limit for stale rows.

    Args:
        layouts: The views.
        max_bytes: How many bytes they may take.
        clock: Monotonic seconds.
    """

    def __init__(self, layouts: Sequence[ViewLayout], max_bytes: int, clock: Callable[[], float]) -> None:
        first, named = layouts[0], dict(layouts[0].key_columns)
        self.layouts = tuple(layouts)
        self.columns = tuple((key, named.get(key, key)) for key, _ in first.join_keys)
        self.bound_s, self.stale_s = first.cache_us / 1e6, first.cache_stale_us / 1e6
        self.counts = Counts()
        self.held = EntityRows(layouts, max_bytes)
        self._encoder = EntityKeyEncoder(first.project, first.join_keys)
        self._clock = clock
        self._flights: dict[bytes, Flight] = {}
        self._lock = threading.Lock()

    def encode(self, join_values: dict[str, Values]) -> list[bytes | None]:
        """Return the key of each row of a request; None where a join key is null."""
        return self._encoder.encode({key: join_values[name] for key, name in self.columns if name in join_values})

    def ask(self, encoded: Sequence[bytes | None]) -> Asked:
        """Look up what is fresh, join reads that are, and claim the rest; `land` or `fail` must follow."""
        numbers: dict[bytes, int] = {}
        first_rows: list[int] = []
        for row, key in enumerate(encoded):
            if key is not None and key not in numbers:
                numbers[key] = len(numbers)
                first_rows.append(row)
        keys, size = list(numbers), len(numbers)
        where = np.fromiter((size if key is None else numbers[key] for key in encoded), np.int64, len(encoded))
        rows, now = self.held.empty(size + 1), self._clock()
        flight = Flight(now, {})
        first_row, waits = [], []
        with self._lock:
            slots, read_at = self.held.find(keys)
            pending = now - read_at > self.bound_s
            usable = np.flatnonzero(now - read_at <= max(self.bound_s, self.stale_s))
            self.held.copy_to(rows, usable, [keys[at] for at in usable.tolist()], slots[usable])
            for at in np.flatnonzero(pending).tolist():
                other = self._flights.get(keys[at])
                if other is not None and now - other.started <= self.bound_s:
                    waits.append((other, at))
                    continue
                flight.keys[keys[at]] = len(flight.keys)
                first_row.append(first_rows[at])
                self._flights[keys[at]] = flight
            self.counts.hits += size - int(pending.sum())
            self.counts.misses += len(first_row)
            self.counts.joined += len(waits)
        return Asked(keys, where, rows, read_at, pending, flight, first_row, waits)

    def land(self, asked: Asked, views: dict[str, ViewReading]) -> None:
        """Keep what the request's own read brought, but what is not the newest for certain, and hand it to those who wait."""
        flight = asked.flight
        if not flight.keys:
            return
        rows = self.held.empty(len(flight.keys))
        rows.fill(views)
        with self._lock:
            self.held.keep(list(flight.keys), rows, np.flatnonzero(~rows.doubtful()).tolist(), flight.started)
            flight.rows = rows
            self._end(flight)

    def fail(self, asked: Asked, error: BaseException) -> None:
        """Tell those who wait that the request's own read failed; once it has ended, nothing changes."""
        if not asked.flight.done.is_set():
            with self._lock:
                asked.flight.error = error
                self._end(asked.flight)

    def gather(self, asked: Asked) -> BaseException | None:
        """Take what the reads brought; return why one of them brought nothing."""
        error = None
        own = [
            (asked.flight, at) for at in np.flatnonzero(asked.pending).tolist() if asked.keys[at] in asked.flight.keys
        ]
        by_flight: dict[int, tuple[Flight, list[int]]] = {}
        for flight, at in [*own, *asked.waits]:
            by_flight.setdefault(id(flight), (flight, []))[1].append(at)
        for flight, places in by_flight.values():
            flight.done.wait()
            if flight.rows is None:
                error = flight.error
                continue
            source = np.array([flight.keys[asked.keys[at]] for at in places])
            at_rows, lost = np.array(places), flight.rows.unavailable()[source]
            taken = ~lost | (asked.read_at[at_rows] == -np.inf)
            asked.rows.put(at_rows[taken], flight.rows, source[taken])
            asked.pending[at_rows[~lost | taken]] = False
        return error

    def serve_stale(self, asked: Asked) -> int:
        """Mark what is still to come: STALE where the view allows the row that is held, else UNAVAILABLE; count the former."""
        pending = np.flatnonzero(asked.pending)
        if not len(pending):
            return 0
        allowed = self._clock() - asked.read_at[pending] <= self.stale_s
        asked.rows.mark(pending[allowed], Status.STALE)
        asked.rows.mark(pending[~allowed], Status.UNAVAILABLE)
        with self._lock:
            self.counts.stale += int(allowed.sum())
        return int(allowed.sum())

    def _end(self, flight: Flight) -> None:
        for key in flight.keys:
            if self._flights.get(key) is flight:
                del self._flights[key]
        flight.done.set()
