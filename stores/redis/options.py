"""What `feature_store.yaml` may say of Redis beyond Feast's own options, checked when it is read."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr, model_validator

from stores.breaker import FAILURES, OPEN_S
from stores.redis.connection import parse_address

_UNSET = re.compile(r"\$\{?(\w+)\}?\Z")


class TlsOptions(BaseModel):
    """The files of a connection by TLS, PEM."""

    model_config = ConfigDict(extra="forbid")

    ca: str | None = None
    """Who signed the server's certificate; those whom the machine trusts if it is not given."""
    certificate: str | None = None
    """The client's own, where the server asks for one."""
    key: str | None = None
    """The key of that."""
    check_hostname: bool = True
    """Whether the server's certificate must name the host that is connected to."""

    @model_validator(mode="after")
    def _check(self) -> TlsOptions:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("online_store.tls: certificate and key belong together; name both files, or neither.")
        return self


class RedisOptions(BaseModel):
    """How Redis is reached, and how reads and writes treat it when it is not well."""

    unix_socket: str | None = None
    """The path of the server's socket, in place of host and port; `redis_type` must be `redis`."""
    user: str | None = None
    """The ACL user; docs/storage.md lists the commands that it needs."""
    password: SecretStr | None = None
    """Its password; write `${REDIS_PASSWORD}`, and Feast takes it from the environment."""
    sentinel_user: str | None = None
    """The user towards the Sentinels, where they ask for one."""
    sentinel_password: SecretStr | None = None
    """Its password."""
    tls: TlsOptions | None = None
    """The files of TLS; `{}` encrypts with what the machine trusts."""
    read_from: Literal["primary", "replica"] = "primary"
    """Where reads go; writes and the stream's progress are with the primary always."""
    replicas: str | None = None
    """`host:port[,host:port...]` of a single server; Sentinels and clusters know theirs."""
    max_replica_lag_ms: PositiveFloat = 1000.0
    """How old what a replica gives may be; past that the primary is read."""
    wait_replicas: NonNegativeInt = 0
    """How many replicas must have a write before it counts as made."""
    wait_timeout_ms: PositiveFloat = 1000.0
    """How long they have for it."""
    read_retries: NonNegativeInt | None = None
    """How often a read is tried again, after a pause at random; once, and three times in a cluster, if it is not given."""
    breaker_failures: PositiveInt = FAILURES
    """How many failed reads in a row make reads fail at once for a while."""
    breaker_open_ms: PositiveFloat = OPEN_S * 1000
    """That while."""

    @model_validator(mode="after")
    def _check_together(self) -> RedisOptions:
        kind = getattr(self, "redis_type", "redis")
        kind = str(getattr(kind, "value", kind))
        for name in ("password", "sentinel_password"):
            given: SecretStr | None = getattr(self, name)
            unset = _UNSET.match(given.get_secret_value()) if given else None
            if unset:
                raise ValueError(f"online_store.{name}: {unset[1]} is not in the environment; set it before you start.")
        _refuse(
            (self.user is not None and self.password is None, "user has no password; add password: ${REDIS_PASSWORD}"),
            (
                self.sentinel_user is not None and self.sentinel_password is None,
                "sentinel_user has no password; add sentinel_password: ${SENTINEL_PASSWORD}",
            ),
            (
                kind != "redis_sentinel" and self.sentinel_password is not None,
                "sentinel_password is for redis_type: redis_sentinel; name the server's own as password",
            ),
            (
                self.unix_socket is not None and kind != "redis",
                f"unix_socket leads to one server; with redis_type: {kind} name hosts in connection_string",
            ),
            (
                self.unix_socket is not None and self.tls is not None,
                "tls is for hosts; a unix_socket does not leave the machine, take one of the two away",
            ),
            (
                self.replicas is not None and self.read_from == "primary",
                "replicas are named and not read; add read_from: replica",
            ),
            (
                self.read_from == "replica" and kind == "redis" and not self.replicas,
                "read_from: replica needs replicas: host:port[,host:port...], for a single server does not tell them",
            ),
            (
                self.replicas is not None and kind != "redis",
                f"with redis_type: {kind} the replicas are found; take replicas away",
            ),
            (
                self.wait_replicas > 0 and self.wait_timeout_ms >= 8000,
                "wait_timeout_ms must stay below 8000: a connection waits 10 s for an answer",
            ),
        )
        if self.replicas is not None:
            _, parameters = parse_address(self.replicas)
            _refuse((bool(parameters), "replicas take hosts only; parameters are those of connection_string"))
        return self


def _refuse(*rules: tuple[bool, str]) -> None:
    for broken, message in rules:
        if broken:
            raise ValueError(f"online_store: {message}.")
