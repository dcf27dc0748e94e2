"""The gate in front of Redis, on the shipped feature repo: bad rows stop the step and leave the store as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis

from commands.apply import apply
from commands.backfill import backfill, check_lake
from commands.event_tables import event_sources
from commands.loop.events import conform, load_module
from commands.loop.history import land_days
from commands.loop.home import open_home
from commands.materialize import materialize
from commands.plan import read_plans
from contract.checks import ColumnCheck
from pipelines.batch.lake import DAY, micros
from stores.online import OnlineStoreUnavailable
from validation.gates.report import ValidationFailed
from workspace.spark_session import open_spark
from workspace.workspace import open_store

ROOT = Path(__file__).parents[2]
FIRST, DAYS = date(2026, 3, 1), 10
VIEW = "customer_velocity"


def spoil(log: Path, column: str, value: object) -> None:
    """Set a column to one value in every row of the log's last day."""
    for file in sorted(log.glob("date=*"))[-1].glob("*.parquet"):
        table = pq.ParquetFile(file).read()
        values = [value] * len(table)
        at = table.schema.get_field_index(column)
        pq.write_table(table.set_column(at, column, pa.array(values, table.schema.field(column).type)), file)


@pytest.mark.slow
@pytest.mark.usefixtures("environment")
def test_a_failed_gate_names_the_rows_and_leaves_redis_as_it_was(tmp_path: Path) -> None:
    with open_home(ROOT / "feature_repo", tmp_path / "data") as (workspace, server):
        apply(workspace)
        plans = [plan for plan in read_plans(workspace) if plan.view == VIEW]
        source = event_sources(plans, [])[0]
        generate = load_module(workspace.repo).generate  # type: ignore[union-attr]
        for day in range(DAYS):
            land_days(conform(source, generate(FIRST, day)[source.name], "simulated"), source)
        spark, store, until = open_spark("gate", tmp_path / "spark.log"), open_store(workspace), micros("2026-03-11")
        assert [done.view for done in backfill(spark, workspace, plans, until - DAYS * DAY, until)] == [VIEW]

        client = redis.Redis(port=server.port)
        (stored,) = materialize(lambda: spark, workspace, store, plans, until)
        held = {key: client.hgetall(key) for key in client.scan_iter()}
        assert len(held) == stored.rows > 200

        spoil(workspace.data / "log" / VIEW, "amount_count_24h", -1)
        with pytest.raises(ValidationFailed, match=r"customer_velocity: 1 of .*(?s:.)*amount_count_24h.*customer_id="):
            materialize(lambda: spark, workspace, store, plans, until)
        assert {key: client.hgetall(key) for key in client.scan_iter()} == held

        log = {file: file.read_bytes() for file in (workspace.data / "log").rglob("*.parquet")}
        cut = {file: file.read_bytes() for file in workspace.state.rglob("*") if file.is_file()}
        strict = [replace(plan, checks={"amount_max_24h": ColumnCheck(most=1.0)}) for plan in plans]
        with pytest.raises(
            ValidationFailed, match=r"customer_velocity-log: 1 of .*(?s:.)*between\(amount_max_24h\).*max_value=1"
        ):
            list(backfill(spark, workspace, strict, until - DAY, until))
        spoil(workspace.data / "lake" / "transactions", "amount", -5.0)
        with pytest.raises(ValidationFailed, match=r"transactions: 1 of .*(?s:.)*between\(amount\).*transaction_id="):
            check_lake(workspace, plans, until - DAY, until)
        assert {file: file.read_bytes() for file in (workspace.data / "log").rglob("*.parquet")} == log
        assert {file: file.read_bytes() for file in workspace.state.rglob("*") if file.is_file()} == cut

        server.stop()
        with pytest.raises(OnlineStoreUnavailable, match=r"does not answer .*make redis"):
            materialize(lambda: spark, workspace, store, plans, until)
        spark.stop()
