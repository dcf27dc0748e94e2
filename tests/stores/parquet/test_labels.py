"""What is no entity_df is refused, with what to write."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from stores.parquet.labels import LabelsError, read_labels

AT = pd.to_datetime(["2026-03-01T12:00:00Z"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (pd.DataFrame({"user": ["a"], "event_timestamp": [1_772_366_400]}), "is int64, a number; write pd.to_datetime"),
        (pd.DataFrame({"user": ["a"], "event_timestamp": ["noon"]}), r"holds what is no time .*pd.to_datetime"),
        (
            pd.DataFrame([["a", "b", AT[0]]], columns=["user", "user", "event_timestamp"]),
            "user more than once; keep one",
        ),
        (pd.DataFrame({"user": ["a"], "event_timestamp": AT, "x": [object()]}), "give each column one type"),
        (pa.table({"user": ["a"], "event_timestamp": [5]}), r"is int64; cast it to timestamp\[us, tz=UTC\]"),
        (
            pa.table({"user": ["a"], "event_timestamp": pa.nulls(1, pa.timestamp("us"))}),
            "1 rows have no event_timestamp",
        ),
        (
            [("a", AT[0])],
            r"list given; pass a pandas DataFrame, an Arrow table \(of a Spark frame its .toArrow\(\)\) or SQL",
        ),
    ],
    ids=["number", "no time", "column twice", "objects", "Arrow number", "Arrow null", "list"],
)
def test_what_cannot_be_read_says_what_to_write(given: Any, message: str) -> None:
    with pytest.raises(LabelsError, match=message):
        read_labels(given, ["user"])


def test_times_of_any_kind_are_whole_microseconds_in_utc() -> None:
    for times in (
        AT.as_unit("ns") + pd.Timedelta(999, "ns"),
        AT.tz_convert("Asia/Tokyo"),
        AT.tz_localize(None),
        ["2026-03-01T13:00:00+01:00"],
        [AT[0].to_pydatetime()],
    ):
        labels = read_labels(pd.DataFrame({"user": ["a"], "event_timestamp": times}), ["user"])
        assert labels.table["event_timestamp"].cast(pa.int64()).to_pylist() == [1_772_366_400_000_000]
