"""Divides units among the arms of an experiment: the same unit gets the same arm, in every replica and at any time.

Weighted rendezvous hashing (Schindelhauer and Schomaker, "Weighted distributed hash tables", SPAA 2005): each arm draws a
number for a unit, and the unit goes to the one that draws best for its weight. Weights count relative to each other: where
one arm's weight is raised and the others' stay, units move into that arm and nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import mmh3
import numpy as np
import numpy.typing as npt

CHAMPION: Final = 0
"""The champion's place among the arms."""

_SHIFT = np.uint64(33)
_FIRST = np.uint64(0xFF51AFD7ED558CCD)
_SECOND = np.uint64(0xC4CEB9FE1A85EC53)


@dataclass(frozen=True, slots=True)
class Split:
    """The arms of one experiment.

    Attributes:
        unit: The request field whose values are divided.
        weights: By alias, the champion's first; not all of them 0.
        salt: What makes this division another one than that of other experiments.
        stopped: Arms whose units go to the champion; the other arms keep theirs.

    >>> split = Split("user", {"champion": 0.5, "challenger": 0.5}, "spring")
    >>> split.assign(["ann", "bob", "cay", "dan"]).tolist()
    [0, 1, 1, 0]
    """

    unit: str
    weights: Mapping[str, float]
    salt: str
    stopped: Collection[str] = ()
    _seeds: npt.NDArray[np.uint64] = field(init=False, repr=False, compare=False)
    _shares: npt.NDArray[np.float64] = field(init=False, repr=False, compare=False)
    _goes_to: npt.NDArray[np.int8] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare what does not depend on the unit."""
        seeds = [mmh3.hash64(f"{self.salt}/{alias}", signed=False)[0] for alias in self.weights]
        goes_to = [CHAMPION if alias in self.stopped else place for place, alias in enumerate(self.weights)]
        object.__setattr__(self, "_seeds", np.array(seeds, dtype=np.uint64)[:, None])
        object.__setattr__(self, "_shares", np.array(list(self.weights.values()), dtype=np.float64)[:, None])
        object.__setattr__(self, "_goes_to", np.array(goes_to, dtype=np.int8))

    @property
    def aliases(self) -> tuple[str, ...]:
        """Return the arms in order, the champion first."""
        return tuple(self.weights)

    def assign(self, values: Sequence[object] | npt.NDArray[np.generic]) -> npt.NDArray[np.int8]:
        """Return each unit's arm as its place in `aliases`.

        Args:
            values: All whole numbers (a list or an array, with one meaning), or all texts.
        """
        drawn = _mix(_hash(values) ^ self._seeds)
        # The larger of u ** (1 / weight) wins; as logarithms, where u is never 0 and a weight of 0 never wins.
        uniform = ((drawn >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        return self._goes_to[np.argmax(self._shares / -np.log(uniform), axis=0)]


def _hash(values: Sequence[object] | npt.NDArray[np.generic]) -> npt.NDArray[np.uint64]:
    """Return 64 bits a value: of a number its own bits, mixed; of a text those of MurmurHash3 (x64, 128 bits), the first half."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        return _mix(values.astype(np.int64, copy=False).view(np.uint64))
    given: list[Any] = list(values)
    if not given or type(given[0]) is not str:
        return _mix(np.array(given, dtype=np.int64).view(np.uint64))
    digest = mmh3.hash64
    return np.array([digest(one)[0] for one in given], dtype=np.int64).view(np.uint64)


def _mix(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return MurmurHash3's finaliser of each value: every bit of it depends on all bits."""
    bits = (bits ^ (bits >> _SHIFT)) * _FIRST
    bits = (bits ^ (bits >> _SHIFT)) * _SECOND
    return bits ^ (bits >> _SHIFT)
