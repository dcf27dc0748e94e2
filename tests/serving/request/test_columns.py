"""Tables of requests are what the same requests are as rows; what does not fit is named with its row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from serving.request.columns import RequestColumns
from serving.request.schema import RequestError, RequestField, RequestSchema

NOW_US = 1_772_366_400_000_000
SCHEMA = RequestSchema(
    (
        RequestField("user", "string", is_key=True),
        RequestField("item", "int64", is_key=True),
        RequestField("amount", "float64", is_key=False),
        RequestField("seen", "timestamp", is_key=False),
        RequestField("tags", "int64[]", is_key=False),
    ),
    (("at", "event_timestamp"), ("this", "item")),
)
ROWS = [
    {"user": "ann", "item": 1, "amount": 1.5, "seen": "2026-03-01T11:00:00", "tags": [1, 2]},
    {"user": "bob", "item": -2, "amount": 0.0, "seen": "2026-02-01T00:00:00+00:00", "tags": []},
]


def table(**changes: Any) -> pa.Table:
    columns: dict[str, Any] = {
        "user": ["ann", "bob"],
        "item": pa.array([1, -2], pa.int32()),
        "amount": [1.5, 0.0],
        "seen": pa.array([datetime(2026, 3, 1, 11), datetime(2026, 2, 1)], pa.timestamp("ms")),
        "tags": [[1, 2], []],
        "more": [None, None],
    }
    return pa.table({name: one for name, one in {**columns, **changes}.items() if one is not None})


def test_table_is_what_its_rows_are() -> None:
    rows = RequestColumns.of_rows(SCHEMA, [SCHEMA.parse_one(one, NOW_US) for one in ROWS])
    whole = RequestColumns.of_table(SCHEMA, table(), NOW_US)
    assert whole.as_of_us.tolist() == rows.as_of_us.tolist() == [NOW_US] * 2
    assert set(whole.columns) == set(rows.columns) == {"user", "item", "amount", "seen", "tags", "at", "this"}
    for name, column in rows.columns.items():
        assert whole.columns[name].as_python() == column.as_python(), name
        assert whole.columns[name].kind == column.kind
    assert {name: list(keys) for name, keys in whole.keys.items()} == {"user": ["ann", "bob"], "item": [1, -2]}


def test_own_time_is_kept_and_a_row_without_one_is_of_now() -> None:
    at = pa.array([datetime(2026, 1, 1, 0, 0, 0, 7, UTC), None], pa.timestamp("us", tz="UTC"))
    whole = RequestColumns.of_table(SCHEMA, table(event_timestamp=at), NOW_US)
    assert whole.as_of_us.tolist() == [1_767_225_600_000_007, NOW_US]


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"amount": None}, "amount", "is missing; expected a column of type float64, there are user, item"),
        ({"amount": [1.0, None]}, "amount", "row 11 has no value"),
        ({"amount": [1.0, np.inf]}, "amount", "row 11 is not a finite number"),
        ({"item": ["1", "2"]}, "item", "is a column of string, expected int64"),
        ({"item": [1.0, 2.5]}, "item", "is a column of double, expected int64"),
        ({"user": [1, 2]}, "user", "is a column of int64, expected string"),
        ({"seen": [1, 2]}, "seen", "is a column of int64, expected timestamp"),
    ],
)
def test_what_does_not_fit_is_named_with_its_row(change: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(RequestError, match=message) as error:
        RequestColumns.of_table(SCHEMA, table(**change), NOW_US, first=10)
    assert error.value.field == field
