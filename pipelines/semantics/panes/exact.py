"""Sums that do not depend on the order of their terms: floating-point expansions of three parts, rounded once at the end.

Three doubles that do not overlap hold a sum of terms whose bits span some 150 places without any error, so terms can be
added in any order and taken away again. The result is the correctly rounded sum, as `math.fsum` gives it.

Source: J. R. Shewchuk, *Adaptive Precision Floating-Point Arithmetic* (1997), two-sum and two-product; the last rounding is
that of CPython's `math.fsum`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workspace.compiled import compiled, inlined

PARTS = 3
_SPLIT = 134217729.0  # 2**27 + 1
_ROUNDING = 2.0**-96  # what double-double arithmetic may leave of a difference that is nothing

Row = npt.NDArray[np.float64]


@inlined
def two_sum(a: float, b: float) -> tuple[float, float]:
    """Return the rounded sum and its error."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@inlined
def two_product(a: float, b: float) -> tuple[float, float]:
    """Return the rounded product and its error."""
    product = a * b
    a_high = _SPLIT * a - (_SPLIT * a - a)
    b_high = _SPLIT * b - (_SPLIT * b - b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@inlined
def add(row: Row, at: int, x: float) -> None:
    """Add a term to the sum at `row[at:at + 3]`."""
    first, rest = two_sum(row[at], x)
    second, rest = two_sum(row[at + 1], rest)
    third = row[at + 2] + rest
    first, second = two_sum(first, second)
    second, third = two_sum(second, third)
    row[at], row[at + 1], row[at + 2] = first, second, third


@inlined
def add_square(row: Row, at: int, x: float) -> None:
    """Add the square of a number, without its rounding."""
    square, error = two_product(x, x)
    add(row, at, square)
    add(row, at, error)


@inlined
def add_sum(row: Row, at: int, other: int, sign: float) -> None:
    """Add the sum at `row[other:other + 3]`, or take it away with `sign` -1."""
    for part in range(PARTS):
        if row[other + part] != 0.0:  # a pane of few events has one part or two
            add(row, at, sign * row[other + part])


@inlined
def rounded(row: Row, at: int) -> float:
    """Return the sum, correctly rounded."""
    middle, low = two_sum(row[at + 1], row[at + 2])
    high, middle = two_sum(row[at], middle)
    if (middle > 0.0 and low > 0.0) or (middle < 0.0 and low < 0.0):
        doubled = middle * 2.0
        nudged = high + doubled
        if doubled == nudged - high:
            return nudged
    return high


@compiled
def variance(row: Row, total_at: int, squares_at: int, count: int) -> float:
    """Return the variance of a sample (divisor `count - 1`) from exact sums of its terms and their squares."""
    a, b = two_sum(row[total_at], row[total_at + 1] + row[total_at + 2])
    square, error = two_product(a, a)
    error += 2.0 * a * b
    square, error = two_sum(square, error)
    quotient = square / count
    product, below = two_product(quotient, float(count))
    remainder = ((square - product) - below) + error
    quotient, tail = two_sum(quotient, remainder / count)
    q, r = two_sum(row[squares_at], row[squares_at + 1] + row[squares_at + 2])
    difference, left = two_sum(q, -quotient)
    spread = difference + (left + (r - tail))
    if spread <= _ROUNDING * q:
        return 0.0
    return spread / (count - 1)
