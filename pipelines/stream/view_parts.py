"""The state of one shard of a view in parts: one, until the number of shards has changed over a restart.

A part is what an earlier shard held, of which the entities that now belong to another shard are left aside. Which part an
entity belongs to says the rule that shared it out then, so old and new entities find their way alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import gcd
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.partitioning import partition_of
from pipelines.plan import ViewPlan
from pipelines.semantics.panes.live import EVER
from pipelines.stream.pages import Manifest, PagedArrays
from pipelines.stream.view_state import Snapshot, ViewState

Ways = tuple[tuple[int, int], ...]
"""Numbers of shards and the shard among them: whom a part holds has gone to each of these."""


@dataclass(frozen=True, slots=True)
class SavedPart:
    """What one part keeps for recovery: plain data, safe to pickle.

    Attributes:
        ways: Whose entities it holds.
        view: The state; without its arrays where these are kept in files.
        kept: The files.
        folder: The name of their folder.
    """

    ways: Ways
    view: Snapshot
    kept: Manifest | None
    folder: str


def add_way(ways: Ways, shards: int, shard: int) -> Ways | None:
    """Return the ways with one more; None where no entity can go all of them.

    >>> add_way(((2, 1),), 4, 3), add_way(((2, 1),), 4, 2), add_way(((4, 3),), 1, 0), add_way((), 2, 0)
    (((4, 3),), None, ((4, 3),), ((2, 0),))
    """
    if any(shard % gcd(n, shards) != s % gcd(n, shards) for n, s in ways):
        return None
    if any(n % shards == 0 for n, _ in ways) or shards == 1:
        return ways  # the finer one says it
    return (*(way for way in ways if shards % way[0]), (shards, shard))


class ViewParts:
    """All parts of one shard of a view, followed together."""

    def __init__(
        self,
        plan: ViewPlan,
        folder: Path | None,
        name: str,
        saved: Sequence[SavedPart],
        ways: Ways,
        stored: int = EVER,
    ) -> None:
        """Go on from what was saved; from nothing with one empty part.

        Args:
            plan: The view.
            folder: Where pages and events that wait long are kept; None for nowhere.
            name: Begins the names of this shard's folders there.
            saved: The parts.
            ways: Those of an empty part.
            stored: The instant, microseconds, up to which a run before this one may have stored rows.
        """
        self._plan = plan
        self._stored = stored
        self._folder = folder
        self._ways = [part.ways for part in saved] or [ways]
        self._names = [f"{name}-{number}" for number in range(len(self._ways))]
        self._pages: list[PagedArrays | None] = [None] * len(self._ways)
        self._states = [self._restored(number, part) for number, part in enumerate(saved)] or [
            ViewState(plan, folder=self._own_folder(0), stored=stored)
        ]

    @property
    def frontier(self) -> int:
        """Return the instant, microseconds, up to which rows have been given."""
        return max(state.frontier for state in self._states)

    def load(self, events: pa.Table, cut: int) -> None:
        """Take over from a backfill."""
        for state, mine in self._shared(events):
            state.load(mine, cut)

    def advance(self, events: pa.Table, now: int, settled: int = EVER, *, every: bool = False) -> pa.Table | None:
        """Advance each part, and return the rows of all."""
        return _together([state.advance(mine, now, settled, every=every) for state, mine in self._shared(events)])

    def newest(self) -> pa.Table | None:
        """Return the last row of every entity."""
        return _together([state.newest() for state in self._states])

    @property
    def doubtful(self) -> bool:
        """Say whether a run before this one may have stored rows of times that are not over here."""
        return any(state.doubtful for state in self._states)

    def take_doubtful(self) -> tuple[pa.Table | None, int] | None:
        """Return the rows that replace stored ones, and up to which time; see `ViewState`."""
        taken = [one for state in self._states if (one := state.take_doubtful())]
        return (_together([rows for rows, _ in taken]), max(until for _, until in taken)) if taken else None

    def held(self) -> dict[str, int]:
        """Return how many entities, panes (with sessions), waiting events and bytes there are, by name."""
        told = [state.held() for state in self._states]
        return {name: sum(one[name] for one in told) for name in told[0]}

    def save(self, attempt: Callable[[Callable[[], None]], None]) -> tuple[SavedPart, ...]:
        """Return what it takes to go on; `attempt` runs the writing of files, and may run it again when it fails."""
        saved = []
        for number, (state, ways) in enumerate(zip(self._states, self._ways, strict=True)):
            attempt(state.put_aside)
            view = state.snapshot()
            if self._folder is None:
                arrays = {name: array.copy() for name, array in view.arrays.items()}
                saved.append(SavedPart(ways, replace(view, arrays=arrays), None, ""))
                continue
            pages = self._pages[number] = self._pages[number] or PagedArrays(self._folder / self._names[number])
            written: list[Manifest] = []
            attempt(lambda view=view, pages=pages, written=written: written.append(pages.save(view.arrays)))  # type: ignore[misc]
            saved.append(SavedPart(ways, replace(view, arrays={}), written[0], self._names[number]))
        return tuple(saved)

    def _restored(self, number: int, part: SavedPart) -> ViewState:
        view = part.view
        if part.kept is not None and self._folder is not None:
            ours = part.folder == self._names[number]
            pages = PagedArrays(self._folder / part.folder)
            view = replace(view, arrays=pages.load(part.kept, tidy=ours))
            self._pages[number] = pages if ours else None
        mine = partial(went, part.ways, self._plan)
        return ViewState(self._plan, view, mine, self._own_folder(number), self._stored)

    def _own_folder(self, number: int) -> Path | None:
        return self._folder / self._names[number] if self._folder is not None else None

    def _shared(self, events: pa.Table) -> list[tuple[ViewState, pa.Table]]:
        if len(self._states) == 1:
            return [(self._states[0], events)]
        parts = [events.filter(pa.array(went(ways, self._plan, events))) for ways in self._ways]
        return list(zip(self._states, parts, strict=True))


def went(ways: Ways, plan: ViewPlan, table: pa.Table) -> npt.NDArray[np.bool_]:
    """Say of which rows the entities have gone all of these ways."""
    mine = np.ones(len(table), np.bool_)
    for shards, shard in ways:
        mine &= partition_of([table[key] for key in plan.keys], shards) == shard
    return mine


def _together(tables: Sequence[pa.Table | None]) -> pa.Table | None:
    given = [table for table in tables if table is not None]
    return pa.concat_tables(given) if given else None
