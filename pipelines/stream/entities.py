"""Numbers for entities: the columnar state works on integers, the join keys are kept beside."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipelines.arrange import number_entities
from pipelines.semantics.events import Times


class EntityNumbers:
    """Gives every entity a number, in the order in which they are first seen."""

    def __init__(self, keys: tuple[str, ...], known: pa.Table | None = None) -> None:
        """Start with the entities of a snapshot, or none."""
        self.keys = keys
        self._tables = [known] if known is not None and len(known) else []
        self._numbers: dict[tuple[object, ...], int] = {}
        if known is not None:
            self._numbers = {key: number for number, key in enumerate(_tuples(known))}

    def number(self, table: pa.Table) -> Times:
        """Return the number of each row's entity; unseen ones get the next."""
        local, entities = number_entities(table, self.keys)
        numbers = np.empty(len(entities), np.int64)
        fresh = []
        for row, key in enumerate(_tuples(entities)):
            number = self._numbers.get(key)
            if number is None:
                number = self._numbers[key] = len(self._numbers)
                fresh.append(row)
            numbers[row] = number
        if fresh:
            self._tables.append(entities.take(pa.array(fresh)))
        return numbers[local]

    def table(self) -> pa.Table | None:
        """Return the join keys of all entities, in the order of their numbers; None before the first."""
        if not self._tables:
            return None
        if len(self._tables) > 1:
            self._tables = [pa.concat_tables(self._tables).combine_chunks()]
        return self._tables[0]


def _tuples(table: pa.Table) -> zip[tuple[object, ...]]:
    return zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
