"""The replay of Parquet through the real dataflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bytewax.testing import run_main

from pipelines.plan import EventTable, ViewPlan
from pipelines.semantics.aggregators.table import parse_function
from pipelines.semantics.feature import Feature
from pipelines.semantics.windows import Window
from pipelines.stream.dataflow import build_dataflow
from pipelines.stream.transport.base import TransportError
from pipelines.stream.transport.open import open_publisher
from pipelines.stream.transport.parquet_replay import ParquetReplay

MINUTE = 60_000_000
COLUMNS = (("id", "bigint"), ("at", "timestamp"), ("user", "string"), ("amount", "double"))
TABLE = EventTable("payments", "unused", "at", "id", "payments", "user", COLUMNS, lateness=MINUTE)
PLAN = ViewPlan(
    "spent",
    "stream",
    ("user",),
    (Feature("sum", parse_function("sum")[0], "amount", Window(10 * MINUTE, MINUTE), None, "sum"),),
    TABLE,
    "unused",
)


class Newest:
    """Keeps the newest value of each user."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def write(self, results: list[Any]) -> None:
        for result in results:
            for row in result.rows.to_pylist() if result.rows is not None else []:
                self.values[row["user"]] = row["sum"]


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_file_is_replayed_by_time_to_its_end(partitions: int, tmp_path: Path) -> None:
    at = pa.array([3 * MINUTE, 0, 2 * MINUTE, MINUTE], pa.timestamp("us", "UTC"))
    events = pa.table({"id": [4, 1, 3, 2], "at": at, "user": ["a", "a", "b", "a"], "amount": [4.0, 1.0, 8.0, 2.0]})
    pq.write_table(events, tmp_path / "payments")
    store = Newest()
    replay = ParquetReplay(tmp_path, {"payments": TABLE}, partitions)
    run_main(build_dataflow([PLAN], replay, lambda: store, dead_letters=tmp_path / "dead", land=False))
    assert store.values == {"a": 7.0, "b": 8.0}
    assert not (tmp_path / "dead").exists()


def test_a_topic_without_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="put the events of topic payments there"):
        ParquetReplay(tmp_path, {"payments": TABLE}).read("payments", 0, "0", 10)


def test_a_replay_is_read_only(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"'parquet:.*' is not known; use one of redis://host:port"):
        open_publisher(f"parquet:{tmp_path}")
