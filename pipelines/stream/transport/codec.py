"""Events as JSON, in bulk: one Arrow call for a whole batch, event by event only to find what is wrong."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json


@dataclass(frozen=True, slots=True)
class Rejected:
    """One event that could not be used.

    Attributes:
        payload: The event as it came.
        reason: What is wrong with it.
    """

    payload: bytes
    reason: str


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


def decode_events(
    payloads: list[bytes], schema: pa.Schema, required: tuple[str, ...]
) -> tuple[pa.Table, list[Rejected], list[bytes]]:
    """Return the events that fit the schema and have all `required` columns, the others with the reason, and the
    payloads of the events.

    Fields that the schema does not name are ignored; a field that is missing is null.
    """
    rejected: list[Rejected] = []
    try:
        table = _parse(payloads, schema)
    except pa.ArrowInvalid:
        payloads, rejected = _sift(payloads, schema)
        table = _parse(payloads, schema)
    if not any(table[name].null_count for name in required):
        return table, rejected, payloads
    complete = [True] * len(table)
    for name in required:
        for row, valid in enumerate(table[name].is_valid().to_pylist()):
            if complete[row] and not valid:
                complete[row] = False
                rejected.append(Rejected(payloads[row], f"{name} is missing"))
    return table.filter(pa.array(complete)), rejected, [p for p, good in zip(payloads, complete, strict=True) if good]


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


def _parse(payloads: list[bytes], schema: pa.Schema) -> pa.Table:
    if not payloads:
        return schema.empty_table()
    options = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    table = arrow_json.read_json(io.BytesIO(b"\n".join(payloads)), parse_options=options)
    if len(table) != len(payloads):
        raise pa.ArrowInvalid("an event spans lines or is empty")
    return table.select(schema.names)


def _sift(payloads: list[bytes], schema: pa.Schema) -> tuple[list[bytes], list[Rejected]]:
    good, rejected = [], []
    for payload in payloads:
        try:
            if not isinstance(json.loads(payload), dict):
                raise ValueError("not a JSON object")
            one_line = payload.replace(b"\n", b" ")
            _parse([one_line], schema)
            good.append(one_line)
        except (ValueError, RecursionError) as error:  # pa.ArrowInvalid is a ValueError
            rejected.append(Rejected(payload, str(error)))
    return good, rejected
