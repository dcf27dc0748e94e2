"""The calls of a soak: the reader, the writer, a reader behind a cache and Feast's own call through the plug-in, in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.online_store import PLUGIN, START, build_store, build_table, declare, keys_of
from stores.cache.reader import CachedReader
from stores.cells.layout import layout_of
from stores.online import find_room, open_room

ENTITIES: Final = 2_000
"""Enough that a write of all of them goes in several blocks, through threads."""

TURNS: Final = ("reader",) * 90 + ("cache",) * 90 + ("writer",) * 17 + ("plug-in",) * 2 + ("bulk",)
"""Of two hundred calls; spread, so that each follows each."""

TIMEOUT_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls by number.

    Attributes:
        call: Makes the call of a number.
        stats: Return what the stores say of themselves.
    """

    call: Callable[[int], Any]
    stats: Callable[[], Mapping[str, Any]]


@contextmanager
def open_calls(address: str, folder: Path) -> Iterator[Calls]:
    """Open stores on a Redis, and declare two views in a folder."""
    feast = build_store(folder, address, PLUGIN)
    feast.apply(declare(folder))
    views = [feast.get_feature_view(name) for name in ("customer", "terminal")]
    layouts = [layout_of(view, feast.config) for view in views]
    room = open_room(*find_room(feast.config.online_store), TIMEOUT_S, True)
    reader, writer = room.reader(layouts), room.writer(layouts[0])
    cache = CachedReader(room.reader, [replace(one, cache_us=2_000_000) for one in layouts], 2_000_000)
    table = build_table(views[0], ENTITIES, START)
    small = [table.slice(start, 3) for start in range(0, 30, 3)]
    asked = [_entities(size, seed) for seed in range(25) for size in (1, 1, 1, 1, 1, 1, 1, 30)]
    references = [f"{view.name}:{feature.name}" for view in views for feature in view.features]
    now = int(START.timestamp() * 1e6)
    online: Any = feast._get_provider().online_store

    kinds: dict[str, Callable[[int], Any]] = {
        "reader": lambda number: reader.read(asked[number % len(asked)], now),
        "cache": lambda number: cache.read(asked[number % len(asked)], now),
        "writer": lambda number: writer.write(small[number % len(small)], "event_timestamp"),
        "plug-in": lambda number: feast.get_online_features(references, asked[number % len(asked)]),
        "bulk": lambda _: writer.write(table, "event_timestamp"),
    }

    def call(number: int) -> Any:
        return kinds[TURNS[number * 37 % len(TURNS)]](number // len(TURNS) + number)

    def stats() -> Mapping[str, Any]:
        return {"store": room.stats(), "plug-in": online.stats(), "cache": asdict(cache.stats())}

    yield Calls(call, stats)


def _entities(size: int, seed: int) -> dict[str, list[Any]]:
    numbers = np.random.default_rng(seed).integers(0, 2 * ENTITIES, size)  # half of them are not there
    return {name: keys_of(name, numbers) for name in ("customer_id", "terminal_id")}
