"""Folding many ranges at once, judged by a fold that goes from left to right."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.semantics.aggregators.ranges import State, expand_ranges, fold_ranges

TEXT = st.lists(st.text("abc", max_size=2), max_size=50)


def join(a: State, b: State) -> State:
    """Join texts: associative, and nothing else."""
    return (np.array([x + y for x, y in zip(a[0], b[0], strict=True)], dtype=object),)


@given(TEXT, st.data())
def test_order_is_kept_where_merging_is_not_commutative(words: list[str], data: st.DataObject) -> None:
    edge = st.integers(0, len(words))
    ranges = data.draw(st.lists(st.tuples(edge, edge).map(sorted), max_size=15))
    starts, stops = (np.array([r[side] for r in ranges], np.int64) for side in (0, 1))
    leaves = np.empty(len(words), dtype=object)
    leaves[:] = words
    (got,) = fold_ranges((leaves,), join, starts, stops)
    for value, (start, stop) in zip(got, ranges, strict=True):
        if start < stop:
            assert value == "".join(words[start:stop])


@given(st.lists(st.integers(-99, 99), min_size=1, max_size=70))
def test_every_range_of_a_list_is_folded(numbers: list[int]) -> None:
    pairs = [(a, b) for a in range(len(numbers)) for b in range(a + 1, len(numbers) + 1)]
    starts, stops = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    leaves = np.array(numbers, np.int64)
    (total,) = fold_ranges((leaves,), lambda a, b: (a[0] + b[0],), starts, stops)
    assert total.tolist() == [sum(numbers[a:b]) for a, b in pairs]


def test_the_ranges_given_are_left_as_they_were() -> None:
    starts, stops = np.array([1, 0]), np.array([3, 2])
    fold_ranges((np.arange(4.0),), lambda a, b: (a[0] + b[0],), starts, stops)
    assert (starts.tolist(), stops.tolist()) == ([1, 0], [3, 2])


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), max_size=10))
def test_expanding_lists_every_index_of_every_range(ranges: list[tuple[int, int]]) -> None:
    starts, lengths = (np.array([r[side] for r in ranges], np.int64) for side in (0, 1))
    assert expand_ranges(starts, lengths).tolist() == [start + i for start, n in ranges for i in range(n)]
