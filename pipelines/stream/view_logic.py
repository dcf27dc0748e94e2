"""One shard of a view inside Bytewax: events in, rows out, its state kept for recovery."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
from bytewax.operators import StatefulBatchLogic

from pipelines.plan import ViewPlan
from pipelines.semantics.panes.live import EVER
from pipelines.stream.handover import read_cut, read_handover
from pipelines.stream.online_sink import ShardRows
from pipelines.stream.outage import Outage, persist
from pipelines.stream.rescale import Generation, Saved, first_ways
from pipelines.stream.store_watch import StoreWatch
from pipelines.stream.view_parts import ViewParts

LOOK: Final = timedelta(seconds=0.5)
"""Time between two looks at the online store while no events come."""

TELL: Final = 1.0
"""Seconds between two words on how much is held."""


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a batch that belongs to one shard of a view.

    Attributes:
        shard: The shard.
        partition: The partition that the batch came from.
        events: Its events, perhaps none.
        now: The latest time that the partition knows, microseconds; None for none.
        late_before: The earliest event time, microseconds, that the partition may still give; None where nobody knows.
    """

    shard: int
    partition: int
    events: pa.Table
    now: int | None
    late_before: int | None


def log_step(view: str) -> str:
    """Return the name of the step that gives the rows of a view's feature log."""
    return f"{view}_log"


class ViewLogic(StatefulBatchLogic[Share, ShardRows, Saved]):
    """One shard of a view inside Bytewax.

    Its time is that of the partition that is furthest, so that values are fresh; what it tells as its frontier is the time
    of the one that is furthest behind, so that up to there nothing is missing.
    """

    def __init__(
        self,
        plan: ViewPlan,
        state: Path | None,
        generation: Generation,
        partitions: int,
        snapshots: Path | None,
        watch: StoreWatch | None,
        saved: Saved | None,
        *,
        log: bool = False,
        stored: int = EVER,
    ) -> None:
        """Go on from what was saved; else the first share says which shard this is, and what it starts from.

        With `log`, it follows the event time that nothing may come before any more, and gives every row: those of a backfill.
        `stored` is the instant, microseconds, up to which a run before this one may have stored rows.
        """
        self._plan = plan
        self._log = log
        self._name = log_step(plan.view) if log else plan.view
        self._handover = state
        self._generation = generation
        self._partitions = partitions
        self._snapshots = snapshots
        self._outage = Outage(f"recovery of {self._name}")
        self._watch = watch
        self._saved = saved  # of another generation: it stays as it is unless this shard gets events
        self._shard = -1
        self._view: ViewParts | None = None
        self._reached: dict[int, int] = {}
        self._settled: dict[int, int] = {}
        self._frontier = 0
        self._store = watch.current if watch else ""
        self._told = -TELL
        self._rows_until = stored
        self._complete = 0  # while rows of a run before may know less than those given here
        if saved is not None and saved.shard < generation.shards:
            self._view = self._begin(saved.shard)
        if watch:
            watch.follow()

    def _begin(self, shard: int) -> ViewParts:
        """Take up the state of a shard."""
        self._shard, generation = shard, self._generation
        saved = generation.resumed(self._name, shard, self._saved)
        self._saved = None
        ways = first_ways(generation.shards, shard)
        name = f"{self._name}-{generation.number}-{shard}"
        view = ViewParts(self._plan, self._snapshots, name, saved.parts if saved else (), ways, self._rows_until)
        if saved is not None:
            self._reached, self._settled = dict(saved.reached), dict(saved.settled)
            self._frontier, self._store = saved.frontier, saved.store
        elif self._handover is not None:
            for events, until in read_handover(self._handover, self._plan, shard, generation.shards):
                cut = read_cut(self._handover, self._plan)
                if until < cut:
                    view.advance(events, until - 1)  # rows of before the cut are stored
                else:
                    view.load(events, cut)
                self._frontier = until - 1
        self._complete = self._frontier
        return view

    def on_batch(self, values: list[Share]) -> tuple[Iterable[ShardRows], bool]:
        """Advance by all that has come."""
        view = self._view = self._view or self._begin(values[0].shard)
        events = pa.concat_tables([share.events for share in values])
        now = max((share.now for share in values if share.now is not None), default=view.frontier)
        self._reached |= {share.partition: share.now for share in values if share.now is not None}
        if len(self._reached) == self._partitions:
            self._frontier = max(self._frontier, min(self._reached.values()))
        self._settled |= {share.partition: share.late_before for share in values if share.late_before is not None}
        settled = min(self._settled.values()) if len(self._settled) == self._partitions else EVER
        if self._log:
            now = view.frontier if settled == EVER else settled + self._plan.features[0].window.delay
        rows = view.advance(events, now, settled, every=self._log)
        if self._is_other_store():
            rows = self._all_rows(view)
        held = {}
        if time.monotonic() - self._told >= TELL:
            self._told, held = time.monotonic(), view.held()
        given = [self._give(view, rows, len(events), held)]
        again = view.take_doubtful()
        if again is not None:
            given.append(self._give(view, again[0], replaces=again[1]))
        return given, StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[Iterable[ShardRows], bool]:
        """Store all rows again where the online store is another one by now."""
        view = self._view
        if view is None or not self._is_other_store():
            return [], StatefulBatchLogic.RETAIN
        return [self._give(view, self._all_rows(view))], StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """Return when to look at the online store again."""
        return datetime.now(UTC) + LOOK if self._watch and self._view else None

    def snapshot(self) -> Saved:
        """Return the state for recovery, with its arrays in files where there is a folder for them; a full disk is waited for."""
        if self._view is None:
            assert self._saved is not None  # else Bytewax would not have woken this
            return self._saved
        parts = self._view.save(partial(persist, self._outage))
        number, reached, settled = self._generation.number, dict(self._reached), dict(self._settled)
        return Saved(self._shard, number, parts, reached, settled, self._frontier, self._store)

    def _give(
        self,
        view: ViewParts,
        rows: pa.Table | None,
        events: int = 0,
        held: Mapping[str, int] | None = None,
        replaces: int | None = None,
    ) -> ShardRows:
        complete = min(self._frontier, self._complete) if view.doubtful else self._frontier
        return ShardRows(self._plan.view, self._shard, complete, view.frontier, rows, events, held or {}, replaces)

    def _is_other_store(self) -> bool:
        return self._watch is not None and self._watch.current != self._store

    def _all_rows(self, view: ViewParts) -> pa.Table | None:
        rows = view.newest()
        if self._watch is not None:
            self._store = self._watch.current
            self._watch.tell(self._plan.view, self._shard, 0 if rows is None else len(rows))
        return rows
