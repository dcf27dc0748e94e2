"""Sends many packed commands to Redis and reads their replies, in one round trip per node.

redis-py's pipeline spends more on each command than Redis does; packed by the caller, 128 HMGETs take half the time.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import redis
from redis.cluster import RedisCluster
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisClusterException, ResponseError, TryAgainError

from stores.online import OnlineStoreUnavailable
from stores.redis.connection import Client, address_of, socket_timeout_of, unavailable

_ATTEMPTS = 4
_ASKING = b"*1\r\n$6\r\nASKING\r\n"

Route = Callable[[Sequence[int]], list[tuple[redis.Redis, Sequence[int]]]]
"""From the numbers of commands to the nodes that are asked, each with those of its commands."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """How many replicas must have a write before it counts as made.

    Attributes:
        replicas: How many; at least 1.
        timeout_s: How long they have for it, seconds.
    """

    replicas: int
    timeout_s: float = 1.0

    def packed(self, socket_timeout_s: float | None) -> bytes:
        """Return the command that waits for them, for less long than the connection waits for an answer."""
        most = self.timeout_s if socket_timeout_s is None else min(self.timeout_s, 0.8 * socket_timeout_s)
        number, wait = b"%d" % self.replicas, b"%d" % max(int(most * 1000), 1)
        return b"*3\r\n$4\r\nWAIT\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(number), number, len(wait), wait)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long something is tried; the pauses are drawn at random, "full jitter".

    Attributes:
        attempts: How often, the first time included.
        pause_s: The most that is waited before the first further attempt, seconds; twice that before the next, and so on.
        budget_s: After how many seconds nothing is tried again; None for no end.
    """

    attempts: int = 2
    pause_s: float = 0.01
    budget_s: float | None = None

    def pause(self, attempt: int) -> float:
        """Return how long to wait before an attempt, seconds; the first has the number 0.

        Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
        """
        return random.uniform(0, min(self.pause_s * 2 ** max(attempt - 1, 0), _LONGEST_PAUSE_S))


_LONGEST_PAUSE_S = 0.25


@dataclass(slots=True)
class ExchangeCounts:
    """What went wrong in exchanges, counted.

    Attributes:
        retries: Further attempts.
        timeouts: Nodes that did not answer in time.
        broken: Connections that broke or were not made.
        moved: Commands that a cluster had answered from another node.
    """

    retries: int = 0
    timeouts: int = 0
    broken: int = 0
    moved: int = 0


def exchange(
    client: Client,
    keys: Sequence[bytes],
    packed: Sequence[bytes],
    *,
    first: Route | None = None,
    patience: Patience | None = None,
    acknowledged: Acknowledged | None = None,
    counts: ExchangeCounts | None = None,
) -> list[Any]:
    """Send commands and return their replies, in order.

    A command may be sent twice when a connection breaks, so it must be safe to repeat. A node of a cluster that has
    moved is looked up again.

    Args:
        client: Redis.
        keys: For each command a key that it touches; all its keys lie in the same hash slot.
        packed: The commands in the Redis protocol.
        first: Which nodes the first attempt asks; None for the primaries, as all further ones do.
        patience: How often it is tried; None for twice, and four times in a cluster.
        acknowledged: Which replicas must have the writes among the commands; None for none.
        counts: Where what goes wrong is counted.

    Returns:
        One reply per command: bytes, int, list or None, undecoded; a `redis.ResponseError` (not raised) if Redis
        refused the command.

    Raises:
        OnlineStoreUnavailable: A node does not answer, or replicas do not acknowledge; what was written may be there.
    """
    in_cluster = isinstance(client, RedisCluster)
    patience = patience or Patience(_ATTEMPTS if in_cluster else 2)
    counts = counts if counts is not None else ExchangeCounts()
    waits = acknowledged.packed(socket_timeout_of(client)) if acknowledged else None
    replies: list[Any] = [None] * len(packed)
    told: list[int] = []
    pending: Sequence[int] = range(len(packed))
    reason: Exception | None = None
    began = time.monotonic()
    for attempt in range(patience.attempts):
        if attempt:
            if patience.budget_s is not None and time.monotonic() - began >= patience.budget_s:
                break
            counts.retries += 1
            if in_cluster:
                _find_nodes_again(client)
            if not isinstance(reason, MovedError):
                time.sleep(patience.pause(attempt))
        route = first if first and not attempt else partial(_by_node, client, keys)
        pending, reason = _attempt(client, route, packed, pending, replies, counts, waits, told)
        if not pending:
            if acknowledged and told and min(told) < acknowledged.replicas:
                raise _too_few(client, acknowledged, min(told))
            return replies
    if in_cluster:
        _find_nodes_again(client)
    raise unavailable(address_of(client), reason) from reason


def _too_few(client: Client, wanted: Acknowledged, got: int) -> OnlineStoreUnavailable:
    return OnlineStoreUnavailable(
        f"Redis at {address_of(client)}: {got} of the {wanted.replicas} replicas that online_store.wait_replicas asks for have "
        f"the rows after {wanted.timeout_s:g} s; the primary may have them, and writing again is safe. Start the replicas, or "
        "ask for fewer."
    )


def _attempt(
    client: Client,
    route: Route,
    packed: Sequence[bytes],
    pending: Sequence[int],
    replies: list[Any],
    counts: ExchangeCounts,
    waits: bytes | None,
    told: list[int],
) -> tuple[list[int], Exception | None]:
    """Send the pending commands once; return those to send again, and why."""
    again: list[int] = []
    reason: Exception | None = None
    try:
        groups = route(pending)
    except (redis.RedisError, RedisClusterException) as error:  # no node serves a slot
        return list(pending), error
    open_: list[tuple[redis.Redis, Any, Sequence[int]]] = []
    try:
        for node, indices in groups:
            try:
                connection: Any = node.connection_pool.get_connection()
                open_.append((node, connection, indices))
                connection.send_packed_command(
                    [*_joined(packed, indices), waits] if waits else _joined(packed, indices)
                )
            except (redis.ConnectionError, redis.TimeoutError) as error:
                again += indices
                reason = _counted(counts, error)
                if open_ and open_[-1][2] is indices:
                    node.connection_pool.release(open_.pop()[1])
        while open_:
            node, connection, indices = open_[-1]
            try:
                received = _read_all(connection, len(indices))
                if waits:
                    _note(told, received, _read(connection))
            except (redis.ConnectionError, redis.TimeoutError) as error:
                connection.disconnect()
                again += indices
                reason, received = _counted(counts, error), []
            open_.pop()
            node.connection_pool.release(connection)
            for index, reply in zip(indices, received, strict=False):
                replies[index] = reply
                if isinstance(reply, ResponseError):
                    if isinstance(reply, AskError) and not isinstance(reply, MovedError):
                        counts.moved += 1
                        replies[index] = reply = _ask(client, reply, packed[index], waits, told)
                    if isinstance(reply, MovedError | ClusterDownError | TryAgainError):
                        counts.moved += isinstance(reply, MovedError)
                        again.append(index)
                        reason = reply
    finally:
        for node, connection, _ in open_:  # interrupted: its replies must not reach the next reader
            connection.disconnect()
            node.connection_pool.release(connection)
    return again, reason


def _counted(counts: ExchangeCounts, error: Exception) -> Exception:
    if isinstance(error, redis.TimeoutError):
        counts.timeouts += 1
    else:
        counts.broken += 1
    return error


def _note(told: list[int], replies: Sequence[Any], acknowledged: Any) -> None:
    """Note how many replicas have acknowledged; where every command was refused, there is nothing to acknowledge.

    Raises:
        redis.ResponseError: Redis refused to wait for them.
    """
    if all(isinstance(reply, ResponseError) for reply in replies):
        return
    if isinstance(acknowledged, ResponseError):
        raise acknowledged
    told.append(int(acknowledged))


def _by_node(client: Client, keys: Sequence[bytes], pending: Sequence[int]) -> list[tuple[redis.Redis, Sequence[int]]]:
    if not isinstance(client, RedisCluster):
        return [(client, pending)] if pending else []
    groups: dict[Any, list[int]] = defaultdict(list)
    find: Any = client.get_node_from_key
    for index in pending:
        groups[find(keys[index])].append(index)
    return [(client.get_redis_connection(node), indices) for node, indices in groups.items()]


def _joined(packed: Sequence[bytes], indices: Sequence[int]) -> Sequence[bytes]:
    """Join small commands, so that many go out in one packet; leaves large ones as they are."""
    chosen = packed if len(indices) == len(packed) else [packed[index] for index in indices]
    return chosen if len(chosen[0]) > 4096 else [b"".join(chosen)]


def _read_all(connection: Any, count: int) -> list[Any]:
    """Read replies: the first through redis-py, which waits for it, and then all that hiredis has got with it.

    redis-py takes five times as long for a reply as hiredis. What is neither a list, nor a number, nor an error goes back to it.
    """
    parser = getattr(connection, "_parser", None)
    reader = getattr(parser, "_reader", None)
    replies: list[Any] = []
    while len(replies) < count:
        replies.append(_read(connection))
        while reader is not None and len(replies) < count:
            reply = reader.gets(False)
            if not isinstance(reply, list | int | ResponseError):
                parser._next_response = reply  # type: ignore[union-attr]  # nothing yet, most of all
                break
            replies.append(reply)
    return replies


def _read(connection: Any) -> Any:
    try:
        return connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error


def _ask(client: Client, moved: AskError, packed: bytes, waits: bytes | None, told: list[int]) -> Any:
    """Send one command to the node that a key is just moving to."""
    cluster: Any = client
    node = cluster.get_node(host=moved.host, port=moved.port)
    if node is None:
        return TryAgainError(str(moved))
    pool = cluster.get_redis_connection(node).connection_pool
    connection = pool.get_connection()
    try:
        connection.send_packed_command([_ASKING, packed, *([waits] if waits else [])])
        _read(connection)
        reply = _read(connection)
        if waits:
            _note(told, [reply], _read(connection))
        return reply
    except (redis.ConnectionError, redis.TimeoutError) as error:
        connection.disconnect()
        return TryAgainError(str(error))
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def _find_nodes_again(client: Client) -> None:
    cluster: Any = client
    try:
        cluster.nodes_manager.initialize()
    except (redis.RedisError, RedisClusterException) as error:
        raise unavailable(address_of(client), error) from error
