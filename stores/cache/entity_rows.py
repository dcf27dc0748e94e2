"""Keeps the rows of the entities that were asked for last, in no more than a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from stores.cache.rows import Index, Rows
from stores.cells.layout import ViewLayout

KEY_BYTES: Final = 240
"""What a key costs beside its text: the bytes object, its place in the ordered dict, and the number of its row."""

_FIRST: Final = 256


class EntityRows:
    """Rows by entity key; the one that was not asked for longest goes first. Not thread-safe.

    Args:
        layouts: The views that a row is of.
        max_bytes: How many bytes all rows and keys may take; growing takes half as much again for a moment.
    """

    def __init__(self, layouts: Sequence[ViewLayout], max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._slots: OrderedDict[bytes, int] = OrderedDict()
        self._free: list[int] = []
        self._rows = Rows(layouts, 0)
        self._row_bytes = self._rows.row_bytes + 16  # and when it was read, and its weight
        self._capacity = max_bytes // (self._row_bytes + KEY_BYTES)
        self._read_at = np.zeros(0)
        self._weights = np.zeros(0, np.int64)
        self._weight = 0
        self.evictions = 0

    def __len__(self) -> int:
        """Return how many entities there are."""
        return len(self._slots)

    @property
    def held_bytes(self) -> int:
        """The bytes held, of rows not in use as well."""
        return len(self._read_at) * self._row_bytes + self._weight

    def empty(self, size: int) -> Rows:
        """Return rows of the same views, all NOT_FOUND."""
        return self._rows.alike(size)

    def find(self, keys: Sequence[bytes]) -> tuple[Index, npt.NDArray[np.float64]]:
        """Return the row of each key, -1 for none, and when it was read, seconds, -inf for never."""
        slots = np.fromiter((self._slots.get(key, -1) for key in keys), np.int64, len(keys))
        read_at = np.full(len(keys), -np.inf)
        known = slots >= 0
        read_at[known] = self._read_at[slots[known]]
        return slots, read_at

    def copy_to(self, out: Rows, at: Index, keys: Sequence[bytes], slots: Index) -> None:
        """Put found rows into `out`, and note that they were asked for."""
        out.put(at, self._rows, slots)
        for key in keys:
            self._slots.move_to_end(key)

    def keep(self, keys: Sequence[bytes], rows: Rows, chosen: Sequence[int], read_at: float) -> None:
        """Keep the chosen of some rows; one that was read later than these stays as it is."""
        weights, kept = rows.object_bytes().tolist(), {}
        for row in chosen:
            key, weight = keys[row], weights[row] + KEY_BYTES + len(keys[row])
            slot = self._slots.get(key, -1)
            if slot >= 0 and self._read_at[slot] > read_at:
                continue
            if slot >= 0:
                self._drop(key)
            slot = self._make_room(weight)
            if slot < 0:
                continue
            self._read_at[slot], self._weights[slot] = read_at, weight
            self._weight += weight
            self._slots[key] = slot
            kept[slot] = row  # one that had to go again has left its place to another, or is not there any more
        kept = {slot: row for slot, row in kept.items() if self._slots.get(keys[row]) == slot}
        if kept:
            self._rows.put(np.array(list(kept)), rows, np.array(list(kept.values())))

    def _make_room(self, weight: int) -> int:
        """Return a free row, -1 if a row of this weight never fits."""
        if not self._free and len(self._read_at) < self._capacity:
            self._grow()
        while self._slots and (not self._free or self.held_bytes + weight > self._max_bytes):
            self._drop(next(iter(self._slots)))
            self.evictions += 1
        return self._free.pop() if self._free and self.held_bytes + weight <= self._max_bytes else -1

    def _grow(self) -> None:
        old = len(self._read_at)
        room = (self._max_bytes - self.held_bytes) // (self._row_bytes + KEY_BYTES)
        size = old + min(max(old, _FIRST), self._capacity - old, room)
        if size == old:
            return
        rows = self._rows.alike(size)
        rows.put(np.arange(old), self._rows, np.arange(old))
        self._rows = rows
        self._read_at, self._weights = np.resize(self._read_at, size), np.resize(self._weights, size)
        self._free += range(old, size)

    def _drop(self, key: bytes) -> None:
        slot = self._slots.pop(key)
        self._rows.clear(slot)
        self._weight -= int(self._weights[slot])
        self._free.append(slot)
