"""Redis keys against Feast's own `_redis_key`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from feast.infra.online_stores.helpers import _redis_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.type_map import python_values_to_proto_values
from feast.value_type import ValueType
from hypothesis import given
from hypothesis import strategies as st

from stores.cells.entity_keys import EntityKeyEncoder, EntityKeyError
from stores.cells.layout import LayoutError

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "STRING": st.text(max_size=50),
    "BYTES": st.binary(min_size=1, max_size=50),  # Feast takes b"" for a missing key
    "INT32": st.integers(-(2**31), 2**31 - 1),
    "INT64": st.integers(-(2**63), 2**63 - 1),
    "UNIX_TIMESTAMP": st.integers(0, 2**40),
}


def feast_keys(project: str, types: dict[str, str], columns: dict[str, list[Any]]) -> list[bytes]:
    """What Feast's Redis store would use."""
    protos = {name: python_values_to_proto_values(values, ValueType[types[name]]) for name, values in columns.items()}
    rows = zip(*protos.values(), strict=True)
    return [_redis_key(project, EntityKey(join_keys=list(protos), entity_values=list(row))) for row in rows]


@given(st.data())
def test_keys_equal_feast_byte_for_byte(data: st.DataObject) -> None:
    types = data.draw(
        st.dictionaries(st.text("abcXYZ_é", min_size=1, max_size=8), st.sampled_from(list(VALUES)), min_size=1)
    )
    n = data.draw(st.integers(1, 8))
    columns = {name: data.draw(st.lists(VALUES[kind], min_size=n, max_size=n)) for name, kind in types.items()}
    assert EntityKeyEncoder("shop_é", list(types.items())).encode(columns) == feast_keys("shop_é", types, columns)


@given(st.data())
def test_keys_of_whole_arrays_are_the_same(data: st.DataObject) -> None:
    kinds = [kind for kind in VALUES if kind != "UNIX_TIMESTAMP"]
    types = data.draw(st.dictionaries(st.text("abXY_é", min_size=1, max_size=5), st.sampled_from(kinds), min_size=1))
    n = data.draw(st.integers(1, 8))
    columns = {name: data.draw(st.lists(VALUES[kind], min_size=n, max_size=n)) for name, kind in types.items()}
    encoder = EntityKeyEncoder("shop_é", list(types.items()))
    arrays = {name: pa.array(values) for name, values in columns.items()}
    assert encoder.encode_arrays(arrays).to_list() == encoder.encode(columns)


def test_array_beyond_32_bits_is_refused() -> None:
    with pytest.raises(EntityKeyError, match="id: a value does not fit 32 bits; declare the join key as INT64"):
        EntityKeyEncoder("p", [("id", "INT32")]).encode_arrays({"id": pa.array([2**31])})


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.int64, np.uint64])
def test_numpy_integers_of_any_width_give_the_same_key(dtype: type) -> None:
    encoder = EntityKeyEncoder("p", [("id", "INT64")])
    assert encoder.encode({"id": np.array([7, 9], dtype)}) == encoder.encode({"id": [7, 9]})


def test_null_join_key_has_no_key() -> None:
    encoder = EntityKeyEncoder("p", [("a", "INT64"), ("b", "STRING")])
    keys = encoder.encode({"a": [1, None, 3.0, float("nan")], "b": ["x", "y", None, "z"]})
    assert [key is None for key in keys] == [False, True, True, True]
    assert keys[0] == encoder.encode({"a": [1], "b": ["x"]})[0]


def test_absent_join_key_is_named() -> None:
    with pytest.raises(EntityKeyError, match=r"join key id is absent; .* \['other'\]"):
        EntityKeyEncoder("p", [("id", "INT64")]).encode({"other": [1]})


@pytest.mark.parametrize("value", [1.5, "7"])
def test_value_that_is_not_whole_is_refused(value: object) -> None:
    with pytest.raises(EntityKeyError, match="is not a whole number; give an integer, or declare it as STRING"):
        EntityKeyEncoder("p", [("id", "INT64")]).encode({"id": [value]})


def test_value_beyond_32_bits_is_refused() -> None:
    with pytest.raises(EntityKeyError, match="declare the join key as INT64"):
        EntityKeyEncoder("p", [("id", "INT32")]).encode({"id": [2**31]})


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(EntityKeyError, match="different numbers of rows"):
        EntityKeyEncoder("p", [("a", "INT64"), ("b", "INT64")]).encode({"a": [1], "b": [1, 2]})


def test_type_that_feast_cannot_serialize_is_refused() -> None:
    with pytest.raises(LayoutError, match="a join key cannot be DOUBLE"):
        EntityKeyEncoder("p", [("id", "DOUBLE")])
