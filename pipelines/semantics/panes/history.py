"""The feature log of whole histories: every row, entity by entity, from nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.semantics.events import Events
from pipelines.semantics.feature import Feature
from pipelines.semantics.panes.columns import Flags, Words, values_from, values_of
from pipelines.semantics.panes.derived import encode_columns
from pipelines.semantics.panes.desk import Desk, events_of
from pipelines.semantics.panes.memory import (
    E_HEAD,
    H_ENTITY_WORDS,
    H_PANES,
    J_ENTITY,
    J_FIRST,
    J_LAST,
    J_SINCE,
    J_UNTIL,
    JOB_WORDS,
    NIL,
    ROW_T,
    ROW_VALUES,
    Ints,
    Memory,
)
from pipelines.semantics.panes.program import NEVER, Program, compile_features, lists_of
from pipelines.semantics.panes.walk import walk
from pipelines.semantics.rows import Rows
from workspace.compiled import compiled

EVER = -(2**60)
GROUP = 32_768  # events followed together
ROWS = 16_384  # rows on the desk at a time, unless an entity alone needs more: they stay in the processor's cache
STATE = 32_000_000  # words of entities followed at the same time
TILE = 64  # rows turned at a time: they stay in the nearest cache


def feature_log(features: Sequence[Feature], events: Events, start: int, stop: int) -> Rows:
    """Return every row with `start <= t < stop`, by (entity, t): rule 3, "a row only where a value changes".

    The events must reach back to the longest window, slide and delay before `start`.
    """
    parts = [part for stretch in log_parts(features, events, start, stop) for part in stretch]
    entity, t = np.concatenate([part.entity for part in parts]), np.concatenate([part.t for part in parts])
    order = np.lexsort((t, entity))
    at = pa.array(order)
    values = [pa.concat_arrays(arrays).take(at) for arrays in zip(*(part.values for part in parts), strict=True)]
    return Rows(entity[order], t[order], tuple(values))


def log_parts(features: Sequence[Feature], events: Events, start: int, stop: int, hop: int = 0) -> Iterator[list[Rows]]:
    """Yield the rows of `feature_log` stretch of time by stretch of time, in parts; at least one part, be it empty.

    All entities are followed side by side through `GROUP` events, then on from there. So memory is that of their panes, of so
    many events and of the rows that they give, however long the history. Where the entities are too many for that, some of
    them are followed from beginning to end before the others. With a `hop`, microseconds, the rows of a part are by (hop of
    time, entity, t), else by (entity, t).
    """
    program = compile_features(features, {name: column.type for name, column in events.columns.items()})
    words = {name: Words(events.columns[name].type, program.texts.get(name, ())) for name in program.columns}
    lists = lists_of(program)
    nothing = np.zeros((0, 2 + 3 * len(features) + program.lists), np.int64)
    yield [Rows(nothing[:, 0], nothing[:, 1], values_of(features, words, lists, nothing))]
    edges = np.append(np.flatnonzero(np.diff(events.entity, prepend=-1)), len(events))
    together = max(1, STATE // int(Memory(program).words[H_ENTITY_WORDS]))
    for first in range(0, len(edges) - 1, together):
        some = edges[first : first + together + 1]
        memory = Memory(program)
        memory.make_room(len(some) - 1, 0, 0, 0)
        for at, jobs in _stretches(program, events, some, stop):
            taken = pa.array(at)
            columns = encode_columns(
                words, program.derived, {n: events.columns[n].take(taken) for n in program.columns}
            )
            seen = None if events.seen is None else events.seen[at]
            encoded = events_of(program, events.ts[at], at.reshape(-1, 1), columns, seen)  # by id where times are equal
            parts = []
            for rows in _work(memory, encoded, jobs[_are_busy(memory, jobs)], start, NEVER if seen is None else EVER):
                given, valid, of_lists = _turned(program, rows, hop)
                length, list_words = of_lists[:, : len(features)], of_lists[:, len(features) :]
                values = values_from(features, words, lists, given[:, ROW_VALUES:], valid, length, list_words)
                parts.append(Rows(given[:, 0] + first, given[:, 1], values))
            yield parts


def _stretches(program: Program, events: Events, edges: Ints, stop: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield stretches of time, one after the other: the positions of their events, by (entity, time seen), and a job an entity.

    Args:
        program: The features.
        events: All events.
        edges: Where each entity's events start, and where the last one's end.
        stop: The end of the last stretch, itself outside.
    """
    base, entities = int(edges[0]), np.arange(len(edges) - 1)
    slide = int(np.lcm.reduce(np.maximum(program.groups, 1)))
    whole = slice(base, int(edges[-1]))
    seen, walked = events.ts[whole], None
    if events.seen is not None:
        walked = np.lexsort((events.seen[whole], events.entity[whole]))
        seen = events.seen[whole][walked]
    hop = (seen + program.delay) // slide  # all events of a hop enter before any of the next does
    bounds = np.unique(np.sort(hop)[:: max(GROUP, len(entities))])  # a stretch begins with the first event of a hop
    stretch = np.searchsorted(bounds, hop, side="right") - 1
    order = np.argsort(stretch.astype(np.min_scalar_type(len(bounds))), kind="stable")  # a radix sort, if it is short
    of_stretch = np.searchsorted(stretch[order], np.arange(len(bounds) + 1))
    until = np.minimum(np.append(bounds[1:] * slide, stop - 1), stop - 1)
    since = EVER
    for number in range(len(bounds)):
        at = order[of_stretch[number] : of_stretch[number + 1]]
        places = np.searchsorted(at + base, edges)
        at = (at if walked is None else walked[at]) + base
        jobs = np.empty((len(entities), JOB_WORDS), np.int64)
        jobs[:, J_ENTITY], jobs[:, J_FIRST], jobs[:, J_LAST] = entities, places[:-1], places[1:]
        jobs[:, J_SINCE], jobs[:, J_UNTIL] = since, until[number]
        yield at, jobs
        since = int(until[number])
        if since == stop - 1:
            return


def _are_busy(memory: Memory, jobs: Ints) -> Flags:
    """Say at which entities something happens: events come, or panes are there that leave."""
    heads = memory.entities[: len(jobs), E_HEAD : E_HEAD + 2 * memory.program.windows : 2]
    return (jobs[:, J_FIRST] < jobs[:, J_LAST]) | (heads != NIL).any(axis=1)


def _turned(program: Program, rows: Ints, hop: int) -> tuple[Ints, Flags, Ints]:
    """Return rows by (hop, entity, t) as columns, what follows reads one after the other: entity, time and values; which
    values are valid; the lengths of lists and the lists.
    """
    features = len(program.features)
    order = np.arange(len(rows))
    if hop and len(rows):
        hops = rows[:, ROW_T] // hop
        hops -= hops.min()
        if (hops[1:] < hops[:-1]).any():
            order = np.argsort(
                hops.astype(np.min_scalar_type(hops.max())), kind="stable"
            )  # a radix sort, if it is short
    values = np.empty((ROW_VALUES + features, len(rows)), np.int64)
    valid = np.empty((features, len(rows)), np.bool_)
    lists = np.empty((rows.shape[1] - ROW_VALUES - 2 * features, len(rows)), np.int64)
    _turn(rows.reshape(rows.size), (order * rows.shape[1]).astype(np.uint64), values, valid, lists)
    return values.T, valid.T, lists.T


@compiled
def _turn(words: Ints, starts: npt.NDArray[np.uint64], values: Ints, valid: Flags, lists: Ints) -> None:
    """Turn rows that start at these places; places without a sign, for compiled code need not look for negative ones."""
    for begin in range(0, len(starts), TILE):
        end = min(begin + TILE, len(starts))
        for word in range(len(values)):
            place = np.uint64(word)
            for i in range(begin, end):
                values[word, i] = words[starts[i] + place]
        for word in range(len(valid)):
            place = np.uint64(len(values) + word)
            for i in range(begin, end):
                valid[word, i] = words[starts[i] + place] != 0
        for word in range(len(lists)):
            place = np.uint64(len(values) + len(valid) + word)
            for i in range(begin, end):
                lists[word, i] = words[starts[i] + place]


def _work(memory: Memory, events: Ints, jobs: Ints, start: int, settled: int) -> Iterator[Ints]:
    """Do jobs that follow one another, and yield their rows; no event before `settled` comes any more."""
    program, count = memory.program, len(events)
    memory.make_room(0, count * program.windows, count * program.sessions, count * program.tables * len(program.tracks))
    each = len(program.groups) + program.windows + program.sessions
    most = count * each + len(jobs) * (1 + program.sessions) + int(memory.words[H_PANES])
    desk = Desk(memory, events, jobs, min(most, ROWS), 0)
    done = 0
    while done < len(jobs):
        desk.clear()
        went = walk(memory.words, memory.reals, desk.words, desk.reals, done, len(jobs), start, settled, True)
        if went == done:
            desk = Desk(memory, events, jobs, most, 0)
            continue
        yield desk.rows()
        done = went


def compile_kernel() -> None:
    """Compile all that the engines call, by following one event; what has been compiled before is found again."""
    from pipelines.semantics.aggregators.table import parse_function
    from pipelines.semantics.windows import Window

    names = ("count", "sum", "session_count(1min)", "count_distinct", "last_n(2)")
    features = [
        Feature(name, *parse_function(name)[:1], "x", Window(60_000_000, 1_000_000), None, name) for name in names
    ]
    feature_log(features, Events(np.zeros(1, np.int64), np.zeros(1, np.int64), {"x": pa.array([1.0])}), 0, 60_000_000)


if __name__ == "__main__":
    compile_kernel()
