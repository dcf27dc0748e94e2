"""Names a request, by what its caller calls it or by a name of our own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import count
from typing import Final

HEADER: Final = b"x-request-id"
_FITTING: Final = re.compile(rb"[\x21-\x7e]{1,128}").fullmatch
"""What is taken over: up to 128 printable characters without blanks."""

_counted = count()
_process: tuple[int, bytes] = (0, b"")


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the caller's id of a request, or a new one where there is none that fits.

    >>> request_id_of([(b"x-request-id", b"order-17")])
    b'order-17'
    >>> request_id_of([]) != request_id_of([(b"x-request-id", b"two words")])
    True
    """
    for name, value in headers:
        if name == HEADER and _FITTING(value):
            return value
    return _new_id()


def _new_id() -> bytes:
    """Return 16 random digits of this process and a number that counts on."""
    global _process
    pid = os.getpid()
    if _process[0] != pid:
        _process = pid, os.urandom(8).hex().encode()
    return b"%s-%x" % (_process[1], next(_counted))
