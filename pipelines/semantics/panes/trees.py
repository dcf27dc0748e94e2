"""Words of an entity in an order, each with how often it is there: trees whose nodes lie in the memory. Compiled.

A treap: a search tree by key that is a heap by a random number, so its depth is some two dozen steps for a million words.
A node knows the sum of its subtree, so the word at a place of the whole is found on the way down. Links are row numbers
from 1 on; 0 is none. Source: R. Seidel and C. R. Aragon, *Randomized Search Trees* (1996).
"""

from __future__ import annotations

import numpy as np

from pipelines.semantics.panes.memory import H_ID_WORDS, H_TALLY, H_TALLY_WORDS, Ints
from workspace.compiled import compiled, inlined

# A node's words: the word, how often it is there, and when and with which id it was there last.
N_WORD, N_COUNT, N_TIME, N_LEFT, N_RIGHT, N_SUM, N_LAST, N_IDS = range(8)


@inlined
def tally_at(m: Ints, link: int) -> int:
    """Return where a node or an entry is."""
    return m[H_TALLY] + (link - 1) * m[H_TALLY_WORDS]


@compiled
def insert(m: Ints, root: int, link: int, by_count: bool) -> None:
    """Put a node into the tree whose link is at `root`."""
    at, node, mine = root, tally_at(m, link), _draw(link)
    while m[at] != 0 and _draw(m[at]) >= mine:
        there = tally_at(m, m[at])
        m[there + N_SUM] += m[node + N_COUNT]
        at = there + (N_LEFT if _before(m, node, there, by_count) else N_RIGHT)
    rest = m[at]
    m[at] = link
    total = _sum(m, rest)
    below = _sum_before(m, rest, node, by_count)
    above = total - below
    m[node + N_SUM] = total + m[node + N_COUNT]
    left, right = node + N_LEFT, node + N_RIGHT
    while rest != 0:  # what was there is parted into what comes before and what comes after
        there = tally_at(m, rest)
        if _before(m, there, node, by_count):
            m[left] = rest
            m[there + N_SUM] = below
            below -= m[there + N_COUNT] + _sum(m, m[there + N_LEFT])
            left = there + N_RIGHT
            rest = m[left]
        else:
            m[right] = rest
            m[there + N_SUM] = above
            above -= m[there + N_COUNT] + _sum(m, m[there + N_RIGHT])
            right = there + N_LEFT
            rest = m[right]
    m[left], m[right] = 0, 0


@compiled
def remove(m: Ints, root: int, link: int, by_count: bool) -> None:
    """Take a node out of the tree whose link is at `root`."""
    at, node = root, tally_at(m, link)
    while m[at] != link:
        there = tally_at(m, m[at])
        m[there + N_SUM] -= m[node + N_COUNT]
        at = there + (N_LEFT if _before(m, node, there, by_count) else N_RIGHT)
    a, b = m[node + N_LEFT], m[node + N_RIGHT]
    while a != 0 and b != 0:
        if _draw(a) >= _draw(b):
            m[at] = a
            m[tally_at(m, a) + N_SUM] += _sum(m, b)
            at = tally_at(m, a) + N_RIGHT
            a = m[at]
        else:
            m[at] = b
            m[tally_at(m, b) + N_SUM] += _sum(m, a)
            at = tally_at(m, b) + N_LEFT
            b = m[at]
    m[at] = a if a != 0 else b


@compiled
def weigh(m: Ints, root: int, link: int, more: int) -> None:
    """Let a node of a tree by word count for more, or for less."""
    at, node = m[root], tally_at(m, link)
    m[node + N_COUNT] += more
    while at != link:
        there = tally_at(m, at)
        m[there + N_SUM] += more
        at = m[there + (N_LEFT if _before(m, node, there, False) else N_RIGHT)]
    m[node + N_SUM] += more


@inlined
def word_at_place(m: Ints, root: int, place: int) -> int:
    """Return the word at a place of all, the first at 0; the tree is by word, and has so many."""
    at = tally_at(m, m[root])
    while True:
        below = _sum(m, m[at + N_LEFT])
        if place < below:
            at = tally_at(m, m[at + N_LEFT])
        elif place < below + m[at + N_COUNT]:
            return m[at + N_WORD]
        else:
            place -= below + m[at + N_COUNT]
            at = tally_at(m, m[at + N_RIGHT])


@compiled
def last_below(m: Ints, root: int, limit: int) -> int:
    """Return the largest word below a limit, -1 where there is none; the tree is by word, none of them below 0."""
    link, found = m[root], -1
    while link != 0:
        at = tally_at(m, link)
        if m[at + N_WORD] < limit:
            found = m[at + N_WORD]
            link = m[at + N_RIGHT]
        else:
            link = m[at + N_LEFT]
    return found


@compiled
def next_frequent(m: Ints, root: int, link: int) -> int:
    """Return the node before another in a tree by count, the one behind all where that is 0; 0 where there is none."""
    here, found = m[root], 0
    while here != 0:
        at = tally_at(m, here)
        if link == 0 or _before(m, at, tally_at(m, link), True):
            found = here
            here = m[at + N_RIGHT]
        else:
            here = m[at + N_LEFT]
    return found


@inlined
def tree_sum(m: Ints, root: int) -> int:
    """Return how many there are in all."""
    return _sum(m, m[root])


@inlined
def _sum(m: Ints, link: int) -> int:
    return m[tally_at(m, link) + N_SUM] if link != 0 else 0


@compiled
def _sum_before(m: Ints, link: int, node: int, by_count: bool) -> int:
    below = 0
    while link != 0:
        there = tally_at(m, link)
        if _before(m, there, node, by_count):
            below += m[there + N_COUNT] + _sum(m, m[there + N_LEFT])
            link = m[there + N_RIGHT]
        else:
            link = m[there + N_LEFT]
    return below


@inlined
def _draw(link: int) -> int:
    """Return a node's random number, always the same."""
    mixed = np.uint64(link) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return int(mixed >> np.uint64(32))


@compiled
def _before(m: Ints, a: int, b: int, by_count: bool) -> bool:
    """Say whether a node comes before another: by word, or by how often, and then how late, it was there."""
    if not by_count:
        if m[a + N_WORD] != m[b + N_WORD]:
            return bool(m[a + N_WORD] < m[b + N_WORD])
        return a < b
    if m[a + N_COUNT] != m[b + N_COUNT]:
        return bool(m[a + N_COUNT] < m[b + N_COUNT])
    if m[a + N_TIME] != m[b + N_TIME]:
        return bool(m[a + N_TIME] < m[b + N_TIME])
    for part in range(N_IDS, N_IDS + m[H_ID_WORDS]):
        if m[a + part] != m[b + part]:
            return bool(m[a + part] < m[b + part])
    return a < b
