"""Inflates bodies that are sent compressed, no further than they may be long."""

from __future__ import annotations

import zlib
from typing import Final

from serving.protocols.answer import AnswerError

KNOWN: Final = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
"""By content encoding: the window bits that zlib reads it with."""

_ACCEPTED: Final = ((b"accept-encoding", b"gzip, deflate, identity"),)


def inflate(body: bytes, encoding: bytes, most: int) -> bytes:
    """Return a body as it was before it was compressed; memory is bounded by `most`, whatever it claims to be.

    Raises:
        AnswerError: The encoding is not one of `KNOWN`, the body is not in it, or is longer than `most` bytes.
    """
    name = encoding.strip().lower()
    if name in (b"identity", b""):
        return body
    if name not in KNOWN:
        given = encoding.decode("latin-1")[:60]
        raise AnswerError(415, f"content-encoding {given} is not known; send gzip, deflate or none", _ACCEPTED)
    stream = zlib.decompressobj(KNOWN[name])
    try:
        plain = stream.decompress(body, most + 1)
    except zlib.error as error:
        raise AnswerError(400, f"the body is not {name.decode()}: {error}") from None
    if len(plain) > most:
        raise AnswerError(413, f"the body has more than {most} bytes when inflated; send several batches")
    if not stream.eof or stream.unused_data:
        what = "goes on after its end" if stream.eof else "is cut"
        raise AnswerError(400, f"the {name.decode()} body {what}; send it whole, and nothing after it")
    return plain
