"""Connects to Redis as `feature_store.yaml` describes it: one server, a Sentinel group or a cluster."""

from __future__ import annotations

import json
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException
from redis.retry import Retry
from redis.sentinel import Sentinel

from stores.online import OnlineStoreUnavailable

Client = redis.Redis | RedisCluster

# redis-py waits for ever to connect and then tries again for seconds; a scoring service must know at once.
_DEFAULTS: dict[str, Any] = {"socket_connect_timeout": 2.0, "socket_timeout": 10.0}


def unavailable(address: str, reason: object) -> OnlineStoreUnavailable:
    """Return the error for a Redis that does not answer."""
    return OnlineStoreUnavailable(
        f"Redis at {address} does not answer ({reason}); start one with 'make redis' "
        "or set online_store.connection_string in feature_store.yaml"
    )


def connect(
    connection_string: str, redis_type: str = "redis", *, sentinel_master: str = "mymaster", check: bool = True
) -> Client:
    """Connect to Redis.

    Args:
        connection_string: Feast's form: `host:port[,host:port...][,parameter=value...]`, such as
            `10.0.0.1:6379,ssl=true,password=...`. Every redis-py parameter is allowed. Without them, connecting may
            take 2 s and an answer 10 s.
        redis_type: `redis`, `redis_sentinel` or `redis_cluster`.
        sentinel_master: The name the Sentinel group gives its master.
        check: Whether to ask for an answer now; otherwise the first read or write does.

    Raises:
        OnlineStoreUnavailable: Redis does not answer.
        ValueError: The connection string names no host, or the type is none of the three.
    """
    nodes, parameters = _parse(connection_string)
    settings = {**_DEFAULTS, "retry": Retry(NoBackoff(), 1), **parameters}
    address = ",".join(f"{host}:{port}" for host, port in nodes)
    client: Client
    sentinel: Any = Sentinel  # redis-py leaves some of its classes untyped
    node: Any = ClusterNode
    try:
        if redis_type == "redis_cluster":
            client = RedisCluster(startup_nodes=[node(host, port) for host, port in nodes], **settings)
        elif redis_type == "redis_sentinel":
            client = sentinel(nodes, **settings).master_for(sentinel_master)
        elif redis_type == "redis":
            client = redis.Redis(host=nodes[0][0], port=nodes[0][1], **settings)
        else:
            raise ValueError(f"redis_type {redis_type!r}: use redis, redis_sentinel or redis_cluster.")
        if check:
            client.ping()
    except (redis.RedisError, RedisClusterException, OSError) as error:
        raise unavailable(address, error) from error
    return client


def address_of(client: Client) -> str:
    """Return `host:port` of a client, for messages; every node of a cluster."""
    if isinstance(client, RedisCluster):
        return ",".join(sorted(client.nodes_manager.nodes_cache))
    settings = client.connection_pool.connection_kwargs
    return f"{settings.get('host', 'sentinel')}:{settings.get('port', settings.get('service_name', ''))}"


def _parse(connection_string: str) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """Read Feast's form: hosts, then parameters whose values are JSON where they can be.

    Written anew, for Feast's own costs an import of seconds in every Spark worker.
    """
    nodes, parameters = [], {}
    for part in connection_string.split(","):
        name, equals, value = part.partition("=")
        if equals:
            try:
                parameters[name] = json.loads(value)
            except json.JSONDecodeError:
                parameters[name] = value
        elif part:
            host, _, port = part.partition(":")
            nodes.append((host, int(port or 6379)))
    if not nodes or any(not host for host, _ in nodes):
        raise ValueError(f"online_store.connection_string {connection_string!r}: name a host, such as 127.0.0.1:6379.")
    return nodes, parameters
