"""Rows of a view: what both engines give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Values of a view's features.

    Attributes:
        entity: int64, the entity's number.
        t: int64, the first microsecond at which the row holds.
        values: One array a feature, in the order of the features.
    """

    entity: Times
    t: Times
    values: tuple[pa.Array, ...]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.t)
