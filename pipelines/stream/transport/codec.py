"""Events as JSON, in bulk: one Arrow call for a whole batch, event by event only to find what is wrong.

Arrow reads lines of objects. What is no line of one object never gets there: two objects in a line would shift all events
after them, and a `null` that comes first ends the process (pyarrow 26).
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json

from pipelines.stream.transport.json_faults import find_fault, tidy
from pipelines.stream.transport.rejected import Rejected

LARGEST: Final = 1_000_000
"""Bytes that an event may have."""

_BLOCK: Final = 4 * LARGEST  # Arrow refuses an object that spans more than two blocks
_SEARCHED: Final = 500  # events that are looked at one by one where one of them is bad


@dataclass(frozen=True, slots=True)
class Decoded:
    """Payloads as a table.

    Attributes:
        table: The events that could be decoded, in order.
        at: For each, its position among the payloads.
        rejected: The others; `offset` is empty.
        rejected_at: Their positions.
    """

    table: pa.Table
    at: npt.NDArray[np.int64]
    rejected: list[Rejected]
    rejected_at: list[int]


def encode_events(events: pa.Table) -> list[bytes]:
    """Return each event as one line of JSON; times as ISO 8601, UTC, to the microsecond.

    A number reads back as it was, to the last bit; NaN and infinities, which JSON does not have, become null.
    """
    if not len(events):
        return []
    parts: list[pa.ChunkedArray | str] = []
    for number, name in enumerate(events.column_names):
        parts += [f"{',' if number else '{'}{json.dumps(name)}:", _as_json(events[name])]
    return [line.encode() for line in pc.binary_join_element_wise(*parts, "}", "").to_pylist()]


def decode_json(payloads: Sequence[bytes], schema: pa.Schema) -> Decoded:
    """Return the events that fit the schema, and the others with what is wrong.

    Fields that the schema does not name are ignored; a field that is missing is null.
    """
    parsed = _parse(payloads, schema)
    if parsed is not None:
        return Decoded(parsed, np.arange(len(payloads)), [], [])
    tables, at = [schema.empty_table()], []
    rejected: dict[int, Rejected] = {}
    for start in range(0, len(payloads), _SEARCHED):
        part = payloads[start : start + _SEARCHED]
        parsed = _parse(part, schema)
        found: Sequence[int] = range(len(part))
        if parsed is None:
            parsed, found, faults = _sift(part, schema)
            rejected |= {start + position: fault for position, fault in faults.items()}
        tables.append(parsed)
        at += [start + position for position in found]
    places = sorted(rejected)
    return Decoded(pa.concat_tables(tables), np.array(at, np.int64), [rejected[p] for p in places], places)


def _as_json(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type):
        text = pc.cast(pc.cast(column, pa.timestamp("us", "UTC")), pa.string())
        text = pc.binary_join_element_wise('"', pc.replace_substring(text, " ", "T"), '"', "")
    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        codes = column.combine_chunks().dictionary_encode()
        codes = pa.concat_arrays(codes.chunks) if isinstance(codes, pa.ChunkedArray) else codes
        quoted = pa.array([json.dumps(value) for value in codes.dictionary.to_pylist()], pa.string())
        text = quoted.take(codes.indices)
    else:
        text = pc.cast(column, pa.string())
        if pa.types.is_floating(column.type):
            text = pc.if_else(pc.is_finite(column), text, "null")
    return pc.fill_null(text, "null")


def _parse(payloads: Sequence[bytes], schema: pa.Schema) -> pa.Table | None:
    """Return the events, or None where one of the payloads is not a line of one object that fits."""
    if not payloads:
        return schema.empty_table()
    lines = b"\n".join(payloads)
    # Each line begins with an object and ends with one, and Arrow finds as many: so each is one.
    apart = len(payloads) - 1
    if not (lines.startswith(b"{") and lines.endswith(b"}") and lines.count(b"}\n{") == lines.count(b"\n") == apart):
        return None
    if b"\r" in lines or (len(lines) > LARGEST and max(map(len, payloads)) > LARGEST):
        return None
    try:
        lines.isascii() or lines.decode()
        table = arrow_json.read_json(
            io.BytesIO(lines),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=min(len(lines) + 1, _BLOCK)),
            parse_options=arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None
    table = table.select(schema.names)
    return table if len(table) == len(payloads) and not _infinite(table) else None


def _infinite(table: pa.Table) -> bool:
    """Say whether a number is too large for its column: Arrow makes it infinite."""
    floats = [table[field.name] for field in table.schema if pa.types.is_floating(field.type)]
    return any(pc.any(pc.is_inf(column)).as_py() for column in floats)


def _sift(payloads: Sequence[bytes], schema: pa.Schema) -> tuple[pa.Table, list[int], dict[int, Rejected]]:
    """Return the events that fit, their positions, and what is wrong with those at the others."""
    kinds = {field.name: field.type for field in schema}
    good: list[int] = []
    lines: list[bytes] = []
    faults: dict[int, Rejected] = {}
    for position, payload in enumerate(payloads):
        fault = Rejected(payload, *_TOO_LARGE) if len(payload) > LARGEST else find_fault(payload, kinds)
        if fault is None:
            good.append(position)
            lines.append(tidy(payload))
        else:
            faults[position] = fault
    table = _parse(lines, schema)
    if table is not None:
        return table, good, faults
    tables, found = [schema.empty_table()], []
    for position, line in zip(good, lines, strict=True):  # Arrow is the judge: whatever it does not take is bad
        one = _parse([line], schema)
        if one is None:
            faults[position] = Rejected(payloads[position], "not JSON that Arrow reads", "not_json")
        else:
            tables.append(one)
            found.append(position)
    return pa.concat_tables(tables), found, faults


_TOO_LARGE: Final = (f"more than {LARGEST:,} bytes", "too_large")
