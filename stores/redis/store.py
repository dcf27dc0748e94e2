"""Opens Redis as an online store (`stores.online.OnlineStore`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import redis

from stores.breaker import FAILURES, OPEN_S, CircuitBreaker
from stores.cells.layout import ViewLayout
from stores.redis.access import Access, Tls
from stores.redis.connection import Client, address_of, connect, parse_address, socket_timeout_of, unavailable
from stores.redis.exchange import Acknowledged, Patience
from stores.redis.progress import RedisProgress
from stores.redis.reader import OnlineReader
from stores.redis.reads import Reads
from stores.redis.replicas import Replicas

if TYPE_CHECKING:
    from stores.redis.writer import OnlineWriter


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """What `feature_store.yaml` says of Redis, as plain data, whose text shows no password.

    Attributes:
        address: Feast's connection string.
        kind: `redis`, `redis_sentinel` or `redis_cluster`.
        master: The name that a Sentinel group gives its master.
        key_ttl_seconds: Seconds until an entity's key expires, counted anew by each write; None for never.
        access: How it is reached and as whom, beyond the connection string.
        read_from: Whether reads go to replicas.
        replicas: Those of a single server, `host:port[,...]`; Sentinels and clusters know theirs.
        max_replica_lag_ms: How old what a replica gives may be; past that the primary is read.
        wait_replicas: How many replicas must have a write before it counts as made.
        wait_timeout_ms: How long they have for it.
        read_retries: How often a read is tried again.
        breaker_failures: How many failed reads in a row make reads fail at once for a while.
        breaker_open_ms: That while.
    """

    address: str = field(repr=False)
    kind: str
    master: str
    key_ttl_seconds: int | None
    access: Access = field(default_factory=Access)
    read_from: Literal["primary", "replica"] = "primary"
    replicas: str | None = None
    max_replica_lag_ms: float = 1000.0
    wait_replicas: int = 0
    wait_timeout_ms: float = 1000.0
    read_retries: int | None = None
    breaker_failures: int = FAILURES
    breaker_open_ms: float = OPEN_S * 1000


class RedisStore:
    """An open Redis."""

    def __init__(self, client: Client, settings: RedisSettings, reads: Reads | None = None) -> None:
        """Take an open client, and what sends reads; None for the client."""
        self._client = client
        self._settings = settings
        self._reads = reads or Reads(client)

    def reader(self, layouts: Sequence[ViewLayout]) -> OnlineReader:
        """Return a reader of these views."""
        return OnlineReader(self._reads, layouts)

    def writer(self, *layouts: ViewLayout) -> OnlineWriter:
        """Return a writer of views that have the same join keys."""
        from stores.redis.writer import OnlineWriter  # compiled code, which a reader never needs

        return OnlineWriter(
            self._client,
            *layouts,
            key_ttl_seconds=self._settings.key_ttl_seconds,
            acknowledged=acknowledged_by(self._settings),
        )

    def progress(self, project: str) -> RedisProgress:
        """Return where the stream of a project says how far it is."""
        return RedisProgress(self._client, project)

    def ping(self) -> None:
        """Ask for an answer.

        Raises:
            OnlineStoreUnavailable: There is none.
        """
        try:
            self._client.ping()
        except (redis.RedisError, OSError) as error:
            raise unavailable(address_of(self._client), error) from error
        self._reads.breaker.succeed()

    def stats(self) -> Mapping[str, Any]:
        """Return what reads did since this was opened, as JSON can hold it."""
        return self._reads.stats()


def settings(options: Any) -> RedisSettings:
    """Return the settings of Feast's own Redis store or of Millrace's."""
    kind = getattr(options, "redis_type", "redis")
    ours = {name: getattr(options, name) for name in _OURS if hasattr(options, name)}
    return RedisSettings(
        str(options.connection_string),
        str(getattr(kind, "value", kind)),
        str(getattr(options, "sentinel_master", "mymaster")),
        getattr(options, "key_ttl_seconds", None),
        access=_access(options),
        **ours,
    )


def open_room(settings: RedisSettings, timeout_s: float | None = None, check: bool = True) -> RedisStore:
    """Connect to Redis.

    Raises:
        OnlineStoreUnavailable: Redis does not answer.
        ValueError: A file of TLS is not there, or the address names no host.
    """
    client = open_client(settings, timeout_s, check)
    return RedisStore(client, settings, open_reads(settings, client, timeout_s))


def open_client(settings: RedisSettings, timeout_s: float | None = None, check: bool = True) -> Client:
    """Connect to the primary; see `open_room`."""
    address = _timed(settings.address, timeout_s)
    return connect(address, settings.kind, sentinel_master=settings.master, check=check, access=settings.access)


def open_reads(settings: RedisSettings, client: Client, timeout_s: float | None = None) -> Reads:
    """Return what sends reads, by what the settings say of replicas, retries and the breaker.

    Raises:
        OnlineStoreUnavailable: A cluster does not answer.
    """
    timeout = socket_timeout_of(client)
    attempts = 1 + settings.read_retries if settings.read_retries is not None else _attempts(settings)
    breaker = CircuitBreaker(settings.breaker_failures, settings.breaker_open_ms / 1000)
    if settings.read_from == "primary":
        return Reads(client, None, Patience(attempts, budget_s=timeout), breaker)
    address = _timed(settings.address, timeout_s)
    if settings.kind == "redis_cluster":
        client = connect(address, settings.kind, check=False, access=settings.access, from_replicas=True)
    listed = parse_address(settings.replicas)[0] if settings.replicas else None
    replicas = Replicas(client, partial(_open_replica, settings, address), listed, settings.max_replica_lag_ms / 1000)
    # a replica that hangs has used up the time of one attempt; the primary is asked all the same
    budget = None if timeout is None else 2 * timeout
    return Reads(client, replicas, Patience(max(attempts, 2), budget_s=budget), breaker)


def acknowledged_by(settings: RedisSettings) -> Acknowledged | None:
    """Return which replicas must have a write; None for none."""
    if not settings.wait_replicas:
        return None
    return Acknowledged(settings.wait_replicas, settings.wait_timeout_ms / 1000)


_OURS: Final = [one.name for one in fields(RedisSettings)[5:]]  # called like the options of ours


def _attempts(settings: RedisSettings) -> int:
    return 4 if settings.kind == "redis_cluster" else 2


def _access(options: Any) -> Access:
    """Return how Redis is reached by options of ours; Feast's own have none of these."""

    def secret(name: str) -> str | None:
        value = getattr(options, name, None)
        return None if value is None else str(value.get_secret_value())

    tls = getattr(options, "tls", None)
    return Access(
        getattr(options, "unix_socket", None),
        getattr(options, "user", None),
        secret("password"),
        getattr(options, "sentinel_user", None),
        secret("sentinel_password"),
        None if tls is None else Tls(tls.ca, tls.certificate, tls.key, tls.check_hostname),
    )


def _timed(address: str, timeout_s: float | None) -> str:
    """Add timeouts to a connection string that has none."""
    if timeout_s is not None:
        for parameter in ("socket_timeout", "socket_connect_timeout"):
            if f"{parameter}=" not in address:
                address += f",{parameter}={timeout_s}"
    return address


def _open_replica(settings: RedisSettings, address: str, host: str, port: int) -> redis.Redis:
    """Open a replica with the parameters of the primary."""
    parameters = [part for part in address.split(",") if "=" in part]
    access = settings.access
    own = Access(user=access.user, password=access.password, tls=access.tls)
    client = connect(",".join([f"{host}:{port}", *parameters]), check=False, access=own)
    assert isinstance(client, redis.Redis)
    return client
