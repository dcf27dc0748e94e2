"""On Spark the same faults are found as here, and days are told the same."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import great_expectations.expectations as gxe
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.planting import DAY, ID, TIME, day_again, day_numbers, in_cents, lost_values
from contract.checks import ColumnCheck, TableChecks
from validation.daily.judge import judge_days
from validation.daily.statistics import read_days
from validation.gates.engine import Engine, open_duckdb
from validation.gates.gate import check
from validation.gates.report import Finding
from validation.gates.suites import EventSpec, suite_for_events
from validation.gates.whole import check_whole
from validation.spark.engine import open_spark_frame
from workspace.spark_session import open_spark

pytestmark = pytest.mark.slow

sys.path.append(str(Path(__file__).parents[3] / "feature_repo"))
from simulator.generator import SCHEMA, World, generate  # noqa: E402

COLUMNS = {field.name: str(field.type) for field in SCHEMA if field.name not in ("is_fraud", "fraud_scenario")}
SPEC = EventSpec(
    "transactions",
    COLUMNS | {"channel": "string"},
    ("customer_id", "terminal_id"),
    TIME,
    ID,
    {"amount": ColumnCheck(0, 500, (), True, "warning"), "channel": ColumnCheck(values=("web", "it's \\"))},
)
OWN = [gxe.ExpectColumnMedianToBeBetween(column="amount", min_value=5, max_value=500)]


@pytest.fixture(scope="module")
def events() -> pa.Table:
    """Thirty days of transactions with faults: ids twice, null keys, another unit, values that are not known, a day again."""
    made = generate(World(customers=60, terminals=90, days=30)).select(list(COLUMNS))
    made = made.append_column("channel", pa.array(np.where(np.arange(len(made)) % 97 == 0, "post", "it's \\")))
    day = int(day_numbers(made)[-1]) - 4
    made = day_again(lost_values(in_cents(made, day), day + 1), day + 3)
    return pa.concat_tables([made, made.slice(100, 3)]).combine_chunks()


def days_of(engine: Engine, events: pa.Table) -> list[Finding]:
    days = read_days(engine, TIME, ID, ("customer_id", "terminal_id"))
    assert days is not None
    assert days.newest == int(events[TIME].cast(pa.int64()).to_numpy().max())
    return judge_days(days, TableChecks(), days.newest // DAY * DAY + DAY)


def without_medians(finding: Finding) -> Finding:
    """Spark's quartiles are near ones: they find the same days, and may be shown a little different."""
    rows = tuple(
        {name: value for name, value in row.items() if name not in ("median", "usual")} for row in finding.rows
    )
    return replace(finding, rows=rows)


def test_spark_tells_what_duckdb_and_frames_tell(events: pa.Table, tmp_path: Path) -> None:
    pq.write_table(events, tmp_path / "events.parquet")
    spark = open_spark("validation", tmp_path / "spark.log", brief=True)
    suite = suite_for_events(SPEC, OWN)
    with open_spark_frame(spark.read.parquet(str(tmp_path / "events.parquet"))) as engine:
        on_spark, days_there = check_whole(engine, suite), days_of(engine, events)
    spark.stop()
    with open_duckdb(events) as engine:
        here, days_here = check_whole(engine, suite), days_of(engine, events)
    assert on_spark.rows == here.rows == len(events)
    assert on_spark.findings == here.findings
    assert [without_medians(one) for one in days_there] == [without_medians(one) for one in days_here]
    in_frames = check(events, suite)
    assert [(one.expectation, one.columns, one.unexpected) for one in in_frames.failures] == [
        (one.expectation, one.columns, one.unexpected) for one in here.failures
    ]
    assert {one.expectation for one in (*here.failures, *days_here) if not one.success} == {
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_be_unique",
        "expect_column_values_to_be_between",
        "expect_column_values_to_be_in_set",
        "expect_column_daily_median_to_be_usual",
        "expect_column_daily_nulls_to_be_usual",
        "expect_no_day_to_repeat_another",
    }
