"""The state of a view's entities as events arrive: what a live engine holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.semantics.feature import Feature
from pipelines.semantics.panes.columns import Words, id_words, values_of
from pipelines.semantics.panes.derived import encode_columns
from pipelines.semantics.panes.desk import Desk, events_of
from pipelines.semantics.panes.memory import (
    E_GIVEN,
    E_HEAD,
    H_ENTITY,
    H_ID_WORDS,
    H_PANE_LEFT,
    H_PANES,
    H_RUNNING,
    H_SESSION_LEFT,
    H_SESSION_ROWS,
    H_TABLE_USED,
    H_VALUE,
    H_VALUE_WORDS,
    HEADER,
    NIL,
    P_AFTER,
    P_NUMBER,
    P_UNTIL,
    Ints,
    Memory,
)
from pipelines.semantics.panes.order import distinct, of_sorted, sort_order
from pipelines.semantics.panes.program import T_SIZE, T_SLIDE, Program, compile_features, lists_of
from pipelines.semantics.panes.seen import Seen
from pipelines.semantics.panes.walk import walk
from pipelines.semantics.rows import Rows

EVER = -(2**60)


class OtherProgramError(ValueError):
    """A saved state of features that are declared otherwise by now."""


ROWS = 16_384  # on the desk at a time, where every row counts


class LiveView:
    """Follows entities by number.

    Attributes:
        features: The features.
        program: The same, compiled.
        memory: What is known of the entities.
        seen: The event ids that have been counted.
        words: How the columns' values are encoded.
    """

    def __init__(self, features: Sequence[Feature], kinds: Mapping[str, pa.DataType]) -> None:
        """Start with nothing.

        Args:
            features: The features; rule 1, not aligned.
            kinds: The types of the input columns.
        """
        self.features = features
        self.program: Program = compile_features(features, kinds)
        self.memory = Memory(self.program)
        self.seen = Seen(1)
        self.words = {name: Words(kinds[name], self.program.texts.get(name, ())) for name in self.program.columns}
        self._lists = lists_of(self.program)

    def take(
        self,
        entity: Ints,
        ts: Ints,
        ids: pa.Array,
        columns: Mapping[str, pa.Array],
        due: Ints,
        *,
        entities: int,
        since: int,
        until: int,
        settled: int,
        every: bool = False,
    ) -> tuple[Rows, Ints, Ints]:
        """Let events in, follow entities to an instant, and return what this gives.

        Args:
            entity: int64 (n,), the entity of each event.
            ts: int64 (n,), microseconds; all enter by `until`.
            ids: Their ids; what has been counted is left out.
            columns: Their columns.
            due: int64, entities of whom a pane leaves or a session ends.
            entities: How many entities there are.
            since: The instant up to which all entities have been followed.
            until: The instant up to which to follow them.
            settled: The earliest event time that may still come.
            every: Whether each row counts, as in a log, not the newest of each entity alone.

        Returns:
            The newest row of each entity that changed, or every row by (entity, t); the panes made, (entity, track, number); the entities touched.
        """
        words = self._id_words(ids)
        order = sort_order(entity, ts, words)
        entity, ts, words = entity[order], ts[order], words[order]
        new = self.seen.note(entity, ts, words, settled)
        if not new.all():
            order, entity, ts, words = order[new], entity[new], ts[new], words[new]
        at = pa.array(order)
        taken = {name: columns[name].take(at) for name in self.program.columns}
        encoded = encode_columns(self.words, self.program.derived, taken)
        touched = distinct(np.concatenate([entity, due])) if len(due) else of_sorted(entity)
        first = np.searchsorted(entity, touched, "left")
        last = np.searchsorted(entity, touched, "right")
        count = len(touched)
        jobs = np.column_stack([touched, first, last, np.full(count, since), np.full(count, until)])
        self._make_room(len(ts), entities, since)
        rows, made = self._walk(events_of(self.program, ts, words, encoded), jobs, settled, every)
        return Rows(rows[:, 0], rows[:, 1], values_of(self.features, self.words, self._lists, rows)), made, touched

    def _walk(self, events: Ints, jobs: Ints, settled: int, every: bool) -> tuple[Ints, Ints]:
        """Do the jobs, and return the rows given and the panes made."""
        memory, program, count = self.memory, self.program, len(jobs)
        panes = len(events) * program.windows
        if not every:
            desk = Desk(memory, events, jobs, count, panes)
            walk(memory.words, memory.reals, desk.words, desk.reals, 0, count, EVER, settled, False)
            return desk.rows(), desk.made()
        held = int(memory.words[H_PANES])  # each gives at most one row when it leaves
        most = len(events) * (len(program.groups) + program.windows + program.sessions) + held
        most += count * (1 + program.sessions)
        desk, done = Desk(memory, events, jobs, min(most, ROWS), panes), 0
        rows, made = [desk.rows()[:0]], [desk.made()[:0]]
        while done < count:
            desk.clear()
            went = walk(memory.words, memory.reals, desk.words, desk.reals, done, count, EVER, settled, True)
            if went == done:  # one entity needs more room than others
                desk = Desk(memory, events, jobs, most, panes)
                continue
            rows.append(desk.rows().copy())
            made.append(desk.made().copy())
            done = went
        return np.concatenate(rows), np.concatenate(made)

    def newest(self, entity: Ints, t: Ints) -> Rows:
        """Return the row that each of these entities had last, `t` being its time; those that never had one are left out."""
        words = self.memory.words
        has = self.memory.entities[entity, E_GIVEN] != 0
        entity, t = entity[has], t[has]
        value = int(words[H_VALUE])
        held = self.memory.entities[entity, value : value + int(words[H_VALUE_WORDS])]
        rows = np.column_stack([entity, t, held])
        return Rows(entity, t, values_of(self.features, self.words, self._lists, rows))

    def size(self) -> int:
        """Return how many panes and sessions are held."""
        words = self.memory.words
        held = (H_PANES, H_PANE_LEFT), (H_SESSION_ROWS, H_SESSION_LEFT)
        return sum(int(words[rows] - words[left]) for rows, left in held)

    def restore(self, memory: Ints, seen: Ints, texts: Mapping[str, Sequence[str]]) -> None:
        """Go on from what was saved.

        Raises:
            OtherProgramError: It was saved by other features, or by another version of this code.
        """
        mine = self.memory.words
        end = int(mine[H_ENTITY])
        if len(memory) < end or memory[H_ENTITY] != end or (memory[HEADER:end] != mine[HEADER:end]).any():
            raise OtherProgramError(
                "the saved state is of other features than are declared now; run `make backfill` and start with FRESH=1."
            )
        self.memory.words = memory.copy()
        self.memory.reals = self.memory.words.view(np.float64)
        self.seen.restore(seen.reshape(-1, 2 + int(memory[H_ID_WORDS])).copy())
        self.words = {name: Words(words.kind, texts.get(name, ())) for name, words in self.words.items()}

    def panes(self, track: int, entities: int) -> Iterator[tuple[Ints, Ints]]:
        """Yield the entities that have a first pane of a window, and its number; then those with a second; and so on."""
        rows, entity = self.memory.panes, np.arange(entities)
        row = self.memory.entities[:entities, E_HEAD + 2 * track]
        while True:
            has = row != NIL
            entity, row = entity[has], row[has]
            if not len(row):
                return
            yield entity, rows[row, P_NUMBER].copy()
            row = rows[row, P_AFTER]

    def last_pane_left(self, track: int, now: int) -> int:
        """Return the number of the last pane of a window that has left by an instant."""
        size, slide = self.program.tracks[track, [T_SIZE, T_SLIDE]].tolist()
        return int((now - size - self.program.delay) // slide - 1)

    def session_ends(self, entities: Ints) -> Ints:
        """Return when the last session of each entity ends, int64 (entities, gaps); the distant past where there is none."""
        program, words = self.program, self.memory.words
        ends = np.full((len(entities), program.sessions), EVER, np.int64)
        rows = self.memory.entities
        for session in range(program.sessions):
            last = rows[entities, int(words[H_RUNNING]) + 2 * session + 1]
            gap = int(program.tracks[program.windows + session, T_SIZE])
            has = last != NIL
            ends[has, session] = self.memory.sessions[last[has], P_UNTIL] + program.delay + gap
        return ends

    def _id_words(self, ids: pa.Array) -> Ints:
        """Return ids as words, and widen the state where one is longer than all before."""
        have = int(self.memory.words[H_ID_WORDS])
        words = id_words(ids, have)
        if words.shape[1] > have:
            self.memory.widen(words.shape[1])
            self.seen.widen(words.shape[1])
        return words

    def _make_room(self, events: int, entities: int, now: int) -> None:
        program = self.program
        values = events * program.tables * (len(program.tracks) - 1)
        keep = self._values_that_matter(now) if values else None
        self.memory.make_room(entities, events * program.windows, events * program.sessions, values, keep)

    def _values_that_matter(self, now: int) -> npt.NDArray[np.bool_] | None:
        """Say which entries of the table of different values are of a pane, or a session, that is still there."""
        program, memory = self.program, self.memory
        table = memory.table
        if not len(table) or (int(memory.words[H_TABLE_USED]) + 1) * 2 < len(table):
            return None
        tracks = len(program.tracks) - 1
        owner = np.maximum(table[:, 0], 0) // program.tables
        track, entity = owner % tracks, owner // tracks
        keep = np.ones(len(table), np.bool_)
        for window in range(program.windows):
            keep &= (track != window) | (table[:, 2] > self.last_pane_left(window, now))
        for session in range(program.sessions):
            of = (table[:, 0] != NIL) & (track == program.windows + session)
            first = memory.entities[entity[of], int(memory.words[H_RUNNING]) + 2 * session]
            keep[of] = table[of, 2] >= np.where(first == NIL, 2**62, memory.sessions[first, P_NUMBER])
        return keep
