"""Columns that are made of an event's columns before the kernel sees them; it carries their words as it does all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.semantics.aggregators.sketches import HIGHEST_RANK, REGISTER_BITS

if TYPE_CHECKING:
    from pipelines.semantics.panes.columns import Words

RANKS = 64  # ranks of a register, in a word
BUCKET_SHIFT = 52 - 6  # a bucket is the sign, the exponent and six bits of the mantissa

Column = tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]


class Derived(Protocol):
    """A derived column.

    Attributes:
        real: Whether its words are reals.
    """

    @property
    def real(self) -> bool:
        """Say whether its words are the bits of reals."""

    def of(self, columns: Sequence[Column], words: Sequence[Words]) -> Column:
        """Return its words and which of them are values, given the plain columns and how those are encoded."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """The registers and ranks of a column's hashes, `register * 64 + rank`: what `approx_count_distinct` counts."""

    column: int
    real: bool = False

    def of(self, columns: Sequence[Column], words: Sequence[Words]) -> Column:
        """Return its words and which of them are values."""
        own, valid = columns[self.column]
        return ranks_of(words[self.column].hashed(own)), valid


@dataclass(frozen=True, slots=True)
class Bucketed:
    """The buckets of a column of numbers, in their order: what `approx_quantile` counts."""

    column: int
    is_real: bool
    real: bool = False

    def of(self, columns: Sequence[Column], words: Sequence[Words]) -> Column:
        """Return its words and which of them are values."""
        own, valid = columns[self.column]
        bits = own if self.is_real else own.astype(np.float64).view(np.int64)
        return (np.where(bits < 0, bits ^ np.iinfo(np.int64).max, bits)) >> BUCKET_SHIFT, valid


@dataclass(frozen=True, slots=True)
class Stepped:
    """Which steps of a pattern an event fits, a bit each, but for the newness of its values.

    Attributes:
        steps: Of each step the column and the word that it must have, and the column whose value must be there, -1 for none.
        real: No.
    """

    steps: tuple[tuple[int, int, int], ...]
    real: bool = False

    def of(self, columns: Sequence[Column], words: Sequence[Words]) -> Column:
        """Return its words and which of them are values: all."""
        bits = np.zeros(len(columns[0][0]), np.int64)
        for number, (column, word, new) in enumerate(self.steps):
            fits = columns[column][1] & (columns[column][0] == word)
            if new >= 0:
                fits &= columns[new][1]
            bits |= fits.astype(np.int64) << number
        return bits, np.ones(len(bits), np.bool_)


@dataclass(frozen=True, slots=True)
class Whole:
    """A column with a word of its own for nulls, so that every event has one: what patterns compare."""

    column: int
    real: bool = False

    def of(self, columns: Sequence[Column], words: Sequence[Words]) -> Column:
        """Return its words and which of them are values: all."""
        own, valid = columns[self.column]
        return np.where(valid, own, np.iinfo(np.int64).min), np.ones(len(own), np.bool_)


@dataclass(frozen=True, slots=True)
class Joint:
    """A column, of the events only at which others have values too.

    Attributes:
        column: The column's number.
        others: Those of the others.
        real: Whether it holds reals.
    """

    column: int
    others: tuple[int, ...]
    real: bool

    def of(self, columns: Sequence[Column], words: Sequence[Words]) -> Column:
        """Return its words and which of them are values."""
        own, valid = columns[self.column]
        return own, np.logical_and.reduce([valid, *(columns[other][1] for other in self.others)])


def ranks_of(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return the registers and ranks of hashes, `register * 64 + rank`."""
    rest_bits = 64 - REGISTER_BITS
    rest = (bits & np.uint64((1 << rest_bits) - 1)).astype(np.float64)  # below 2**53: none is rounded
    ranks = np.minimum(rest_bits + 1 - np.frexp(rest)[1], HIGHEST_RANK)
    return (bits >> np.uint64(rest_bits)).astype(np.int64) * RANKS + ranks


def encode_columns(
    words: Mapping[str, Words], derived: Sequence[Derived], columns: Mapping[str, pa.Array]
) -> list[Column]:
    """Return words and validity of each column, those that are derived behind the others."""
    plain = [words[name].encode(column) for name, column in columns.items()]
    return [*plain, *(one.of(plain, list(words.values())) for one in derived)]
