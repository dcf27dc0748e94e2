"""The bulk encoder against Feast's own: the same bytes for every type that is stored in bulk."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from feast.type_map import python_values_to_proto_values
from feast.value_type import ValueType
from hypothesis import given
from hypothesis import strategies as st

from stores.cells.cell_columns import CellColumns, encode_timestamps
from stores.cells.cell_decoding import StoredTypeMismatchError, decode_cells
from stores.cells.layout import ViewLayout
from stores.cells.value_types import STORED_TYPES, UnsupportedValueTypeError, stored_type
from stores.cells.view_decoding import ViewDecoder

INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
# Feast reads times with float arithmetic before 1970, so whole seconds there and microseconds after
SECONDS = st.integers(-(10**9), 4 * 10**9)

SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "DOUBLE": st.floats(allow_nan=True),
    "FLOAT": st.floats(width=32, allow_nan=True),
    "INT64": INT64,
    "INT32": INT32,
    "BOOL": st.booleans(),
    "STRING": st.text(max_size=200),
    "BYTES": st.binary(min_size=1, max_size=200),  # Feast takes a column of nothing but b"" for a column of nulls
    "UNIX_TIMESTAMP": SECONDS.map(lambda s: dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=s)),
}

PLAIN = {name: one for name, one in STORED_TYPES.items() if name.removesuffix("_LIST") in SCALARS}


def feast_cells(values: list[Any], value_type: str) -> list[bytes]:
    """What Feast's Redis store would write."""
    return [proto.SerializeToString() for proto in python_values_to_proto_values(values, ValueType[value_type])]


def encode_column(column: pa.Array | pa.ChunkedArray, value_type: str, where: str = "column") -> list[bytes]:
    """The cells of a column."""
    cells = CellColumns()
    cells.add(column, value_type, where, 0, b"")
    return cells.rows(np.arange(len(column)).reshape(1, -1), named=False).to_list()


def decode_column(cells: Sequence[bytes | None], value_type: str, view: str = "v") -> pa.Array:
    """The Arrow column of a view's only feature, `f`, in the type that is stored."""
    layout = ViewLayout("p", view, (("k", "STRING"),), (("f", value_type),))
    times = encode_timestamps(np.ones(len(cells), np.int64))
    found = ViewDecoder([layout]).decode([[times, cells]], None)
    return found.views[view].columns["f"].arrow().cast(stored_type(value_type).arrow)


@pytest.mark.parametrize("value_type", SCALARS)
@given(data=st.data())
def test_scalar_cells_equal_feast_byte_for_byte(value_type: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | SCALARS[value_type], max_size=30))
    column = pa.array(values, stored_type(value_type).arrow)
    assert encode_column(column, value_type) == feast_cells(values, value_type)


@pytest.mark.parametrize("value_type", SCALARS)
@given(data=st.data())
def test_list_cells_equal_feast_byte_for_byte(value_type: str, data: st.DataObject) -> None:
    lists = st.lists(SCALARS[value_type], max_size=6)
    values = data.draw(st.lists(st.none() | lists, max_size=12))
    column = pa.array(values, stored_type(f"{value_type}_LIST").arrow)
    assert encode_column(column, f"{value_type}_LIST") == feast_cells(values, f"{value_type}_LIST")


@pytest.mark.parametrize("value_type", PLAIN)
@given(data=st.data())
def test_decoding_gives_back_what_was_encoded(value_type: str, data: st.DataObject) -> None:
    stored = stored_type(value_type)
    element = SCALARS[value_type.removesuffix("_LIST")].filter(lambda value: value == value)
    values = data.draw(
        st.lists(st.none() | (st.lists(element, max_size=4) if stored.is_list else element), max_size=20)
    )
    column = pa.array(values, stored.arrow)
    assert decode_column(encode_column(column, value_type), value_type).equals(column)


def test_field_that_is_not_there_decodes_to_null() -> None:
    assert decode_column([None, b"", *encode_column(pa.array([1.5]), "DOUBLE")], "DOUBLE").to_pylist() == [
        None,
        None,
        1.5,
    ]


@pytest.mark.parametrize("value_type", STORED_TYPES)
def test_empty_column_has_no_cells(value_type: str) -> None:
    arrow = stored_type(value_type).arrow
    assert encode_column(pa.array([], arrow), value_type) == []
    assert encode_column(pa.chunked_array([], arrow), value_type) == []
    assert len(decode_cells(value_type, [], "v")[1]) == 0


def test_sliced_and_chunked_lists_are_encoded_like_whole_ones() -> None:
    column = pa.array([[1.0], [], None, [2.0, 3.0], [4.0]])
    chunked = pa.chunked_array([column.slice(0, 2), column.slice(2, 3)])
    assert encode_column(chunked, "DOUBLE_LIST") == encode_column(column, "DOUBLE_LIST")
    assert encode_column(column.slice(1, 3), "DOUBLE_LIST") == encode_column(column, "DOUBLE_LIST")[1:4]


def test_integer_column_that_pandas_made_float_is_encoded_as_integers() -> None:
    column = pa.array([1.0, float("nan"), 3.0])
    assert encode_column(column, "INT64") == encode_column(pa.array([1, None, 3]), "INT64")


def test_timestamp_feature_keeps_whole_seconds_rounded_down() -> None:
    micros = pa.array([1_999_999], pa.timestamp("us", tz="UTC"))
    assert decode_column(encode_column(micros, "UNIX_TIMESTAMP"), "UNIX_TIMESTAMP").cast(pa.int64()).to_pylist() == [1]


def test_null_inside_a_float_list_is_nan_and_inside_an_integer_list_zero() -> None:
    floats = decode_column(encode_column(pa.array([[1.0, None]]), "DOUBLE_LIST"), "DOUBLE_LIST")
    assert np.isnan(floats.to_pylist()[0][1])
    assert decode_column(encode_column(pa.array([[1, None]]), "INT64_LIST"), "INT64_LIST").to_pylist() == [[1, 0]]


def test_value_that_does_not_fit_names_the_column_and_the_cast_to_write() -> None:
    with pytest.raises(TypeError, match=r"clicks\.n: double values do not fit .* INT64 .*cast the column to int64"):
        encode_column(pa.array([1.5]), "INT64", "clicks.n")


def test_type_that_is_not_stored_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnsupportedValueTypeError, match="NULL values cannot be stored; declare the field as one of"):
        encode_column(pa.array([None]), "NULL")


def test_cell_of_another_type_is_refused_by_name() -> None:
    cells = encode_column(pa.array([1]), "INT64")
    with pytest.raises(StoredTypeMismatchError, match=r"one of v: Redis holds INT64, the view declares DOUBLE"):
        decode_column(cells, "DOUBLE")
