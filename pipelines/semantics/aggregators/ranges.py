"""Folds many ranges of an array at once: the columnar work under the aggregators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.int64]
State = tuple[npt.NDArray[Any], ...]


def fold_ranges(leaves: State, merge: Callable[[State, State], State], starts: Index, stops: Index) -> State:
    """Merge `leaves[start:stop]` from left to right, for many ranges, in a number of steps logarithmic in their length.

    A balanced tree of merges is built over the leaves and each range is cut into its nodes, level by level, for all
    ranges together. The work is one pass over the leaves plus O(log length) vector operations; nothing is subtracted,
    so a large value that has left a window leaves no rounding error behind.

    Args:
        leaves: Arrays of equal length n; leaf i is the i-th entry of each.
        merge: The associative operation on two states, elementwise over their arrays.
        starts: int64, 0 <= start <= stop <= n.
        stops: int64, open end.

    Returns:
        One array for each of `leaves`. Empty ranges hold arbitrary values: the caller masks them.
    """
    size = len(leaves[0])
    lo, hi = starts.copy(), stops.copy()
    width = len(lo)
    left: State = tuple(np.zeros(width, leaf.dtype) for leaf in leaves)
    right: State = tuple(np.zeros(width, leaf.dtype) for leaf in leaves)
    has_left, has_right = np.zeros(width, bool), np.zeros(width, bool)
    level: State = leaves
    active = np.flatnonzero(lo < hi)
    while len(active):
        odd = active[(lo[active] & 1) == 1]
        _put(left, has_left, odd, _take(level, lo[odd]), merge, prepend=False)
        lo[odd] += 1
        active = active[lo[active] < hi[active]]
        odd = active[(hi[active] & 1) == 1]
        hi[odd] -= 1
        _put(right, has_right, odd, _take(level, hi[odd]), merge, prepend=True)
        active = active[lo[active] < hi[active]]
        lo[active] >>= 1
        hi[active] >>= 1
        size //= 2
        if len(active):
            level = merge(_take(level, slice(0, 2 * size, 2)), _take(level, slice(1, 2 * size, 2)))
    both = np.flatnonzero(has_left & has_right)
    joined = merge(_take(left, both), _take(right, both))
    only_right = np.flatnonzero(~has_left & has_right)
    for out, other, value in zip(left, right, joined, strict=True):
        out[both] = value
        out[only_right] = other[only_right]
    return left


def expand_ranges(starts: Index, lengths: Index) -> Index:
    """Return the indices of all ranges, one after the other.

    >>> expand_ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    total = int(lengths.sum())
    before = np.cumsum(lengths) - lengths
    return np.arange(total, dtype=np.int64) + np.repeat(starts - before, lengths)


def _take(state: State, where: Index | slice) -> State:
    return tuple(array[where] for array in state)


def _put(
    into: State,
    has: npt.NDArray[np.bool_],
    where: Index,
    value: State,
    merge: Callable[[State, State], State],
    prepend: bool,
) -> None:
    """Merge `value` into the entries `where`, at their right end or, with `prepend`, at their left end."""
    old = has[where]
    again = where[old]
    if len(again):
        current, fresh = _take(into, again), _take(value, np.flatnonzero(old))
        merged = merge(fresh, current) if prepend else merge(current, fresh)
        for array, new in zip(into, merged, strict=True):
            array[again] = new
    first = where[~old]
    for array, new in zip(into, value, strict=True):
        array[first] = new[~old]
    has[where] = True
