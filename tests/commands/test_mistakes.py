"""What a user is told who got something wrong: one line that says what to do, exit code 1, no trace."""

from __future__ import annotations

import json
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
    """Run a command as the Makefile does."""
    return subprocess.run(
        [sys.executable, "-m", "commands", name],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **own_settings(data), **settings},
        check=False,
    )


def own_settings(data: Path) -> dict[str, str]:
    return {"MILLRACE_DATA": str(data), "MILLRACE_YAML": str(own_configuration(data))}


# Runs commands, each in a process of its own that has the libraries already: importing them takes most of the time.
EACH_BY_ITSELF = """
import json, os, sys
import feast, pyarrow.dataset
from commands.__main__ import main
ends = {}
for name, settings, told in json.load(sys.stdin):
    child = os.fork()
    if not child:
        os.environ.update(settings)
        os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT), 2)
        try:
            code = main([name])
        except BaseException:
            import traceback
            traceback.print_exc()
            code = 70
        sys.stderr.flush()
        os._exit(code)
    ends[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print("\\n" + json.dumps(ends))
"""

TOO_EARLY = {
    "backfill": "land Parquet there in date=YYYY-MM-DD folders",  # there is no lake
    "materialize": "run `make backfill` first",  # there are no feature logs
    "parity": "run `make apply`|start one with 'make redis'",
    "simulate": "run `make apply` first",
    "train": "run `make apply`",
    "stream": "run `make backfill` first",
    "validate": "run `make simulate`, or land events there, and then `make backfill`",
}


@pytest.fixture(scope="module")
def too_early(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """The exit code of each command where nothing is there yet, and what it told."""
    folder = tmp_path_factory.mktemp("too_early")
    asked = [(name, own_settings(folder / name / "data"), str(folder / name / "told")) for name in TOO_EARLY]
    done = subprocess.run(
        [sys.executable, "-c", EACH_BY_ITSELF],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        check=True,
    )
    ends = json.loads(done.stdout.splitlines()[-1])
    return {name: (ends[name], Path(told).read_text()) for name, _, told in asked}


@pytest.mark.slow
def test_a_wrong_events_file_stops_the_run_with_what_to_do(tmp_path: Path) -> None:
    done = run_command("run", tmp_path / "data", EVENTS=str(tmp_path / "events.parquet"), ONCE="1")
    assert done.returncode == 1
    assert "events.parquet: no such file; give the path of a Parquet file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", TOO_EARLY)
def test_a_command_that_comes_too_early_says_what_comes_first(
    command: str, too_early: dict[str, tuple[int, str]]
) -> None:
    code, told = too_early[command]
    assert code == 1, told
    assert any(part in told for part in TOO_EARLY[command].split("|")), told
    assert "Traceback" not in told


@pytest.mark.slow
def test_a_feature_repo_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run_command("apply", tmp_path / "data", REPO="nowhere/feature_repo")
    assert done.returncode == 1
    assert "nowhere/feature_repo is not a folder; name yours with REPO=" in done.stderr


@pytest.mark.slow
def test_serving_without_a_model_says_what_to_type(tmp_path: Path) -> None:
    env = {**os.environ, **own_settings(tmp_path / "data")}
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
