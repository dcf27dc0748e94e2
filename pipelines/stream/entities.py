"""Numbers for entities: the state works on integers, the join keys are kept beside."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipelines.semantics.rows import Times
from workspace.compiled import compiled


class EntityNumbers:
    """Gives every entity a number, in the order in which they are first seen."""

    def __init__(self, keys: tuple[str, ...], known: pa.Table | None = None) -> None:
        """Start with the entities of a snapshot, or none."""
        self.keys = keys
        self._tables: list[pa.Table] = []
        self._count = 0
        self._numbers: dict[tuple[object, ...], int] = {}
        self._places = np.full((64, 2), -1, np.int64)
        if known is not None and len(known):
            self.number(known)

    def __len__(self) -> int:
        """Return how many entities there are."""
        return self._count

    def number(self, table: pa.Table) -> Times:
        """Return the number of each row's entity; unseen ones get the next."""
        columns = [table[name].combine_chunks() for name in self.keys]
        columns = [pa.concat_arrays(c.chunks) if isinstance(c, pa.ChunkedArray) else c for c in columns]
        if len(columns) == 1 and pa.types.is_integer(columns[0].type):
            numbers, fresh = self._number_integers(columns[0].cast(pa.int64()).to_numpy(zero_copy_only=False))
        else:
            numbers, fresh = self._number_others(columns)
        if len(fresh):
            self._tables.append(table.select(list(self.keys)).take(pa.array(fresh)).combine_chunks())
            self._count += len(fresh)
        return numbers

    def table(self) -> pa.Table | None:
        """Return the join keys of all entities, in the order of their numbers; None before the first."""
        if not self._tables:
            return None
        if len(self._tables) > 1:
            self._tables = [pa.concat_tables(self._tables).combine_chunks()]
        return self._tables[0]

    def _number_integers(self, keys: Times) -> tuple[Times, Times]:
        if (self._count + len(keys)) * 5 > len(self._places) * 3:
            bigger = np.full((1 << int(np.ceil(np.log2((self._count + len(keys)) * 2.5 + 64))), 2), -1, np.int64)
            kept = self._places[self._places[:, 1] >= 0]
            kept = kept[np.argsort(kept[:, 1])]
            _number(bigger, kept[:, 0].copy(), 0, np.empty(len(kept), np.int64), np.empty(len(kept), np.int64))
            self._places = bigger
        numbers, fresh = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
        count = _number(self._places, keys, self._count, numbers, fresh)
        return numbers, fresh[: count - self._count]

    def _number_others(self, columns: list[pa.Array]) -> tuple[Times, Times]:
        local = np.zeros(len(columns[0]), np.int64)
        for column in columns:
            codes = column.dictionary_encode()
            local = local * max(len(codes.dictionary), 1) + codes.indices.to_numpy(zero_copy_only=False)
        _, first, inverse = np.unique(local, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")  # in the order of their first row, as integers are
        keys = zip(*(column.take(pa.array(first[order])).to_pylist() for column in columns), strict=True)
        numbers, fresh = np.empty(len(first), np.int64), []
        for place, key in zip(order.tolist(), keys, strict=True):
            number = self._numbers.get(key)
            if number is None:
                number = self._numbers[key] = len(self._numbers)
                fresh.append(int(first[place]))
            numbers[place] = number
        return numbers[inverse], np.array(fresh, np.int64)


@compiled
def _number(places: Times, keys: Times, count: int, numbers: Times, fresh: Times) -> int:
    """Find each key's number among `places`, (key, number) by hash, or give it the next; note the rows of unseen keys."""
    size, before = len(places), count
    for i in range(len(keys)):
        mixed = np.uint64(keys[i]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)
        at = np.int64(mixed & np.uint64(size - 1))
        while places[at, 1] >= 0 and places[at, 0] != keys[i]:
            at = (at + 1) & (size - 1)
        if places[at, 1] < 0:
            places[at, 0], places[at, 1] = keys[i], count
            fresh[count - before] = i
            count += 1
        numbers[i] = places[at, 1]
    return count
