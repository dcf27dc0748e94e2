"""Remembers scores by the model's version and the exact feature vector, so that a score is never stale.

It pays where the same vectors come again (polling clients, retries, few distinct values) and costs some microseconds a batch
where they do not; so it is off unless asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PredictionCacheStats:
    """What a cache of predictions did and holds.

    Attributes:
        hits: Vectors whose score was remembered.
        misses: Vectors that were scored.
        entries: Scores that are held.
    """

    hits: int
    misses: int
    entries: int


class PredictionCache:
    """Holds the newest used scores, at most `most`. For one thread."""

    def __init__(self, most: int) -> None:
        """Begin empty."""
        self._most = most
        self._scores: OrderedDict[bytes, float] = OrderedDict()
        self._hits = self._misses = 0

    def predict(self, version: str, matrix: Matrix, score: Callable[[Matrix], npt.NDArray[np.float32]]) -> list[float]:
        """Return a score for each row: remembered, or by `score` for those that are not, all in one call.

        Args:
            version: The model's version.
            matrix: Shape (n, columns), float32, contiguous.
            score: The model.
        """
        prefix, held = version.encode(), self._scores
        keys = [prefix + row.tobytes() for row in matrix]
        found = [held.get(key) for key in keys]
        absent = [index for index, one in enumerate(found) if one is None]
        if absent:
            rows = matrix if len(absent) == len(keys) else matrix[absent]
            for index, one in zip(absent, score(rows).tolist(), strict=True):
                found[index] = held[keys[index]] = one
        for key in keys:
            held.move_to_end(key)
        while len(held) > self._most:
            held.popitem(last=False)
        self._hits += len(keys) - len(absent)
        self._misses += len(absent)
        return found  # type: ignore[return-value]  # each is a number by now

    def stats(self) -> PredictionCacheStats:
        """Return what it did and holds."""
        return PredictionCacheStats(self._hits, self._misses, len(self._scores))
