"""The non-null values of one column of an event block, in the forms that aggregators work on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.semantics.aggregators.ranges import Index


@dataclass(frozen=True)
class Values:
    """A column without its nulls. A NaN counts as a null (rule 4).

    Attributes:
        column: The column as it came, nulls and all, one entry an event.
    """

    column: pa.Array
    _valid: npt.NDArray[np.bool_] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Note which events have a value; None where all have."""
        valid = None
        if pa.types.is_floating(self.column.type):
            numbers = self.column.to_numpy(zero_copy_only=False)
            missing = np.isnan(numbers)
            valid = ~missing if missing.any() else None
        elif self.column.null_count:
            valid = pc.is_valid(self.column).to_numpy(zero_copy_only=False)
        object.__setattr__(self, "_valid", valid)

    @cached_property
    def _before(self) -> Index:
        """Return how many values stand before each event, and after the last."""
        assert self._valid is not None
        return np.concatenate([[0], np.cumsum(self._valid)]).astype(np.int64)

    def locate(self, starts: Index, stops: Index) -> tuple[Index, Index]:
        """Turn ranges of events into ranges of values."""
        if self._valid is None:
            return starts, stops
        return self._before[starts], self._before[stops]

    @cached_property
    def arrow(self) -> pa.Array:
        """Return the values as an Arrow array."""
        return self.column if self._valid is None else self.column.filter(pa.array(self._valid))

    @cached_property
    def numbers(self) -> npt.NDArray[Any]:
        """Return the values as int64 (integers, booleans, times in microseconds) or float64."""
        array = self.arrow
        if pa.types.is_timestamp(array.type):
            array = array.cast(pa.timestamp("us", array.type.tz)).cast(pa.int64())
        elif not pa.types.is_floating(array.type):
            array = array.cast(pa.int64())
        else:
            array = array.cast(pa.float64())
        return array.to_numpy(zero_copy_only=False)

    @cached_property
    def codes(self) -> npt.NDArray[np.int64]:
        """Return a number for each value, the same for equal values."""
        # Arrow tells -0.0 from 0.0; adding zero makes them one
        array = (
            pc.add(self.arrow, pa.scalar(0, self.arrow.type)) if pa.types.is_floating(self.arrow.type) else self.arrow
        )
        return array.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
