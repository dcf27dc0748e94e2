"""How often each word occurs in a window: by pane, so that a pane takes its own away when it leaves. Compiled.

A node (`trees.py`) holds what a word has in the whole window, an entry what it has in one pane; a word's entries are
chained by pane, a pane's entries one behind the other. The table of different values finds a word's node. Three functions
live of this: the most frequent values; quantiles, whose words are buckets of values; and the estimate of how many different
values there are, whose words are registers and ranks (`derived.py`).
"""

from __future__ import annotations

from pipelines.semantics.aggregators.sketches import HIGHEST_RANK
from pipelines.semantics.panes.cells import earlier, row_at, word_at
from pipelines.semantics.panes.derived import RANKS
from pipelines.semantics.panes.memory import (
    H_ID_WORDS,
    H_PANE,
    H_TABLE,
    H_TABLE_ROWS,
    H_TABLE_USED,
    H_TALLY,
    H_TALLY_WORDS,
    NIL,
    P_INTS,
    P_NUMBER,
    R_FREE,
    R_LEFT,
    Ints,
    place_of,
)
from pipelines.semantics.panes.program import C_COLUMN, C_INT, C_WHAT, REGISTERS, TOPS
from pipelines.semantics.panes.trees import (
    N_COUNT,
    N_IDS,
    N_LAST,
    N_TIME,
    N_WORD,
    insert,
    last_below,
    remove,
    tally_at,
    weigh,
)
from workspace.compiled import compiled, inlined

# An entry's words: its node, how often the word is in the pane, the pane, its neighbours by pane, the pane's next entry.
_NODE, _COUNT, _PANE, _BEFORE, _AFTER, _NEXT = range(6)


@compiled
def enter_tally(m: Ints, d: Ints, owner: int, cell: int, root: int, row: int, event: int, known_from: int) -> None:
    """Let an event's word enter a pane.

    Args:
        m: The memory.
        d: The desk.
        owner: Whose words these are, in the table of different values.
        cell: What is counted.
        root: Where the tree of the window is.
        row: The pane's row.
        event: Where the event is.
        known_from: The first pane that has not left.
    """
    word, pane = d[word_at(m, event, m[cell + C_COLUMN])], m[row_at(m, H_PANE, row) + P_NUMBER]
    by_count = m[cell + C_WHAT] == TOPS
    at = place_of(owner, word, m, m[H_TABLE], m[H_TABLE_ROWS])
    known = m[at] != NIL and m[at + 2] >= known_from
    if known:
        link = m[at + 3]
        m[at + 2] = max(m[at + 2], pane)
        if by_count:
            remove(m, root, link, True)
    else:
        if m[at] == NIL:
            m[H_TABLE_USED] += 1
        link = _take(m)
        m[tally_at(m, link) + N_WORD] = word
        m[at], m[at + 1], m[at + 2], m[at + 3] = owner, word, pane, link
    node = tally_at(m, link)
    _count_in_pane(m, link, pane, row_at(m, H_PANE, row) + P_INTS + m[cell + C_INT])
    if by_count and (not known or not earlier(m, d, event, m[node + N_TIME], node + N_IDS)):
        m[node + N_TIME] = d[event]
        for part in range(m[H_ID_WORDS]):
            m[node + N_IDS + part] = d[event + 1 + part]
    if known and not by_count:
        weigh(m, root, link, 1)
        return
    highest = _highest_rank(m, cell, root, word)
    m[node + N_COUNT] += 1
    insert(m, root, link, by_count)
    _note_rank(m, cell, root, word, highest)


@compiled
def leave_tally(m: Ints, cell: int, root: int, entry: int) -> None:
    """Take away what a pane has, the earliest of its window; its first entry is given."""
    by_count = m[cell + C_WHAT] == TOPS
    while entry != 0:
        at = tally_at(m, entry)
        link, count, after, following = m[at + _NODE], m[at + _COUNT], m[at + _AFTER], m[at + _NEXT]
        node = tally_at(m, link)
        if after != 0:
            m[tally_at(m, after) + _BEFORE] = 0
        gone = m[node + N_COUNT] == count
        if gone:
            highest = _highest_rank(m, cell, root, m[node + N_WORD])
            remove(m, root, link, by_count)
            _note_rank(m, cell, root, m[node + N_WORD], highest)
            _free(m, link)
        elif by_count:
            remove(m, root, link, True)
            m[node + N_COUNT] -= count
            insert(m, root, link, True)
        else:
            weigh(m, root, link, -count)
        _free(m, entry)
        entry = following


@compiled
def _count_in_pane(m: Ints, link: int, pane: int, head: int) -> None:
    """Count a node's word once more in a pane, whose first entry is noted at `head`."""
    node, later = tally_at(m, link), 0
    entry = m[node + N_LAST]
    while entry != 0 and m[tally_at(m, entry) + _PANE] > pane:
        later = entry
        entry = m[tally_at(m, entry) + _BEFORE]
    if entry == 0 or m[tally_at(m, entry) + _PANE] != pane:
        before, entry = entry, _take(m)
        at = tally_at(m, entry)
        m[at + _NODE], m[at + _PANE], m[at + _BEFORE], m[at + _AFTER] = link, pane, before, later
        m[at + _NEXT] = m[head]
        m[head] = entry
        if before != 0:
            m[tally_at(m, before) + _AFTER] = entry
        if later != 0:
            m[tally_at(m, later) + _BEFORE] = entry
        else:
            m[node + N_LAST] = entry
    m[tally_at(m, entry) + _COUNT] += 1


@inlined
def _highest_rank(m: Ints, cell: int, root: int, word: int) -> int:
    """Return the highest rank that a word's register has; 0 for none, and where there are no registers."""
    if m[cell + C_WHAT] != REGISTERS:
        return 0
    register = word // RANKS
    return max(last_below(m, root, (register + 1) * RANKS) - register * RANKS, 0)


@inlined
def _note_rank(m: Ints, cell: int, root: int, word: int, before: int) -> None:
    """Keep up how many registers are in use and the sum of 2**-rank over them, when a word has come or gone."""
    if m[cell + C_WHAT] != REGISTERS:
        return
    rank = _highest_rank(m, cell, root, word)
    if before > 0:
        m[root + 1] -= 1
        m[root + 2] -= 1 << (HIGHEST_RANK - before)
    if rank > 0:
        m[root + 1] += 1
        m[root + 2] += 1 << (HIGHEST_RANK - rank)


@compiled
def _take(m: Ints) -> int:
    """Return a free row, emptied. The caller of the walk has seen to it that there is one."""
    link = m[H_TALLY + R_FREE]
    at = tally_at(m, link)
    m[H_TALLY + R_FREE] = m[at + _NEXT]
    m[H_TALLY + R_LEFT] -= 1
    for word in range(at, at + m[H_TALLY_WORDS]):
        m[word] = 0
    return link


@compiled
def _free(m: Ints, link: int) -> None:
    m[tally_at(m, link) + _NEXT] = m[H_TALLY + R_FREE]
    m[H_TALLY + R_FREE] = link
    m[H_TALLY + R_LEFT] += 1
