"""What went on in the last minutes, in steps of seconds, for those who look and keep no history themselves."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any, Final

from serving.metrics import families
from serving.metrics.counts import Counts, Labels

STEP_S: Final = 5
KEPT: Final = 120
"""Steps kept: ten minutes."""

Point = dict[str, Any]
"""One step: `at`, its end in Unix seconds, and what was counted in it, by name; numbers, lists of them, or either by name."""


class Recent:
    """The last steps of one process."""

    def __init__(self) -> None:
        """Begin with no step."""
        self.points: deque[Point] = deque(maxlen=KEPT)
        self._before: Point = {}
        self._step = 0

    def note(self, now: float, counts: Counts) -> None:
        """Look at the numbers; to be called about once a second.

        Args:
            now: Unix seconds.
            counts: The process's numbers, which only grow.
        """
        step = int(now // STEP_S)
        if step == self._step:
            return
        totals = _totals(counts)
        if self._step:
            self.points.append({"at": step * STEP_S, **_combine(totals, self._before, -1)})
        self._step, self._before = step, totals


def merge_points(several: Iterable[Iterable[Point]]) -> list[Point]:
    """Add up the steps of several processes, in the order of time."""
    merged: dict[int, Point] = {}
    for points in several:
        for point in points:
            merged[point["at"]] = {**_combine(point, merged.get(point["at"], {}), 1), "at": point["at"]}
    return [merged[at] for at in sorted(merged)]


def _totals(counts: Counts) -> Point:
    """Return what was counted so far: of POST requests, for those ask for work, and of the rows in them."""
    dumped = counts.dump()

    def numbers(family: families.Family) -> Mapping[Labels, float]:
        return {tuple(labels): value for labels, value in dumped["numbers"].get(family.name, ())}

    requests = {key: n for key, n in numbers(families.REQUESTS).items() if key[0] == "POST"}
    spreads = [one for one in dumped["spreads"].get(families.DURATION.name, ()) if one[0][0] == "POST"]
    decisions: dict[str, float] = {}
    for (_, decision, _), count in numbers(families.DECISIONS).items():
        decisions[decision] = decisions.get(decision, 0) + count
    cache: dict[str, float] = {}
    for (_, kind, result), count in numbers(families.CACHE).items():
        name = f"{kind} {'hit' if result == 'hit' else 'other'}"
        cache[name] = cache.get(name, 0) + count
    return {
        "requests": sum(requests.values()),
        "errors": sum(n for key, n in requests.items() if key[2].startswith("5")),
        "rejected": sum(numbers(families.REJECTED).values()),
        "rows": sum(decisions.values()),
        "degraded": sum(numbers(families.DEGRADED).values()),
        "stale": sum(numbers(families.STALE).values()),
        "decisions": decisions,
        "cache": cache,
        "ages": {labels[0]: counts for labels, counts, _ in dumped["spreads"].get(families.AGE.name, ())},
        "durations": [sum(one) for one in zip(*(counts for _, counts, _ in spreads), strict=True)],
    }


def _combine(one: Point, other: Point, sign: int) -> Point:
    """Return `one + sign * other`, name by name; what either lacks is zero."""
    return {name: _sum(one.get(name), other.get(name), sign) for name in {**one, **other}}


def _sum(one: Any, other: Any, sign: int) -> Any:
    kind = type(other if one is None else one)
    if kind is dict:
        return _combine(one or {}, other or {}, sign)
    if kind is list:
        return [a + sign * b for a, b in zip_longest(one or (), other or (), fillvalue=0)]
    return (one or 0) + sign * (other or 0)
