"""Opens a DuckDB that spills to disk beyond its memory, and takes away what others left there that were killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

_PREFIX: Final = "millrace-duckdb-"
_LOCK: Final = "lock"


@contextmanager
def open_duckdb(
    threads: int | None = None, memory_limit: str | None = None, spill: str | Path | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory DuckDB in UTC.

    Args:
        threads: None takes all cores.
        memory_limit: Such as `4GB`, beyond which it spills; None takes DuckDB's 80 % of the machine.
        spill: The folder to spill to, which is made; None takes the machine's for temporary files.
    """
    with _spill_folder(Path(spill or tempfile.gettempdir())) as folder:
        options: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": "false",  # nothing is fetched while something else is asked for
            "temp_directory": str(folder),
            "preserve_insertion_order": "false",
        }
        if threads:
            options["threads"] = threads
        if memory_limit:
            options["memory_limit"] = memory_limit
        with duckdb.connect(":memory:", config=options) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection


@contextmanager
def _spill_folder(parent: Path) -> Iterator[Path]:
    """Give a folder of one's own; it is locked as long as it is used, so that those of dead processes are known."""
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f"{_PREFIX}*"):
        _remove_if_left(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent, ignore_cleanup_errors=True) as folder:
        held = os.open(Path(folder, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield Path(folder)
        finally:
            os.close(held)


def _remove_if_left(folder: Path) -> None:
    try:
        held = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # made just now, gone, or somebody else's
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(held)
