"""Lets a stream go on with another number of shards: what the old ones held is shared out among the new ones.

A generation is a time during which the number is the same. When it changes, the state that a restart would go on from is
read through Bytewax itself, from a copy of its recovery store, and noted for the new shards, which take from it what is theirs.
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from pipelines.stream.view_parts import SavedPart, Ways, add_way
from workspace.files import write_whole

FLOW: Final = "millrace"
_FILE: Final = "generation"


class RescaleError(ValueError):
    """A state that cannot be shared out anew."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What one shard of a view keeps for recovery: plain data, safe to pickle.

    Attributes:
        shard: Which shard it is.
        generation: Of which generation.
        parts: The state.
        reached: The latest time of each partition heard of, microseconds.
        settled: The earliest event time that each of them may still give, microseconds.
        frontier: The instant, microseconds, up to which nothing is missing.
        store: The online store that has the rows.
    """

    shard: int
    generation: int
    parts: tuple[SavedPart, ...]
    reached: dict[int, int]
    settled: dict[int, int]
    frontier: int
    store: str = ""


@dataclass(frozen=True, slots=True)
class Generation:
    """A number of shards, and what those before it held.

    Attributes:
        number: Counts them.
        shards: How many shards there are; 0 where nobody knows.
        carried: By view, the shards of the generation before.
        most: How many shards there have been at most.
    """

    number: int = 0
    shards: int = 0
    carried: dict[str, list[Saved]] = field(default_factory=dict)
    most: int = 0

    def resumed(self, view: str, shard: int, saved: Saved | None) -> Saved | None:
        """Return what a shard goes on from: its own, what it takes over from the generation before, or nothing."""
        if saved is not None and saved.generation == self.number:
            return saved
        old = self.carried.get(view, [])
        if not old:
            return None
        parts = tuple(
            SavedPart(ways, part.view, part.kept, part.folder)
            for one in old
            for part in one.parts
            if (ways := add_way(part.ways, self.shards, shard)) is not None
        )
        reached, settled = ({p: t for one in old for p, t in getattr(one, n).items()} for n in ("reached", "settled"))
        stores = {one.store for one in old}
        store = stores.pop() if len(stores) == 1 else ""
        return Saved(shard, self.number, parts, reached, settled, min(one.frontier for one in old), store)


def read_generation(snapshots: Path | None) -> Generation:
    """Return the generation of a stream's state."""
    if snapshots is None or not (snapshots / _FILE).is_file():
        return Generation()
    found: Generation = pickle.loads((snapshots / _FILE).read_bytes())
    return found


def rescale(
    recovery: Path, snapshots: Path, views: Callable[[], Sequence[str]], shards: int, say: Callable[[str], None]
) -> None:
    """See to it that a stream may go on with so many shards; where it had as many before, nothing changes.

    Args:
        recovery: Bytewax's recovery store; nobody uses it now.
        snapshots: Where the arrays of the state are.
        views: Names the stream views; asked only where the number changes.
        shards: Parts that each view's entities are cut into from now on.
        say: Tells a line.

    Raises:
        RescaleError: Some shard of a view is not there.
    """
    now = read_generation(snapshots)
    if now.shards == shards:
        return
    carried: dict[str, list[Saved]] = {}
    if now.shards:
        found = read_saved(recovery, views())
        for view in found:
            kept = [now.resumed(view, s, found.get(view, {}).get(s)) for s in range(now.shards)]
            there = [one for one in kept if one is not None]
            if there and len(there) < now.shards:
                raise RescaleError(
                    f"{view}: {now.shards - len(there)} of {now.shards} shards have not begun, so they cannot be shared out"
                    f" among {shards}; start once more with SHARDS={now.shards}, or with FRESH=1."
                )
            carried[view] = there
        say(f"{now.shards} shards become {shards}; what they hold is shared out anew")
    snapshots.mkdir(parents=True, exist_ok=True)
    number = now.number + 1 if now.shards else 0
    new = Generation(number, shards, carried, max(now.most, shards))
    write_whole(snapshots / _FILE, pickle.dumps(new))
    if now.shards:
        used = {part.folder for those in carried.values() for one in those for part in one.parts}
        for folder in snapshots.iterdir():
            if folder.is_dir() and folder.name not in used:
                shutil.rmtree(folder)


def read_saved(recovery: Path, views: Sequence[str]) -> dict[str, dict[int, Saved]]:
    """Return what a restart would go on from, by view and shard."""
    from bytewax.recovery import RecoveryConfig
    from bytewax.testing import run_main

    found: dict[str, dict[int, Saved]] = {view: {} for view in views}
    flow = Dataflow(FLOW)
    nothing = op.input("nothing", flow, _Nothing())
    kept = [op.stateful_batch(view, nothing, _collecting(found[view])) for view in views]
    op.output("nowhere", op.merge("all", *kept), _Nowhere())
    with tempfile.TemporaryDirectory() as folder:
        for file in recovery.glob("*"):
            if file.is_file():
                shutil.copy(file, folder)
        run_main(flow, recovery_config=RecoveryConfig(folder))  # type: ignore[no-untyped-call]
    return found


def first_ways(shards: int, shard: int) -> Ways:
    """Return the ways of a shard that begins empty."""
    return add_way((), shards, shard) or ()


def _collecting(found: dict[int, Saved]) -> Callable[[Saved | None], _Keeper]:
    def keep(saved: Saved | None) -> _Keeper:
        if saved is not None:
            found[saved.shard] = saved
        return _Keeper(saved)

    return keep


class _Keeper(StatefulBatchLogic[Any, Any, Any]):
    def __init__(self, saved: Saved | None) -> None:
        self._saved = saved

    def on_batch(self, values: list[Any]) -> tuple[list[Any], bool]:
        return [], StatefulBatchLogic.RETAIN

    def snapshot(self) -> Saved | None:
        return self._saved


class _Ended(StatelessSourcePartition[Any]):
    def next_batch(self) -> list[Any]:
        raise StopIteration


class _Nothing(DynamicSource[Any]):
    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Ended:
        return _Ended()


class _Gone(StatelessSinkPartition[Any]):
    def write_batch(self, items: list[Any]) -> None:
        return


class _Nowhere(DynamicSink[Any]):
    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Gone:
        return _Gone()
