"""Script calls against plain packing, and the newest row of each entity against a dictionary."""

from __future__ import annotations

import hiredis
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stores.cells.cell_columns import strings_of
from stores.redis.calls import bulk_call, newest_rows

PAIRS = st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=1200)), min_size=1, max_size=40)


@given(rows=PAIRS, data=st.data())
def test_call_is_what_a_client_packs(rows: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(rows))).flatmap(lambda p: st.integers(1, len(p)).map(lambda n: p[:n])))
    keys, values = ([row[side] for row in rows] for side in (0, 1))
    expected = hiredis.pack_command(
        ("CALL", *(keys[row] for row in order), b"7", b"".join(values[row] for row in order))
    )
    start = expected.index(b"CALL\r\n") + 6
    constants = b"$1\r\n7\r\n"
    call = bulk_call(expected[:start], strings_of(keys), constants, strings_of(values), np.array(order))
    assert call == expected


@given(st.lists(st.tuples(st.sampled_from([b"", b"a", b"b", b"ab", b"\x00"]), st.integers(0, 2), st.integers(0, 3))))
def test_newest_row_of_each_entity_and_table_is_found(rows: list[tuple[bytes, int, int]]) -> None:
    newest: dict[tuple[bytes, int], int] = {}
    for row, (key, table, time) in enumerate(rows):
        before = newest.get((key, table))
        if before is None or rows[before][2] <= time:
            newest[key, table] = row
    keys = strings_of([key for key, _, _ in rows])
    tables, micros = (np.array([row[place] for row in rows], np.int64) for place in (1, 2))
    first, places = newest_rows(keys, tables, micros, 3)
    different = list(dict.fromkeys(key for key, _, _ in rows))
    assert [rows[row][0] for row in first.tolist()] == different
    assert places.T.tolist() == [[newest.get((key, table), -1) for table in range(3)] for key in different]
