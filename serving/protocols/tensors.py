"""Tensors of the Open Inference Protocol, as JSON and as its binary extension has them, to columns of values and back.

| a field's kind | tensor | shape |
|---|---|---|
| int64, int32 | INT64, INT32, or a smaller or unsigned integer | [n] or [n, 1] |
| float64, float32 | FP64, FP32, or FP16 | [n] or [n, 1] |
| bool | BOOL | [n] or [n, 1] |
| string, timestamp (ISO 8601) | BYTES | [n] or [n, 1] |
| a list of one of these | the same | [n, k] |
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import prod
from typing import Any, Final

import numpy as np

from serving.request.fields import describe
from serving.request.schema import RequestError

BYTES: Final = "BYTES"
DTYPES: Final = {
    "BOOL": "?",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
"""By data type: how NumPy reads its bytes; BYTES has its own."""

_INTEGERS: Final = tuple(name for name in DTYPES if "INT" in name)
_FLOATS: Final = ("FP64", "FP32", "FP16")
TAKEN: Final = {
    "int64": ("INT64", *(name for name in _INTEGERS if name != "INT64")),
    "int32": ("INT32", *(name for name in _INTEGERS if name != "INT32")),
    "float64": _FLOATS,
    "float32": ("FP32", "FP64", "FP16"),
    "bool": ("BOOL",),
    "string": (BYTES,),
    "timestamp": (BYTES,),
}
"""By kind: the data types it is taken from, its own first. A value that is out of its range is refused."""


def read_tensor(tensor: dict[str, Any], kind: str, raw: bytes | None, at: str, most: int) -> list[Any]:
    """Return a tensor's values by row; they are not checked against the kind yet.

    Args:
        tensor: What the request says of it.
        kind: The field's kind.
        raw: Its bytes, where the binary extension is used.
        at: Where it stands, for errors.
        most: How many rows it may have.

    Raises:
        RequestError: Data type, shape and data do not fit each other or the kind.
    """
    datatype, shape = tensor.get("datatype"), tensor.get("shape")
    taken = TAKEN[kind.removesuffix("[]")]
    if datatype not in taken:
        raise RequestError(f"{at}.datatype", f"expected {' or '.join(taken)}, got {describe(datatype)}")
    size = _read_shape(shape, kind.endswith("[]"), f"{at}.shape")
    if size[0] > most:
        raise RequestError(f"{at}.shape", f"expected at most {most} rows, got {size[0]}; send several requests")
    flat = _from_bytes(raw, datatype, f"{at}.data") if raw is not None else _flatten(tensor.get("data"), f"{at}.data")
    if len(flat) != prod(size):
        raise RequestError(f"{at}.data", f"has {len(flat)} values, its shape {size} has {prod(size)}; send as many")
    if not kind.endswith("[]"):
        return flat
    return [flat[start : start + size[1]] for start in range(0, len(flat), size[1])] if size[1] else [[]] * size[0]


def _read_shape(shape: object, is_list: bool, at: str) -> list[int]:
    wanted = "[rows, length]" if is_list else "[rows] or [rows, 1]"
    fits = type(shape) is list and all(type(one) is int and 0 <= one < 2**31 for one in shape) and shape
    if not fits or not isinstance(shape, list) or len(shape) > 2 or (is_list and len(shape) != 2):
        raise RequestError(at, f"expected {wanted}, got {shape if fits else describe(shape)}")
    if shape[0] < 1 or (not is_list and shape[1:] not in ([], [1])):
        raise RequestError(at, f"expected {wanted} with at least one row, got {shape}")
    return shape


def _flatten(data: object, at: str) -> list[Any]:
    """Return values in row-major order, of a flat list or of one list a row."""
    if type(data) is not list:
        raise RequestError(at, f"expected a list of values, got {describe(data)}")
    flat: list[Any] = []
    for one in data:
        if type(one) is list:
            flat.extend(one)
        else:
            flat.append(one)
    return flat


def _from_bytes(raw: bytes, datatype: str, at: str) -> list[Any]:
    if datatype != BYTES:
        if len(raw) % np.dtype(DTYPES[datatype]).itemsize:
            raise RequestError(at, f"{len(raw)} bytes are no whole number of {datatype}")
        values: list[Any] = np.frombuffer(raw, DTYPES[datatype]).tolist()
        return values
    texts, position = [], 0
    while position < len(raw):
        start = position + 4
        size = struct.unpack_from("<I", raw, position)[0] if start <= len(raw) else len(raw)
        position = start + size
        if position > len(raw):
            raise RequestError(
                at, "is cut; each value of BYTES is its length, 4 bytes, the lowest first, and as many bytes"
            )
        try:
            texts.append(raw[start:position].decode())
        except UnicodeDecodeError:
            raise RequestError(at, "is not UTF-8") from None
    return texts


def to_bytes(values: Sequence[Any], datatype: str) -> bytes:
    """Return the bytes of an output's values, as the binary extension has them.

    >>> to_bytes(["a"], "BYTES"), to_bytes([True, False], "BOOL")
    (b'\\x01\\x00\\x00\\x00a', b'\\x01\\x00')
    """
    if datatype != BYTES:
        return np.asarray(values, DTYPES[datatype]).tobytes()
    encoded = [value.encode() for value in values]
    return b"".join(struct.pack("<I", len(one)) + one for one in encoded)
