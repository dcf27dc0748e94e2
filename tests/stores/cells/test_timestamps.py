"""Event times against protobuf's own Timestamp."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from stores.cells.cell_columns import encode_timestamps
from stores.cells.timestamps import NO_TIMESTAMP, decode_timestamps

MICROS = st.lists(
    st.integers(-(10**15), 10**16) | st.sampled_from([0, 1, -1, 10**6, 1_700_000_000_000_000]), max_size=40
)


def protobuf_cell(micros: int) -> bytes:
    """What protobuf writes."""
    stamp = Timestamp()
    stamp.FromMicroseconds(micros)
    return stamp.SerializeToString()


@given(MICROS)
def test_cells_equal_protobuf_byte_for_byte(micros: list[int]) -> None:
    assert encode_timestamps(np.array(micros, np.int64)) == [protobuf_cell(value) for value in micros]


@given(MICROS)
def test_decoding_gives_back_every_microsecond(micros: list[int]) -> None:
    assert decode_timestamps(encode_timestamps(np.array(micros, np.int64))).tolist() == micros


@pytest.mark.parametrize("more", [0, 20])
def test_row_without_a_cell_has_no_timestamp(more: int) -> None:
    cells = [None, *encode_timestamps(np.array([5, 0])), *[None] * more]
    assert decode_timestamps(cells).tolist() == [NO_TIMESTAMP, 5, 0, *[NO_TIMESTAMP] * more]


@pytest.mark.parametrize("wrong", [b"\x22\x01", b"\x08\x80", b"\x08"])
@pytest.mark.parametrize("count", [1, 20])
def test_other_bytes_are_refused(wrong: bytes, count: int) -> None:
    with pytest.raises(ValueError, match=r"not a protobuf Timestamp|ends within a number"):
        decode_timestamps([*encode_timestamps(np.arange(1, count)), wrong])
