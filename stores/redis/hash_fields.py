"""Asks for some fields of many hashes in the way that costs the server least.

Redis keeps a small hash as one list and looks through it for each field that is named, so an HMGET of 50 fields of 51 takes it four
times as long as an HGETALL, and one of 250 fourteen times. A few fields are named; of many, the whole hash is taken, unless
it turns out to be mostly of other views, or to have a long value: then Redis keeps a table, and finds each name at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

WHOLE_FROM: Final = 16
"""Fields from which on a whole hash is cheaper."""

MOST_OTHERS: Final = 2
"""How many times the fields that are wanted a hash may have and still be taken whole."""

Cells = tuple[bytes | None, ...] | list[bytes | None]

LONG: Final = 64
"""Bytes of the longest value in a hash that is kept as a list: Redis's own `hash-max-listpack-value`."""

_ORDERS: Final = 64  # that are remembered: rows mostly have their fields in one


@dataclass(frozen=True, slots=True)
class Asked:
    """Commands for some hashes.

    Attributes:
        packed: One for each, in the Redis protocol.
        whole: Whether they ask for whole hashes.
    """

    packed: list[bytes]
    whole: bool


class HashFields:
    """Reads the same fields of hashes again and again. Thread-safe.

    Args:
        fields: Their names.
    """

    def __init__(self, fields: Sequence[bytes]) -> None:
        self._fields = tuple(fields)
        self._whole = len(fields) >= WHOLE_FROM
        self._picks: dict[tuple[bytes, ...], Callable[[list[Any]], tuple[bytes | None, ...]]] = {}

    def ask(self, keys: Sequence[bytes]) -> Asked:
        """Return the commands for some keys."""
        whole = self._whole
        return Asked(_pack_hgetall(keys) if whole else _pack_hmget(keys, self._fields), whole)

    def cells(self, replies: Sequence[Any], asked: Asked) -> list[Cells]:
        """Return the fields of each reply, None for one that is not there."""
        if not asked.whole:
            return list(replies)
        found: list[Cells] = [self._pick(reply) for reply in replies]
        if replies and self._should_name(replies[0]):
            self._whole = False
        return found

    def _should_name(self, reply: Any) -> bool:
        values = list(reply.values()) if isinstance(reply, dict) else reply
        most = len(self._fields) * MOST_OTHERS * (1 if values is not reply else 2)
        return len(values) > most or any([len(value) > LONG for value in values])

    def _pick(self, reply: Any) -> tuple[bytes | None, ...]:
        if isinstance(reply, dict):  # what RESP3 gives
            return tuple(map(reply.get, self._fields))
        order = tuple(reply[::2])
        pick = self._picks.get(order)
        if pick is None:
            if len(self._picks) >= _ORDERS:
                self._picks.clear()
            places = {name: 2 * number + 1 for number, name in enumerate(order)}
            pick = self._picks[order] = itemgetter(*[places.get(name, -1) for name in self._fields])
        return pick([*reply, None])


@lru_cache(maxsize=512)
def hash_fields(fields: tuple[bytes, ...]) -> HashFields:
    """Return the reader of some fields, the same one each time: it learns."""
    return HashFields(fields)


def _pack_hmget(keys: Sequence[bytes], fields: Sequence[bytes]) -> list[bytes]:
    head = b"*%d\r\n$5\r\nHMGET\r\n" % (2 + len(fields))
    return _pack(keys, head, b"".join([b"\r\n$%d\r\n%b" % (len(field), field) for field in fields]) + b"\r\n")


def _pack_hgetall(keys: Sequence[bytes]) -> list[bytes]:
    return _pack(keys, b"*2\r\n$7\r\nHGETALL\r\n", b"\r\n")


def _pack(keys: Sequence[bytes], head: bytes, tail: bytes) -> list[bytes]:
    heads = {length: head + b"$%d\r\n" % length for length in set(map(len, keys))}
    return [heads[len(key)] + key + tail for key in keys]
