"""The numbers of one process: dictionaries that the hot path changes in place, without a lock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.metrics.families import FAMILIES, Family

Labels = tuple[str, ...]
FEW = 16
"""Up to so many values are sorted one by one; NumPy takes as long for its call alone."""


class Spread:
    """A histogram: how many values are in each bucket, and their sum.

    >>> spread = Spread((1.0, 10.0))
    >>> spread.add_all([0.5, 1.0, 3.0, 99.0])
    >>> spread.counts, spread.total
    ([2, 1, 1], 103.5)
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """Begin empty; a value equal to a bound belongs below it."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def add_all(self, values: Sequence[float] | npt.NDArray[Any]) -> None:
        """Count many values, all finite."""
        if len(values) <= FEW:
            for value in values.tolist() if isinstance(values, np.ndarray) else values:
                self.add(value)
            return
        given = np.asarray(values, dtype=np.float64)
        found = np.bincount(np.searchsorted(self.bounds, given), minlength=len(self.counts)).tolist()
        self.counts = [old + new for old, new in zip(self.counts, found, strict=True)]
        self.total += float(given.sum())


class Counts:
    """Numbers by family and labels. One thread changes them; others may read copies meanwhile."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._numbers: dict[str, dict[Labels, float]] = {}
        self._spreads: dict[str, dict[Labels, Spread]] = {}

    def numbers(self, family: Family) -> dict[Labels, float]:
        """Return the numbers of a family, to be changed in place."""
        return self._numbers.setdefault(family.name, {})

    def spread(self, family: Family, *labels: str) -> Spread:
        """Return a histogram, to be added to."""
        spreads = self._spreads.setdefault(family.name, {})
        if labels not in spreads:
            spreads[labels] = Spread(family.bounds)
        return spreads[labels]

    def add(self, family: Family, *labels: str, by: float = 1) -> None:
        """Add to a number."""
        numbers = self.numbers(family)
        numbers[labels] = numbers.get(labels, 0) + by

    def dump(self) -> dict[str, Any]:
        """Return all numbers as JSON can hold them; see `load`."""
        numbers = {name: [[*one] for one in some.copy().items()] for name, some in self._numbers.copy().items()}
        spreads = {
            name: [[labels, one.counts.copy(), one.total] for labels, one in some.copy().items()]
            for name, some in self._spreads.copy().items()
        }
        return {"numbers": numbers, "spreads": spreads}

    def load(self, dumped: dict[str, Any], *, alive: bool = True) -> None:
        """Add what another process counted; of one that died, gauges do not count. What is not known is passed over."""
        for name, some in dumped["numbers"].items():
            family = FAMILIES.get(name)
            if family is None or (family.kind == "gauge" and not alive):
                continue
            numbers = self.numbers(family)
            for labels, value in some:
                key, old = tuple(labels), numbers.get(tuple(labels), 0)
                numbers[key] = max(old, value) if family.merge == "max" else old + value
        for name, some in dumped["spreads"].items():
            family = FAMILIES.get(name)
            if family is None:
                continue
            for labels, counts, total in some:
                spread = self.spread(family, *labels)
                if len(counts) == len(spread.counts):
                    spread.counts = [a + b for a, b in zip(spread.counts, counts, strict=True)]
                    spread.total += total


def quantile(bounds: Sequence[float], counts: Iterable[int], q: float) -> float | None:
    """Return the value below which a share `q` of a histogram lies, even within a bucket; None of an empty one.

    >>> quantile((1.0, 2.0), [0, 4, 0], 0.5)
    1.5
    """
    counts = list(counts)
    left = q * sum(counts)
    if not left:
        return None
    low = 0.0
    for high, count in zip(bounds, counts, strict=False):
        if left <= count:
            return low + (high - low) * left / count
        left, low = left - count, high
    return low
