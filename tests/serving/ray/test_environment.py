"""Which port is taken, and that services side by side share nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.ray.environment import serve_environment
from workspace.ports import ANY, PortError, free_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        yield int(occupied.getsockname()[1])


def test_free_port_is_taken_as_asked(taken: int) -> None:
    free = free_port("127.0.0.1", 0)
    assert free in ANY
    assert free_port("127.0.0.1", free) == free


def test_taken_port_makes_it_a_later_one(taken: int) -> None:
    assert free_port("127.0.0.1", taken) > taken


def test_address_of_another_machine_has_no_free_port() -> None:
    with pytest.raises(PortError, match=r"no free port on 192\.0\.2\.1 from 8000 to 8050; name another with PORT="):
        free_port("192.0.2.1", 8000)


def test_services_side_by_side_share_no_path_and_no_port(tmp_path: Path) -> None:
    one, two = (serve_environment(tmp_path / name, ports) for name, ports in (("a", (1001, 1002)), ("b", (1003, 1004))))
    for name in one:
        if name.endswith(("_PORT", "_LOC", "_PATH", "_BASE", "_FILE")) and "IMPORT" not in name:
            assert one[name] != two[name], name
