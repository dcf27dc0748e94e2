"""What a user is told who got something wrong: one line that says what to do, exit code 1, no trace."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def own_configuration(data: Path) -> Path:
    """Write the shipped configuration with a registry of the test's own; a run writes one by itself."""
    data.mkdir(parents=True, exist_ok=True)
    text = (ROOT / "feature_repo" / "feature_store.yaml").read_text()
    path = data.parent / "own.yaml"
    path.write_text(text.replace("../data/registry.db", str(data / "registry.db")).replace(":6379", ":1"))
    return path


def run_command(name: str, data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "MILLRACE_DATA": str(data), "MILLRACE_YAML": str(own_configuration(data)), **settings}
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
        pytest.param("parity", "run `make apply`|start one with 'make redis'", id="nothing there"),
        pytest.param("simulate", "run `make apply` first", id="not applied"),
        pytest.param("train", "run `make apply`", id="no service"),
        pytest.param("stream", "run `make backfill` first", id="no handover"),
        pytest.param("validate", "run `make simulate`, or land events there, and then `make backfill`", id="no data"),
    ],
)
def test_a_command_that_comes_too_early_says_what_comes_first(command: str, told: str, tmp_path: Path) -> None:
    done = run_command(command, tmp_path / "data")
    assert done.returncode == 1
    assert any(part in done.stderr for part in told.split("|")), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_feature_repo_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run_command("apply", tmp_path / "data", REPO="nowhere/feature_repo")
    assert done.returncode == 1
    assert "nowhere/feature_repo is not a folder; name yours with REPO=" in done.stderr


@pytest.mark.slow
def test_serving_without_a_model_says_what_to_type(tmp_path: Path) -> None:
    data = tmp_path / "data"
    env = {**os.environ, "MILLRACE_DATA": str(data), "MILLRACE_YAML": str(own_configuration(data))}
    arguments = [sys.executable, "-m", "serving", "--port", "0"]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, env=env, check=False)
    assert (done.returncode, "run `make train`" in done.stderr, "Traceback" in done.stderr) == (1, True, False)


def test_a_port_that_is_taken_is_told_by_make_redis() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        arguments = [sys.executable, "-m", "workspace.redis_server", "--port", port]
        done = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert f"port {port} is taken; if a Redis answers there use it" in done.stderr
