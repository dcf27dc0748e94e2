"""Rows of a table that says when each became known are joined to labels from then on only (rule 12)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.parquet.asof_join import asof_join
from stores.parquet.asof_sql import LogColumns
from stores.parquet.duckdb_connection import open_duckdb
from stores.parquet.feature_log import FeatureLog

T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
Row = tuple[str, int, int | None]  # user, event time, when it became known


def joined(folder: Any, rows: list[Row], labels: list[tuple[str, int]], ttl: int = 0) -> list[int | None]:
    """The position of the row that each label gets."""
    users, when, known = zip(*rows, strict=True)
    log = FeatureLog("profile", folder)
    time = pa.timestamp("us", "UTC")
    n = pa.array(range(len(rows)), pa.int64())
    table = {"user": list(users), "at": pa.array(when, time), "came": pa.array(known, time), "n": n}
    log.append(pa.table(table), "at")
    asked = {
        "user": [user for user, _ in labels],
        "__row": pa.array(range(len(labels)), pa.int64()),
        "__time": pa.array([at for _, at in labels], pa.int64()),
    }
    columns = LogColumns(log, (("user", "user"),), (("n", "n"),), "at", None, ttl, "came")
    with open_duckdb(threads=1) as connection:
        found: list[int | None] = asof_join(connection, pa.table(asked), columns)["n"].to_pylist()
    return found


def looked_up(rows: list[Row], user: str, when: int, ttl: int) -> int | None:
    """The rule, row by row: of the rows known by then, the newest; of equal ones, the one that became known last."""
    known = [(at, max(at, came or at), i) for i, (of, at, came) in enumerate(rows) if of == user]
    past = [(at, came, i) for at, came, i in known if came <= when]
    if not past or (ttl and max(past)[0] < when - ttl):
        return None
    return max(past)[2]


INSTANTS = st.integers(0, 9).map(lambda n: T + n)


@given(
    rows=st.lists(
        st.tuples(st.sampled_from("ab"), INSTANTS, st.one_of(st.none(), INSTANTS)),
        min_size=1,
        max_size=14,
        unique_by=lambda row: (row[0], row[1], max(row[1], row[2] or 0)),
    ),
    labels=st.lists(st.tuples(st.sampled_from("abc"), INSTANTS), min_size=1, max_size=8),
    ttl=st.sampled_from([0, 2, 5]),
)
def test_join_equals_looking_at_every_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], labels: list[tuple[str, int]], ttl: int
) -> None:
    found = joined(tmp_path_factory.mktemp("log"), rows, labels, ttl)
    assert found == [looked_up(rows, user, when, ttl) for user, when in labels]


def test_a_row_that_came_late_does_not_replace_a_newer_one(tmp_path: Any) -> None:
    rows = [("a", T, T + 50), ("a", T + 10, T + 20)]
    assert joined(tmp_path, rows, [("a", T + 5), ("a", T + 19), ("a", T + 20), ("a", T + 60)]) == [None, None, 1, 1]
