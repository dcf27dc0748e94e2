"""The ASOF join over a feature log, judged by one that looks at every row."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stores.parquet.asof_join import asof_join
from stores.parquet.asof_sql import LogColumns
from stores.parquet.duckdb_connection import open_duckdb
from stores.parquet.feature_log import FeatureLog
from stores.parquet.labels import read_labels

DAY = 86_400_000_000
T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
UTC_TIME = pa.timestamp("us", tz="UTC")
LogRow = tuple[str, int, int, int]  # user, page, event time, created


def log_table(rows: list[LogRow]) -> pa.Table:
    """A feature log whose values are the positions of its rows."""
    users, pages, when, created = zip(*rows, strict=True) if rows else ([], [], [], [])
    return pa.table(
        {
            "user": pa.array(users, pa.string()),
            "page": pa.array(pages, pa.int64()),
            "event_timestamp": pa.array(when, UTC_TIME),
            "created": pa.array(created, UTC_TIME),
            "n": pa.array(range(len(rows)), pa.int64()),
            "half": pa.array([i / 2 for i in range(len(rows))], pa.float64()),
        }
    )


def looked_up(rows: list[LogRow], user: str, page: int, when: int, ttl: int) -> int | None:
    """The rule, row by row: the newest at or before the label, the latest created at equal times, within ttl."""
    past = [(row[2], row[3], i) for i, row in enumerate(rows) if row[0] == user and row[1] == page and row[2] <= when]
    if not past or (ttl and max(past)[0] < when - ttl):
        return None
    return max(past)[2]


# Few entities, few instants around two midnights: ties, ttl edges and partition edges come by themselves.
INSTANTS = st.sampled_from([T + day * DAY // 2 + step for day in range(4) for step in (-1, 0, 1, 5)])
KEYS = st.tuples(st.sampled_from("abc"), st.integers(1, 2))


@settings(
    max_examples=settings.default.max_examples * 3 // 2,
)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(1, 2), INSTANTS, st.integers(0, 10**6)),
        min_size=1,
        max_size=20,
        unique_by=lambda row: row,
    ),
    labels=st.lists(st.tuples(KEYS, INSTANTS), min_size=1, max_size=15),
    ttl=st.sampled_from([0, 1, 5, 6, DAY // 2, DAY]),
)
def test_join_equals_looking_at_every_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[LogRow], labels: list[Any], ttl: int
) -> None:
    log = FeatureLog("clicks", tmp_path_factory.mktemp("log"))
    log.append(log_table(rows), "event_timestamp")
    frame = pd.DataFrame(
        {
            "page": [page for (_, page), _ in labels],
            "label": range(len(labels)),
            "event_timestamp": pd.to_datetime([when for _, when in labels], unit="us", utc=True),
            "user": [user for (user, _), _ in labels],
        }
    )
    columns = LogColumns(
        log, (("user", "user"), ("page", "page")), (("n", "n"), ("half", "h")), "event_timestamp", "created", ttl
    )
    with open_duckdb(threads=1) as connection:
        found = asof_join(connection, read_labels(frame, ["user", "page"]).keyed_by(["user", "page"]), columns)
    expected = [looked_up(rows, user, page, when, ttl) for (user, page), when in labels]
    assert found.column("n").to_pylist() == expected
    assert found.column("h").to_pylist() == [None if n is None else n / 2 for n in expected]
