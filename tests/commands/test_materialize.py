"""The gate in front of Redis, on the shipped feature repo: bad rows stop the step and leave the store as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis
import yaml

from simulator.generator import generate
from simulator.lake import write_lake
from simulator.world import World
from workspace.redis_server import start_redis

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def run_command(name: str, data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "MILLRACE_DATA": str(data), **settings}
    return subprocess.run(
        [sys.executable, "-m", "commands", name], capture_output=True, text=True, cwd=ROOT, env=env, check=False
    )


def spoil(log: Path, column: str, value: object) -> None:
    """Set a column to one value in every row of the log's last day."""
    for file in sorted(log.glob("date=*"))[-1].glob("*.parquet"):
        table = pq.ParquetFile(file).read()
        values = [value] * len(table)
        at = table.schema.get_field_index(column)
        pq.write_table(table.set_column(at, column, pa.array(values, table.schema.field(column).type)), file)


def test_a_failed_gate_names_the_rows_and_leaves_redis_as_it_was(tmp_path: Path) -> None:
    write_lake(generate(World(customers=20, terminals=30, days=10)), tmp_path / "lake")
    with start_redis() as server:
        settings = yaml.safe_load((ROOT / "feature_repo" / "feature_store.yaml").read_text())
        settings["registry"] = str(tmp_path / "registry.db")
        settings["online_store"]["connection_string"] = server.connection_string
        (tmp_path / "feature_store.yaml").write_text(yaml.safe_dump(settings))
        client = redis.Redis(port=server.port)
        for command in ("apply", "backfill"):
            done = run_command(command, tmp_path, VIEWS="customer_velocity")
            assert done.returncode == 0, done.stderr
        views = {"VIEWS": "customer_velocity"}
        assert run_command("materialize", tmp_path, **views).returncode == 0
        held = {key: client.hgetall(key) for key in client.scan_iter()}
        assert len(held) == 20

        spoil(tmp_path / "log" / "customer_velocity", "amount_count_24h", -1)
        done = run_command("materialize", tmp_path, **views)
        assert done.returncode == 1
        assert "customer_velocity" in done.stderr
        assert "amount_count_24h" in done.stderr
        assert "customer_id" in done.stderr
        assert {key: client.hgetall(key) for key in client.scan_iter()} == held

        server.stop()
        done = run_command("materialize", tmp_path, **views)
        assert done.returncode == 1
        assert "does not answer" in done.stderr
        assert "make redis" in done.stderr
