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

from stores.cells.blocks import ByteBlock, beside, repeated
from stores.redis.connection import Client, address_of, unavailable
from stores.redis.exchange import exchange
from stores.redis.msgpack import packed_block, packed_string
from stores.redis.resp import bulk, bulk_block

# One call holds Redis for about a millisecond, the longest a reader waits behind it.
ROWS_PER_CALL = 128
_SCRIPT = Path(__file__).with_name("monotonic.lua").read_text()
_PASSING = (
    "OOM",
    "LOADING",
    "READONLY",
    "MISCONF",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "NOREPLICAS",
    "BUSY",
)  # may be well again
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


@dataclass(frozen=True, slots=True)
class PackedRows:
    """Script calls that write rows, in the Redis protocol.

    Attributes:
        keys: A key of each call.
        calls: The calls.
    """

    keys: Sequence[bytes]
    calls: Sequence[bytes]


def write_rows(client: Client, rows: EncodedRows, key_ttl_seconds: int = 0) -> int:
    """Write rows: `pack_rows`, then `send_rows`."""
    return send_rows(client, pack_rows(client, rows, key_ttl_seconds))


def pack_rows(client: Client, rows: EncodedRows, key_ttl_seconds: int = 0) -> PackedRows:
    """Pack rows into script calls.

    Args:
        client: Redis; its kind decides which rows share a call.
        rows: The rows; at least one.
        key_ttl_seconds: Seconds until the whole key expires, counted anew by each write; 0 for never.
    """
    names = [packed_string(field) for field in rows.fields[1:]]
    values = [
        b"".join(chain.from_iterable((name, packed_string(cell)) for name, cell in zip(names, cells, strict=True)))
        for cells in (zip(*rows.columns[1:], strict=True) if names else [()] * len(rows.keys))
    ]
    keys, calls = [], []
    for group in _groups(client, rows.keys):
        own = [rows.keys[row] for row in group]
        cells = chain.from_iterable((rows.columns[0][row], values[row]) for row in group)
        arguments: tuple[Any, ...] = ("EVALSHA", _SHA, len(own), *own, key_ttl_seconds, rows.fields[0], *cells)
        keys.append(own[0])
        calls.append(hiredis.pack_command(arguments))
    return PackedRows(keys, calls)


def pack_blocks(
    keys: ByteBlock, fields: Sequence[bytes], columns: Sequence[ByteBlock], key_ttl_seconds: int = 0
) -> PackedRows:
    """Pack rows like `pack_rows`, for a single node and without one Python object per cell.

    Args:
        keys: Redis keys, each at most once.
        fields: Hash field names; the event time's first.
        columns: The cells, one block per field.
        key_ttl_seconds: As for `pack_rows`.
    """
    names, name_bounds = bulk_block(keys).joined()
    pairs = [
        beside(repeated(packed_string(f), keys.rows), packed_block(c))
        for f, c in zip(fields[1:], columns[1:], strict=True)
    ]
    values = beside(*pairs) if pairs else repeated(b"", keys.rows)
    cells, cell_bounds = beside(bulk_block(columns[0]), bulk_block(values)).joined()
    constants = bulk(b"%d" % key_ttl_seconds) + bulk(fields[0])
    first, calls = [], []
    key_bytes, key_bounds = keys.joined()
    for start in range(0, keys.rows, ROWS_PER_CALL):
        stop = min(start + ROWS_PER_CALL, keys.rows)
        count = stop - start
        head = b"*%d\r\n%b%b%b" % (5 + 3 * count, bulk(b"EVALSHA"), bulk(_SHA.encode()), bulk(b"%d" % count))
        own_names = names[name_bounds[start] : name_bounds[stop]]
        calls.append(b"".join([head, own_names, constants, cells[cell_bounds[start] : cell_bounds[stop]]]))
        first.append(key_bytes[key_bounds[start] : key_bounds[start + 1]])
    return PackedRows(first, calls)


def send_rows(client: Client, rows: PackedRows) -> int:
    """Write rows, each only if Redis holds none newer; an equal event time is written, as a correction.

    Args:
        client: Redis, not a read-only replica.
        rows: The rows; writing them again changes nothing.

    Returns:
        How many rows were refused because a newer one is stored.

    Raises:
        OnlineStoreUnavailable: Redis does not answer, or cannot write now: it is full, loading, or a replica.
        redis.ResponseError: Redis refused the write.
    """
    replies = exchange(client, rows.keys, rows.calls)
    forgotten = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if forgotten:  # a fresh server, a failover or SCRIPT FLUSH
        client.script_load(_SCRIPT)
        again = exchange(client, [rows.keys[i] for i in forgotten], [rows.calls[i] for i in forgotten])
        for index, reply in zip(forgotten, again, strict=True):
            replies[index] = reply
    for reply in replies:
        if isinstance(reply, ResponseError):
            if str(reply).split(" ", 1)[0] in _PASSING:
                raise unavailable(address_of(client), reply) from reply
            raise reply
    return sum(replies)


def _groups(client: Client, keys: Sequence[bytes]) -> Iterator[Sequence[int]]:
    """Divide rows among calls: any rows on a single node, those of one hash slot in a cluster."""
    slots: dict[int, list[int]] = defaultdict(list)
    if isinstance(client, RedisCluster):
        keyslot: Any = client.keyslot
        for row, key in enumerate(keys):
            slots[keyslot(key)].append(row)
    else:
        slots[0] = list(range(len(keys)))
    for rows in slots.values():
        for start in range(0, len(rows), ROWS_PER_CALL):
            yield rows[start : start + ROWS_PER_CALL]
