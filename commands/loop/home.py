"""The home of one run: a data folder of its own, a Redis of its own, a Feast configuration that names both."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import yaml

from workspace.redis_server import RedisServer, start_redis
from workspace.workspace import BROKER, Workspace

MARK = ".made-by-run"

_OF_A_PLACE: Final = (
    "redis_type",
    "sentinel_master",
    "unix_socket",
    "user",
    "password",
    "sentinel_user",
    "sentinel_password",
    "tls",
    "read_from",
    "replicas",
    "max_replica_lag_ms",
    "wait_replicas",
    "wait_timeout_ms",
)
"""What the repo says of the way to its own Redis, and of that one's replicas: a run has another."""


@contextmanager
def open_home(repo: Path, data: Path) -> Iterator[tuple[Workspace, RedisServer]]:
    """Empty the data folder of the last run, start Redis and write the configuration; on leaving, stop Redis.

    A folder that another run is using, or that no run made, is stepped around: `data`, `data-2`, `data-3`, ... What is there
    stays there when the run ends, so that the other commands can work on it.
    """
    folder, lock = _claim(data)
    if folder != data:
        print(f"  {data} is not free for a run; for other commands set MILLRACE_DATA={folder}", flush=True)
    for path in folder.iterdir():
        if path.name != ".lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (folder / MARK).touch()
    server = start_redis()
    try:
        yield _configure(repo, folder, server), server
    finally:
        server.stop()
        os.close(lock)


def _claim(data: Path) -> tuple[Path, int]:
    """Return the first folder of the series that is free and a run's own, and the lock on it."""
    number = 1
    while True:
        folder = data if number == 1 else data.with_name(f"{data.name}-{number}")
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            free = False
        else:
            held = {path.name for path in folder.iterdir()} - {".lock"}
            free = not held or MARK in held
        if free:
            return folder, lock
        os.close(lock)
        number += 1


def _configure(repo: Path, folder: Path, server: RedisServer) -> Workspace:
    settings = yaml.safe_load((repo / "feature_store.yaml").read_text())
    settings["registry"] = str(folder / "registry.db")
    online = settings["online_store"]
    redis = online.get("hot", online)  # of a tiered store, the warm one is where it was
    for option in _OF_A_PLACE:
        redis.pop(option, None)
    redis["connection_string"] = server.connection_string
    redis["clock"] = "stream"  # the events of a run are not of today: ttl goes by their own time
    path = folder / "feature_store.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    (folder / BROKER).write_text(server.url)
    workspace = Workspace(repo, folder, path)
    os.environ.update(workspace.environment(), MILLRACE_BROKER=server.url)
    return workspace
