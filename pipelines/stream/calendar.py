"""What is due when: numbers of entities by a key that only moves forward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.semantics.rows import Times


@dataclass(slots=True)
class _Run:
    """Entities by ascending key; those before `at` have been taken."""

    keys: Times
    entities: Times
    at: int = 0

    def __len__(self) -> int:
        return len(self.keys) - self.at


class Calendar:
    """Entities by the key at which something is due.

    They lie in sorted runs, merged as they grow so that each is at least twice the next: adding one costs a logarithm.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._runs: list[_Run] = []

    def __len__(self) -> int:
        """Return how many entities are noted, with repetitions."""
        return sum(map(len, self._runs))

    def add(self, keys: Times, entities: Times) -> None:
        """Note entities, each by its key; one may be noted more than once."""
        if not len(keys):
            return
        self._runs.append(_sorted(keys, entities))
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            new, old = self._runs.pop(), self._runs.pop()
            self._runs.append(
                _sorted(
                    np.concatenate([old.keys[old.at :], new.keys[new.at :]]),
                    np.concatenate([old.entities[old.at :], new.entities[new.at :]]),
                )
            )

    def pop_until(self, key: int) -> list[Times]:
        """Return the entities of all keys up to and including this one, and forget them."""
        found = []
        for run in self._runs:
            stop = int(np.searchsorted(run.keys, key, side="right"))
            if stop > run.at:
                found.append(run.entities[run.at : stop])
                run.at = stop
        if found:
            self._runs = [run for run in self._runs if len(run)]
        return found


def _sorted(keys: Times, entities: Times) -> _Run:
    order = np.argsort(keys)
    return _Run(keys[order], entities[order])
