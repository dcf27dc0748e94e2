"""Jobs that fill a log: one at a time, and what a killed one leaves goes with the next."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.batch.log_files import filling, rows_staged
from stores.parquet.log_commit import COMPACTED, STAGING
from workspace.one_at_a_time import HeldError, one_at_a_time

# Begins to fill a log, says so, and goes on until it is killed.
_JOB = """
import sys
import pyarrow as pa
from pipelines.batch.log_files import filling, write_days
with filling(sys.argv[1]) as staging:
    times = pa.array([0, 86_400_000_000], pa.timestamp("us", tz="UTC"))
    list(write_days(pa.table({"event_timestamp": times, "n": [1, 2]}), staging))
    print("staged", flush=True)
    sys.stdin.read()
"""


@contextmanager
def job(log: Path) -> Iterator[subprocess.Popen[str]]:
    """A job in a process of its own that has staged its rows."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", _JOB, str(log)], text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "staged\n"
            yield process
        finally:
            process.kill()


def staged(log: Path) -> list[str]:
    return sorted(path.name for path in log.glob(f"{STAGING}*"))


def test_a_second_job_is_refused_with_the_first_ones_process_and_leaves_it_alone(tmp_path: Path) -> None:
    with job(tmp_path) as running:
        with pytest.raises(
            HeldError, match=rf"is being filled by process {running.pid} on .* UTC; let it finish, or end it"
        ):
            filling(str(tmp_path)).__enter__()
        assert rows_staged(str(tmp_path)) == 2


def test_what_a_killed_job_left_is_gone_with_the_next_and_no_other_folder(tmp_path: Path) -> None:
    joined = tmp_path / f"{COMPACTED}2026-01-01-a"
    committed = tmp_path / f"{STAGING}b"
    for folder in (joined, committed):
        folder.mkdir()
    (committed / "commit.json").write_text("{}")
    with job(tmp_path) as running:
        running.kill()
    assert rows_staged(str(tmp_path)) == 2
    with filling(str(tmp_path)) as mine:
        assert set(staged(tmp_path)) == {joined.name, Path(mine).name}, "what was committed has been put into place"
        assert rows_staged(str(tmp_path)) == 0
    assert staged(tmp_path) == [joined.name]


def test_a_job_that_fails_lets_go(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), filling(str(tmp_path)):
        raise ZeroDivisionError
    with filling(str(tmp_path)):
        pass


def test_a_lock_is_free_again_and_says_who_has_it(tmp_path: Path) -> None:
    lock = tmp_path / "a" / "lock"
    for _ in range(2):
        with (
            one_at_a_time(lock, "it is done"),
            pytest.raises(HeldError, match=f"it is done by process {os.getpid()} on "),
        ):
            one_at_a_time(lock, "it is done").__enter__()
