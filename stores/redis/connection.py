"""Connects to Redis as `feature_store.yaml` describes it: one server, a Sentinel group or a cluster."""

from __future__ import annotations

import json
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, LoadBalancingStrategy, RedisCluster
from redis.exceptions import AuthenticationError, NoPermissionError, RedisClusterException
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from stores.online import OnlineStoreUnavailable
from stores.redis.access import Access

Client = redis.Redis | RedisCluster

# redis-py waits for ever to connect and then tries again for seconds; a scoring service must know at once.
_DEFAULTS: dict[str, Any] = {"socket_connect_timeout": 2.0, "socket_timeout": 10.0}
_TEXTS = ("username", "password")  # also where they look like numbers


def unavailable(address: str, reason: object) -> OnlineStoreUnavailable:
    """Return the error for a Redis that does not answer, or not to this user."""
    if isinstance(reason, AuthenticationError | NoPermissionError):
        return OnlineStoreUnavailable(
            f"Redis at {address} refuses the user ({reason}); set online_store.user and password in feature_store.yaml, "
            "and give that user the commands that docs/storage.md lists"
        )
    return OnlineStoreUnavailable(
        f"Redis at {address} does not answer ({reason}); start one with 'make redis' "
        "or set online_store.connection_string in feature_store.yaml"
    )


def connect(
    connection_string: str,
    redis_type: str = "redis",
    *,
    sentinel_master: str = "mymaster",
    check: bool = True,
    access: Access | None = None,
    from_replicas: bool = False,
) -> Client:
    """Connect to Redis.

    Args:
        connection_string: Feast's form: `host:port[,host:port...][,parameter=value...]`, such as
            `10.0.0.1:6379,ssl=true,password=...`. Every redis-py parameter is allowed. Without them, connecting may
            take 2 s and an answer 10 s.
        redis_type: `redis`, `redis_sentinel` or `redis_cluster`.
        sentinel_master: The name the Sentinel group gives its master.
        check: Whether to ask for an answer now; otherwise the first read or write does.
        access: What the connection string has no word for; it comes before what that says.
        from_replicas: Whether the replicas of a cluster may be read through the client.

    Raises:
        OnlineStoreUnavailable: Redis does not answer, or refuses the user.
        ValueError: The connection string names no host, a file of TLS is not there, or the type is none of the three.
    """
    access = access or Access()
    nodes, parameters = parse_address(connection_string)
    once_more: Any = Retry(
        NoBackoff(), 1, supported_errors=(redis.ConnectionError,)
    )  # who hangs is not waited for twice
    settings = {**_DEFAULTS, "retry": once_more, **parameters, **access.parameters()}
    address = access.unix_socket or ",".join(f"{host}:{port}" for host, port in nodes)
    client: Client
    node: Any = ClusterNode
    try:
        if redis_type == "redis_cluster":
            # any strategy makes redis-py say READONLY; which replica is read is decided elsewhere
            strategy: dict[str, Any] = (
                {"load_balancing_strategy": LoadBalancingStrategy.ROUND_ROBIN} if from_replicas else {}
            )
            client = RedisCluster(startup_nodes=[node(host, port) for host, port in nodes], **strategy, **settings)
        elif redis_type == "redis_sentinel":
            client = _sentinel(nodes, settings, access).master_for(sentinel_master)
        elif redis_type != "redis":
            raise ValueError(f"redis_type {redis_type!r}: use redis, redis_sentinel or redis_cluster.")
        elif access.unix_socket:
            client = redis.Redis(unix_socket_path=access.unix_socket, **settings)
        else:
            client = redis.Redis(host=nodes[0][0], port=nodes[0][1], **settings)
        if check:
            client.ping()
    except (redis.RedisError, RedisClusterException, OSError) as error:
        raise unavailable(address, error) from error
    return client


def address_of(client: Client) -> str:
    """Return `host:port` of a client, or its socket's path, for messages; every node of a cluster."""
    if isinstance(client, RedisCluster):
        return ",".join(sorted(client.nodes_manager.nodes_cache))
    pool = client.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        return f"sentinel:{pool.service_name}"
    settings = pool.connection_kwargs
    return settings.get("path") or f"{settings.get('host')}:{settings.get('port')}"


def socket_timeout_of(client: Client) -> float | None:
    """Return how long an answer may take, seconds; None for ever."""
    if isinstance(client, RedisCluster):
        timeout: float | None = client.nodes_manager.connection_kwargs.get("socket_timeout")
    else:
        timeout = client.connection_pool.connection_kwargs.get("socket_timeout")
    return timeout


def parse_address(connection_string: str) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """Read Feast's form: hosts, then parameters whose values are JSON where they can be.

    Written anew, for Feast's own costs an import of seconds in every Spark worker.

    Raises:
        ValueError: It names no host, or a port that is no number.
    """
    nodes, parameters = [], {}
    for part in connection_string.split(","):
        name, equals, value = part.partition("=")
        if equals:
            try:
                parameters[name] = value if name in _TEXTS else json.loads(value)
            except json.JSONDecodeError:
                parameters[name] = value
        elif part:
            host, _, port = part.partition(":")
            if port and not port.isdigit():
                raise ValueError(
                    f"online_store.connection_string: port {port!r} is no number; name hosts as 127.0.0.1:6379, and a "
                    "password that has commas or colons as online_store.password."
                )
            nodes.append((host, int(port or 6379)))
    if not nodes or any(not host for host, _ in nodes):
        named = ",".join(f"{host}:{port}" for host, port in nodes)  # never the parameters: a password may be among them
        raise ValueError(f"online_store.connection_string names no host ({named!r}); write it as 127.0.0.1:6379.")
    return nodes, parameters


def _sentinel(nodes: list[tuple[str, int]], settings: dict[str, Any], access: Access) -> Any:
    asked: Any = Sentinel  # redis-py leaves some of its classes untyped
    own = {name: value for name, value in settings.items() if name.startswith("socket_")}
    own["retry"] = settings["retry"]  # else redis-py waits seconds for one that is away before it asks the next
    return asked(nodes, sentinel_kwargs={**own, **access.sentinel_parameters()}, **settings)
