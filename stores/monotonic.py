"""Writes encoded rows so that an older row never overwrites a newer one, whoever writes.

The comparison is made inside Redis, by `monotonic.lua`: reading the old time first and then writing would let two
writers race between the two. Rows travel many to a script call; a cluster wants the keys of a call in one hash slot.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import hiredis
from redis.cluster import RedisCluster
from redis.exceptions import NoScriptError, ResponseError

from stores.connection import Client
from stores.exchange import exchange

# One call holds Redis for about a millisecond, the longest a reader waits behind it.
ROWS_PER_CALL = 128
_SCRIPT = Path(__file__).with_name("monotonic.lua").read_text()
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class EncodedRows:
    """Rows of one view, ready for Redis.

    Attributes:
        keys: Redis keys, each at most once.
        fields: Hash field names; the event time's first.
        columns: One column of cells per field; each as long as `keys`.
    """

    keys: Sequence[bytes]
    fields: Sequence[bytes]
    columns: Sequence[Sequence[bytes]]


def write_rows(client: Client, rows: EncodedRows, key_ttl_seconds: int = 0) -> int:
    """Writes rows, each only if Redis holds none newer; an equal event time is written, as a correction.

    Args:
        client: Redis, not a read-only replica.
        rows: The rows; writing them again changes nothing.
        key_ttl_seconds: Seconds until the whole key expires, counted anew by each write; 0 for never.

    Returns:
        How many rows were refused because a newer one is stored.

    Raises:
        OnlineStoreUnavailable: Redis does not answer.
        redis.ResponseError: Redis refused the write, for example for lack of memory.
    """
    calls = list(_calls(client, rows, key_ttl_seconds))
    keys, packed = [key for key, _ in calls], [command for _, command in calls]
    replies = exchange(client, keys, packed)
    forgotten = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if forgotten:  # a fresh server, a failover or SCRIPT FLUSH
        client.script_load(_SCRIPT)
        again = exchange(client, [keys[index] for index in forgotten], [packed[index] for index in forgotten])
        for index, reply in zip(forgotten, again, strict=True):
            replies[index] = reply
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise reply
    return sum(replies)


def _calls(client: Client, rows: EncodedRows, key_ttl_seconds: int) -> Iterator[tuple[bytes, bytes]]:
    """Packs the script calls; yields a key of each with it."""
    width = len(rows.fields)
    if isinstance(client, RedisCluster):
        cells = list(zip(*rows.columns, strict=True))
        for group in _same_slot(client, rows.keys):
            flat = chain.from_iterable(cells[row] for row in group)
            yield _pack([rows.keys[row] for row in group], rows.fields, list(flat), key_ttl_seconds)
        return
    flat_cells = list(chain.from_iterable(zip(*rows.columns, strict=True)))
    for start in range(0, len(rows.keys), ROWS_PER_CALL):
        keys = rows.keys[start : start + ROWS_PER_CALL]
        yield _pack(keys, rows.fields, flat_cells[start * width : (start + len(keys)) * width], key_ttl_seconds)


def _pack(
    keys: Sequence[bytes], fields: Sequence[bytes], cells: list[bytes], key_ttl_seconds: int
) -> tuple[bytes, bytes]:
    arguments: tuple[Any, ...] = ("EVALSHA", _SHA, len(keys), *keys, len(fields), key_ttl_seconds, *fields, *cells)
    return keys[0], hiredis.pack_command(arguments)


def _same_slot(cluster: RedisCluster, keys: Sequence[bytes]) -> Iterator[list[int]]:
    slots: dict[int, list[int]] = defaultdict(list)
    keyslot: Any = cluster.keyslot
    for row, key in enumerate(keys):
        slots[keyslot(key)].append(row)
    for group in slots.values():
        for start in range(0, len(group), ROWS_PER_CALL):
            yield group[start : start + ROWS_PER_CALL]
