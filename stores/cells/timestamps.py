"""Decodes and encodes event times, serialized protobuf `Timestamp` messages, to int64 microseconds UTC.

A `Timestamp` is two varint fields, seconds (1) and nanoseconds (2), each absent when zero; the Unix epoch is no bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stores.cells.varint import decode_varints, varint

NO_TIMESTAMP = int(np.iinfo(np.int64).min)
"""Stands for "no event time" in int64 arrays."""

_MICROS = 1_000_000
_FEW = 8  # are decoded one by one, which takes less than NumPy's fixed cost
_WRONG = "Timestamp: a stored event time is not a protobuf Timestamp; was the key written by Feast?"
_SECONDS_TAG = 0x08
_NANOS_TAG = 0x10


def decode_timestamps(cells: Sequence[bytes | None]) -> npt.NDArray[np.int64]:
    """Decode serialized `Timestamp` messages, cutting nanoseconds to microseconds.

    Args:
        cells: One message per row; None where nothing is stored.

    Returns:
        int64 microseconds since the epoch, UTC; `NO_TIMESTAMP` for None.

    Raises:
        ValueError: A cell is not a `Timestamp`.
    """
    if len(cells) <= _FEW:
        return np.array([NO_TIMESTAMP if cell is None else _micros_of(cell) for cell in cells], dtype=np.int64)
    if not all(cells):
        return _decode_sparse(cells)
    stamps: Sequence[bytes] = cells  # type: ignore[assignment]  # all() leaves no None
    values, is_seconds = _tokens(stamps)
    micros = values[is_seconds] * _MICROS
    if len(micros) != len(cells):  # a time in the first second of 1970
        return np.array([_micros_of(stamp) for stamp in stamps], dtype=np.int64)
    nanos = ~is_seconds
    micros[is_seconds.cumsum()[nanos] - 1] += values[nanos] // 1000
    return micros


def encode_timestamp(micros: int) -> bytes:
    """Encode one event time, microseconds since the epoch, UTC; `cell_columns.encode_timestamps` encodes many.

    >>> encode_timestamp(1_000_002).hex()
    '080110d00f'
    """
    seconds, rest = divmod(micros, _MICROS)
    encoded = b"\x08" + varint(seconds & 0xFFFF_FFFF_FFFF_FFFF) if seconds else b""
    return encoded + b"\x10" + varint(rest * 1000) if rest else encoded


def _decode_sparse(cells: Sequence[bytes | None]) -> npt.NDArray[np.int64]:
    out = np.full(len(cells), NO_TIMESTAMP, dtype=np.int64)
    out[[row for row, cell in enumerate(cells) if cell is not None]] = 0
    filled = [row for row, cell in enumerate(cells) if cell]
    if filled:
        out[filled] = decode_timestamps([cells[row] for row in filled])
    return out


def _micros_of(stamp: bytes) -> int:
    """Decode one message."""
    seconds = nanos = at = 0
    try:
        while at < len(stamp):
            tag, value, shift = stamp[at], 0, 0
            at += 1
            while True:
                byte = stamp[at]
                at += 1
                value |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
                shift += 7
            if tag == _SECONDS_TAG:
                seconds = value if value < 1 << 63 else value - (1 << 64)
            elif tag == _NANOS_TAG:
                nanos = value
            else:
                raise ValueError(_WRONG)
    except IndexError:
        raise ValueError(_WRONG) from None
    return seconds * _MICROS + nanos // 1000


def _tokens(stamps: Sequence[bytes]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Decode the fields of non-empty messages: their values, and which are seconds (the others are nanoseconds)."""
    tokens, _ = decode_varints(np.frombuffer(b"".join(stamps), dtype=np.uint8))
    tags, values = tokens[0::2], tokens[1::2]
    is_seconds = tags == _SECONDS_TAG
    if len(tags) != len(values) or not (is_seconds | (tags == _NANOS_TAG)).all():
        raise ValueError(_WRONG)
    return values, is_seconds
