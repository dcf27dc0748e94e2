"""Encodes event times, int64 microseconds UTC, as serialized protobuf `Timestamp` messages, and back.

A `Timestamp` is two varint fields, seconds (1) and nanoseconds (2), each absent when zero; the Unix epoch is no bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stores.varint import decode_varints, encode_varints

NO_TIMESTAMP = int(np.iinfo(np.int64).min)
"""Stands for "no event time" in int64 arrays."""

_MICROS = 1_000_000
_SECONDS_TAG = 0x08
_NANOS_TAG = 0x10


def encode_timestamps(micros: npt.NDArray[np.int64]) -> list[bytes]:
    """Encodes event times; times before 1970 have negative seconds and positive nanoseconds, as protobuf wants.

    Args:
        micros: int64 microseconds since the epoch, UTC, shape (n,).
    """
    if len(micros) == 0:
        return []
    seconds, rest = np.divmod(np.asarray(micros, dtype=np.int64), _MICROS)
    blocks, masks = [], []
    for tag, values in ((_SECONDS_TAG, seconds), (_NANOS_TAG, rest * 1000)):
        digits, lengths = encode_varints(values)
        set_ = values != 0
        blocks += [np.full((len(values), 1), tag, dtype=np.uint8), digits]
        masks += [set_[:, None], (np.arange(digits.shape[1]) < lengths[:, None]) & set_[:, None]]
    mask = np.concatenate(masks, axis=1)
    data = np.concatenate(blocks, axis=1)[mask].tobytes()
    ends = mask.sum(axis=1).cumsum().tolist()
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def decode_timestamps(cells: Sequence[bytes | None]) -> npt.NDArray[np.int64]:
    """Decodes serialized `Timestamp` messages, cutting nanoseconds to microseconds.

    Args:
        cells: One message per row; None where nothing is stored.

    Returns:
        int64 microseconds since the epoch, UTC; `NO_TIMESTAMP` for None.

    Raises:
        ValueError: A cell is not a `Timestamp`.
    """
    if not all(cells):
        return _decode_sparse(cells)
    stamps: Sequence[bytes] = cells  # type: ignore[assignment]  # all() leaves no None
    values, is_seconds = _tokens(stamps)
    micros = values[is_seconds] * _MICROS
    if len(micros) != len(cells):  # a time in the first second of 1970
        return np.concatenate([_decode_one(stamp) for stamp in stamps])
    nanos = ~is_seconds
    micros[is_seconds.cumsum()[nanos] - 1] += values[nanos] // 1000
    return micros


def _decode_sparse(cells: Sequence[bytes | None]) -> npt.NDArray[np.int64]:
    out = np.full(len(cells), NO_TIMESTAMP, dtype=np.int64)
    out[[row for row, cell in enumerate(cells) if cell is not None]] = 0
    filled = [row for row, cell in enumerate(cells) if cell]
    if filled:
        out[filled] = decode_timestamps([cells[row] for row in filled])
    return out


def _decode_one(stamp: bytes) -> npt.NDArray[np.int64]:
    values, is_seconds = _tokens([stamp])
    return np.array([(values[is_seconds] * _MICROS).sum() + (values[~is_seconds] // 1000).sum()], dtype=np.int64)


def _tokens(stamps: Sequence[bytes]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Decodes the fields of non-empty messages: their values, and which are seconds (the others are nanoseconds)."""
    tokens, _ = decode_varints(np.frombuffer(b"".join(stamps), dtype=np.uint8))
    tags, values = tokens[0::2], tokens[1::2]
    is_seconds = tags == _SECONDS_TAG
    if len(tags) != len(values) or not (is_seconds | (tags == _NANOS_TAG)).all():
        raise ValueError("Timestamp: a stored event time is not a protobuf Timestamp; was the key written by Feast?")
    return values, is_seconds
