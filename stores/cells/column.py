"""One feature or request field for a whole batch, and the forms that its readers want.

The online store, an on-demand view, a model and Arrow each have their own idea of a column with holes. This is the one
place where those ideas meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contract.types import TYPES, is_number
from stores.cells.json_values import json_of

if TYPE_CHECKING:
    import pandas as pd

DTYPES: Final[dict[str, npt.DTypeLike]] = {
    "int64": np.int64,
    "int32": np.int32,
    "float64": np.float64,
    "float32": np.float32,
    "bool": np.bool_,
    "timestamp": np.int64,
}
"""The numpy type of a kind; every other kind (string, bytes, lists, sets, maps, ...) is a Python list."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

FLOATS: Final = ("float64", "float32")

_NUMBERS: Final = frozenset(kind for kind in TYPES if is_number(kind))


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one kind, one per row.

    Attributes:
        kind: One of `contract.types.TYPES`.
        values: Shape (n,): a numpy array of `DTYPES[kind]`, a timestamp being microseconds since 1970 (UTC); a
            Python list for the other kinds, a list's timestamps being aware datetimes, and of JSON, UUIDs, decimals, sets and maps what
            Feast's clients get of them. A missing float is NaN; what else stands in a missing place is not defined.
        valid: Shape (n,), bool: which values are there.
        status: Shape (n,), uint8: for what was read from a store, why each value is there or missing
            (`stores.cells.reading.Status`); None for the rest.
    """

    kind: str
    values: npt.NDArray[Any] | list[Any]
    valid: npt.NDArray[np.bool_]
    status: npt.NDArray[np.uint8] | None = None

    @classmethod
    def of(cls, kind: str, values: Sequence[Any]) -> Column:
        """Build a column without holes from checked request values (timestamps: microseconds)."""
        data = np.array(values, dtype=DTYPES[kind]) if kind in DTYPES else list(values)
        return cls(kind, data, np.ones(len(values), dtype=np.bool_))

    @classmethod
    def missing(cls, kind: str, rows: int) -> Column:
        """Build a column in which no value is there."""
        hole = np.nan if kind in FLOATS else 0
        data = np.full(rows, hole, dtype=DTYPES[kind]) if kind in DTYPES else [None] * rows
        return cls(kind, data, np.zeros(rows, dtype=np.bool_))

    def slice(self, start: int, stop: int) -> Column:
        """Return the rows from `start` up to, not including, `stop`."""
        return Column(self.kind, self.values[start:stop], self.valid[start:stop])

    def write_to(self, out: npt.NDArray[np.float32]) -> None:
        """Write a numeric column into `out`, shape (n,): NaN where missing. Infinities are left for the caller.

        Raises:
            TypeError: The kind is not a number; a model that wants it is refused when it is loaded.
        """
        if self.kind not in _NUMBERS:
            raise TypeError(f"a {self.kind} column is not a model input; train on numbers and booleans.")
        out[:] = self.values
        if self.kind not in FLOATS and not self.valid.all():
            out[~self.valid] = np.nan

    def arrow(self) -> pa.Array:
        """Return an Arrow array of the kind's type, null where missing.

        Raises:
            TypeError: The kind has no Arrow type: its values are Python objects.
        """
        kind, mask = TYPES[self.kind].arrow, ~self.valid
        if kind is None:
            raise TypeError(f"a {self.kind} column has no Arrow type; take its values with as_python().")
        if isinstance(self.values, list):
            return pa.array([v if there else None for v, there in zip(self.values, self.valid, strict=True)], kind)
        return pa.array(self.values, mask=mask).cast(kind)

    def as_pandas(self) -> npt.NDArray[Any] | pd.DatetimeIndex:
        """Return what Feast hands to an on-demand view of mode pandas.

        Integers with a missing value become floats with NaN, timestamps `datetime64[us, UTC]` with NaT, lists of plain values
        numpy arrays or None. Where *all* values are missing Feast loses the type and hands over objects; here it is kept.
        """
        whole = bool(self.valid.all())
        if self.kind == "timestamp":
            import pandas as pd

            at = np.asarray(self.values).astype("datetime64[us]")
            if not whole:
                at[~self.valid] = np.datetime64("NaT")
            return pd.DatetimeIndex(at, tz="UTC")
        if isinstance(self.values, list):
            out, plain = np.empty(len(self.values), dtype=object), TYPES[self.kind].arrow is not None
            element = (
                None if is_number(self.kind.removesuffix("[]")) else object
            )  # NumPy's own texts lose a zero at their end
            for index, value in enumerate(self.values):
                out[index] = np.array(value, dtype=element) if plain and type(value) is list else value
            return out
        if whole:
            return self.values
        if self.kind == "bool":
            truths = self.values.astype(object)
            truths[~self.valid] = None
            return truths
        return np.where(self.valid, self.values, np.nan)

    def as_array(self) -> npt.NDArray[Any]:
        """Return what an on-demand view that takes arrays is handed: see `contract.arrays`. Lists are lists."""
        if isinstance(self.values, list):
            out = np.empty(len(self.values), dtype=object)
            out[:] = self.values
            return out
        if self.kind == "timestamp":
            at = self.values.view("datetime64[us]")
            return at if self.valid.all() else np.where(self.valid, at, np.datetime64("NaT"))
        if self.kind in FLOATS or self.valid.all():
            return self.values
        return np.where(self.valid, self.values, np.nan)

    def as_python(self) -> list[Any]:
        """Return what Feast hands to an on-demand view of mode python: None where missing, aware UTC datetimes."""
        values = self.values if isinstance(self.values, list) else self.values.tolist()
        if self.kind == "timestamp":
            values = [EPOCH + timedelta(microseconds=value) for value in values]
        if self.valid.all():
            return values
        return [value if there else None for value, there in zip(values, self.valid.tolist(), strict=True)]

    def as_json(self, row: int) -> object:
        """Return one value as JSON can hold it: null where missing or not finite, times as ISO 8601; see `json_of`."""
        if not self.valid[row]:
            return None
        value = self.values[row]
        if isinstance(value, np.generic):
            value = value.item()
        return json_of(EPOCH + timedelta(microseconds=value) if self.kind == "timestamp" else value)
