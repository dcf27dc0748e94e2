"""The live state of one view, or of one shard of it: events in, the rows that changed out. No Bytewax in here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.arrange import log_schema, tabulate, times, transformed
from pipelines.plan import ViewPlan
from pipelines.semantics.panes.live import EVER, LiveView
from pipelines.semantics.panes.memory import Ints
from pipelines.semantics.panes.order import distinct
from pipelines.semantics.rows import Rows, Times
from pipelines.stream.calendar import Calendar
from pipelines.stream.entities import EntityNumbers
from pipelines.stream.pending import Held, Pending

_SECOND = 1_000_000

ELSEWHERE = EVER
"""The time of the last row of an entity that another shard follows."""

FOREVER = 2**62


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What it takes to go on after a restart: plain data, safe to pickle.

    Attributes:
        frontier: The instant, microseconds, up to which rows have been given.
        settled: The earliest event time that may still come, microseconds.
        pending: Events that do not count yet, and the files that have such.
        doubtful: See `ViewState.doubtful`.
        arrays: The state, the ids that have been counted, the texts and the join keys, int64 by name. They are those of the
            state itself, so that keeping what changed needs no copy.
    """

    frontier: int
    settled: int
    pending: Held
    arrays: dict[str, Ints]
    doubtful: tuple[int, int] | None = None


class ViewState:
    """Follows a plan event by event, in batches.

    Time moves by `now` only. A batch costs in proportion to its events and to the entities of whom an event enters, leaves
    or ends a session in the step, however many events a window holds.

    Attributes:
        plan: The view.
        frontier: The instant, microseconds, up to which rows have been given.
        settled: The earliest event time that may still come, microseconds.
        doubtful: Two instants: a run before this one may have stored rows of the first to the second. It had read the
            partitions in another order, so such a row may know less than one given here of an earlier time, which the store
            then refuses. None where nothing is doubtful.
    """

    def __init__(
        self,
        plan: ViewPlan,
        snapshot: Snapshot | None = None,
        mine: Callable[[pa.Table], npt.NDArray[np.bool_]] | None = None,
        folder: Path | None = None,
        stored: int = EVER,
    ) -> None:
        """Start empty, or from a snapshot.

        Args:
            plan: The view.
            snapshot: What to go on from.
            mine: Says of rows with join keys which are of entities that are followed here; the others of the snapshot belong
                to another shard by now, and no row of theirs is given any more. None for all.
            folder: For files of events that wait long; None keeps them in memory, and in snapshots.
            stored: The instant, microseconds, up to which a run before this one may have stored rows.
        """
        self.plan = plan
        self.frontier = EVER
        self.settled = EVER
        self._schema = transformed(plan, plan.table.schema().empty_table()).schema
        self._rows_schema = log_schema(plan, self._schema)
        self._needed = list(dict.fromkeys((*plan.keys, plan.table.timestamp, plan.table.event_id, *plan.inputs)))
        self._live = LiveView(plan.features, {name: self._schema.field(name).type for name in plan.inputs})
        self._leaving = [Calendar() for _ in range(self._live.program.windows)]
        self._ending = Calendar()
        self._numbers = EntityNumbers(plan.keys)
        self._given = np.zeros(0, np.int64)  # the time of each entity's last row
        until = self.frontier if snapshot is None else snapshot.frontier - plan.features[0].window.delay
        held = () if snapshot is None else snapshot.pending
        self._pending = Pending(plan.table.timestamp, folder, held, until, mine)
        if snapshot is not None:
            self._restore(snapshot, mine)
        since, until = (snapshot and snapshot.doubtful) or (self.frontier, EVER)
        self.doubtful = (since, max(until, stored)) if max(until, stored) > self.frontier else None

    def __len__(self) -> int:
        """Return the number of panes and waiting events held."""
        return self._live.size() + len(self._pending)

    def put_aside(self) -> None:
        """Get ready for a snapshot: write the events that must not stay in memory, if there is a folder.

        Raises:
            OSError: The disk is full or away; nothing is lost, and it may be tried again.
        """
        self._pending.put_aside()

    def snapshot(self) -> Snapshot:
        """Return what it takes to go on from here, good until the state moves on."""
        live = self._live
        arrays = {"memory": live.memory.words, "seen": live.seen.table.ravel(), "given": self._given}
        for name, words in live.words.items():
            arrays |= _texts_of(f"text:{name}", words.texts) if words.texts else {}
        entities = self._numbers.table()
        if entities is not None:
            for name in self.plan.keys:
                arrays |= _words_of(f"key:{name}", _array(entities[name]))
        return Snapshot(self.frontier, self.settled, self._pending.held(), arrays, self.doubtful)

    def held(self) -> dict[str, int]:
        """Return how many entities, panes (with sessions), waiting events and bytes of memory are held, by name."""
        live = self._live
        size = live.memory.words.nbytes + live.seen.table.nbytes + self._given.nbytes + self._pending.nbytes
        return {
            "entities": len(self._numbers),
            "panes": live.size(),
            "waiting events": len(self._pending),
            "bytes": size,
        }

    def _restore(self, snapshot: Snapshot, mine: Callable[[pa.Table], npt.NDArray[np.bool_]] | None) -> None:
        arrays, plan = snapshot.arrays, self.plan
        self.frontier, self.settled = snapshot.frontier, snapshot.settled
        kinds = {name: self._schema.field(name).type for name in plan.keys}
        if any(name.startswith("key:") for name in arrays):
            columns = {name: _column_of(f"key:{name}", arrays, kinds[name]) for name in plan.keys}
            self._numbers = EntityNumbers(plan.keys, pa.table(columns))
        texts = {
            name: _column_of(f"text:{name}", arrays, pa.string()).to_pylist()
            for name in plan.inputs
            if f"text:{name}:ends" in arrays
        }
        self._live.restore(arrays["memory"], arrays["seen"], texts)
        self._given = arrays["given"].copy()
        known, here = self._numbers.table(), np.ones(len(self._numbers), np.bool_)
        if mine is not None and known is not None:
            here = mine(known)
            self._given[np.flatnonzero(~here[: len(self._given)])] = ELSEWHERE
        for track, calendar in enumerate(self._leaving):
            for entity, pane in self._live.panes(track, len(here)):
                calendar.add(pane[here[entity]], entity[here[entity]])
        self._note_sessions(np.flatnonzero(here))

    def load(self, events: pa.Table, cut: int) -> None:
        """Take over from a backfill: the events that still matter at `cut`, whose rows before `cut` are stored."""
        self.advance(events, cut - 1, cut - self.plan.table.known_after - self.plan.table.lateness)

    def advance(self, events: pa.Table, now: int, settled: int = EVER, *, every: bool = False) -> pa.Table | None:
        """Add events, move to `now`, and return the newest row of every entity that changed; None if none did.

        Args:
            events: As the topic's schema has them; in any order, each possibly for the second time.
            now: Microseconds; an earlier time than before moves nothing.
            settled: The earliest event time, microseconds, that may come after these events; what comes and is older is left
                out (rule 7), and its ids are forgotten (rule 6).
            every: Whether to return every row, by (entity, `event_timestamp`).
        """
        before, self.frontier = self.frontier, max(self.frontier, now)
        held, self.settled = self.settled, max(self.settled, settled)
        arriving, ts = self._arriving(events, held)
        due = self._due(before)
        if not len(arriving) and not len(due):
            return None
        entity = self._numbers.number(arriving) if len(arriving) else np.zeros(0, np.int64)
        rows, made, touched = self._live.take(
            entity,
            ts,
            _array(arriving[self.plan.table.event_id]),
            {name: _array(arriving[name]) for name in self.plan.inputs},
            due,
            entities=len(self._numbers),
            since=before,
            until=self.frontier,
            settled=held,
            every=every,
        )
        for track, calendar in enumerate(self._leaving):
            mine = made[made[:, 1] == track]
            calendar.add(mine[:, 2], mine[:, 0])
        self._note_sessions(touched)
        table = self._numbers.table()
        if table is None or not len(rows):
            return None
        self._note_given(rows)
        return tabulate(self.plan, table, rows, self._rows_schema)

    def newest(self) -> pa.Table | None:
        """Return the last row of every entity, as it was given; None before the first."""
        return self._newest(ELSEWHERE + 1, FOREVER)

    def take_doubtful(self) -> tuple[pa.Table | None, int] | None:
        """Return the last rows of entities of whom a better one may have been refused, and the time up to which they replace rows.

        None, until all that was stored before has been given anew, and again when these rows have been taken.
        """
        if self.doubtful is None or self.frontier < self.doubtful[1]:
            return None
        (since, until), self.doubtful = self.doubtful, None
        return self._newest(max(since, ELSEWHERE + 1), until), until

    def _newest(self, since: int, until: int) -> pa.Table | None:
        """Return the last row of every entity whose last is of `since <= t < until`."""
        table = self._numbers.table()
        given = self._given[: min(len(self._given), len(self._numbers))]
        here = np.flatnonzero((given >= since) & (given < until))
        rows = self._live.newest(here, self._given[here])
        return tabulate(self.plan, table, rows, self._rows_schema) if table is not None and len(rows) else None

    def _note_given(self, rows: Rows) -> None:
        if len(self._given) < len(self._numbers):
            more = np.zeros(max(len(self._numbers), 2 * len(self._given)) - len(self._given), np.int64)
            self._given = np.concatenate([self._given, more])
        self._given[rows.entity] = rows.t

    def _arriving(self, events: pa.Table, settled: int) -> tuple[pa.Table, Times]:
        """Return the events that count by now, those that waited for it among them; the others wait."""
        delay = self.plan.features[0].window.delay
        table = transformed(self.plan, events).select(self._needed)
        ts = times(table[self.plan.table.timestamp])
        if len(ts) and ts.min() < settled:
            keep = ts >= settled
            table, ts = table.filter(pa.array(keep)), ts[keep]
        waited = self._pending.take_until(self.frontier - delay)
        if waited:
            table = pa.concat_tables([*waited, table])
            ts = times(table[self.plan.table.timestamp])
        enters = ts + delay < self.frontier
        if enters.all():
            return table, ts
        later = ~enters
        self._pending.add(table.filter(pa.array(later)), ts[later])
        return table.filter(pa.array(enters)), ts[enters]

    def _due(self, before: int) -> Times:
        """Return the entities of whom a pane leaves or a session ends in `before < t <= frontier`."""
        found = []
        for track, calendar in enumerate(self._leaving):
            found += calendar.pop_until(self._live.last_pane_left(track, self.frontier))
        ending = self._ending.pop_until(self.frontier // _SECOND)
        if ending:
            entities = distinct(np.concatenate(ending))
            ends = self._live.session_ends(entities)
            found.append(entities[((ends > before) & (ends <= self.frontier)).any(axis=1)])
            self._note_ends(entities, np.where(ends // _SECOND == self.frontier // _SECOND, ends, EVER))
        return distinct(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def _note_sessions(self, entities: Times) -> None:
        if self._live.program.sessions:
            self._note_ends(entities, self._live.session_ends(entities))

    def _note_ends(self, entities: Times, ends: Ints) -> None:
        for session in range(ends.shape[1]):
            coming = ends[:, session] > self.frontier
            self._ending.add(ends[coming, session] // _SECOND, entities[coming])


def _array(column: pa.ChunkedArray) -> pa.Array:
    joined = column.combine_chunks()
    return pa.concat_arrays(joined.chunks) if isinstance(joined, pa.ChunkedArray) else joined


def _words_of(name: str, column: pa.Array) -> dict[str, Ints]:
    """Return a column without nulls as named arrays: of integers, or of text."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.large_string())
        _, offsets, data = column.buffers()
        ends = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
        letters = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]] if data is not None else np.zeros(0, np.uint8)
        filled = np.zeros(-(-len(letters) // 8) * 8, np.uint8)
        filled[: len(letters)] = letters
        return {f"{name}:ends": ends - ends[0], f"{name}:letters": filled.view(np.int64)}
    return {f"{name}:values": column.cast(pa.int64()).to_numpy(zero_copy_only=False)}


def _column_of(name: str, arrays: Mapping[str, Ints], kind: pa.DataType) -> pa.Array:
    """Return the column that `_words_of` gave."""
    if f"{name}:values" in arrays:
        return pa.array(arrays[f"{name}:values"]).cast(kind)
    ends = arrays[f"{name}:ends"]
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(arrays[f"{name}:letters"])]
    return pa.Array.from_buffers(pa.large_string(), len(ends) - 1, buffers).cast(kind)


def _texts_of(name: str, texts: Sequence[str]) -> dict[str, Ints]:
    """Return texts as named arrays."""
    return _words_of(name, pa.array(texts, pa.large_string()))
