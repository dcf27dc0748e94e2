"""Sends many packed commands to Redis and reads their replies, in one round trip per node.

redis-py's pipeline spends more on each command than Redis does; packed by the caller, 128 HMGETs take half the time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import redis
from redis.cluster import RedisCluster
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisClusterException, ResponseError, TryAgainError

from stores.redis.connection import Client, address_of, unavailable

_ATTEMPTS = 4
_ASKING = b"*1\r\n$6\r\nASKING\r\n"


def exchange(client: Client, keys: Sequence[bytes], packed: Sequence[bytes]) -> list[Any]:
    """Send commands and return their replies, in order.

    A command may be sent twice when a connection breaks, so it must be safe to repeat. A node of a cluster that has
    moved is looked up again.

    Args:
        client: Redis.
        keys: For each command a key that it touches; all its keys lie in the same hash slot.
        packed: The commands in the Redis protocol.

    Returns:
        One reply per command: bytes, int, list or None, undecoded; a `redis.ResponseError` (not raised) if Redis
        refused the command.

    Raises:
        OnlineStoreUnavailable: A node does not answer.
    """
    replies: list[Any] = [None] * len(packed)
    pending: Sequence[int] = range(len(packed))
    reason: Exception | None = None
    for _ in range(_ATTEMPTS if isinstance(client, RedisCluster) else 2):
        pending, reason = _attempt(client, keys, packed, pending, replies)
        if not pending:
            return replies
        if isinstance(client, RedisCluster):
            _find_nodes_again(client)
    raise unavailable(address_of(client), reason) from reason


def _attempt(
    client: Client, keys: Sequence[bytes], packed: Sequence[bytes], pending: Sequence[int], replies: list[Any]
) -> tuple[list[int], Exception | None]:
    """Send the pending commands once; return those to send again, and why."""
    again: list[int] = []
    reason: Exception | None = None
    try:
        groups = _by_node(client, keys, pending)
    except (redis.RedisError, RedisClusterException) as error:  # no node serves a slot
        return list(pending), error
    open_: list[tuple[redis.Redis, Any, Sequence[int]]] = []
    try:
        for node, indices in groups:
            try:
                connection: Any = node.connection_pool.get_connection()
                open_.append((node, connection, indices))
                connection.send_packed_command(_joined(packed, indices))
            except (redis.ConnectionError, redis.TimeoutError) as error:
                again += indices
                reason = error
                if open_ and open_[-1][2] is indices:
                    node.connection_pool.release(open_.pop()[1])
        while open_:
            node, connection, indices = open_[-1]
            try:
                received = _read_all(connection, len(indices))
            except (redis.ConnectionError, redis.TimeoutError) as error:
                connection.disconnect()
                again += indices
                reason, received = error, []
            open_.pop()
            node.connection_pool.release(connection)
            for index, reply in zip(indices, received, strict=False):
                replies[index] = reply
                if isinstance(reply, ResponseError):
                    if isinstance(reply, AskError) and not isinstance(reply, MovedError):
                        replies[index] = reply = _ask(client, reply, packed[index])
                    if isinstance(reply, MovedError | ClusterDownError | TryAgainError):
                        again.append(index)
                        reason = reply
    finally:
        for node, connection, _ in open_:  # interrupted: its replies must not reach the next reader
            connection.disconnect()
            node.connection_pool.release(connection)
    return again, reason


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


def _ask(client: Client, moved: AskError, packed: bytes) -> Any:
    """Send one command to the node that a key is just moving to."""
    cluster: Any = client
    node = cluster.get_node(host=moved.host, port=moved.port)
    if node is None:
        return TryAgainError(str(moved))
    pool = cluster.get_redis_connection(node).connection_pool
    connection = pool.get_connection()
    try:
        connection.send_packed_command([_ASKING, packed])
        _read(connection)
        return _read(connection)
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def _find_nodes_again(cluster: RedisCluster) -> None:
    try:
        cluster.nodes_manager.initialize()
    except (redis.RedisError, RedisClusterException) as error:
        raise unavailable(address_of(cluster), error) from error
