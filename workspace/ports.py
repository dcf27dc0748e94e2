"""Finds free ports."""

from __future__ import annotations

import random
import socket
from typing import Final

ATTEMPTS: Final = 50
"""How many ports are tried after the one asked for."""

ANY: Final = range(20_000, 30_000)
"""Ports to choose from freely: below those that the kernel lends, some of which others borrow before theirs is bound."""


class PortError(RuntimeError):
    """No free port was found."""


def free_port(host: str, wanted: int = 0) -> int:
    """Return `wanted` if it is free, else the next free one after it; 0 takes any of `ANY`.

    Raises:
        PortError: None of the `ATTEMPTS` ports after it is free.
    """
    for port in random.sample(ANY, ATTEMPTS) if wanted == 0 else range(wanted, min(wanted + ATTEMPTS, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise PortError(f"no free port on {host} from {wanted} to {wanted + ATTEMPTS}; name another with PORT=.")
