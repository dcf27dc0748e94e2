"""Lets one process at a time do something.

The lock is the operating system's (`flock`): it lets go of what a process held, however that ended. A file with the process's
number would have to be judged, and a number is given again.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path


class HeldError(ValueError):
    """Somebody else is doing it."""


@contextmanager
def one_at_a_time(lock: Path, what: str) -> Iterator[None]:
    """Hold a lock file, which is made where it is absent and stays.

    Args:
        lock: The file; on a volume that several machines have, that volume must know locks (NFS from version 4 on does).
        what: What is done, such as "/data/log/clicks is being filled".

    Raises:
        HeldError: Another process holds it; says which.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HeldError(f"{what} by {lock.read_text() or 'another process'}; let it finish, or end it.") from None
        os.truncate(held, 0)
        os.write(
            held,
            f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC".encode(),
        )
        yield
    finally:
        os.close(held)
