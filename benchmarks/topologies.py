"""Redis in every topology, and a fault in the middle of its traffic: what callers see, how long, and which rows are lost.

`python -m benchmarks.topologies [--seconds 15] [--away 4] [--only NAME ...]`. Real servers on this machine. One thread writes rows of new
entities through our writer and tries again what fails, as the stream does; another reads rows that were acknowledged, 200 times a
second. After a third of the time the fault is caused: a restart of a server that keeps its data on disk; kill -9 of a primary that keeps
none, which is started again, empty, after `--away` seconds, or at once; or slots that move. In the end every row that was
acknowledged is looked for.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from commands.table import show_table
from stores.cells.layout import ViewLayout
from stores.online import OnlineStoreUnavailable, find_room, open_room
from stores.redis_online import MillraceRedisOnlineStoreConfig
from workspace.redis_server import HOST, RedisServer, start_redis
from workspace.redis_tls import make_certificates, start_tls_redis
from workspace.redis_topologies import MASTER, RedisGroup, move_slots, start_cluster, start_sentinels

VIEW = ViewLayout("bench", "counts", (("user", "STRING"),), (("n", "INT64"), ("text", "STRING")))
ROWS = 50  # a write
READ_TIMEOUT_S = 0.5  # as serving has it
HEAD = (
    "topology",
    "fault",
    "wait_replicas",
    "reads from",
    "writes failed",
    "writes away, s",
    "reads failed",
    "reads away, s",
    "rows acknowledged",
    "of them lost",
)
AT_ONCE = "kill -9, back at once"
"""It comes back empty before anybody has taken its place, and its replicas copy that: WAIT promises nothing here."""
Fault = Callable[[], None]


@dataclass
class Traffic:
    """What callers saw.

    Attributes:
        done: When a call went well, seconds.
        failed: When one failed.
    """

    done: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)

    def away(self) -> float:
        """Return how long no call went well around the failures, seconds; 0 without any."""
        if not self.failed:
            return 0.0
        before = max((t for t in self.done if t < self.failed[0]), default=self.failed[0])
        after = min((t for t in self.done if t > self.failed[-1]), default=float("inf"))
        return after - before


def main() -> None:
    """Run each topology with its fault, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of traffic in each run")
    parser.add_argument("--away", type=float, default=4.0, help="seconds until what was killed is started again")
    parser.add_argument("--only", nargs="*", choices=sorted(TOPOLOGIES), default=list(TOPOLOGIES))
    given = parser.parse_args()
    rows, lost = [], 0
    for name in given.only:
        for fault, waits, source in RUNS[name]:
            print(f"{name}, {fault} ...", flush=True)
            row = run(name, fault, waits, source, given)
            kept = fault != AT_ONCE and (waits or fault == "restart")
            lost += int(row[-1].replace(",", "")) if kept else 0
            rows.append(row)
    show_table(HEAD, rows)
    if lost:
        sys.exit("rows were lost that the declared number of replicas had acknowledged")


SOURCES: dict[str, dict[str, Any]] = {
    "primary": {},
    "replica": {"read_from": "replica"},
    "replica, 5 s": {"read_from": "replica", "max_replica_lag_ms": 5000},  # longer than a failover takes
}
RUNS: dict[str, list[tuple[str, int, str]]] = {
    "single": [("restart", 0, "primary")],
    "unix socket": [("restart", 0, "primary")],
    "TLS": [("restart", 0, "primary")],
    "Sentinel": [
        ("kill -9", 0, "primary"),
        ("kill -9", 1, "primary"),
        ("kill -9", 1, "replica"),
        ("kill -9", 1, "replica, 5 s"),
        (AT_ONCE, 1, "primary"),
    ],
    "Cluster": [
        ("kill -9", 0, "primary"),
        ("kill -9", 1, "primary"),
        ("kill -9", 1, "replica"),
        ("kill -9", 1, "replica, 5 s"),
        (AT_ONCE, 1, "primary"),
        ("slots move", 1, "primary"),
        ("slots move", 1, "replica"),
    ],
}


def run(name: str, fault: str, waits: int, source: str, given: argparse.Namespace) -> tuple[str, ...]:
    """Run one topology with one fault; return its line of the table."""
    with tempfile.TemporaryDirectory() as folder, TOPOLOGIES[name](Path(folder), given.away) as (said, faults):
        options = {"type": "stores.redis_online.MillraceRedisOnlineStore", **said}
        writes = {**options, "wait_replicas": waits, "wait_timeout_ms": 500}
        reads = {**options, **SOURCES[source]}
        acknowledged: list[int] = []
        stop, writing, reading = threading.Event(), Traffic(), Traffic()
        threads = [
            threading.Thread(target=keep_writing, args=(opened(writes, 2.0), acknowledged, writing, stop)),
            threading.Thread(target=keep_reading, args=(opened(reads, READ_TIMEOUT_S), acknowledged, reading, stop)),
        ]
        for thread in threads:
            thread.start()
        time.sleep(given.seconds / 3)
        began = time.monotonic()
        faults[fault]()
        time.sleep(max(given.seconds * 2 / 3 - (time.monotonic() - began), 1.0))
        stop.set()
        for thread in threads:
            thread.join()
        missing = count_missing(opened(options, 5.0), acknowledged)
    figures = [f"{len(writing.failed):,}", f"{writing.away():.1f}", f"{len(reading.failed):,}", f"{reading.away():.1f}"]
    return name, fault, str(waits), source, *figures, f"{len(acknowledged) * ROWS:,}", f"{missing:,}"


def opened(options: dict[str, Any], timeout_s: float) -> Any:
    """Open a store by what feature_store.yaml says."""
    return open_room(*find_room(MillraceRedisOnlineStoreConfig(**options)), timeout_s, True)


def users(batch: int) -> list[str]:
    """The entities of a write."""
    return [f"{batch}-{row}" for row in range(ROWS)]


def keep_writing(store: Any, acknowledged: list[int], traffic: Traffic, stop: threading.Event) -> None:
    """Write new rows until the end, each batch again until it is acknowledged."""
    writer, batch = store.writer(VIEW), 0
    times = pa.array(np.full(ROWS, 1_772_366_400_000_000), pa.timestamp("us", "UTC"))
    while not stop.is_set():
        columns = {"user": users(batch), "event_timestamp": times, "n": [batch] * ROWS, "text": ["x" * 20] * ROWS}
        try:
            writer.write(pa.table(columns), "event_timestamp")
        except OnlineStoreUnavailable:
            traffic.failed.append(time.monotonic())
            time.sleep(0.05)
            continue
        traffic.done.append(time.monotonic())
        acknowledged.append(batch)
        batch += 1
        time.sleep(0.002)


def keep_reading(store: Any, acknowledged: list[int], traffic: Traffic, stop: threading.Event) -> None:
    """Read what was acknowledged until the end."""
    reader, random = store.reader([VIEW]), np.random.default_rng(1)
    while not stop.is_set():
        time.sleep(0.005)
        if acknowledged:
            try:
                reader.read({"user": users(acknowledged[int(random.integers(len(acknowledged)))])})
            except OnlineStoreUnavailable:
                traffic.failed.append(time.monotonic())
            else:
                traffic.done.append(time.monotonic())


def count_missing(store: Any, acknowledged: list[int]) -> int:
    """Return how many acknowledged rows the store does not have, or has otherwise."""
    reader, missing = store.reader([VIEW]), 0
    for batch in acknowledged:
        found = reader.read({"user": users(batch)}).views["counts"].columns["n"].as_python()
        missing += sum(n != batch for n in found)
    return missing


def restarted(server: RedisServer, away_s: float, options: tuple[str, ...], stack: ExitStack) -> Fault:
    """Return what ends a server, and starts it again with its data."""

    def restart() -> None:
        server._process.terminate()
        server._process.wait()
        time.sleep(away_s)
        stack.enter_context(start_redis(server.port, server.directory, options=options))

    return restart


KEPT = ("--appendonly", "yes")


@contextmanager
def single(folder: Path, away_s: float) -> Iterator[tuple[dict[str, Any], dict[str, Fault]]]:
    """One server, by host and port."""
    with ExitStack() as stack:
        server = stack.enter_context(start_redis(directory=folder / "redis", options=KEPT))
        yield {"connection_string": server.connection_string}, {"restart": restarted(server, away_s, KEPT, stack)}


@contextmanager
def unix_socket(folder: Path, away_s: float) -> Iterator[tuple[dict[str, Any], dict[str, Fault]]]:
    """One server, by its socket."""
    options = (*KEPT, "--unixsocket", str(folder / "redis.sock"))
    with ExitStack() as stack:
        server = stack.enter_context(start_redis(directory=folder / "redis", options=options))
        yield {"unix_socket": str(folder / "redis.sock")}, {"restart": restarted(server, away_s, options, stack)}


@contextmanager
def tls(folder: Path, away_s: float) -> Iterator[tuple[dict[str, Any], dict[str, Fault]]]:
    """One server, by TLS with a client certificate."""
    files = make_certificates(folder)
    named = {"ca": str(files.ca), "certificate": str(files.certificate), "key": str(files.key)}
    with ExitStack() as stack:
        started = stack.enter_context(start_tls_redis(files, folder / "redis", KEPT))
        restart = restarted(started.server, away_s, (*KEPT, *started.options), stack)
        yield {"connection_string": f"{HOST}:{started.port}", "tls": named}, {"restart": restart}


@contextmanager
def sentinel(folder: Path, away_s: float) -> Iterator[tuple[dict[str, Any], dict[str, Fault]]]:
    """A primary, two replicas and three Sentinels."""
    with start_sentinels(replicas=2, sentinels=3) as group:
        yield said_of(group), kills(group.primaries[0], away_s, (), group.stack)


@contextmanager
def cluster(folder: Path, away_s: float) -> Iterator[tuple[dict[str, Any], dict[str, Fault]]]:
    """Three primaries with a replica each."""
    with start_cluster() as group:
        first, second, third = group.primaries
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000")

        def move() -> None:
            move_slots(first, second, [third], range(2000))

        yield said_of(group), {**kills(first, away_s, options, group.stack), "slots move": move}


def kills(server: RedisServer, away_s: float, options: tuple[str, ...], stack: ExitStack) -> dict[str, Fault]:
    """Return what kills a server, and starts it again, empty."""

    def kill(away_s: float) -> None:
        server.kill()
        time.sleep(away_s)
        stack.enter_context(start_redis(server.port, server.directory, options=options))

    return {"kill -9": partial(kill, away_s), AT_ONCE: partial(kill, 0.0)}


def said_of(group: RedisGroup) -> dict[str, Any]:
    """Return what feature_store.yaml says of a group."""
    address = {"connection_string": group.connection_string, "redis_type": group.redis_type}
    return {**address, "sentinel_master": MASTER}


TOPOLOGIES: dict[str, Any] = {
    "single": single,
    "unix socket": unix_socket,
    "TLS": tls,
    "Sentinel": sentinel,
    "Cluster": cluster,
}


if __name__ == "__main__":
    main()
