"""Sessions: runs of events less than a gap apart. An event opens one, joins one, or makes one of two. Compiled."""

from __future__ import annotations

from pipelines.semantics.panes.cells import (
    enter_cell,
    event_at,
    first_cell,
    free_row,
    join_cell,
    row_at,
    take_row,
    word_at,
)
from pipelines.semantics.panes.memory import (
    CELL_WORDS,
    H_DELAY,
    H_RUNNING,
    H_SESSION,
    H_TABLE,
    H_TABLE_ROWS,
    H_TABLE_USED,
    H_TRACK,
    H_WINDOWS,
    NIL,
    P_AFTER,
    P_BEFORE,
    P_INTS,
    P_NUMBER,
    P_UNTIL,
    TABLE_WORDS,
    TRACK_WORDS,
    Ints,
    Reals,
    place_of,
)
from pipelines.semantics.panes.program import C_COLUMN, C_INT, C_NUMBER, C_WHAT, DISTINCT, NEVER, T_SIZE
from pipelines.semantics.panes.windows import entity_at, owner_of
from workspace.compiled import compiled, inlined


@inlined
def running_at(m: Ints, entity: int, session: int) -> int:
    """Return where an entity's first session of a gap is noted; its last is noted behind it."""
    return entity_at(m, entity) + m[H_RUNNING] + 2 * session


@inlined
def session_ends_at(m: Ints, entity: int, session: int) -> int:
    """Return the instant at which an entity's last session ends by itself (rule 11)."""
    row = m[running_at(m, entity, session) + 1]
    if row == NIL:
        return -NEVER
    gap = m[m[H_TRACK] + (m[H_WINDOWS] + session) * TRACK_WORDS + T_SIZE]
    return m[row_at(m, H_SESSION, row) + P_UNTIL] + m[H_DELAY] + gap


@compiled
def enter_session(m: Ints, r: Reals, d: Ints, s: Reals, entity: int, session: int, i: int, settled: int) -> None:
    """Let event `i` enter the sessions of one gap; forget those that no event from `settled` on can touch any more."""
    track, ends, event = m[H_WINDOWS] + session, running_at(m, entity, session), event_at(d, i)
    gap, ts = m[m[H_TRACK] + track * TRACK_WORDS + T_SIZE], d[event]
    row = m[ends + 1]
    while row != NIL and m[row_at(m, H_SESSION, row) + P_NUMBER] - ts >= gap:
        row = m[row_at(m, H_SESSION, row) + P_BEFORE]
    if row == NIL or ts - m[row_at(m, H_SESSION, row) + P_UNTIL] >= gap:
        row = _open_session(m, ends, track, row, ts)
    at = row_at(m, H_SESSION, row)
    m[at + P_NUMBER], m[at + P_UNTIL] = min(m[at + P_NUMBER], ts), max(m[at + P_UNTIL], ts)
    for cell in range(first_cell(m, track), first_cell(m, track + 1), CELL_WORDS):
        if m[cell + C_WHAT] == DISTINCT:
            _enter_distinct(m, d, entity, track, cell, at, event)
        else:
            enter_cell(m, r, d, s, cell, at, event)
    before = m[at + P_BEFORE]
    if before != NIL and m[at + P_NUMBER] - m[row_at(m, H_SESSION, before) + P_UNTIL] < gap:
        _join_sessions(m, r, entity, track, ends, row, before)
    while m[ends] != m[ends + 1] and m[row_at(m, H_SESSION, m[ends]) + P_UNTIL] + gap <= settled:
        gone = m[ends]
        m[ends] = m[row_at(m, H_SESSION, gone) + P_AFTER]
        m[row_at(m, H_SESSION, m[ends]) + P_BEFORE] = NIL
        free_row(m, H_SESSION, gone)


@compiled
def _open_session(m: Ints, ends: int, track: int, before: int, ts: int) -> int:
    row = take_row(m, H_SESSION, track)
    at = row_at(m, H_SESSION, row)
    m[at + P_NUMBER], m[at + P_UNTIL] = ts, ts
    after = m[ends] if before == NIL else m[row_at(m, H_SESSION, before) + P_AFTER]
    m[at + P_BEFORE], m[at + P_AFTER] = before, after
    if before == NIL:
        m[ends] = row
    else:
        m[row_at(m, H_SESSION, before) + P_AFTER] = row
    if after == NIL:
        m[ends + 1] = row
    else:
        m[row_at(m, H_SESSION, after) + P_BEFORE] = row
    return row


@compiled
def _join_sessions(m: Ints, r: Reals, entity: int, track: int, ends: int, row: int, before: int) -> None:
    """Make one session of two neighbours."""
    at, other = row_at(m, H_SESSION, row), row_at(m, H_SESSION, before)
    for cell in range(first_cell(m, track), first_cell(m, track + 1), CELL_WORDS):
        if m[cell + C_WHAT] == DISTINCT:
            owner = owner_of(m, entity, track, m[cell + C_NUMBER])
            stop = m[H_TABLE] + m[H_TABLE_ROWS] * TABLE_WORDS
            for entry in range(m[H_TABLE], stop, TABLE_WORDS):  # seldom: an event came late and closed a gap
                if m[entry] == owner and m[other + P_NUMBER] <= m[entry + 2] <= m[other + P_UNTIL]:
                    m[at + P_INTS + m[cell + C_INT]] += 1
        else:
            join_cell(m, r, cell, at, other)
    m[at + P_NUMBER] = m[other + P_NUMBER]
    m[at + P_BEFORE] = m[other + P_BEFORE]
    if m[at + P_BEFORE] == NIL:
        m[ends] = row
    else:
        m[row_at(m, H_SESSION, m[at + P_BEFORE]) + P_AFTER] = row
    free_row(m, H_SESSION, before)


@compiled
def _enter_distinct(m: Ints, d: Ints, entity: int, track: int, cell: int, at: int, event: int) -> None:
    """Count a value that the session at `at` has not had; the table knows when each was there last."""
    word = word_at(m, event, m[cell + C_COLUMN])
    if not d[word + 1]:
        return
    owner, value, last = owner_of(m, entity, track, m[cell + C_NUMBER]), d[word], d[event]
    entry = place_of(owner, value, m, m[H_TABLE], m[H_TABLE_ROWS])
    if m[entry] == NIL:
        m[H_TABLE_USED] += 1
    if m[entry] == NIL or not m[at + P_NUMBER] <= m[entry + 2] <= m[at + P_UNTIL]:
        m[at + P_INTS + m[cell + C_INT]] += 1
    if m[entry] != NIL:
        last = max(last, m[entry + 2])
    m[entry], m[entry + 1], m[entry + 2], m[entry + 3] = owner, value, last, 0
