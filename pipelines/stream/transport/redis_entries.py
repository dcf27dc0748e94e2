"""The entries of a Redis stream: their ids, and what their fields hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from pipelines.stream.transport.base import Entries
from pipelines.stream.transport.rejected import Rejected

_OUR_TIME: Final = 1_000_000_000_000  # ids are milliseconds since 1970; smaller ones were made up by a producer

_DIGITS: Final = 13  # of a time of ours, until the year 2286

Entry = tuple[bytes, Sequence[bytes]]
"""An id, and fields and values in turn."""


def entry_of(text: bytes | str) -> tuple[int, int]:
    """Return an entry's id as milliseconds and number.

    >>> entry_of(b"1526919030474-55"), entry_of("0")
    ((1526919030474, 55), (0, 0))
    """
    time, _, number = (text.decode() if isinstance(text, bytes) else text).partition("-")
    return int(time), int(number or 0)


def entries_of(found: Sequence[Entry], offset: str) -> Entries:
    """Return what one read after an offset found."""
    payloads: list[bytes] = []
    at: list[bytes] = []
    ticks: list[tuple[int, int]] = []
    rejected: list[Rejected] = []
    for entry, fields in found:
        if fields[0] == b"event":
            payloads.append(fields[1])
            at.append(entry)
            continue
        named = dict(zip(fields[::2], fields[1::2], strict=True))
        event, tick = named.get(b"event"), named.get(b"tick")
        if event is not None:
            payloads.append(event)
            at.append(entry)
        elif tick is not None and _is_number(tick):
            ticks.append((len(payloads), int(tick)))
        elif tick is not None:
            rejected.append(Rejected(tick, "a tick that is no number", "bad_tick", entry.decode()))
        else:
            text = b" ".join(fields)
            rejected.append(Rejected(text, "an entry without a field `event` or `tick`", "no_event", entry.decode()))
    return Entries(
        payloads,
        max((t for _, t in ticks), default=None),
        found[-1][0].decode() if found else offset,
        len(found),
        list(map(bytes.decode, at)),
        _arrived(at),
        ticks,
        rejected,
    )


def _is_number(text: bytes) -> bool:
    return 0 < len(text) <= 20 and text.isascii() and text.removeprefix(b"-").isdigit()


def _arrived(entries: Sequence[bytes]) -> Sequence[int]:
    """Return when entries came, microseconds; 0 where a producer made up an id."""
    if entries and all(entry[_DIGITS : _DIGITS + 1] == b"-" for entry in entries):
        times: Sequence[int] = np.array(entries, f"S{_DIGITS}").astype(np.int64) * 1000  # type: ignore[assignment]
        return times
    times = [int(entry.partition(b"-")[0]) for entry in entries]
    return [time * 1000 if time >= _OUR_TIME else 0 for time in times]
