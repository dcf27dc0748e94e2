"""Which forms of Arrow a value type is written from, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from stores.cells.arrow_forms import stored_form
from stores.cells.cell_decoding import decode_cells
from stores.cells.messages import encode_messages
from stores.cells.value_types import stored_type

ID = UUID("a8098c1a-f86e-11da-bd1a-00112444be1e")


@pytest.mark.parametrize(
    ("value_type", "array", "stored"),
    [
        ("JSON", pa.array([{"a": [1, None]}, None]), ['{"a": [1, null]}', None]),
        ("JSON", pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())), ['{"k": 1}', "{}"]),
        ("JSON", pa.array(['{"a":1}', None], pa.large_string()), ['{"a":1}', None]),
        ("JSON_LIST", pa.array([[{"a": 1}], [], None]), [['{"a": 1}'], [], None]),
        ("UUID", pa.array([ID.bytes, None], pa.binary(16)), [str(ID), None]),
        ("UUID", pa.array([ID.bytes, None], pa.uuid()), [str(ID), None]),
        ("UUID_LIST", pa.array([[str(ID)], None]), [[str(ID)], None]),
        ("DECIMAL", pa.array([Decimal("1.50"), None]), ["1.50", None]),
        ("DECIMAL", pa.array([7, None]), ["7", None]),
        ("INT64_SET", pa.array([[3, 1, 3, None], [], None, [1]]), [[3, 1], [], None, [1]]),
        ("STRING_SET", pa.array([["b", "a", "b"]], pa.large_list(pa.string())), [["b", "a"]]),
        ("DECIMAL_SET", pa.array([[Decimal("1.5"), Decimal("1.5")]]), [["1.5"]]),
        ("INT64_LIST", pa.array([None, None], pa.null()), [None, None]),
        ("UUID_SET", pa.array([None, None], pa.null()), [None, None]),
    ],
    ids=str,
)
def test_form_is_brought_into_the_one_that_is_stored(value_type: str, array: pa.Array, stored: list[Any]) -> None:
    got = stored_form(pa.chunked_array([array.slice(0, 1), array.slice(1)]), stored_type(value_type), "v.f")
    assert got.type == stored_type(value_type).arrow
    assert got.to_pylist() == stored


@pytest.mark.parametrize(
    ("value_type", "array", "todo"),
    [
        ("JSON", pa.array(["{"]), "write each value as one JSON text"),
        ("UUID", pa.array(["no"]), "write UUIDs as text, .* or as 16 bytes"),
        ("UUID_LIST", pa.array([[str(ID), None]]), "a null inside of a list cannot be kept.*write UUIDs as text"),
        ("UUID_LIST", pa.array([str(ID)]), "a list is wanted.*write UUIDs as text"),
        ("DECIMAL", pa.array([1.5]), "no exact decimals.*write decimals as text or as Arrow's decimal128"),
        ("DECIMAL", pa.array(["1,5"]), "write decimals as text or as Arrow's decimal128"),
        ("INT64_SET", pa.array([["a"]]), "cast the column to list<item: int64>"),
        ("MAP", pa.array([1]), "give it as Arrow's map, struct, list or timestamp"),
        ("MAP", pa.array([[("a", []), ("b", None)]], pa.map_(pa.string(), pa.list_(pa.int64()))), "infer value type"),
        ("ZONED_TIMESTAMP", pa.array(["2026-03-01"]), "give it as Arrow's map, struct, list or timestamp"),
    ],
    ids=str,
)
def test_value_that_cannot_be_kept_names_the_feature_and_what_to_write(
    value_type: str, array: pa.Array, todo: str
) -> None:
    with pytest.raises(TypeError, match=rf"v\.f: .* do not fit the declared type {value_type} .*{todo}.*, or declare"):
        stored_form(array, stored_type(value_type), "v.f")


def test_empty_list_inside_of_a_list_stays_one() -> None:
    stored, nested = stored_type("VALUE_LIST"), [[[1], [], None], [[[2], []]], []]
    messages = encode_messages(nested, "VALUE_LIST")
    cells = [stored.tag + bytes([len(message or b"")]) + (message or b"") for message in messages]
    assert decode_cells("VALUE_LIST", cells, "v")[1] == nested


def test_zone_of_a_column_is_kept() -> None:
    stored, noon = stored_type("ZONED_TIMESTAMP"), datetime(2026, 3, 1, 12, tzinfo=UTC)
    (message,) = stored_form(pa.array([noon], pa.timestamp("us", "America/New_York")), stored, "v.f").to_pylist()
    (value,) = decode_cells("ZONED_TIMESTAMP", [stored.tag + bytes([len(message)]) + message], "v")[1]
    assert (value, str(value.tzinfo)) == (noon, "America/New_York")


def test_equal_maps_are_equal_bytes() -> None:
    one, two = encode_messages([{"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}], "MAP")
    assert one == two
