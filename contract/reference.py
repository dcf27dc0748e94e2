"""What a model was trained on, as counts in bins: beside the model, so that what is served later can be held against it.

```text
<models>/<service>/<version>/reference.json
```

Bins are fixed when a model is trained; a day of serving is only counted into them. The counts are kept by day, for how much days
differ among themselves says how much a later day may differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from workspace.files import write_whole

FILE: Final = "reference.json"
SCORE, LABEL = "score", "label"
"""The columns of the model's scores on its test days, and of labels; all others are features, `view__feature`."""

BINS: Final = 10
EDGES_FROM: Final = 200_000
"""About how many values the ends of bins are found from, spread evenly over the rows; all are counted."""

Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


class ReferenceFileError(ValueError):
    """A reference that is not there or cannot be read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class ColumnReference:
    """One column.

    Attributes:
        name: Its name.
        edges: The upper ends of the bins, which belong to them, rising; the last bin, open above, is left out.
        days: Days, ISO 8601: first those that were trained on, then those tested on.
        counts: By day: how many values are in each bin, and last how many are missing.
        trained: How many of the days the distribution is that of; the others only tell how much days differ.
    """

    name: str
    edges: tuple[float, ...]
    days: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    trained: int

    def count(self, values: Values) -> Counts:
        """Count values into the bins; what is not finite is missing."""
        return count_into(self.edges, values)

    def array(self) -> Counts:
        """Return the counts, shape (days, bins + 1)."""
        return np.array(self.counts, np.int64).reshape(len(self.days), len(self.edges) + 2)


def edges_of(values: Values, bins: int = BINS) -> tuple[float, ...]:
    """Return the upper ends of bins that hold about equally many values each; a value that is frequent has one of its own.

    >>> edges_of(np.arange(1.0, 101.0), 4)
    (25.0, 50.0, 75.0)
    >>> edges_of(np.array([0.0] * 90 + [1.0] * 10))
    (0.0,)
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return ()
    shares = np.arange(1, bins) / bins
    return tuple(float(one) for one in np.unique(np.quantile(finite, shares, method="inverted_cdf")))


def count_into(edges: Sequence[float], values: Values) -> Counts:
    """Count values into bins by their upper ends, and last what is not finite.

    >>> count_into((1.0, 2.0), np.array([0.5, 1.0, 1.5, 9.0, np.nan])).tolist()
    [2, 1, 1, 1]
    """
    finite = np.isfinite(values)
    inside = np.searchsorted(np.asarray(edges, np.float64), values[finite], side="left")
    return np.append(np.bincount(inside, minlength=len(edges) + 1), int((~finite).sum()))


@dataclass(frozen=True, slots=True)
class RowDays:
    """The day of each row, numbered; the same for all columns of a training.

    Attributes:
        names: Days, ISO 8601: first those trained on, then those tested on.
        trained: How many of them were trained on.
        numbers: Shape (rows,): the place of each row's day in `names`.
    """

    names: tuple[str, ...]
    trained: int
    numbers: npt.NDArray[np.int64]

    @classmethod
    def of(cls, days: npt.NDArray[Any], tested: npt.NDArray[np.bool_]) -> RowDays:
        """Number days.

        Args:
            days: Each row's day, `datetime64[D]`.
            tested: Which rows tell only how much days differ; of the others is the distribution.
        """
        numbers = np.empty(len(days), np.int64)
        names: list[str] = []
        trained = 0
        for part in (False, True):
            of_part = tested == part
            found, inverse = np.unique(days[of_part].astype("datetime64[D]"), return_inverse=True)
            numbers[of_part] = inverse + len(names)
            names += [str(day) for day in found]
            trained = trained if part else len(names)
        return cls(tuple(names), trained or len(names), numbers)


def column_reference(name: str, values: Values, days: RowDays) -> ColumnReference:
    """Count a column by day.

    Args:
        name: Its name.
        values: Shape (rows,).
        days: Of the rows.
    """
    trained = values[days.numbers < days.trained]
    edges = edges_of(trained[:: len(trained) // EDGES_FROM + 1])
    finite, bins = np.isfinite(values), len(edges) + 2
    places = np.full(len(values), bins - 1)  # what is missing
    places[finite] = np.searchsorted(np.asarray(edges, np.float64), values[finite], side="left")
    counts = np.bincount(days.numbers * bins + places, minlength=len(days.names) * bins).reshape(-1, bins)
    return ColumnReference(name, edges, days.names, tuple(map(tuple, counts.tolist())), days.trained)


def write_reference(folder: Path, columns: Sequence[ColumnReference]) -> None:
    """Write the reference of a version into its folder."""
    write_whole(folder / FILE, json.dumps({"columns": [asdict(one) for one in columns]}) + "\n")


def read_reference(models: Path, service: str, version: str) -> Mapping[str, ColumnReference]:
    """Return the reference of a version, by column.

    Raises:
        ReferenceFileError: There is none.
    """
    path = models / service / version / FILE
    try:
        given = json.loads(path.read_text())["columns"]
        columns = [
            ColumnReference(
                one["name"],
                tuple(one["edges"]),
                tuple(one["days"]),
                tuple(tuple(counts) for counts in one["counts"]),
                one["trained"],
            )
            for one in given
        ]
    except FileNotFoundError:
        raise ReferenceFileError(
            f"{service}: version {version} has no {FILE}, so it was trained before drift was measured; run `make train`."
        ) from None
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ReferenceFileError(f"{path}: is not what a training writes ({error!r}); run `make train`.") from None
    return {one.name: one for one in columns}
