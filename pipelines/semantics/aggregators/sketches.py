"""Estimates whose state is bounded: how many different values there are, and a quantile.

Both are functions of the set of events alone, so engines agree to the last digit.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from hashlib import blake2b
from math import copysign, frexp, ldexp, log
from sys import float_info
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.semantics.aggregators.arguments import FunctionError, refuse_more

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REGISTER_BITS = 12
HIGHEST_RANK = 46
SHARES = 64
"""Into how many buckets of equal width the numbers between two powers of two are cut."""


@dataclass(frozen=True, slots=True)
class ApproxCountDistinct:
    """Estimates how many different values there are. 0 where there are none.

    HyperLogLog of 4,096 registers: a value's hash names a register and a rank, one more than the zeros that follow, and a
    register keeps its highest. The standard error is 1.04 / sqrt(4096), 1.6 percent, from nothing to billions; a few
    hundred values are mostly exact. Sources: P. Flajolet et al., *HyperLogLog* (2007); O. Ertl, *New cardinality estimation
    algorithms for HyperLogLog sketches* (2017), the improved raw estimator.

    >>> ApproxCountDistinct().of(["a", "b", "a"])
    2
    """

    cells: ClassVar[str] = "approx_count_distinct"
    takes: ClassVar[str] = "any"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.int64()

    def of(self, values: Sequence[Any]) -> int:
        """Return the result over non-null values, in the order of their events."""
        registers: dict[int, int] = {}
        for value in values:
            register, rank = register_and_rank(hash_of(value))
            registers[register] = max(registers.get(register, 0), rank)
        return estimate(len(registers), sum(2.0**-rank for rank in registers.values()))


@dataclass(frozen=True, slots=True)
class ApproxQuantile:
    """Estimates a quantile: the value at place floor(q (n - 1)) of the n sorted values, to 1 percent. Null where there are none.

    Values are counted in buckets; 64 of equal width lie between a power of two and the next, and the middle of the bucket
    is given, so it is off by at most one 128th. Magnitudes below 1e-307 are 0. The idea is that of C. Masson, J. Rim and
    H. Lee, *DDSketch* (2019), with buckets that need no logarithm.

    >>> ApproxQuantile(Fraction(1, 2)).of([1.0, 2.0, 64.0])
    2.015625
    """

    q: Fraction
    cells: ClassVar[str] = "approx_quantile"
    takes: ClassVar[str] = "number"
    optional_column: ClassVar[bool] = False

    @classmethod
    def parse(cls, text: str, arguments: list[str]) -> ApproxQuantile:
        """Return the function that a declaration writes."""
        refuse_more(text, arguments, 1, "approx_quantile(0.95)")
        whole, _, part = (arguments or [""])[0].partition(".")
        if not (whole + part).isdecimal() or len(part) > 6 or not 0 <= Fraction(arguments[0]) <= 1:
            raise FunctionError(
                f"{text!r} needs which quantile, 0 to 1 with at most six places; write such as approx_quantile(0.95)."
            )
        return cls(Fraction(arguments[0]))

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64()

    def of(self, values: Sequence[Any]) -> float | None:
        """Return the result over non-null values, in the order of their events."""
        if not values:
            return None
        return _middle(float(sorted(values)[int(self.q * (len(values) - 1))]))


def hash_of(value: Any) -> int:
    """Return 64 bits that look random, always the same for a value: of a text by its UTF-8, of all else by its word.

    >>> hash_of(0), hash_of("a")
    (16294208416658607535, 4681665781835383343)
    """
    if isinstance(value, str | bytes):
        return int.from_bytes(
            blake2b(value.encode() if isinstance(value, str) else value, digest_size=8).digest(), "big"
        )
    if isinstance(value, datetime):
        since = value - (_EPOCH if value.tzinfo else _EPOCH.replace(tzinfo=None))
        return int(mixed(np.array([since // timedelta(microseconds=1)]))[0])
    word = struct.unpack("<q", struct.pack("<d", value + 0.0))[0] if isinstance(value, float) else int(value)
    return int(mixed(np.array([word], np.int64))[0])


def mixed(words: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Return words whose bits look random; equal ones stay equal. Source: S. Vigna's SplitMix64."""
    z = words.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def register_and_rank(bits: int) -> tuple[int, int]:
    """Return which register a hash belongs to, and its rank there.

    >>> register_and_rank(1 << 52), register_and_rank((1 << 51) + 1)
    ((1, 46), (0, 1))
    """
    rest = bits & ((1 << (64 - REGISTER_BITS)) - 1)
    return bits >> (64 - REGISTER_BITS), min(64 - REGISTER_BITS - rest.bit_length() + 1, HIGHEST_RANK)


def estimate(used: int, harmonic: float) -> int:
    """Return the estimate, given how many registers are in use, and the sum of 2**-rank over those."""
    registers = 1 << REGISTER_BITS
    if used == 0:
        return 0
    x = (registers - used) / registers
    y, sigma, before = 1.0, x, -1.0
    while sigma != before:
        x, before = x * x, sigma
        sigma, y = sigma + x * y, y + y
    return int(registers * registers / (2 * log(2)) / (registers * sigma + harmonic) + 0.5)


def _middle(x: float) -> float:
    """Return the middle of a number's bucket."""
    if abs(x) < float_info.min:
        return 0.0
    mantissa, exponent = frexp(abs(x))
    share = int((2 * mantissa - 1) * SHARES)
    return copysign(ldexp(1 + (2 * share + 1) / (2 * SHARES), exponent - 1), x)
