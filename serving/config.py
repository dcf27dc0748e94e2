"""Reads `serving.yaml` of a feature repo: which service, which decisions, and how it is run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from serving.scoring.decision import DecisionPolicy, parse_policy


class ServingConfigError(ValueError):
    """A `serving.yaml` that cannot be used; says which key, and what to write."""


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """Where the service listens.

    Attributes:
        host: The address; 0.0.0.0 for every interface.
        port: The port; 0 takes a free one.
        max_instances: How many instances one batch request may hold.
        max_body_bytes: How large one request may be.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    max_instances: int = 1000
    max_body_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """How requests that arrive together are scored together.

    Attributes:
        max_size: Most requests in one lookup and one prediction.
        wait_ms: How long the first one waits for more, milliseconds. 0 takes what has arrived: under load, requests
            gather while the batch before is scored, so waiting only adds latency.
    """

    max_size: int = 128
    wait_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ReplicaConfig:
    """How many replicas there are; they hold no state.

    Attributes:
        min: Fewest.
        max: Most.
        target_ongoing_requests: Requests in flight per replica that autoscaling aims at.
        num_cpus: What one replica reserves in Ray; a scheduling unit, not a limit.
    """

    min: int = 1
    max: int = 1
    target_ongoing_requests: float = 96.0
    num_cpus: float = 0.5


@dataclass(frozen=True, slots=True)
class ServingConfig:
    """Everything `serving.yaml` says.

    Attributes:
        service: The feature service to serve; its model has the same name.
        policy: From a score to a decision.
        http: Where it listens.
        batch: How requests are batched.
        replicas: How many replicas there are.
    """

    service: str
    policy: DecisionPolicy
    http: HttpConfig = HttpConfig()
    batch: BatchConfig = BatchConfig()
    replicas: ReplicaConfig = ReplicaConfig()


def load_config(path: Path) -> ServingConfig:
    """Read `serving.yaml`.

    Raises:
        ServingConfigError: It is not there, or a key is unknown, missing, of the wrong type or out of bounds.
        DecisionPolicyError: The policy does not give every score one decision.
    """
    import yaml

    try:
        given = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ServingConfigError(f"{path}: does not exist; write at least 'service:' and 'policy:' there.") from None
    except yaml.YAMLError as error:
        raise ServingConfigError(f"{path}: is no YAML: {' '.join(str(error).split())}") from None
    try:
        return parse_config(given)
    except ValueError as error:
        raise type(error)(f"{path}: {error}") from None


def parse_config(given: object) -> ServingConfig:
    """Check a parsed `serving.yaml`.

    Raises:
        ServingConfigError: A key is unknown, missing, of the wrong type or out of bounds.
        DecisionPolicyError: The policy does not give every score one decision.
    """
    if not isinstance(given, dict):
        raise ServingConfigError(f"expected keys such as 'service:', got {type(given).__name__}.")
    _refuse_unknown("", given, ("service", "policy", "http", "batch", "replicas"))
    service = given.get("service")
    if not isinstance(service, str) or not service:
        raise ServingConfigError(f"service: expected the name of a feature service, got {service!r}.")
    http = _section("http", given.get("http"), HttpConfig, {"port": 0})
    batch = _section("batch", given.get("batch"), BatchConfig, {"wait_ms": 0})
    replicas = _section("replicas", given.get("replicas"), ReplicaConfig, {"num_cpus": 0})
    if http.port > 65535:
        raise ServingConfigError(f"http.port: {http.port} is no port; write one up to 65535, or 0 for a free one.")
    if replicas.min > replicas.max:
        raise ServingConfigError(f"replicas.min: {replicas.min} is more than max, {replicas.max}; raise max.")
    return ServingConfig(service, parse_policy(given.get("policy")), http, batch, replicas)


def _section(name: str, given: object, kind: type[Any], least: Mapping[str, int]) -> Any:
    """Build a section; numbers are at least 1, or what `least` says."""
    if given is None:
        return kind()
    if not isinstance(given, dict):
        raise ServingConfigError(f"{name}: expected keys such as '{fields(kind)[0].name}:', got {given!r}.")
    types = get_type_hints(kind)
    _refuse_unknown(f"{name}.", given, tuple(types))
    for key, value in given.items():
        expected = types[key]
        if expected is str:
            if not isinstance(value, str) or not value:
                raise ServingConfigError(f"{name}.{key}: expected a text, got {value!r}.")
            continue
        accepted = int if expected is int else (int, float)
        bound = least.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, accepted) or not math.isfinite(value) or value < bound:
            what = "a whole number" if expected is int else "a number"
            raise ServingConfigError(f"{name}.{key}: expected {what} of at least {bound}, got {value!r}.")
    return kind(**given)


def _refuse_unknown(prefix: str, given: Mapping[Any, Any], known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            raise ServingConfigError(f"{prefix}{key}: is not known; write one of {', '.join(known)}.")
