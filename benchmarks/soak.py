"""Many calls on a real Redis that is killed in between, and what they leave behind: threads, files, connections, memory.

    python -m benchmarks.soak --calls 1000000 --steps 20 --callers 4

Callers share a reader, a writer, a reader behind a cache and a Feast store with the plug-in, and call them in turns, with one and
with many entities. In the middle of each step Redis is killed and started again, empty, at the same port. After each step the callers
rest and the process is looked at: what it has then must not grow with the calls. Exits with 1 if it does.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import redis

from benchmarks.soak_calls import open_calls
from stores.online import OnlineStoreUnavailable
from workspace.redis_server import start_redis

RSS_MB: Final = 6.0
"""Megabytes that memory may vary by: what the allocator keeps of a busy moment."""

BLOCKS: Final = 3_000
"""Python's blocks of memory that may come and go: what interpreters and libraries remember once, such as a first error."""

HEAD: Final = ("calls", "failed", "threads", "files", "connections", "RSS, MB", "blocks", "Redis, MB")


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process has while nobody calls.

    Attributes:
        calls: How many calls there were.
        failed: How many of them Redis did not answer.
        threads: Python's.
        files: Open files, sockets among them.
        connections: What Redis lists, but the one that asks.
        rss_mb: Resident memory.
        blocks: What Python's allocator has given out.
        redis_mb: Redis's own memory.
    """

    calls: int
    failed: int
    threads: int
    files: int
    connections: int
    rss_mb: float
    blocks: int
    redis_mb: float

    def row(self) -> tuple[str, ...]:
        """Return it as a line of the table."""
        first = (self.calls, self.failed, self.threads, self.files, self.connections)
        return (*(f"{one:,}" for one in first), f"{self.rss_mb:.1f}", f"{self.blocks:,}", f"{self.redis_mb:.1f}")


class Counts:
    """What callers did, added up. Thread-safe."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._numbers = count()
        self.failed = 0
        self.done = 0
        self._lock = threading.Lock()

    def call(self, calls: Callable[[int], Any], until: int) -> bool:
        """Make the next call; return whether there was one to make."""
        number = next(self._numbers)
        if number >= until:
            self._numbers = count(until)
            return False
        try:
            calls(number)
        except OnlineStoreUnavailable:
            with self._lock:
                self.failed += 1
            time.sleep(0.01)  # who is refused at once would make all of the calls meanwhile
        with self._lock:
            self.done += 1
        return True


def look(port: int, counts: Counts) -> Footprint:
    """Return what this process has now."""
    gc.collect()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    with redis.Redis(port=port) as client:
        info: Any = client.info("memory")
        clients: Any = client.client_list()
    with Path("/proc/self/statm").open() as pages:
        resident = int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return Footprint(
        counts.done,
        counts.failed,
        threading.active_count(),
        len(os.listdir("/proc/self/fd")) - 1,
        len(clients) - 1,
        resident / 1e6,
        sys.getallocatedblocks(),
        info["used_memory"] / 1e6,
    )


def soak(
    calls: int,
    steps: int,
    callers: int,
    wrap: Callable[[Callable[[int], Any]], Callable[[int], Any]] = lambda one: one,
    say: Callable[[Footprint], object] = lambda _: None,
) -> tuple[list[Footprint], Mapping[str, Any]]:
    """Make calls in steps, with a kill of Redis in each; return what was there after each, and what the stores say of themselves.

    Args:
        calls: How many, all in all.
        steps: After how many parts of them the process is looked at.
        callers: Threads.
        wrap: Puts something around the calls.
        say: Gets each look.
    """
    server, found, counts = start_redis(), [], Counts()
    try:
        with tempfile.TemporaryDirectory() as folder, open_calls(server.connection_string, Path(folder)) as opened:
            for step in range(steps):
                until = calls * (step + 1) // steps
                threads = [
                    threading.Thread(target=_keep_calling, args=(counts, wrap(opened.call), until))
                    for _ in range(callers)
                ]
                for thread in threads:
                    thread.start()
                while counts.done < until - calls // steps // 2:
                    time.sleep(0.01)
                server.kill()
                server.stop()
                server = start_redis(server.port)
                for thread in threads:
                    thread.join()
                found.append(look(server.port, counts))
                say(found[-1])
            return found, opened.stats()
    finally:
        server.stop()


def _keep_calling(counts: Counts, calls: Callable[[int], Any], until: int) -> None:
    while counts.call(calls, until):
        pass


def growth(found: list[Footprint], callers: int) -> list[str]:
    """Return what grew, in words; none where all is well. The first look is left out: libraries are loaded until then."""
    first, last = found[1], found[-1]
    most = 3 * callers + 2  # each caller at each of three clients, and the bulk writer's two
    problems = []
    if last.threads > first.threads:
        problems.append(f"threads: {first.threads} became {last.threads}")
    if max(one.connections for one in found) > most:
        problems.append(f"connections: {last.connections}; {callers} callers need {most} at most")
    if last.files - last.connections > first.files - first.connections + callers:
        problems.append(f"files: {first.files} became {last.files}")
    if last.rss_mb - first.rss_mb > RSS_MB:
        problems.append(f"memory: {first.rss_mb:.1f} MB became {last.rss_mb:.1f}")
    if last.blocks - first.blocks > BLOCKS:
        problems.append(f"blocks: {first.blocks:,} became {last.blocks:,}")
    return problems


def main() -> None:
    """Make the calls, print what was there after each step, and exit with 1 if it grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=20, help="each with a kill; at least 3")
    parser.add_argument("--callers", type=int, default=4)
    given = parser.parse_args()
    print(" ".join(f"{one:>12}" for one in HEAD), flush=True)

    def say(one: Footprint) -> None:
        print(" ".join(f"{cell:>12}" for cell in one.row()), flush=True)

    found, stats = soak(given.calls, max(given.steps, 3), given.callers, say=say)
    for name, said in stats.items():
        print(f"{name}: {said}")
    per_call = (found[-1].rss_mb - found[1].rss_mb) * 1e6 / (found[-1].calls - found[1].calls)
    print(f"from the second look to the last: {per_call:+.1f} bytes a call")
    if problems := growth(found, given.callers):
        sys.exit("grew with the calls: " + "; ".join(problems))


if __name__ == "__main__":
    main()
