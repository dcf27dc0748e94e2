"""Events that cannot be used, and why: what goes to the dead-letter log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CODES: Final = {
    "late": "older than the lateness of its source allows (rule 7); it is in the lake",
    "future": "further ahead of the clock than `millrace.max_skew` allows",
    "too_old": "before 1970",
    "out_of_range": "a number or a time that its column's type cannot hold",
    "unexpected": "a value that the tags of its table do not allow, such as `millrace.min.amount`",
    "missing": "no value in a column that every event must have",
    "wrong_type": "a value of another kind than its column",
    "not_json": "not one JSON object",
    "not_avro": "not of the source's Avro schema",
    "not_protobuf": "not of the source's Protobuf message",
    "too_large": "more bytes than an event may have",
    "no_event": "an entry that holds no event",
    "bad_tick": "a tick that is no time, or one that cannot be",
}
"""Every reason, and what it says of an event."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """One event that could not be used.

    Attributes:
        payload: The event as it came.
        reason: What is wrong with it, for people.
        code: The same for programs, one of `CODES`.
        offset: Where it lies in its partition, as the transport counts; empty where that is not known.
    """

    payload: bytes
    reason: str
    code: str
    offset: str = ""
