"""What a user is told who got something wrong: one line that says what to do, exit code 1, no trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.generator import generate
from simulator.world import World

ROOT = Path(__file__).parents[2]
WORLD = World(customers=20, terminals=30, days=3)


def run_command(name: str, data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "MILLRACE_DATA": str(data), **settings}
    env.pop("MILLRACE_YAML", None)
    return subprocess.run(
        [sys.executable, "-m", "commands", name], capture_output=True, text=True, cwd=ROOT, env=env, check=False
    )


def with_null_keys(table: pa.Table) -> pa.Table:
    column = table["customer_id"].to_pylist()
    return table.set_column(table.schema.get_field_index("customer_id"), "customer_id", pa.array([None, *column[1:]]))


@pytest.mark.parametrize(
    ("file", "told"),
    [
        pytest.param(None, "no such file", id="missing"),
        pytest.param(generate(WORLD).slice(0, 0), "no rows", id="empty"),
        pytest.param(generate(WORLD).drop_columns(["amount"]), "amount", id="no amount"),
        pytest.param(with_null_keys(generate(WORLD)), "customer_id", id="null in the key"),
        pytest.param(generate(WORLD), "span 3 days; give at least", id="too short"),
    ],
)
def test_a_wrong_events_file_stops_the_run_with_what_to_do(file: pa.Table | None, told: str, tmp_path: Path) -> None:
    if file is not None:
        pq.write_table(file, tmp_path / "events.parquet")
    done = run_command("run", tmp_path / "data", EVENTS=str(tmp_path / "events.parquet"), ONCE="1")
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "told"),
    [
        pytest.param("backfill", "land Parquet there in date=YYYY-MM-DD folders", id="no lake"),
        pytest.param("materialize", "run `make backfill` first", id="no feature logs"),
        pytest.param("parity", "run `make apply`|does not answer", id="nothing there"),
    ],
)
def test_a_command_that_comes_too_early_says_what_comes_first(command: str, told: str, tmp_path: Path) -> None:
    done = run_command(command, tmp_path)
    assert done.returncode == 1
    assert any(part in done.stderr for part in told.split("|")), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_feature_repo_that_is_not_there_is_named() -> None:
    done = run_command("apply", Path("unused"), REPO="nowhere/feature_repo")
    assert done.returncode == 1
    assert "nowhere/feature_repo is not a folder; name yours with REPO=" in done.stderr
