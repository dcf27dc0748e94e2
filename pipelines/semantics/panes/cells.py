"""What a pane holds of its events: how one event enters a cell, and how two panes' cells are joined. Compiled.

`m` and `r` are the memory's words and reals, `d` and `s` the desk's; `at` and the like are offsets into them.
"""

from __future__ import annotations

import numpy as np

from pipelines.semantics.panes import exact
from pipelines.semantics.panes.aging import add_aged
from pipelines.semantics.panes.limits import LARGEST_SQUARE, LARGEST_SUM
from pipelines.semantics.panes.memory import (
    CELL_WORDS,
    D_EVENT,
    D_EVENT_WORDS,
    H_CELL,
    H_CHAINS,
    H_ID_WORDS,
    H_ROW_CHAIN,
    H_ROW_IDS,
    H_ROW_REALS,
    H_ROW_WORDS,
    H_TRACK,
    NIL,
    OUTSIDE,
    P_AFTER,
    P_BEFORE,
    P_INTS,
    R_FREE,
    R_LEFT,
    TRACK_WORDS,
    Ints,
    Reals,
)
from pipelines.semantics.panes.program import (
    C_ARGUMENT,
    C_COLUMN,
    C_INT,
    C_IS_REAL,
    C_NUMBER,
    C_REAL,
    C_WHAT,
    DECAYED,
    DECAYED_COUNT,
    EVENTS,
    EXACT,
    FIRST,
    LARGEST,
    MATCHING,
    NEVER,
    NONE,
    SMALLEST,
    SQUARES,
    T_FIRST,
    TOTAL,
    VALUES,
)
from workspace.compiled import compiled, inlined

_MAGNITUDE = np.int64(0x7FFFFFFFFFFFFFFF)


@inlined
def sort_key(word: int, real: int, smallest: bool) -> int:
    """Return a number that is larger where the value is, or smaller where the smallest is wanted."""
    key = int(word ^ _MAGNITUDE) if real and word < 0 else word
    return max(~key if smallest else key, NONE + 1)


@inlined
def word_of_key(key: int, real: int, smallest: bool) -> int:
    """Return the value whose `sort_key` it is."""
    if smallest:
        key = ~key
    return int(key ^ _MAGNITUDE) if real and key < 0 else key


@inlined
def event_at(d: Ints, i: int) -> int:
    """Return where event `i` is."""
    return d[D_EVENT] + i * d[D_EVENT_WORDS]


@inlined
def word_at(m: Ints, event: int, column: int) -> int:
    """Return where an event's word of a column is; its validity is behind it."""
    return event + 1 + m[H_ID_WORDS] + 2 * column


@compiled
def earlier(m: Ints, d: Ints, event: int, ts: int, ids: int) -> bool:
    """Say whether an event comes before one of the state: by time, then by id (rule 5)."""
    if d[event] != ts:
        return bool(d[event] < ts)
    for word in range(m[H_ID_WORDS]):
        if d[event + 1 + word] != m[ids + word]:
            return bool(d[event + 1 + word] < m[ids + word])
    return False


@inlined
def first_cell(m: Ints, track: int) -> int:
    """Return where a track's cells start; those of the next track follow."""
    return m[H_CELL] + m[m[H_TRACK] + track * TRACK_WORDS + T_FIRST] * CELL_WORDS


@inlined
def row_at(m: Ints, region: int, row: int) -> int:
    """Return where a pane or a session is."""
    return m[region] + row * m[H_ROW_WORDS]


@compiled
def take_row(m: Ints, region: int, track: int) -> int:
    """Return a free row, emptied. The caller has seen to it that there is one."""
    row = m[region + R_FREE]
    at = row_at(m, region, row)
    m[region + R_FREE] = m[at + P_AFTER]
    m[region + R_LEFT] -= 1
    m[at + P_BEFORE], m[at + P_AFTER] = NIL, NIL
    for word in range(at + P_INTS, at + m[H_ROW_CHAIN]):
        m[word] = 0
    for word in range(at + m[H_ROW_CHAIN], at + m[H_ROW_CHAIN] + 2 * m[H_CHAINS]):
        m[word] = OUTSIDE
    for cell in range(first_cell(m, track), first_cell(m, track + 1), CELL_WORDS):
        if m[cell + C_WHAT] == LARGEST or m[cell + C_WHAT] == SMALLEST:
            m[at + P_INTS + m[cell + C_INT]] = NONE
        elif m[cell + C_WHAT] == FIRST:
            for slot in range(m[cell + C_ARGUMENT]):
                m[at + P_INTS + m[cell + C_INT] + 2 * slot + 1] = NEVER
    return row


@compiled
def free_row(m: Ints, region: int, row: int) -> None:
    """Give a row back."""
    m[row_at(m, region, row) + P_AFTER] = m[region + R_FREE]
    m[region + R_FREE] = row
    m[region + R_LEFT] += 1


@inlined
def add_event(m: Ints, r: Reals, d: Ints, s: Reals, cell: int, ints: int, reals: int, event: int) -> None:
    """Add an event to a cell that adds up, of a pane or of all panes together."""
    what, place = m[cell + C_WHAT], ints + m[cell + C_INT]
    if what == EVENTS:
        m[place] += 1
        return
    word = word_at(m, event, m[cell + C_COLUMN])
    if not d[word + 1]:
        return
    if what == VALUES:
        m[place] += 1
    elif what == TOTAL:
        m[place] += d[word]
    elif what == EXACT or what == SQUARES:
        x = s[word] if m[cell + C_IS_REAL] else float(d[word])
        if what == EXACT and abs(x) <= LARGEST_SUM:
            exact.add(r, reals + m[cell + C_REAL], x)
        elif what == SQUARES and abs(x) <= LARGEST_SQUARE:
            exact.add_square(r, reals + m[cell + C_REAL], x)
        else:
            m[place] += 1
    elif what == DECAYED_COUNT:
        add_aged(m, r, place + 1, reals + m[cell + C_REAL], 1.0, d[event], m[cell + C_ARGUMENT])
    elif what == DECAYED:
        x = s[word] if m[cell + C_IS_REAL] else float(d[word])
        if abs(x) <= LARGEST_SUM:
            add_aged(m, r, place + 1, reals + m[cell + C_REAL], x, d[event], m[cell + C_ARGUMENT])
        else:
            m[place] += 1
    elif what == MATCHING and d[word] == m[cell + C_ARGUMENT]:
        m[place] += 1


@inlined
def enter_cell(m: Ints, r: Reals, d: Ints, s: Reals, cell: int, at: int, event: int) -> None:
    """Let an event enter one cell of the pane at `at`; sets of different values are not kept here."""
    what = m[cell + C_WHAT]
    if what != LARGEST and what != SMALLEST and what != FIRST:
        add_event(m, r, d, s, cell, at + P_INTS, at + m[H_ROW_REALS], event)
        return
    word = word_at(m, event, m[cell + C_COLUMN])
    if not d[word + 1]:
        return
    place = at + P_INTS + m[cell + C_INT]
    if what == FIRST:
        _enter_first(m, d, cell, at, event, d[word])
    else:
        m[place] = max(m[place], sort_key(d[word], m[cell + C_IS_REAL], what == SMALLEST))


@compiled
def _enter_first(m: Ints, d: Ints, cell: int, at: int, event: int, word: int) -> None:
    """Put a value among the earliest ones of the pane at `at`, if it is of them."""
    most, width = m[cell + C_ARGUMENT], m[H_ID_WORDS]
    place, ids = at + P_INTS + m[cell + C_INT], at + m[H_ROW_IDS] + m[cell + C_NUMBER] * width
    slot = most
    while slot > 0:
        ts = m[place + 2 * slot - 1]
        if ts != NEVER and not earlier(m, d, event, ts, ids + (slot - 1) * width):
            break
        slot -= 1
    if slot == most:
        return
    for other in range(most - 1, slot, -1):
        _copy_first(m, place, ids, width, other - 1, other)
    m[place + 2 * slot], m[place + 2 * slot + 1] = word, d[event]
    for part in range(width):
        m[ids + slot * width + part] = d[event + 1 + part]


@inlined
def _copy_first(m: Ints, place: int, ids: int, width: int, source: int, target: int) -> None:
    m[place + 2 * target], m[place + 2 * target + 1] = m[place + 2 * source], m[place + 2 * source + 1]
    for part in range(width):
        m[ids + target * width + part] = m[ids + source * width + part]


@compiled
def _join_first(m: Ints, cell: int, at: int, before: int) -> None:
    """Put the earliest values of the pane at `before` before those of the one at `at`."""
    most, width = m[cell + C_ARGUMENT], m[H_ID_WORDS]
    ints, ids = P_INTS + m[cell + C_INT], m[H_ROW_IDS] + m[cell + C_NUMBER] * width
    count = 0
    while count < most and m[before + ints + 2 * count + 1] != NEVER:
        count += 1
    for slot in range(most - 1, count - 1, -1):
        _copy_first(m, at + ints, at + ids, width, slot - count, slot)
    for slot in range(count):
        m[at + ints + 2 * slot], m[at + ints + 2 * slot + 1] = (
            m[before + ints + 2 * slot],
            m[before + ints + 2 * slot + 1],
        )
        for part in range(slot * width, (slot + 1) * width):
            m[at + ids + part] = m[before + ids + part]


@compiled
def join_cell(m: Ints, r: Reals, cell: int, at: int, before: int) -> None:
    """Join one cell of the pane at `before`, all of whose events are earlier, into that of the pane at `at`."""
    what, place, other = m[cell + C_WHAT], at + P_INTS + m[cell + C_INT], before + P_INTS + m[cell + C_INT]
    if what == LARGEST or what == SMALLEST:
        m[place] = max(m[place], m[other])
    elif what == FIRST:
        _join_first(m, cell, at, before)
    else:
        m[place] += m[other]
        if what == EXACT or what == SQUARES:
            reals = m[H_ROW_REALS] + m[cell + C_REAL]
            exact.add_sum(r, at + reals, before + reals, 1.0)
