"""Knows which replicas have all that the primary had a moment ago, without asking the primary for any row.

The primary is asked how far its log of changes is, and then each replica how far it has applied it. A replica that has come to a
place of the log holds all that the primary held when that place was asked for, so the age of what it gives is at most the time since
then: seconds of this process's clock, whatever the clocks of the servers say, and whether anything is written or not.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import redis
from redis.cluster import RedisCluster
from redis.exceptions import RedisClusterException

from stores.breaker import CircuitBreaker
from stores.redis.connection import Client

IDLE_S: Final = 10.0
"""How long after the last read nobody asks any more, seconds."""

FOUND_AGAIN_S: Final = 5.0
"""How often is looked which replicas there are, seconds."""

TROUBLE_S: Final = 0.5
"""How often is looked while one of them does not say how far it is, seconds."""

_FIRST_TRIES: Final = 5
_FIRST_PAUSE_S: Final = 0.002
_PLACES: Final = 64  # of a primary's log that are remembered: more than fit into the bound

NEVER: Final = float("-inf")


@dataclass(slots=True)
class Replica:
    """A replica that may be read.

    Attributes:
        name: Its address.
        client: Redis.
        confirmed: Until when it is known to hold all changes, monotonic seconds.
        breaker: Leaves it alone when it does not say how far it is.
    """

    name: str
    client: redis.Redis
    confirmed: float = NEVER
    breaker: CircuitBreaker = field(default_factory=lambda: CircuitBreaker(1, 1.0))


@dataclass(slots=True)
class Shard:
    """A primary and its replicas; outside a cluster there is one.

    Attributes:
        name: The primary's address.
        primary: Redis.
        replicas: Its replicas.
        places: When it was asked how far its log is, the log's name, and how far it was.
    """

    name: str
    primary: redis.Redis
    replicas: list[Replica]
    places: deque[tuple[float, str, int]] = field(default_factory=lambda: deque(maxlen=_PLACES))


class Replicas:
    """The replicas of a Redis, and how old what they give may be.

    While it is asked, a thread of its own looks; that ends `IDLE_S` after the last question, or when this object is gone.

    Args:
        client: Redis: the primary, a Sentinel group's, or a cluster's client that may read replicas.
        open_replica: Opens one by its address; not used in a cluster.
        addresses: Those of a single primary; None where the Sentinels or the cluster know them.
        max_lag_s: How old what they give may be, seconds.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        client: Client,
        open_replica: Callable[[str, int], redis.Redis],
        addresses: Sequence[tuple[str, int]] | None,
        max_lag_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client: Any = client
        self._open = open_replica
        self._addresses = addresses
        self._max_lag_s = max_lag_s
        self._clock = clock
        self._shards: dict[str, Shard] = {}
        self._known: dict[str, Replica] = {}
        self._watchers: dict[str, redis.Redis] = {}
        self._find_at = NEVER
        self._found = NEVER
        self._used = NEVER
        self._turn = 0
        self._lock = threading.Lock()
        self._watch: threading.Thread | None = None

    def choose(self, shard: str = "") -> Replica | None:
        """Return a replica that holds all that the primary held at most `max_lag_s` ago, each in turn; None for none."""
        self._used = now = self._clock()
        if self._watch is None or not self._watch.is_alive():
            self._begin()
            now = self._clock()
        there = self._shards.get(shard)
        fresh = [one for one in there.replicas if now - one.confirmed <= self._max_lag_s] if there else []
        if not fresh:
            return None
        self._turn += 1
        return fresh[self._turn % len(fresh)]

    def drop(self, replicas: Sequence[Replica]) -> None:
        """Read replicas no more until they are known to be well."""
        for one in replicas:
            one.confirmed = NEVER
        self._find_soon()

    def ages(self) -> dict[str, float | None]:
        """Return how old what each replica gives may be, seconds, by its address; None for not known."""
        now = self._clock()
        return {
            one.name: None if one.confirmed == NEVER else now - one.confirmed
            for shard in self._shards.values()
            for one in shard.replicas
        }

    def look(self) -> None:
        """Ask primaries and replicas how far they are."""
        if self._clock() >= self._find_at:
            self._find()
        for shard in list(self._shards.values()):
            asked = self._clock()
            if place := self._place(shard.name, shard.primary, "master", "master_repl_offset"):
                shard.places.append((asked, *place))
            for one in shard.replicas:
                self._confirm(shard, one)

    def _confirm(self, shard: Shard, one: Replica) -> None:
        if not one.breaker.allow():
            return
        place = self._place(one.name, one.client, "slave", "slave_repl_offset")
        if place is None:
            one.breaker.fail()
            return
        one.breaker.succeed()
        log, applied = place
        reached = [at for at, of, offset in shard.places if of == log and offset <= applied]
        if reached:
            one.confirmed = max(one.confirmed, reached[-1])

    def _place(self, name: str, client: redis.Redis, role: str, what: str) -> tuple[str, int] | None:
        """Return the name of a node's log and how far it is; None if it does not say, or is not of this role any more."""
        watcher = self._watcher(name, client)
        try:
            said: Any = watcher.info("replication")
            if said["role"] == role:
                return str(said["master_replid"]), int(said[what])
            watcher.connection_pool.disconnect()  # a Sentinel knows another primary by now
        except (redis.RedisError, RedisClusterException, OSError, KeyError):
            pass
        self._find_soon()
        return None

    def _find_soon(self) -> None:
        self._find_at = min(self._find_at, self._found + TROUBLE_S)

    def _watcher(self, name: str, client: redis.Redis) -> redis.Redis:
        """Return a client that waits for a node no longer than what it says is of use."""
        if name not in self._watchers:
            pool = client.connection_pool
            settings = {**pool.connection_kwargs, "socket_timeout": self._max_lag_s, "max_connections": 1}
            settings["socket_connect_timeout"] = self._max_lag_s
            own = redis.ConnectionPool(connection_class=pool.connection_class, **settings)
            self._watchers[name] = redis.Redis.from_pool(own)
        return self._watchers[name]

    def _find(self) -> None:
        """Look which replicas there are."""
        self._found = self._clock()
        self._find_at = self._found + FOUND_AGAIN_S
        try:
            shards = self._in_cluster() if isinstance(self._client, RedisCluster) else self._beside_one()
        except (redis.RedisError, RedisClusterException, OSError):
            self._find_soon()
            return
        for name, shard in shards.items():
            before = self._shards.get(name)
            if before is not None:
                shard.places = before.places
        self._shards = shards
        if not all(shard.replicas for shard in shards.values()):
            self._find_soon()
        there = {"", *shards, *(one.name for shard in shards.values() for one in shard.replicas)}
        self._known = {name: one for name, one in self._known.items() if name in there}
        for name in [name for name in self._watchers if name not in there]:
            self._watchers.pop(name).close()

    def _in_cluster(self) -> dict[str, Shard]:
        self._client.nodes_manager.initialize()
        shards: dict[str, Shard] = {}
        for nodes in self._client.nodes_manager.slots_cache.values():
            primary = nodes[0]
            if primary.name not in shards:
                connect = self._client.get_redis_connection
                replicas = [self._replica(node.name, partial(connect, node)) for node in nodes[1:]]
                shards[primary.name] = Shard(primary.name, connect(primary), replicas)
        return shards

    def _beside_one(self) -> dict[str, Shard]:
        addresses = self._addresses
        if addresses is None:
            pool = self._client.connection_pool
            before = pool.master_address
            if (
                pool.get_master_address() != before and "" in self._watchers
            ):  # closes the idle connections to the old one
                self._watchers.pop("").close()
            addresses = pool.sentinel_manager.discover_slaves(pool.service_name)
        replicas = [
            self._replica(f"{host}:{port}", partial(self._open, host, int(port))) for host, port in addresses or ()
        ]
        return {"": Shard("", self._client, replicas)}

    def _replica(self, name: str, open_it: Callable[[], redis.Redis]) -> Replica:
        if name not in self._known:
            self._known[name] = Replica(name, open_it())
        return self._known[name]

    def _begin(self) -> None:
        with self._lock:
            if self._watch is not None and self._watch.is_alive():
                return
            for _ in range(_FIRST_TRIES):
                self.look()
                if any(one.confirmed != NEVER for shard in self._shards.values() for one in shard.replicas):
                    break
                time.sleep(_FIRST_PAUSE_S)
            self._watch = threading.Thread(
                target=_keep_looking, args=(weakref.ref(self),), name="redis-replicas", daemon=True
            )
            self._watch.start()

    @property
    def period_s(self) -> float:
        """How often is looked, seconds: some times within the bound."""
        return min(max(self._max_lag_s / 5, 0.005), 0.25)

    @property
    def idle(self) -> bool:
        """Whether nobody has asked for a while."""
        return self._clock() - self._used > IDLE_S


def _keep_looking(which: weakref.ref[Replicas]) -> None:
    while True:
        replicas = which()
        if replicas is None or replicas.idle:
            return
        replicas.look()
        period = replicas.period_s
        del replicas
        time.sleep(period)
