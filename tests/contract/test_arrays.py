"""What on-demand functions make of columns: the same from pandas as from NumPy, and as row by row."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.arrays import floats, micros, occurrences

AT = datetime(2026, 3, 1, 12, 0, 0, 7, tzinfo=UTC)
MICROS = 1_772_366_400_000_007


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([AT]),
        pd.Series([AT]).dt.as_unit("us"),
        pd.Series([AT]).dt.tz_convert("Asia/Tokyo"),
        pd.Series([AT]).dt.tz_localize(None),
        pd.Series([AT], dtype="object"),
        np.array([AT.replace(tzinfo=None)], "datetime64[us]"),
        [AT],
        [AT.isoformat()],
    ],
)
def test_times_are_microseconds_whatever_holds_them(column: object) -> None:
    assert micros(column).tolist() == [MICROS]


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (pd.Series([1, None], dtype="Int64"), [1.0, None]),
        (pd.Series([1.5, None]), [1.5, None]),
        (pd.Series([True, False]), [1.0, 0.0]),
        (pd.Series(["1.5", "?"]), [1.5, None]),
        (pd.Series([MICROS, None], dtype="Int64"), [float(MICROS), None]),
        (np.array([1, 2], np.int32), [1.0, 2.0]),
        ([None, 2], [None, 2.0]),
    ],
)
def test_numbers_are_floats_whatever_holds_them(column: object, wanted: list[float | None]) -> None:
    found = floats(column)
    assert found.dtype == np.float64
    assert [None if np.isnan(one) else one for one in found.tolist()] == wanted


WORDS = st.sampled_from(["", "a", "b", "zoë"])


@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.just(float("nan")), st.lists(st.integers(0, 3))), st.integers(0, 3))
        | st.tuples(st.none(), st.integers(0, 3))
    ),
    st.booleans(),
)
def test_occurrences_are_those_counted_row_by_row(rows: list[tuple[object, int]], as_arrays: bool) -> None:
    lists = [np.array(one) if as_arrays and isinstance(one, list) else one for one, _ in rows]
    times, sizes = occurrences(pd.Series(lists, dtype="object"), pd.Series([value for _, value in rows], dtype="int64"))
    known = [one if isinstance(one, list) else [] for one, _ in rows]
    assert times.tolist() == [one.count(value) for one, (_, value) in zip(known, rows, strict=True)]
    assert sizes.tolist() == [len(one) for one in known]


@given(st.lists(st.tuples(st.lists(WORDS), WORDS)))
def test_texts_are_found_too(rows: list[tuple[list[str], str]]) -> None:
    times, _ = occurrences([one for one, _ in rows], np.array([value for _, value in rows], dtype=object))
    assert times.tolist() == [one.count(value) for one, value in rows]
