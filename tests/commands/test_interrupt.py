"""Ctrl-C, as a terminal sends it: to every process of the group, at whatever the run is just doing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def processes_of(data: Path) -> list[psutil.Process]:
    """Return what runs on a data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("MILLRACE_DATA") == str(data):
                found.append(process)
        except psutil.Error:  # it ended meanwhile, or is another user's
            continue
    return found


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("data in", id="while libraries are imported and Java starts"),
        pytest.param("▸ backfill", id="while Spark is at work"),
    ],
)
def test_ctrl_c_ends_a_run_without_a_trace_and_without_processes_left(line: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    env = {**os.environ, "MILLRACE_DATA": str(data), "REPO": "feature_repo"}
    env.pop("MILLRACE_YAML", None)
    run = subprocess.Popen(
        [sys.executable, "-m", "commands", "run"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert run.stdout is not None
        said = ""
        while line not in said:
            got = run.stdout.readline()
            assert got, said
            said += got
        os.killpg(run.pid, signal.SIGINT)
        said += run.communicate()[0]
    finally:
        run.kill()
    assert run.returncode == 0
    assert said.endswith("\nstopped\n")
    assert "Traceback" not in said
    assert "Error" not in said
    assert psutil.wait_procs(processes_of(data), timeout=20)[1] == []  # Java takes its time to leave
