"""Orders: events by (entity, time, id), and the different ones of many numbers.

NumPy's plain sort uses the processor's vectors; its stable one and `np.unique` are three to ten times slower, so they are
left out where ties do not matter.
"""

from __future__ import annotations

import numpy as np

from pipelines.semantics.panes.memory import Ints


def sort_order(entity: Ints, ts: Ints, ids: Ints) -> Ints:
    """Return the positions of events by (entity, time, id).

    Args:
        entity: int64 (n,).
        ts: int64 (n,), microseconds.
        ids: int64 (n, words), in the order of the ids.
    """
    if len(ts) < 2:
        return np.arange(len(ts))
    low = int(ts.min())
    span = int(ts.max()) - low + 1
    if (int(entity.max()) + 1) * span < 2**62:
        keys = entity * span + (ts - low)
        order = np.argsort(keys)
        ordered = keys[order]
        if not (ordered[1:] == ordered[:-1]).any():
            return order
    return np.lexsort((*ids.T[::-1], ts, entity))


def distinct(numbers: Ints) -> Ints:
    """Return the different numbers, ascending."""
    return of_sorted(np.sort(numbers))


def of_sorted(numbers: Ints) -> Ints:
    """Return the different ones of ascending numbers, none of them below zero."""
    return numbers[np.flatnonzero(np.diff(numbers, prepend=-1))]
