"""What a user is told who got something wrong: one line that says what to do, exit code 1, no trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_command(name: str, data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "MILLRACE_DATA": str(data), **settings}
    env.pop("MILLRACE_YAML", None)
    return subprocess.run(
        [sys.executable, "-m", "commands", name], capture_output=True, text=True, cwd=ROOT, env=env, check=False
    )


@pytest.mark.slow
def test_a_wrong_events_file_stops_the_run_with_what_to_do(tmp_path: Path) -> None:
    done = run_command("run", tmp_path / "data", EVENTS=str(tmp_path / "events.parquet"), ONCE="1")
    assert done.returncode == 1
    assert "events.parquet: no such file; give the path of a Parquet file" in done.stderr
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
