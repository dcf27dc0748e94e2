"""Sends reads: to replicas that are fresh enough or to the primary, tried again within bounds, left alone while Redis is away."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, fields
from functools import partial
from typing import Any

import redis
from redis.cluster import RedisCluster
from redis.exceptions import NoPermissionError

from stores.breaker import CircuitBreaker
from stores.online import OnlineStoreUnavailable
from stores.redis.connection import Client, address_of, unavailable
from stores.redis.exchange import ExchangeCounts, Patience, exchange
from stores.redis.replicas import Replica, Replicas


class Reads:
    """Sends commands that only read. Thread-safe.

    Args:
        client: Redis; of a cluster whose replicas are read, a client that may.
        replicas: Those that may be read; None for the primary alone.
        patience: How often and how long a read is tried.
        breaker: Refuses reads while Redis is away; it is told how each went.
    """

    def __init__(
        self,
        client: Client,
        replicas: Replicas | None = None,
        patience: Patience | None = None,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self._client = client
        self._replicas = replicas
        self._patience = patience or Patience(4 if isinstance(client, RedisCluster) else 2)
        self.breaker = breaker or CircuitBreaker()
        self._lock = threading.Lock()
        self._counts = ExchangeCounts()
        self._reads = self._failed = self._by_replicas = self._too_old = self._asked_again = 0

    def exchange(self, keys: Sequence[bytes], packed: Sequence[bytes]) -> list[Any]:
        """Send commands and return their replies, in order; see `stores.redis.exchange.exchange`.

        Raises:
            OnlineStoreUnavailable: Redis does not answer, or did not several times in a row a moment ago.
        """
        if not packed:
            return []
        if not self.breaker.allow():
            raise OnlineStoreUnavailable(f"{self.breaker.reason}; it is left alone for a moment")
        counts = ExchangeCounts()
        try:
            replies = self._exchange(keys, packed, counts)
        except OnlineStoreUnavailable as error:
            self.breaker.fail(error)
            with self._lock:
                self._failed += 1
            raise
        else:
            self.breaker.succeed()
            _raise_not_allowed(self._client, replies)
            return replies
        finally:
            with self._lock:
                self._reads += 1
                if counts != _NOTHING:
                    for one in fields(counts):
                        setattr(self._counts, one.name, getattr(self._counts, one.name) + getattr(counts, one.name))

    def stats(self) -> dict[str, Any]:
        """Return what reads did since this was made, as JSON can hold it."""
        with self._lock:
            found: dict[str, Any] = {"reads": self._reads, "failed": self._failed, **asdict(self._counts)}
            if self._replicas is not None:
                found |= {"by_replicas": self._by_replicas, "replicas_too_old": self._too_old}
                found |= {"asked_again": self._asked_again}
                ages = self._replicas.ages()
                found["replica_age_ms"] = {name: None if s is None else round(s * 1000, 1) for name, s in ages.items()}
        return {**found, "breaker": asdict(self.breaker.stats())}

    def _exchange(self, keys: Sequence[bytes], packed: Sequence[bytes], counts: ExchangeCounts) -> list[Any]:
        if self._replicas is None:
            return exchange(self._client, keys, packed, patience=self._patience, counts=counts)
        chosen: dict[int, Replica] = {}
        replies = exchange(
            self._client,
            keys,
            packed,
            first=partial(self._route, self._replicas, keys, chosen),
            patience=self._patience,
            counts=counts,
        )
        if counts.broken or counts.timeouts:
            self._replicas.drop(list(chosen.values()))
        with self._lock:
            self._by_replicas += bool(chosen)
        if isinstance(self._client, RedisCluster):
            self._ask_primaries(keys, packed, chosen, replies, counts)
        return replies

    def _route(
        self, replicas: Replicas, keys: Sequence[bytes], chosen: dict[int, Replica], pending: Sequence[int]
    ) -> list[tuple[redis.Redis, Sequence[int]]]:
        """Give each shard's commands to one of its replicas, or to its primary where none is fresh enough."""
        client = self._client
        shards: dict[str, list[int]] = defaultdict(list)
        primaries: dict[str, redis.Redis] = {}
        if isinstance(client, RedisCluster):
            find: Any = client.get_node_from_key
            for index in pending:
                node = find(keys[index])
                shards[node.name].append(index)
                if node.name not in primaries:
                    primaries[node.name] = client.get_redis_connection(node)
        else:
            shards[""], primaries[""] = list(pending), client
        groups: list[tuple[redis.Redis, Sequence[int]]] = []
        for name, indices in shards.items():
            one = replicas.choose(name)
            if one is None:
                with self._lock:
                    self._too_old += 1
                groups.append((primaries[name], indices))
            else:
                chosen.update(dict.fromkeys(indices, one))
                groups.append((one.client, indices))
        return groups

    def _ask_primaries(
        self,
        keys: Sequence[bytes],
        packed: Sequence[bytes],
        chosen: dict[int, Replica],
        replies: list[Any],
        counts: ExchangeCounts,
    ) -> None:
        """Ask the primaries for what replicas do not have: they do not know that a slot is moving, and its keys with it."""
        empty = [index for index in chosen if _is_empty(replies[index])]
        if empty:
            some_keys, some = [keys[index] for index in empty], [packed[index] for index in empty]
            again = exchange(self._client, some_keys, some, patience=self._patience, counts=counts)
            for index, reply in zip(empty, again, strict=True):
                replies[index] = reply
            with self._lock:
                self._asked_again += len(empty)


_NOTHING = ExchangeCounts()


def _raise_not_allowed(client: Client, replies: Sequence[Any]) -> None:
    for reply in replies[:1]:
        if isinstance(reply, NoPermissionError):
            raise unavailable(address_of(client), reply) from reply


def _is_empty(reply: Any) -> bool:
    """Say whether a reply is that of a key that is not there."""
    return reply is None or (isinstance(reply, list | dict) and not any(one is not None for one in reply))


def reads_of(client: Client | Reads) -> Reads:
    """Return what sends reads through a client."""
    return client if isinstance(client, Reads) else Reads(client)
