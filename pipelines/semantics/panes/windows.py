"""Panes of windows: events enter them, and they leave as a whole. Compiled."""

from __future__ import annotations

from pipelines.semantics.panes import exact
from pipelines.semantics.panes.aging import take_aged
from pipelines.semantics.panes.cells import (
    add_event,
    enter_cell,
    event_at,
    first_cell,
    free_row,
    row_at,
    take_row,
    word_at,
)
from pipelines.semantics.panes.memory import (
    CELL_WORDS,
    E_HEAD,
    H_ALIGNED,
    H_CHAIN,
    H_CHAINS,
    H_DELAY,
    H_ENTITY,
    H_ENTITY_WORDS,
    H_PANE,
    H_ROW_CHAIN,
    H_ROW_REALS,
    H_SESSIONS,
    H_TABLE,
    H_TABLE_ROWS,
    H_TABLE_USED,
    H_TABLES,
    H_TOTAL_REALS,
    H_TOTAL_WORDS,
    H_TOTALS,
    H_TRACK,
    H_WINDOWS,
    NIL,
    OUTSIDE,
    P_AFTER,
    P_BEFORE,
    P_INTS,
    P_NUMBER,
    TRACK_WORDS,
    Ints,
    Reals,
    place_of,
)
from pipelines.semantics.panes.program import (
    C_COLUMN,
    C_INT,
    C_NUMBER,
    C_REAL,
    C_WHAT,
    DECAYED,
    DECAYED_COUNT,
    DISTINCT,
    EXACT,
    FIRST,
    LARGEST,
    SMALLEST,
    SQUARES,
    T_SIZE,
    T_SLIDE,
)
from pipelines.semantics.panes.tallies import enter_tally, leave_tally
from workspace.compiled import compiled, inlined


@inlined
def entity_at(m: Ints, entity: int) -> int:
    """Return where an entity is."""
    return m[H_ENTITY] + entity * m[H_ENTITY_WORDS]


@inlined
def head_at(m: Ints, entity: int, track: int) -> int:
    """Return where an entity's first pane of a window is noted; its last is noted behind it."""
    return entity_at(m, entity) + E_HEAD + 2 * track


@inlined
def totals_at(m: Ints, entity: int, track: int) -> int:
    """Return where a window's totals are: what all its panes hold together."""
    return entity_at(m, entity) + m[H_TOTALS] + track * m[H_TOTAL_WORDS]


@inlined
def chain_at(m: Ints, entity: int, track: int, chain: int) -> int:
    """Return where the first pane of a chain is noted; its last is noted behind it."""
    return entity_at(m, entity) + m[H_CHAIN] + 2 * (track * m[H_CHAINS] + chain)


@inlined
def pane_of(m: Ints, track: int, ts: int) -> int:
    """Return the number of the pane that an event is in."""
    shift = m[H_DELAY] if m[H_ALIGNED] else 0
    return (ts + shift) // m[m[H_TRACK] + track * TRACK_WORDS + T_SLIDE]


@inlined
def leaves_at(m: Ints, track: int, pane: int) -> int:
    """Return the first microsecond at which a pane is no longer inside (rules 1 and 2)."""
    at = m[H_TRACK] + track * TRACK_WORDS
    shift = 0 if m[H_ALIGNED] else m[H_DELAY]
    return (pane + 1) * m[at + T_SLIDE] + m[at + T_SIZE] + shift


@inlined
def _first_pane(m: Ints, track: int, now: int) -> int:
    """Return the number of the first pane that has not left (see `leaves_at`)."""
    at = m[H_TRACK] + track * TRACK_WORDS
    return (now - m[at + T_SIZE] - (0 if m[H_ALIGNED] else m[H_DELAY])) // m[at + T_SLIDE]


@inlined
def owner_of(m: Ints, entity: int, track: int, number: int) -> int:
    """Return whose values these are: an entity's, of one track and column."""
    return (entity * (m[H_WINDOWS] + m[H_SESSIONS]) + track) * m[H_TABLES] + number


@compiled
def enter_window(m: Ints, r: Reals, d: Ints, s: Reals, entity: int, track: int, i: int, now: int) -> int:
    """Let event `i` enter a window, unless its pane has left; return the number of the pane's row if it is new, else `NIL`."""
    event = event_at(d, i)
    pane = pane_of(m, track, d[event])
    if leaves_at(m, track, pane) <= now:
        return NIL
    row = m[head_at(m, entity, track) + 1]
    while row != NIL and m[row_at(m, H_PANE, row) + P_NUMBER] > pane:
        row = m[row_at(m, H_PANE, row) + P_BEFORE]
    made = NIL
    if row == NIL or m[row_at(m, H_PANE, row) + P_NUMBER] != pane:
        row = _make_pane(m, entity, track, pane, row)
        made = row
    at, totals = row_at(m, H_PANE, row), totals_at(m, entity, track)
    for cell in range(first_cell(m, track), first_cell(m, track + 1), CELL_WORDS):
        what = m[cell + C_WHAT]
        if what >= DISTINCT:
            if not d[word_at(m, event, m[cell + C_COLUMN]) + 1]:
                continue
            if what == DISTINCT:
                _enter_distinct(m, d, entity, track, cell, row, event, now)
            else:
                owner = owner_of(m, entity, track, m[cell + C_NUMBER])
                enter_tally(m, d, owner, cell, totals + m[cell + C_INT], row, event, _first_pane(m, track, now))
            continue
        enter_cell(m, r, d, s, cell, at, event)
        if what == LARGEST or what == SMALLEST:
            if d[word_at(m, event, m[cell + C_COLUMN]) + 1]:
                _hold_chain(m, entity, track, m[cell + C_NUMBER], m[cell + C_INT], row)
        elif what != FIRST:
            add_event(m, r, d, s, cell, totals, totals + m[H_TOTAL_REALS], event)
    return made


@compiled
def leave_window(m: Ints, r: Reals, entity: int, track: int) -> None:
    """Let the first pane of a window leave."""
    head, totals = head_at(m, entity, track), totals_at(m, entity, track)
    row = m[head]
    at = row_at(m, H_PANE, row)
    for cell in range(first_cell(m, track), first_cell(m, track + 1), CELL_WORDS):
        what, place = m[cell + C_WHAT], m[cell + C_INT]
        if what == LARGEST or what == SMALLEST:
            _shorten_chain(m, entity, track, m[cell + C_NUMBER], row)
        elif what > DISTINCT:
            leave_tally(m, cell, totals + place, m[at + P_INTS + place])
        elif what != FIRST:
            m[totals + place] -= m[at + P_INTS + place]
            if what == EXACT or what == SQUARES:
                part = m[cell + C_REAL]
                exact.add_sum(r, totals + m[H_TOTAL_REALS] + part, at + m[H_ROW_REALS] + part, -1.0)
            elif what == DECAYED or what == DECAYED_COUNT:
                whole, one = totals + m[H_TOTAL_REALS] + m[cell + C_REAL], at + m[H_ROW_REALS] + m[cell + C_REAL]
                take_aged(m, r, totals + place + 1, whole, at + P_INTS + place + 1, one)
    after = m[at + P_AFTER]
    m[head] = after
    if after == NIL:
        m[head + 1] = NIL
        for word in range(totals + m[H_TOTAL_REALS], totals + m[H_TOTAL_WORDS]):
            m[word] = 0
    else:
        m[row_at(m, H_PANE, after) + P_BEFORE] = NIL
    free_row(m, H_PANE, row)


@compiled
def _make_pane(m: Ints, entity: int, track: int, pane: int, before: int) -> int:
    row = take_row(m, H_PANE, track)
    at, head = row_at(m, H_PANE, row), head_at(m, entity, track)
    m[at + P_NUMBER] = pane
    after = m[head] if before == NIL else m[row_at(m, H_PANE, before) + P_AFTER]
    m[at + P_BEFORE], m[at + P_AFTER] = before, after
    if before == NIL:
        m[head] = row
    else:
        m[row_at(m, H_PANE, before) + P_AFTER] = row
    if after == NIL:
        m[head + 1] = row
    else:
        m[row_at(m, H_PANE, after) + P_BEFORE] = row
    return row


@compiled
def _hold_chain(m: Ints, entity: int, track: int, chain: int, place: int, row: int) -> None:
    """Put a pane where it belongs in the chain of panes that no later pane outdoes, and drop those that it outdoes."""
    ends, before = chain_at(m, entity, track, chain), m[H_ROW_CHAIN] + 2 * chain
    after = before + 1
    at = row_at(m, H_PANE, row)
    key, pane = m[at + P_INTS + place], m[at + P_NUMBER]
    later, here = NIL, m[ends + 1]
    while here != NIL and m[row_at(m, H_PANE, here) + P_NUMBER] > pane:
        later = here
        here = m[row_at(m, H_PANE, here) + before]
    if later != NIL and m[row_at(m, H_PANE, later) + P_INTS + place] >= key:
        return
    if here != row:
        m[at + before], m[at + after] = here, later
        if later == NIL:
            m[ends + 1] = row
        else:
            m[row_at(m, H_PANE, later) + before] = row
    here = m[at + before]
    while here != NIL and m[row_at(m, H_PANE, here) + P_INTS + place] <= key:
        gone = row_at(m, H_PANE, here)
        here = m[gone + before]
        m[gone + before], m[gone + after] = OUTSIDE, OUTSIDE
    m[at + before] = here
    if here == NIL:
        m[ends] = row
    else:
        m[row_at(m, H_PANE, here) + after] = row


@compiled
def _shorten_chain(m: Ints, entity: int, track: int, chain: int, row: int) -> None:
    ends = chain_at(m, entity, track, chain)
    if m[ends] != row:
        return
    before = m[H_ROW_CHAIN] + 2 * chain
    following = m[row_at(m, H_PANE, row) + before + 1]
    m[ends] = following
    if following == NIL:
        m[ends + 1] = NIL
    else:
        m[row_at(m, H_PANE, following) + before] = NIL


@compiled
def _enter_distinct(m: Ints, d: Ints, entity: int, track: int, cell: int, row: int, event: int, now: int) -> None:
    """Count a value in the last pane that has it."""
    owner, value = owner_of(m, entity, track, m[cell + C_NUMBER]), d[word_at(m, event, m[cell + C_COLUMN])]
    at, place = place_of(owner, value, m, m[H_TABLE], m[H_TABLE_ROWS]), m[cell + C_INT]
    pane = m[row_at(m, H_PANE, row) + P_NUMBER]
    if m[at] != NIL and leaves_at(m, track, m[at + 2]) > now:
        if m[at + 2] >= pane:
            return
        m[row_at(m, H_PANE, m[at + 3]) + P_INTS + place] -= 1
    else:
        m[totals_at(m, entity, track) + place] += 1
    if m[at] == NIL:
        m[H_TABLE_USED] += 1
    m[row_at(m, H_PANE, row) + P_INTS + place] += 1
    m[at], m[at + 1], m[at + 2], m[at + 3] = owner, value, pane, row
