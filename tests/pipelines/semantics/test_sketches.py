"""The error bounds of the estimates, as docs/semantics.md states them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.semantics.aggregators.sketches import (
    ApproxCountDistinct,
    ApproxQuantile,
    estimate,
    hash_of,
    mixed,
    register_and_rank,
)
from pipelines.semantics.panes.columns import Words
from pipelines.semantics.panes.derived import RANKS, ranks_of

finite = st.floats(allow_nan=False, allow_infinity=False)


def estimated(values: Any) -> int:
    """What the sketch gives for many whole numbers, all at once."""
    words = ranks_of(mixed(values))
    highest = np.zeros(4096, np.int64)
    np.maximum.at(highest, words // RANKS, words % RANKS)
    used = highest[highest > 0]
    return estimate(len(used), float((2.0**-used).sum()))


@pytest.mark.parametrize("count", [1, 10, 100, 1_000, 3_000, 10_000, 20_000, 200_000])
def test_different_values_are_estimated_to_two_percent_mostly_and_never_off_by_seven(count: int) -> None:
    random = np.random.default_rng(count)
    errors = np.array([estimated(random.integers(-(2**62), 2**62, count)) / count - 1 for _ in range(30)])
    assert abs(errors).max() < 0.07
    assert np.sqrt((errors**2).mean()) < 0.022


def test_a_hundred_different_values_are_told_to_within_two() -> None:
    for count in range(101):
        assert abs(ApproxCountDistinct().of([f"value {n}" for n in range(count)]) - count) <= 2


@given(st.lists(finite, min_size=1, max_size=60), st.integers(0, 1_000_000))
def test_a_quantile_is_within_a_128th_of_the_value_at_its_place(values: list[float], millionths: int) -> None:
    exact = sorted(values)[millionths * (len(values) - 1) // 1_000_000]
    got = ApproxQuantile(Fraction(millionths, 1_000_000)).of(values)
    assert got is not None
    assert abs(got - exact) <= abs(exact) / 128 + 1e-307


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.int64(), [0, -1, 2**62]),
        (pa.float64(), [0.0, -1.5, 1e300]),
        (pa.float32(), [0.5, -1.5]),
        (pa.bool_(), [True, False]),
        (pa.string(), ["", "a", "zoë", "a"]),
        (pa.timestamp("us", "UTC"), [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=1)]),
    ],
    ids=str,
)
def test_engines_and_reference_hash_alike(kind: pa.DataType, values: list[Any]) -> None:
    words = Words(kind)
    bits = words.hashed(words.encode(pa.array(values, kind))[0])
    assert bits.tolist() == [hash_of(value) for value in values]
    pairs = [register_and_rank(hash_of(value)) for value in values]
    assert ranks_of(bits).tolist() == [register * RANKS + rank for register, rank in pairs]
