"""Columns that are made of an event's columns before the kernel sees them; it carries their words as it does all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from pipelines.semantics.panes.columns import Words

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


def encode_columns(
    words: Mapping[str, Words], derived: Sequence[Derived], columns: Mapping[str, pa.Array]
) -> list[Column]:
    """Return words and validity of each column, those that are derived behind the others."""
    plain = [words[name].encode(column) for name, column in columns.items()]
    return [*plain, *(one.of(plain, list(words.values())) for one in derived)]
