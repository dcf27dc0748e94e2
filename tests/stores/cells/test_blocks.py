"""Blocks and their protocol form against plain bytes."""

from __future__ import annotations

import hiredis
import numpy as np
import redis
from hypothesis import given
from hypothesis import strategies as st

from stores.cells.blocks import beside, block_of, repeated, varint_block
from stores.cells.varint import decode_varints, varint
from stores.redis.monotonic import EncodedRows, pack_blocks, pack_rows
from stores.redis.resp import bulk, bulk_block

STRINGS = st.lists(st.binary(max_size=300), max_size=20)


@given(STRINGS)
def test_block_holds_the_strings_it_was_made_of(strings: list[bytes]) -> None:
    assert block_of(strings).strings() == strings


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=20))
def test_blocks_side_by_side_are_the_strings_joined(pairs: list[tuple[bytes, bytes]]) -> None:
    left, right = ([pair[side] for pair in pairs] for side in (0, 1))
    block = beside(block_of(left), repeated(b"|", len(pairs)), block_of(right))
    assert block.strings() == [a + b"|" + b for a, b in pairs]
    assert block.width >= max((len(a) + 1 + len(b) for a, b in pairs), default=1)


@given(STRINGS)
def test_strings_taken_away_are_empty(strings: list[bytes]) -> None:
    gone = np.array([bool(len(string) % 2) for string in strings], dtype=np.bool_)
    expected = [b"" if len(string) % 2 else string for string in strings]
    assert block_of(strings).without(gone).strings() == expected


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=30))
def test_varints_are_protobufs_and_come_back(numbers: list[int]) -> None:
    strings = varint_block(np.array(numbers, dtype=np.int64)).strings()
    assert strings == [varint(number % 2**64) for number in numbers]
    values, ends = decode_varints(np.frombuffer(b"".join(strings), dtype=np.uint8))
    assert values.tolist() == numbers
    assert len(ends) == len(numbers)


@given(STRINGS)
def test_protocol_form_carries_each_length(strings: list[bytes]) -> None:
    assert bulk_block(block_of(strings)).strings() == [bulk(string) for string in strings]


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=150)), min_size=1, max_size=300))
def test_packing_blocks_gives_the_bytes_of_packing_strings(rows: list[tuple[bytes, bytes]]) -> None:
    keys = [b"key%d" % number for number in range(len(rows))]
    columns = [[row[side] for row in rows] for side in (0, 1)]
    fields = [b"_ts:v", b"abcd"]
    expected = pack_rows(redis.Redis(), EncodedRows(keys, fields, columns), 7)
    assert pack_blocks(block_of(keys), fields, list(map(block_of, columns)), 7) == expected
    reader = hiredis.Reader()
    reader.feed(expected.calls[0])
    assert reader.gets()[0] == b"EVALSHA"
