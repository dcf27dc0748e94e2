"""The feature log of whole histories: every row, entity by entity, from nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from pipelines.semantics.events import Events
from pipelines.semantics.feature import Feature
from pipelines.semantics.panes.columns import Words, values_of
from pipelines.semantics.panes.derived import encode_columns
from pipelines.semantics.panes.desk import Desk, events_of
from pipelines.semantics.panes.memory import H_PANES, Ints, Memory
from pipelines.semantics.panes.program import NEVER, Program, compile_features, lists_of
from pipelines.semantics.panes.walk import walk
from pipelines.semantics.rows import Rows

EVER = -(2**60)
GROUP = 32_768  # events followed together: their panes stay in the processor's cache


def feature_log(features: Sequence[Feature], events: Events, start: int, stop: int, hop: int = 0) -> Rows:
    """Return every row with `start <= t < stop`, by (entity, t): rule 3, "a row only where a value changes".

    The events must reach back to the longest window, slide and delay before `start`. With a `hop`, microseconds, rows of up
    to `GROUP` events are by (hop of time, entity, t).
    """
    program = compile_features(features, {name: column.type for name, column in events.columns.items()})
    words = {name: Words(events.columns[name].type, program.texts.get(name, ())) for name in program.columns}
    ids = np.arange(len(events), dtype=np.int64).reshape(-1, 1)  # sorted by id where times are equal
    columns = {name: events.columns[name] for name in program.columns}
    table = events_of(program, events.ts, ids, encode_columns(words, program.derived, columns))
    lists = lists_of(program)
    parts = [
        Rows(rows[:, 0] + first, rows[:, 1].copy(), values_of(features, words, lists, rows))
        for first, given in _walk_groups(program, table, events.entity, start, stop)
        for rows in [given[np.argsort(given[:, 1] // hop, kind="stable")] if hop else given]
    ]
    if not parts:
        nothing = np.zeros((0, 2 + 3 * len(features) + program.lists), np.int64)
        return Rows(nothing[:, 0], nothing[:, 1], values_of(features, words, lists, nothing))
    return Rows(
        np.concatenate([part.entity for part in parts]),
        np.concatenate([part.t for part in parts]),
        tuple(pa.concat_arrays(arrays) for arrays in zip(*(part.values for part in parts), strict=True)),
    )


def _walk_groups(program: Program, events: Ints, entity: Ints, start: int, stop: int) -> Iterator[tuple[int, Ints]]:
    """Yield the number of each group's first entity, and the group's rows."""
    if not len(entity):
        return
    starts = np.flatnonzero(np.diff(entity, prepend=entity[0] - 1))
    stops = np.append(starts[1:], len(entity))
    at = 0
    while at < len(starts):
        to = max(at + 1, int(np.searchsorted(stops, starts[at] + GROUP, side="right")))
        part = slice(int(starts[at]), int(stops[to - 1]))
        jobs = _jobs(program, events[part, 0], starts[at:to] - part.start, stops[at:to] - part.start, stop)
        memory = Memory(program)
        memory.make_room(to - at, 0, 0, 0)
        alone = to == at + 1
        for first in range(0, len(jobs), 1 if alone else len(jobs)):
            for rows in _work(memory, events[part], jobs[first : first + 1] if alone else jobs, start):
                yield int(entity[part.start]), rows
        at = to


def _work(memory: Memory, events: Ints, jobs: Ints, start: int) -> Iterator[Ints]:
    """Do jobs that follow one another, and yield their rows."""
    program = memory.program
    low, high = int(jobs[0, 1]), int(jobs[-1, 2])
    jobs = jobs - np.array([0, low, low, 0, 0])
    count = high - low
    memory.make_room(0, count * program.windows, count * program.sessions, count * program.tables * len(program.tracks))
    each = len(program.groups) + program.windows + program.sessions
    most = count * each + len(jobs) * (1 + program.sessions) + int(memory.words[H_PANES])
    desk = Desk(memory, events[low:high], jobs, min(most, 8 * GROUP), 0)
    done = 0
    while done < len(jobs):
        desk.clear()
        went = walk(memory.words, memory.reals, desk.words, desk.reals, done, len(jobs), start, NEVER, True)
        if went == done:
            desk = Desk(memory, events[low:high], jobs, most, 0)
            continue
        yield desk.rows()
        done = went


def _jobs(program: Program, ts: Ints, starts: Ints, stops: Ints, stop: int) -> Ints:
    """Return a job an entity; several, one after the other in time, for one with very many events."""
    if len(starts) > 1 or stops[0] <= GROUP:
        count = len(starts)
        return np.column_stack([np.arange(count), starts, stops, np.full(count, EVER), np.full(count, stop - 1)])
    slide = int(np.lcm.reduce(np.maximum(program.groups, 1)))
    hop = (ts + program.delay) // slide  # all events of a hop enter before any of the next does
    edges = [0]
    while edges[-1] < len(ts):
        edge = min(edges[-1] + GROUP, len(ts))
        edges.append(int(np.searchsorted(hop, hop[edge - 1], side="right")))
    first, last = np.array(edges[:-1]), np.array(edges[1:])
    until = np.minimum(np.append(hop[last[:-1]] * slide, stop - 1), stop - 1)
    return np.column_stack([np.zeros(len(first), np.int64), first, last, np.append(EVER, until[:-1]), until])


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
