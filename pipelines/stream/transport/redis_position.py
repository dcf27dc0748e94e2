"""Whether a Redis stream still has all that comes after an offset; if not, what was lost.

The entry at the offset is the proof: entries go from the oldest, so while it is there, so is all that came after it. Where it
is gone and older than the first that is left, Redis does not say whether there were others between: they count as lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from pipelines.stream.transport.base import LostEventsError


@dataclass(frozen=True, slots=True)
class Place:
    """A partition at a broker, as an error names it."""

    url: str
    topic: str
    partition: int


def entry_of(text: bytes | str) -> tuple[int, int]:
    """Return an entry's id as milliseconds and number.

    >>> entry_of(b"1526919030474-55"), entry_of("0")
    ((1526919030474, 55), (0, 0))
    """
    time, _, number = (text.decode() if isinstance(text, bytes) else text).partition("-")
    return int(time), int(number or 0)


def resume(client: Any, stream: bytes, offset: str, place: Place, *, known: bool) -> str:
    """Return where to read on when the entry at an offset is gone: the offset, if nothing after it was lost.

    A replica that took over may lack the newest entries, which were read from its master: then reading goes on at its last.
    `known` says whether the server remembers this reader, so that it is such a replica.

    Raises:
        LostEventsError: Entries after it were dropped, or the stream is not the one that was read.
    """
    at = entry_of(offset)
    try:
        info = client.xinfo_stream(stream)
    except redis.ResponseError as error:
        if "no such key" not in str(error):
            raise
        raise _lost(place, offset, None, "it is empty now: restarted without its data, or deleted") from None
    first = info["first-entry"][0] if info["first-entry"] else None
    last = info["last-generated-id"]
    if entry_of(last) < at:
        if known and first is not None and entry_of(first) <= at:
            return last.decode() if isinstance(last, bytes) else str(last)
        raise _lost(place, offset, last, "it ends before: restarted without its data, or from an older copy")
    if first is None and entry_of(last) > at:
        raise _lost(place, offset, last, "they were trimmed")
    if first is not None and entry_of(first) > at:
        raise _lost(place, offset, first, f"it was trimmed up to there; the first that is left is {_shown(first)}")
    return offset


def _lost(place: Place, offset: str, until: Any, why: str) -> LostEventsError:
    span = f"after {_shown(offset)}" + (f" up to {_shown(until)}" if until is not None else "")
    return LostEventsError(
        f"topic {place.topic}, partition {place.partition} at {place.url}: entries {span} are gone, and the stream had read"
        f" only up to the former ({why}). Land what is missing in the lake, or let its producer send it again; then run"
        " `make backfill`, and start the stream with FRESH=1."
    )


def _shown(entry: bytes | str) -> str:
    time, number = entry_of(entry)
    return f"{time}-{number} ({datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC)"
