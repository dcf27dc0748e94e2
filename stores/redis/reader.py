"""Reads many entities' features from Redis in one round trip, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from redis.exceptions import ResponseError

from stores.cells.entity_keys import EntityKeyEncoder, Values
from stores.cells.layout import ViewLayout
from stores.cells.reading import Reading
from stores.cells.view_decoding import Columns, ViewDecoder
from stores.redis.connection import Client
from stores.redis.hash_fields import Asked, Cells, HashFields
from stores.redis.reads import Reads, reads_of


@dataclass(frozen=True, slots=True)
class _SharedKey:
    """Views whose rows lie in the same hash: same project, same join keys, these under the same names."""

    keys: EntityKeyEncoder
    columns: tuple[tuple[str, str], ...]
    views: tuple[ViewLayout, ...]
    fields: HashFields
    width: int


class OnlineReader:
    """Reads the rows of several feature views.

    Args:
        client: Redis, from `stores.redis.connection.connect`, or what sends reads to it. Thread-safe, and so is the reader.
        layouts: The views, with unique names or aliases.
    """

    def __init__(self, client: Client | Reads, layouts: Sequence[ViewLayout]) -> None:
        self._reads = reads_of(client)
        groups: dict[tuple[str, tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]], list[ViewLayout]] = {}
        for layout in layouts:
            named = dict(layout.key_columns)
            columns = tuple(sorted((key, named.get(key, key)) for key, _ in layout.join_keys))
            groups.setdefault((layout.project, tuple(sorted(layout.join_keys)), columns), []).append(layout)
        self._groups = [
            _shared_key(EntityKeyEncoder(project, join_keys), columns, views)
            for (project, join_keys, columns), views in groups.items()
        ]
        self._decoder = ViewDecoder([layout for group in self._groups for layout in group.views])

    def read(self, join_values: Mapping[str, Values], as_of_us: int | npt.NDArray[np.int64] | None = None) -> Reading:
        """Read the newest rows of all views for n requests.

        One command per distinct entity key, all in one round trip. A null join key (None, NaN) is an entity never seen.

        Args:
            join_values: Per join key, one value per request.
            as_of_us: The time of the requests, int64 microseconds UTC, one for all or shape (n,). A row holds while
                `event_timestamp >= as_of - ttl`, the same bound as the offline join (rule 9). None applies no ttl.

        Raises:
            OnlineStoreUnavailable: Redis does not answer.
            EntityKeyError: A join key is absent or does not fit its type.
            StoredTypeMismatchError: Redis holds another type than a view declares.
        """
        asked: list[tuple[_SharedKey, list[bytes | None], dict[bytes, int], Asked]] = []
        unique: list[bytes] = []
        packed: list[bytes] = []
        for group in self._groups:
            keys = group.keys.encode({key: join_values[name] for key, name in group.columns if name in join_values})
            positions = {key: row for row, key in enumerate(dict.fromkeys(keys)) if key is not None}
            if None in keys:
                positions = {key: row for row, key in enumerate(positions)}
            commands = group.fields.ask(list(positions))
            asked.append((group, keys, positions, commands))
            unique += positions
            packed += commands.packed
        replies = self._reads.exchange(unique, packed)
        _raise_refused(replies)
        views: list[Columns] = []
        start = 0
        for group, keys, positions, commands in asked:
            found = group.fields.cells(replies[start : start + len(positions)], commands)
            start += len(positions)
            if len(positions) < len(keys):
                nothing: Cells = (None,) * group.width
                found = [nothing if key is None else found[positions[key]] for key in keys]
            columns: Columns = list(zip(*found, strict=True)) if found else [()] * group.width
            for layout in group.views:
                width = 1 + len(layout.features)
                views.append(columns[:width])
                columns = columns[width:]
        return self._decoder.decode(views, as_of_us)


def _shared_key(
    keys: EntityKeyEncoder, columns: tuple[tuple[str, str], ...], views: Sequence[ViewLayout]
) -> _SharedKey:
    fields = tuple(chain(*map(_fields, views)))
    return _SharedKey(keys, columns, tuple(views), HashFields(fields), len(fields))


def _fields(layout: ViewLayout) -> list[bytes]:
    return [layout.timestamp_field, *map(layout.feature_field, layout.feature_names)]


def _raise_refused(replies: Sequence[Any]) -> None:
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise reply
