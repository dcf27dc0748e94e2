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

import numpy as np
import numpy.typing as npt
from redis.cluster import RedisCluster
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from stores.cells.cell_columns import Strings, strings_of
from stores.cells.timestamps import encode_timestamp
from stores.redis.calls import bulk, bulk_call
from stores.redis.connection import Client, address_of, unavailable
from stores.redis.exchange import Acknowledged, exchange

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
_PASSING_ERRORS = (
    OutOfMemoryError,
    ReadOnlyError,
    MasterDownError,
    ClusterDownError,
)  # these words redis-py takes out of the text
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()

_FIXSTR, _STR16, _STR32 = 0xA0, 0xDA, 0xDB
_SHORT, _MIDDLE = 1 << 5, 1 << 16


@dataclass(frozen=True, slots=True)
class EncodedRows:
    """Rows of one view, each cell encoded by itself.

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


def write_rows(
    client: Client, rows: EncodedRows, key_ttl_seconds: int = 0, acknowledged: Acknowledged | None = None
) -> int:
    """Write rows of one view: pack them, then `send_rows`."""
    names = [packed_string(field) for field in rows.fields]
    packed = [
        b"".join(chain.from_iterable((name, packed_string(cell)) for name, cell in zip(names, cells, strict=True)))
        for cells in zip(*rows.columns, strict=True)
    ]
    views = [(rows.fields[0], len(rows.fields) - 1)]
    calls = pack_rows(client, strings_of(list(rows.keys)), strings_of(packed), views, key_ttl_seconds)
    return send_rows(client, calls, acknowledged)


def pack_rows(
    client: Client,
    keys: Strings,
    rows: Strings,
    views: Sequence[tuple[bytes, int]],
    key_ttl_seconds: int = 0,
    replace_until: int | None = None,
) -> PackedRows:
    """Pack rows into script calls.

    Args:
        client: Redis; its kind decides which rows share a call.
        keys: Redis keys, each at most once.
        rows: What the script takes of each row: names and cells as MessagePack strings, event times first.
        views: Of each view that all rows are of, the field of its event time, and how many features follow.
        key_ttl_seconds: Seconds until the whole key expires, counted anew by each write; 0 for never.
        replace_until: Microseconds: stored rows of until then are replaced even by older ones; None for none.
    """
    replaced = b"" if replace_until is None else encode_timestamp(replace_until)
    arguments = [b"%d" % key_ttl_seconds, replaced, b"%d" % len(views)]
    for field, features in views:
        arguments += [field, b"%d" % (2 * features)]
    constants = b"".join(map(bulk, arguments))
    first, calls = [], []
    for order in _groups(client, keys, max(ROWS_PER_CALL // len(views), 1)):
        count = len(order)
        head = b"*%d\r\n%b%b%b" % (
            4 + count + len(arguments), bulk(b"EVALSHA"), bulk(_SHA.encode()), bulk(b"%d" % count)
        )  # fmt: skip
        calls.append(bulk_call(head, keys, constants, rows, order))
        first.append(keys.data[keys.bounds[order[0]] : keys.bounds[order[0] + 1]].tobytes())
    return PackedRows(first, calls)


def send_rows(client: Client, rows: PackedRows, acknowledged: Acknowledged | None = None) -> int:
    """Write rows, each only if Redis holds none newer; an equal event time is written, as a correction.

    Args:
        client: Redis, not a read-only replica.
        rows: The rows; writing them again changes nothing.
        acknowledged: Which replicas must have them; None for none.

    Returns:
        How many rows were refused because a newer one is stored.

    Raises:
        OnlineStoreUnavailable: Redis does not answer, or cannot write now: it is full, loading, or a replica; or
            too few replicas acknowledge.
        redis.ResponseError: Redis refused the write.
    """
    replies = exchange(client, rows.keys, rows.calls, acknowledged=acknowledged)
    forgotten = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if forgotten:  # a fresh server, a failover or SCRIPT FLUSH
        client.script_load(_SCRIPT)
        some_keys, some = [rows.keys[i] for i in forgotten], [rows.calls[i] for i in forgotten]
        again = exchange(client, some_keys, some, acknowledged=acknowledged)
        for index, reply in zip(forgotten, again, strict=True):
            replies[index] = reply
    for reply in replies:
        if isinstance(reply, ResponseError):
            if isinstance(reply, _PASSING_ERRORS) or _may_pass(str(reply)):
                raise unavailable(address_of(client), reply) from reply
            raise reply
    return sum(replies)


def packed_string(content: bytes) -> bytes:
    """Pack one byte string as MessagePack, the form in which the script takes a row's fields.

    Source: https://github.com/msgpack/msgpack/blob/master/spec.md#str-format-family.

    >>> packed_string(b"ab")
    b'\\xa2ab'
    """
    length = len(content)
    if length < _SHORT:
        return bytes((_FIXSTR | length,)) + content
    if length < _MIDDLE:
        return bytes((_STR16,)) + length.to_bytes(2, "big") + content
    return bytes((_STR32,)) + length.to_bytes(4, "big") + content


def _may_pass(error: str) -> bool:
    """Say whether what Redis refused may be well again; before version 7 a script's own error is inside another.

    >>> _may_pass("OOM command not allowed"), _may_pass("Error running script (call to f_1): @user_script: 84: -OOM no")
    (True, True)
    >>> _may_pass("WRONGTYPE Operation against a key"), _may_pass("ERR no such OOM")
    (False, False)
    """
    return error.split(" ", 1)[0] in _PASSING or any(f"-{word} " in error for word in _PASSING)


def _groups(client: Client, keys: Strings, most: int) -> Iterator[npt.NDArray[np.int64]]:
    """Divide rows among calls: any rows on a single node, those of one hash slot in a cluster."""
    slots: dict[int, Sequence[int]] = {0: range(len(keys))}
    if isinstance(client, RedisCluster):
        keyslot: Any = client.keyslot
        by_slot: dict[int, list[int]] = defaultdict(list)
        for row, key in enumerate(keys.to_list()):
            by_slot[keyslot(key)].append(row)
        slots = dict(by_slot)
    for rows in slots.values():
        for start in range(0, len(rows), most):
            yield np.asarray(rows[start : start + most], np.int64)
